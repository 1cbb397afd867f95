//! Which parts of the depot a deployment draws from, taken into the object store.

use std::collections::BTreeMap;

use content::{DepotPath, Part, PinError, Pinned};
use model::Timestamp;
use workflow::{Context, Kind, Template, Workflow};

use super::DeployError;
use crate::hall::Hall;

/// Pins what uploads and scripts name; nothing when there are none.
pub async fn pin(
    hall: &Hall,
    workflow: &Workflow,
    variables: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Option<Pinned>, DeployError> {
    let parts = parts(workflow, variables);
    if parts.is_empty() {
        return Ok(None);
    }
    let depot = hall.depot.clone();
    let pinning = tokio::task::spawn_blocking(move || depot.objects.pin(&depot.path, &parts, now));
    let pinned = pinning.await.map_err(|_| crate::core::Gone)?;
    Ok(Some(pinned.map_err(|error: PinError| error)?))
}

/// The paths of all uploads and scripts, as far as they are known before the runs begin.
fn parts(workflow: &Workflow, variables: &BTreeMap<String, String>) -> Vec<Part> {
    let mut all = workflow.variables.clone();
    all.extend(variables.clone());
    let context = Context { variables: all, ..Context::default() };
    let drawn = workflow.activities.values().flat_map(|activity| match &activity.kind {
        Kind::Upload { transfer, from_targets } => vec![(&transfer.from, *from_targets)],
        Kind::Script(script) => script.depot.iter().map(|part| (part, false)).collect(),
        _ => Vec::new(),
    });
    drawn
        .map(|(from, from_targets)| Part { path: known_part(from, &context), from_targets })
        .collect()
}

/// The path, or what of it is the same for every target. A path that is none pins nothing more: the
/// activity will end in an error that says so.
fn known_part(from: &Template, context: &Context) -> DepotPath {
    let text = match from.render(context) {
        Ok(text) => text,
        Err(_) => plain_prefix(from.source()).to_owned(),
    };
    text.replace('\\', "/").parse().unwrap_or_default()
}

/// The folders before the first name that has a template in it.
fn plain_prefix(source: &str) -> &str {
    let marks = ["{{", "{%", "{#"].iter().filter_map(|mark| source.find(mark));
    let before = &source[..marks.min().unwrap_or(source.len())];
    before.rfind(['/', '\\']).map_or("", |end| &before[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(source: &str) -> String {
        let variables = BTreeMap::from([("suite".to_owned(), "office".to_owned())]);
        let context = Context { variables, ..Context::default() };
        known_part(&Template::new(source).unwrap(), &context).as_str().to_owned()
    }

    #[test]
    fn only_what_differs_between_targets_widens_what_is_pinned() {
        for (source, expect) in [
            ("deploy/viewer", "deploy/viewer"),
            ("deploy/{{ suite }}/x", "deploy/office/x"),
            ("deploy/{{ computer.os }}/x", "deploy"),
            ("deploy/pre-{{ computer.os }}", "deploy"),
            ("{{ computer.name }}", ""),
            (r"deploy\{{ suite }}", "deploy/office"),
        ] {
            assert_eq!(part(source), expect, "{source}");
        }
    }
}
