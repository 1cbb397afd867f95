//! What can be told before a deployment begins: that something its activities need is not set up.

use workflow::{Kind, Workflow};

use super::DeployError;
use crate::delivery;
use crate::effects::message::plain_receivers;
use crate::hall::Hall;

/// Warnings, each for an activity.
pub async fn warnings(hall: &Hall, workflow: &Workflow) -> Result<Vec<api::Finding>, DeployError> {
    let mut findings = Vec::new();
    for (name, activity) in &workflow.activities {
        let Kind::Message(message) = &activity.kind else { continue };
        let to = plain_receivers(message.channel, &message.to);
        for missing in delivery::missing(hall, message.channel, &to).await? {
            let hint =
                "`deskhand channel set` sets one up; until then the activity ends in `error`";
            findings.push(warning(format!("`{name}` sends a message, but {missing}"), hint));
        }
    }
    Ok(findings)
}

fn warning(message: String, hint: &str) -> api::Finding {
    api::Finding {
        severity: "warning".to_owned(),
        code: "DH-A034".to_owned(),
        line: 1,
        column: 1,
        message,
        hint: hint.to_owned(),
    }
}
