//! An application at this machine by order of a workflow (AC-24): fetched with what it needs from
//! what the deployment has pinned, then distributed, looked at, or taken away.
//!
//! Of users it is about the one that the run's branch acts as; where it acts as nobody, about
//! those who are logged on, or of whom something is here.

use std::path::{Path, PathBuf};

use application::{Outcome, Part};
use machine::Identity;
use model::{ApplicationId, Digest, RunId};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wire::content::{DOCUMENT, Right, SOURCE, application_folder};
use workflow::{ApplicationAction, Event, Outputs, Report};

use super::who::{NoIdentity, Who};
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
    pub who: Who,
}

/// Whose parts are meant beside the machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    Everyone,
    Only(String),
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
    #[error(transparent)]
    Who(#[from] NoIdentity),
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
        let (hands, cancel, who) = (self.hands.clone(), cancel.clone(), self.who.clone());
        let done = tokio::task::spawn_blocking(move || {
            let whose = match who.resolve()? {
                Some(identity) => Whose::Only(name_of(&identity)),
                None => Whose::Everyone,
            };
            match action {
                ApplicationAction::Distribute => distribute(&hands, &brought, &whose, &cancel),
                ApplicationAction::Verify => look(&hands, &brought, (&whose, false), &cancel),
                ApplicationAction::Repair => look(&hands, &brought, (&whose, true), &cancel),
                ApplicationAction::Uninstall => uninstall(&hands, &brought, &whose, &cancel),
                ApplicationAction::Plan => plan(&hands, &brought, &whose),
            }
        });
        done.await?
    }
}

fn outputs<const N: usize>(pairs: [(&str, String); N]) -> Outputs {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// As the machine tells its users apart.
fn name_of(identity: &Identity) -> String {
    match (cfg!(windows), identity.domain()) {
        (false, _) | (true, "") => identity.user().to_owned(),
        (true, domain) => format!(r"{domain}\{}", identity.user()),
    }
}

fn distribute(
    hands: &Hands,
    brought: &[Brought],
    whose: &Whose,
    cancel: &CancellationToken,
) -> Result<Outputs, Failed> {
    let came = hands.distribute_all(brought, &Part::Machine, cancel)?;
    let (version, mut changed) = match came {
        Came::InPlace { version, is_changed, .. } => (version, is_changed),
        Came::Unavailable(why) => return Err(Failed::Unavailable(why)),
    };
    let users = match whose {
        Whose::Everyone => hands.users(),
        Whose::Only(user) => [user.clone()].into(),
    };
    for user in users {
        match hands.distribute_all(brought, &Part::User(user), cancel)? {
            Came::InPlace { is_changed, .. } => changed |= is_changed,
            // Rules may hold for one user and not for another.
            Came::Unavailable(_) if *whose == Whose::Everyone => {}
            Came::Unavailable(why) => return Err(Failed::Unavailable(why)),
        }
    }
    Ok(outputs([("changed", changed.to_string()), ("version", version.to_string())]))
}

/// Parts of users that are here, of those who are meant.
fn users_parts(hands: &Hands, id: ApplicationId, whose: &Whose) -> Result<Vec<Part>, Failed> {
    let is_meant = |part: &Part| match (part, whose) {
        (Part::Machine, _) => false,
        (Part::User(_), Whose::Everyone) => true,
        (Part::User(user), Whose::Only(only)) => user == only,
    };
    let (records, _) = hands.on_record()?;
    let own = records.into_iter().filter(|record| record.application == id);
    Ok(own.map(|record| record.part).filter(is_meant).collect())
}

fn look(
    hands: &Hands,
    brought: &[Brought],
    (whose, repair): (&Whose, bool),
    cancel: &CancellationToken,
) -> Result<Outputs, Failed> {
    let Some(first) = brought.first() else { return Err(Failed::NoDepot) };
    let id = first.document.application.id;
    let users = users_parts(hands, id, whose)?;
    let (mut drift, mut changed) = (0, false);
    for part in std::iter::once(Part::Machine).chain(users) {
        let found = hands.verify(id, &part, &first.source, repair, cancel)?;
        changed |= !found.differs.is_empty() && !found.remains;
        drift += found.differs.len();
    }
    Ok(outputs([("changed", changed.to_string()), ("drift", drift.to_string())]))
}

/// What is not here needs not to be taken away. The machine's part stays where one user is meant.
fn uninstall(
    hands: &Hands,
    brought: &[Brought],
    whose: &Whose,
    cancel: &CancellationToken,
) -> Result<Outputs, Failed> {
    let Some(first) = brought.first() else { return Err(Failed::NoDepot) };
    let id = first.document.application.id;
    let mut parts = users_parts(hands, id, whose)?;
    parts.extend((*whose == Whose::Everyone).then_some(Part::Machine));
    let mut changed = false;
    for part in parts {
        match hands.uninstall(id, &part, cancel) {
            Ok(_) => changed = true,
            Err(HandsError::NotHere) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(outputs([("changed", changed.to_string())]))
}

/// Of the machine's part, or of the user's who is meant.
fn plan(hands: &Hands, brought: &[Brought], whose: &Whose) -> Result<Outputs, Failed> {
    let Some(first) = brought.first() else { return Err(Failed::NoDepot) };
    let version = first.document.application.version;
    let part = match whose {
        Whose::Everyone => Part::Machine,
        Whose::Only(user) => Part::User(user.clone()),
    };
    let considered = hands.plan(&first.document, &first.source, &part)?;
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
