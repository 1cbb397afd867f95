//! A definition as it travels: the bytes that are hashed, signed for, and kept.
//!
//! The workflow's text goes as people wrote it, so what an operator signs is what was read. Before
//! the text stands what an agent must be able to do; one that lacks something refuses instead of
//! ignoring what it does not know.

use std::collections::BTreeSet;

use model::codec::{CodecError, Reader, Writer};
use workflow::{Kind, Workflow};

const VERSION: u8 = 1;

/// Why a definition cannot be carried out here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    #[error("agent too old: it does not know version {0} of definitions")]
    Version(u8),
    #[error("agent too old: it cannot do {}", .0.join(", "))]
    Lacks(Vec<String>),
    #[error("the definition is damaged: {0}")]
    Damaged(#[from] CodecError),
    #[error("the workflow makes no sense: {0}")]
    Workflow(String),
}

/// What this version can carry out.
pub fn capabilities() -> BTreeSet<String> {
    let all = [
        "success",
        "failure",
        "retry",
        "jump",
        "empty",
        "synchronization",
        "wait",
        "execute",
        "application",
        "upload",
        "download",
        "move",
        "copy",
        "rename",
        "delete_files",
        "create_folders",
        "delete_folders",
        "choose",
        "impersonate",
        "shutdown",
        "registry",
        "script",
        "wake_on_lan",
        "action",
        "message",
    ];
    all.into_iter().map(str::to_owned).collect()
}

/// The bytes of a definition.
pub fn encode(workflow: &Workflow, source: &str) -> Vec<u8> {
    let needs: Vec<String> = workflow.capabilities().into_iter().collect();
    let mut out = Writer::new();
    out.u8(VERSION).list(&needs, |out, name| _ = out.text(name)).text(source);
    out.finish()
}

/// The text of a definition, without a look at what it needs.
pub fn source(bytes: &[u8]) -> Result<String, DefinitionError> {
    read(bytes).map(|(_, source)| source)
}

/// The workflow, if everything it needs is known here.
pub fn decode(bytes: &[u8]) -> Result<Workflow, DefinitionError> {
    let (needs, source) = read(bytes)?;
    let known = capabilities();
    let lacks: Vec<String> = needs.into_iter().filter(|name| !known.contains(name)).collect();
    if !lacks.is_empty() {
        return Err(DefinitionError::Lacks(lacks));
    }
    let parsed = format::parse_workflow(&source);
    let workflow = parsed.workflow.ok_or_else(|| {
        let first = parsed.problems.first().map_or_else(String::new, |p| p.what.clone());
        DefinitionError::Workflow(first)
    })?;
    let is_later = |kind: &Kind| matches!(kind, Kind::NotYet { .. });
    if workflow.activities.values().any(|activity| is_later(&activity.kind)) {
        return Err(DefinitionError::Workflow("an activity is not in this version".into()));
    }
    Ok(workflow)
}

fn read(bytes: &[u8]) -> Result<(Vec<String>, String), DefinitionError> {
    let mut from = Reader::new(bytes);
    let version = from.u8()?;
    if version != VERSION {
        return Err(DefinitionError::Version(version));
    }
    let needs = from.list(Reader::text)?;
    let source = from.text()?;
    from.end()?;
    Ok((needs, source))
}
