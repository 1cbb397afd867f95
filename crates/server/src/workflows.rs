//! Workflows as people wrote them: checked, and kept by revision.

use store::{CommitError, ReadError, Refusal, Write, rows};
use workflow::Workflow;

use crate::clock::now;
use crate::hall::{About, Hall};
use crate::views;

/// Longest workflow file that is read.
pub const SOURCE_BYTES_MAX: usize = 4 << 20;

/// Why a workflow was not kept.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the workflow has errors")]
    Wrong(Vec<api::Finding>),
    #[error("the workflows could not be read")]
    Read(#[from] ReadError),
    #[error("the workflow could not be kept")]
    Commit(#[from] CommitError),
}

/// A workflow that can be deployed, with what was found beside.
pub struct Checked {
    pub workflow: Option<Workflow>,
    pub findings: Vec<api::Finding>,
}

/// Reads and checks; keeps nothing.
pub fn check(source: &str) -> Checked {
    let parsed = format::parse_workflow(source);
    let findings = parsed.problems.iter().map(views::finding).collect();
    let is_refused = parsed.has_errors();
    Checked { workflow: parsed.workflow.filter(|_| !is_refused), findings }
}

/// Keeps the workflow as a new revision, unless its latest is the same text.
pub async fn apply(
    hall: &Hall,
    source: &str,
    by: &str,
) -> Result<(rows::Workflow, Workflow, Vec<api::Finding>), ApplyError> {
    let Checked { workflow, findings } = check(source);
    let Some(workflow) = workflow else { return Err(ApplyError::Wrong(findings)) };
    loop {
        let latest = hall.store.workflow(&workflow.name, None).await?;
        if let Some(latest) = &latest
            && latest.source == source
        {
            return Ok((latest.clone(), workflow, findings));
        }
        let row = rows::Workflow {
            name: workflow.name.clone(),
            revision: latest.map_or(1, |latest| latest.revision + 1),
            source: source.to_owned(),
            description: workflow.description.clone(),
            created_by: by.to_owned(),
            created_at: now(),
        };
        let text = format!("workflow {} revision {}", row.name, row.revision);
        let writes =
            vec![Write::PutWorkflow(row.clone()), hall.event("workflow", About::NOTHING, by, text)];
        match hall.writer.submit(writes).await {
            Ok(()) => return Ok((row, workflow, findings)),
            // Somebody applied another revision meanwhile.
            Err(CommitError::Refused { refusal: Refusal::RevisionGap { .. }, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
