//! Actions that a workflow starts by name (AC-22).

use std::collections::BTreeMap;
use std::sync::Arc;

use store::rows::Origin;
use workflow::{Action, Report};

use super::{Job, key, text};
use crate::actions::{self, Call};
use crate::hall::{About, Hall};

pub async fn carry_out(hall: &Arc<Hall>, job: &Job, action: &Action) -> Report {
    match call(job, action) {
        Ok(call) => actions::call(hall, &call).await,
        Err(why) => Report::error(why),
    }
}

fn call(job: &Job, action: &Action) -> Result<Call, String> {
    let mut parameters = BTreeMap::new();
    for (name, value) in &action.parameters {
        parameters.insert(name.clone(), text(value, &job.context)?);
    }
    let name = text(&action.name, &job.context)?;
    Ok(Call {
        by: format!("action {name}"),
        name,
        parameters,
        wait: action.wait,
        of: job.context.clone(),
        targets: vec![job.computer],
        about: About {
            computer: Some(job.computer),
            deployment: Some(job.deployment),
            run: Some(job.effect.run),
        },
        key: key(job.effect),
        origin: Some(Origin {
            run: job.effect.run,
            attempt: job.effect.attempt.into(),
            visit: job.effect.visit.0.into(),
            part: job.effect.part.into(),
        }),
        again: job.again,
        timeout: job.timeout,
        cancel: job.cancel.clone(),
    })
}
