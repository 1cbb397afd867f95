//! Named actions (AC-22): kept as their files, started by workflows and by people.
//!
//! An action is started with parameters that are rendered already and treated as untrusted text:
//! most of them come from targets. Each start has a key, the same when it is asked for again after
//! a crash; what must not happen twice is told apart by it, or reported as `interrupted`.

mod command;
mod http;
mod start;

pub use start::by_schedule;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ComputerId, Digest, Span};
use store::rows::{Document, Origin};
use store::{CommitError, ReadError, Write};
use tokio_util::sync::CancellationToken;
use workflow::{Context, Does, Event, NamedAction, ParameterError, Report};

use crate::clock::now;
use crate::delivery::{self, Outgoing, Patience};
use crate::effects::message;
use crate::hall::{About, Hall};
use crate::secrets;

const KIND: &str = "action";
/// How long a message is tried when nothing else is said.
const MESSAGE_WITHIN: Span = Span::from_secs(300);

/// Why an action cannot be kept or started.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error("there is no action `{0}`")]
    Unknown(String),
    #[error("the action has errors")]
    Wrong(Vec<api::Finding>),
    #[error("the server does not keep the secret `{0}`")]
    NoSecret(String),
    #[error("the kept action `{0}` cannot be read; set it again")]
    Damaged(String),
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    #[error("the action `{0}` starts no deployment, so no schedule can begin it")]
    StartsNothing(String),
    #[error("{0}")]
    Start(String),
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    #[error("the action could not be kept")]
    Commit(#[from] CommitError),
}

/// An action with the file that it was read from.
#[derive(Debug)]
pub struct Kept {
    pub action: NamedAction,
    pub row: Document,
}

/// Keeps an action; one of that name is replaced.
pub async fn set(hall: &Hall, source: &str, by: &str) -> Result<Kept, ActionError> {
    let parsed = format::parse_action(source);
    let findings = parsed.problems.iter().map(crate::views::finding).collect();
    let action = parsed.action.ok_or(ActionError::Wrong(findings))?;
    if let Some(secret) = action.secret()
        && !secrets::unknown(hall, [secret.to_owned()]).await?.is_empty()
    {
        return Err(ActionError::NoSecret(secret.to_owned()));
    }
    let row = Document {
        kind: KIND.to_owned(),
        name: action.name.clone(),
        body: source.as_bytes().to_vec(),
        updated_by: by.to_owned(),
        updated_at: now(),
    };
    let text = format!("action {} ({}) was set", action.name, action.kind());
    let event = hall.event("action", About::NOTHING, by, text);
    hall.writer.submit(vec![Write::PutDocument(row.clone()), event]).await?;
    Ok(Kept { action, row })
}

pub async fn remove(hall: &Hall, name: &str, by: &str) -> Result<(), ActionError> {
    let row = hall.store.document(KIND, name).await?;
    let name = row.ok_or_else(|| ActionError::Unknown(name.to_owned()))?.name;
    let event = hall.event("action", About::NOTHING, by, format!("action {name} was removed"));
    let remove = Write::RemoveDocument { kind: KIND.to_owned(), name };
    hall.writer.submit(vec![remove, event]).await?;
    Ok(())
}

pub async fn list(hall: &Hall) -> Result<Vec<Kept>, ActionError> {
    hall.store.documents(KIND).await?.into_iter().map(read).collect()
}

pub async fn find(hall: &Hall, name: &str) -> Result<Kept, ActionError> {
    let row = hall.store.document(KIND, name).await?;
    read(row.ok_or_else(|| ActionError::Unknown(name.to_owned()))?)
}

fn read(row: Document) -> Result<Kept, ActionError> {
    let source = std::str::from_utf8(&row.body).unwrap_or_default();
    match format::parse_action(source).action {
        Some(action) => Ok(Kept { action, row }),
        None => Err(ActionError::Damaged(row.name)),
    }
}

/// One start of an action.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    pub parameters: BTreeMap<String, String>,
    /// Wait for the deployment that it starts, whatever the action says.
    pub wait: bool,
    /// What is known of the run, or of the computer that people named.
    pub of: Context,
    /// Whom a deployment is for when the action names nobody.
    pub targets: Vec<ComputerId>,
    pub about: About,
    /// The same when the same start is asked for again.
    pub key: Digest,
    /// The activity that starts it.
    pub origin: Option<Origin>,
    /// It was begun in an earlier life of the server.
    pub again: bool,
    pub timeout: Option<Span>,
    pub cancel: CancellationToken,
    pub by: String,
}

/// Starts an action and says how it ended.
pub async fn call(hall: &Arc<Hall>, call: &Call) -> Report {
    let action = match find(hall, &call.name).await {
        Ok(kept) => kept.action,
        Err(error) => return Report::error(crate::core::chain(&error)),
    };
    let context = match action.context(&call.of, call.parameters.clone()) {
        Ok(context) => context,
        Err(error) => return Report::error(error.to_string()),
    };
    match &action.does {
        Does::Deployment(start) => start::run(hall, call, start, &context).await,
        Does::Message(message) => tell(hall, call, message, &context).await,
        Does::Command(command) => command::run(call, command, &context).await,
        Does::Http(request) => http::run(hall, call, request, &context).await,
    }
}

async fn tell(hall: &Hall, call: &Call, message: &workflow::Message, context: &Context) -> Report {
    let out = match message::outgoing(message, context) {
        Ok(out) => Outgoing { key: call.key, about: call.about, ..out },
        Err(why) => return Report::error(why),
    };
    let patience = Patience::new(call.timeout.unwrap_or(MESSAGE_WITHIN), call.cancel.clone());
    match delivery::deliver(hall, &out, &patience).await {
        Ok(id) => report(Event::Ok, [("id", id)], None),
        Err(_) if call.cancel.is_cancelled() => Report::of(Event::Interrupted),
        Err(why) => Report::error(format!("the message was not delivered: {why}")),
    }
}

fn report<const N: usize>(
    event: Event,
    outputs: [(&str, String); N],
    note: Option<String>,
) -> Report {
    let outputs = outputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Report { outputs, note, ..Report::of(event) }
}
