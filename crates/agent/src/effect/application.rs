//! An application at this machine by order of a workflow (AC-24): fetched with what it needs from
//! what the deployment has pinned, then distributed, looked at, or taken away.

use std::path::{Path, PathBuf};

use application::{Outcome, Part};
use model::{Digest, RunId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wire::content::{DOCUMENT, Right, SOURCE, application_folder};
use workflow::{ApplicationAction, Event, Outputs, Report};

use super::{interrupted, sentence};
use crate::application::{Considered, Document, Step, What};
use crate::keeper::{Brought, Came, Hands, HandsError, differing};
use crate::transfer::Transfers;

/// Items of a plan that are told; of more, only how many there are.
const ITEMS_MAX: usize = 2_000;

/// What an application is brought with.
pub(super) struct Way<'a> {
    pub transfers: &'a Transfers,
    pub hands: &'a Hands,
    pub run: RunId,
    pub depot: Option<Digest>,
}

/// Why it came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("this deployment brings no application")]
    NoDepot,
    #[error("this run has no folder to bring it to")]
    NoFolder,
    #[error(transparent)]
    Tree(#[from] crate::transfer::TreeError),
    #[error(transparent)]
    Path(#[from] content::DepotPathError),
    #[error("{} cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("a document is not understood by this agent: is it older than the server?")]
    NotUnderstood,
    #[error("the agent failed in this: {0}")]
    Died(#[from] tokio::task::JoinError),
    #[error("{}", .0.in_words())]
    Hands(#[from] HandsError),
    #[error("it is not for this machine: {0}")]
    Unavailable(String),
}

impl Way<'_> {
    pub(super) async fn carry_out(
        &self,
        name: &str,
        action: ApplicationAction,
        folder: Option<&Path>,
        cancel: &CancellationToken,
    ) -> Report {
        let brought = tokio::select! {
            brought = self.bring(name, folder) => brought,
            () = cancel.cancelled() => return interrupted(),
        };
        let done = match brought {
            Ok(brought) => self.act(brought, action, cancel).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(outputs) => Report { outputs, ..Report::of(Event::Ok) },
            Err(_) if cancel.is_cancelled() => interrupted(),
            Err(error) => Report::error(sentence(&error)),
        }
    }

    /// The application first, then what it needs.
    async fn bring(&self, name: &str, folder: Option<&Path>) -> Result<Vec<Brought>, Failed> {
        let root = self.depot.ok_or(Failed::NoDepot)?;
        let path = application_folder(name);
        let to = folder.ok_or(Failed::NoFolder)?.join(path.replace('/', "-"));
        self.transfers.tree((Right::Run(self.run), root), &path.parse()?, &to).await?;
        let mut members = Vec::new();
        loop {
            let member = to.join(members.len().to_string());
            let path = member.join(DOCUMENT);
            if !members.is_empty() && !path.exists() {
                return Ok(members);
            }
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|source| Failed::Read { path, source })?;
            let parsed = format::parse_application(&text).application;
            let application = parsed.ok_or(Failed::NotUnderstood)?;
            let source = member.join(SOURCE);
            if !source.is_dir() {
                std::fs::create_dir_all(&source)
                    .map_err(|error| Failed::Read { path: source.clone(), source: error })?;
            }
            members.push(Brought { document: Document { text, application }, source });
        }
    }

    async fn act(
        &self,
        brought: Vec<Brought>,
        action: ApplicationAction,
        cancel: &CancellationToken,
    ) -> Result<Outputs, Failed> {
        let (hands, cancel) = (self.hands.clone(), cancel.clone());
        let done = tokio::task::spawn_blocking(move || match action {
            ApplicationAction::Distribute => distribute(&hands, &brought, &cancel),
            ApplicationAction::Verify => look(&hands, &brought, false, &cancel),
            ApplicationAction::Repair => look(&hands, &brought, true, &cancel),
            ApplicationAction::Uninstall => uninstall(&hands, &brought, &cancel),
            ApplicationAction::Plan => plan(&hands, &brought),
        });
        done.await?
    }
}

fn outputs<const N: usize>(pairs: [(&str, String); N]) -> Outputs {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn distribute(
    hands: &Hands,
    brought: &[Brought],
    cancel: &CancellationToken,
) -> Result<Outputs, Failed> {
    match hands.distribute_all(brought, cancel)? {
        Came::InPlace { version, is_changed, .. } => {
            Ok(outputs([("changed", is_changed.to_string()), ("version", version.to_string())]))
        }
        Came::Unavailable(why) => Err(Failed::Unavailable(why)),
    }
}

fn look(
    hands: &Hands,
    brought: &[Brought],
    repair: bool,
    cancel: &CancellationToken,
) -> Result<Outputs, Failed> {
    let Some(first) = brought.first() else { return Err(Failed::NoDepot) };
    let id = first.document.application.id;
    let found = hands.verify(id, &Part::Machine, &first.source, repair, cancel)?;
    let is_changed = !found.differs.is_empty() && !found.remains;
    let drift = found.differs.len().to_string();
    Ok(outputs([("changed", is_changed.to_string()), ("drift", drift)]))
}

/// What is not here needs not to be taken away.
fn uninstall(
    hands: &Hands,
    brought: &[Brought],
    cancel: &CancellationToken,
) -> Result<Outputs, Failed> {
    let Some(first) = brought.first() else { return Err(Failed::NoDepot) };
    let done = hands.uninstall(first.document.application.id, &Part::Machine, cancel);
    let is_changed = match done {
        Ok(_) => true,
        Err(HandsError::NotHere) => false,
        Err(error) => return Err(error.into()),
    };
    Ok(outputs([("changed", is_changed.to_string())]))
}

fn plan(hands: &Hands, brought: &[Brought]) -> Result<Outputs, Failed> {
    let Some(first) = brought.first() else { return Err(Failed::NoDepot) };
    let version = first.document.application.version;
    let considered = hands.plan(&first.document, &first.source, &Part::Machine)?;
    let (told, changes) = match considered {
        Considered::Step(step) => (told(&step), differing(&step).len()),
        Considered::LeftAlone { installed } => {
            (json!({ "left_alone": true, "installed": installed }), 0)
        }
        Considered::Unavailable { why } => (json!({ "unavailable": why }), 0),
        Considered::Gone => (json!({}), 0),
    };
    let plan = ("plan", told.to_string());
    Ok(outputs([("version", version.to_string()), ("drift", changes.to_string()), plan]))
}

/// A step as JSON, for programs and for the command line.
fn told(step: &Step) -> Value {
    let item = |item: &application::Planned| {
        let mut told = json!({
            "group": format!("{:?}", item.group).to_lowercase(),
            "target": item.target,
            "rule": item.rule,
        });
        let more = match &item.outcome {
            Outcome::InPlace => json!({ "outcome": "in_place" }),
            Outcome::Changed { before, after } => {
                json!({ "outcome": "changed", "before": before, "after": after })
            }
            Outcome::Skipped { why } => json!({ "outcome": "skipped", "why": why }),
        };
        if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
            told.extend(more);
        }
        told
    };
    let findings = step.plan.findings.iter().map(|finding| {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        json!({ "severity": severity, "code": finding.code, "message": finding.message })
    });
    let what = match step.what {
        What::Distribute => "distribute",
        What::Again => "again",
        What::Verify => "verify",
        What::Uninstall => "uninstall",
    };
    json!({
        "name": step.name,
        "installed": step.installed,
        "version": step.plan.version,
        "what": what,
        "around": step.around(),
        "items": step.plan.items.iter().take(ITEMS_MAX).map(item).collect::<Vec<_>>(),
        "items_more": step.plan.items.len().saturating_sub(ITEMS_MAX),
        "changes": step.plan.changes.len(),
        "bytes": step.plan.bytes(),
        "findings": findings.collect::<Vec<_>>(),
        "is_refused": step.is_refused(),
        "reboot": step.plan.reboot,
    })
}
