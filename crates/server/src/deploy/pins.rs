//! Which parts of the depot a deployment draws from, taken into the object store.

use std::collections::{BTreeMap, BTreeSet};

use content::{DepotPath, Graft, Part, PinError, Pinned};
use model::Timestamp;
use store::rows;
use wire::content::{APPLICATIONS, DOCUMENT, SOURCE, application_folder};
use workflow::{Context, Kind, Template, Workflow};

use super::DeployError;
use crate::hall::Hall;

/// Pins what uploads and scripts name and the applications that activities name; nothing when there
/// are none.
pub async fn pin(
    hall: &Hall,
    workflow: &Workflow,
    variables: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Option<Pinned>, DeployError> {
    let parts = parts(workflow, variables);
    let applications = applications(hall, workflow, variables).await?;
    if parts.is_empty() && applications.is_empty() {
        return Ok(None);
    }
    let depot = hall.depot.clone();
    let pinning = tokio::task::spawn_blocking(move || {
        let pinned = match parts.is_empty() {
            true => None,
            false => Some(depot.objects.pin(&depot.path, &parts, now)?),
        };
        if applications.is_empty() {
            return Ok(pinned);
        }
        let graft = Graft::Folder(applications);
        Ok(Some(depot.objects.graft(pinned, APPLICATIONS, &graft)?))
    });
    let pinned = pinning.await.map_err(|_| crate::core::Gone)?;
    Ok(pinned.map_err(|error: PinError| error)?)
}

/// The latest publications of the applications that activities name, and what these need.
async fn applications(
    hall: &Hall,
    workflow: &Workflow,
    variables: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Graft>, DeployError> {
    let named = workflow.activities.values().filter_map(|activity| match &activity.kind {
        Kind::Application(one) => Some(&one.application),
        _ => None,
    });
    let context = known(workflow, variables);
    let mut folders = BTreeMap::new();
    for template in named {
        let unknown = |_| DeployError::ApplicationName(template.source().to_owned());
        let name = template.render(&context).map_err(unknown)?;
        let path = application_folder(&name);
        let folder = path.rsplit('/').next().unwrap_or_default().to_owned();
        if folders.contains_key(&folder) {
            continue;
        }
        let row = crate::applications::find(hall, name.trim()).await?;
        let row = row.ok_or_else(|| DeployError::UnknownApplication(name.trim().to_owned()))?;
        folders.insert(folder, with_what_it_needs(hall, row).await?);
    }
    Ok(folders)
}

async fn with_what_it_needs(hall: &Hall, row: rows::Application) -> Result<Graft, DeployError> {
    let mut seen = BTreeSet::from([row.id]);
    let mut pending = vec![row];
    let mut members = BTreeMap::new();
    while let Some(row) = pending.pop() {
        let needed = crate::applications::check(&row.text).0;
        for needed in needed.iter().flat_map(|application| &application.dependencies) {
            if seen.insert(needed.application)
                && let Some(row) = hall.store.application(needed.application, None).await?
            {
                pending.push(row);
            }
        }
        let document = (DOCUMENT.to_owned(), Graft::Bytes(row.text.into_bytes()));
        let source = row.source.map(|tree| (SOURCE.to_owned(), Graft::Tree(tree)));
        let folder = BTreeMap::from_iter([document].into_iter().chain(source));
        members.insert(members.len().to_string(), Graft::Folder(folder));
    }
    Ok(Graft::Folder(members))
}

/// What templates can speak of before the runs begin.
fn known(workflow: &Workflow, variables: &BTreeMap<String, String>) -> Context {
    let mut all = workflow.variables.clone();
    all.extend(variables.clone());
    Context { variables: all, ..Context::default() }
}

/// The paths of all uploads and scripts, as far as they are known before the runs begin.
fn parts(workflow: &Workflow, variables: &BTreeMap<String, String>) -> Vec<Part> {
    let context = known(workflow, variables);
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
