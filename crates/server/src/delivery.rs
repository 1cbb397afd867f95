//! Messages on their way: kept here, handed to a mail server, or posted to a webhook.
//!
//! What is sent twice, because nobody knows whether the first got through, is sent under the same
//! id, so that receivers can drop doubles. Failures that may pass are tried again, ever more
//! rarely, within a time and a count. The password of a mail server and the key of a webhook are
//! opened for each attempt and go nowhere else.

mod mail;
mod webhook;

use std::time::Duration;

use model::{Digest, Span};
use store::rows::Message;
use store::{CommitError, ReadError, Write};
use tokio_util::sync::CancellationToken;
use workflow::Channel;

use crate::channels::{self, ChannelError};
use crate::clock::now;
use crate::core::chain;
use crate::hall::{About, Hall};
use crate::secrets::SecretError;
use crate::views;

/// Longest text of a message.
const TEXT_BYTES_MAX: usize = 256 << 10;
const SUBJECT_CHARS_MAX: usize = 500;
const ATTEMPTS_MAX: u32 = 12;
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// How long one attempt may take.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(30);

/// A message that is to be delivered.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The same for the same sending.
    pub key: Digest,
    pub channel: Channel,
    /// Addresses, names of webhooks, or for whom it is.
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub about: About,
}

/// How an attempt failed.
#[derive(Debug)]
enum Trouble {
    /// It may pass.
    Passing(String),
    /// Trying again is of no use.
    Lasting(String),
}

impl Trouble {
    fn lasting(error: &dyn std::error::Error) -> Self {
        Self::Lasting(chain(error))
    }
}

impl From<SecretError> for Trouble {
    fn from(error: SecretError) -> Self {
        Self::lasting(&error)
    }
}

impl From<ChannelError> for Trouble {
    fn from(error: ChannelError) -> Self {
        Self::lasting(&error)
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Passing(chain(&error))
    }
}

impl From<CommitError> for Trouble {
    fn from(error: CommitError) -> Self {
        Self::Passing(chain(&error))
    }
}

/// How long to go on trying.
#[derive(Debug, Clone)]
pub struct Patience {
    pub within: Span,
    pub attempts_max: u32,
    pub cancel: CancellationToken,
}

impl Patience {
    pub fn new(within: Span, cancel: CancellationToken) -> Self {
        Self { within, attempts_max: ATTEMPTS_MAX, cancel }
    }

    /// One attempt only.
    pub fn once() -> Self {
        let within = Span::from_millis(ATTEMPT_WITHIN.as_millis() as u64);
        Self { within, attempts_max: 1, cancel: CancellationToken::new() }
    }
}

/// One delivery: a message that names several webhooks has several.
#[derive(Debug, Clone, Copy)]
enum Way<'a> {
    Keep,
    Mail,
    Webhook(&'a str),
}

/// Delivers to everybody named; says under which id, or why not.
pub async fn deliver(hall: &Hall, out: &Outgoing, patience: &Patience) -> Result<String, String> {
    check(out)?;
    match out.channel {
        Channel::Internal => persist(hall, out, Way::Keep, patience).await,
        Channel::Mail => persist(hall, out, Way::Mail, patience).await,
        Channel::Webhook => {
            let mut ids = Vec::with_capacity(out.to.len());
            for name in &out.to {
                let id = persist(hall, out, Way::Webhook(name), patience).await;
                ids.push(id.map_err(|why| format!("{name}: {why}"))?);
            }
            Ok(ids.join(" "))
        }
    }
}

async fn attempt(hall: &Hall, out: &Outgoing, way: Way<'_>) -> Result<String, Trouble> {
    match way {
        Way::Keep => keep(hall, out).await.map(|number| number.to_string()),
        Way::Mail => mail::send(hall, out).await,
        Way::Webhook(name) => webhook::send(hall, out, name).await,
    }
}

fn check(out: &Outgoing) -> Result<(), String> {
    if out.text.len() > TEXT_BYTES_MAX {
        let length = out.text.len();
        return Err(format!("the text has {length} bytes, {TEXT_BYTES_MAX} are allowed"));
    }
    if out.subject.chars().count() > SUBJECT_CHARS_MAX {
        return Err(format!("the subject has more than {SUBJECT_CHARS_MAX} characters"));
    }
    if out.to.is_empty() && out.channel != Channel::Internal {
        return Err("it is to nobody: `to` is empty".to_owned());
    }
    Ok(())
}

/// Tries until it works, cannot work, or patience is at its end.
async fn persist(
    hall: &Hall,
    out: &Outgoing,
    way: Way<'_>,
    patience: &Patience,
) -> Result<String, String> {
    let until = tokio::time::Instant::now() + patience.within.as_duration();
    let (mut wait, mut count) = (RETRY_FIRST, 0);
    loop {
        count += 1;
        let why = match attempt(hall, out, way).await {
            Ok(done) => return Ok(done),
            Err(Trouble::Lasting(why)) => return Err(why),
            Err(Trouble::Passing(why)) => why,
        };
        if count >= patience.attempts_max || tokio::time::Instant::now() + wait >= until {
            return Err(if count == 1 { why } else { format!("{why} (tried {count} times)") });
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = patience.cancel.cancelled() => return Err(format!("given up: {why}")),
        }
        wait = (wait * 2).min(RETRY_LAST);
    }
}

/// Keeps a message for administrators, once, and tells who watches.
async fn keep(hall: &Hall, out: &Outgoing) -> Result<u64, Trouble> {
    if let Some(kept) = hall.store.message_by_key(out.key).await? {
        return Ok(kept.seq);
    }
    let message = Message {
        key: out.key,
        at: now(),
        to: out.to.join("; "),
        subject: out.subject.clone(),
        text: out.text.clone(),
        computer: out.about.computer,
        deployment: out.about.deployment,
        run: out.about.run,
    };
    hall.writer.submit(vec![Write::PutMessage(message)]).await?;
    let kept = hall.store.message_by_key(out.key).await?;
    let kept = kept.ok_or_else(|| Trouble::Passing("it is not there".to_owned()))?;
    let message = views::message(&kept);
    hall.changes.tell(out.about.deployment, api::Change::Message { message });
    Ok(kept.seq)
}

/// What of these channels is not set up, in a sentence each.
pub async fn missing(
    hall: &Hall,
    channel: Channel,
    to: &[String],
) -> Result<Vec<String>, ChannelError> {
    let names: Vec<&str> = match channel {
        Channel::Internal => Vec::new(),
        Channel::Mail => vec![channels::MAIL],
        Channel::Webhook => to.iter().map(String::as_str).collect(),
    };
    let mut missing = Vec::new();
    for name in names {
        match channels::find(hall, name).await {
            Ok(_) => {}
            Err(ChannelError::Unknown(_)) => {
                missing.push(format!("the channel `{name}` is not set up on this server"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}
