//! The ways of messages out of this server, as administrators set them up: one mail server, and
//! webhooks with names.

use hyper::header::HeaderValue;
use lettre::message::Mailbox;
use store::rows::Document;
use store::{CommitError, ReadError, Write};

use crate::clock::now;
use crate::hall::{About, Hall};
use crate::outbound::{BadUrl, Url, certificates};
use crate::secrets;

const KIND: &str = "channel";
/// The one mail channel's name.
pub const MAIL: &str = "mail";
const INTERNAL: &str = "internal";

/// Why a channel cannot be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("there is no channel `{0}`")]
    Unknown(String),
    #[error("the channel `{name}` cannot be like this: {why}")]
    Wrong { name: String, why: String },
    #[error("the server does not keep the secret `{0}`")]
    NoSecret(String),
    #[error("the channel `{name}` is damaged; set it again")]
    Damaged { name: String },
    #[error("the database could not be read")]
    Read(#[from] ReadError),
    #[error("the channel could not be kept")]
    Commit(#[from] CommitError),
}

pub async fn set(
    hall: &Hall,
    name: &str,
    channel: &api::Channel,
    by: &str,
) -> Result<(), ChannelError> {
    let secret =
        check(name, channel).map_err(|why| ChannelError::Wrong { name: name.to_owned(), why })?;
    if let Some(secret) = secret
        && !secrets::unknown(hall, [secret.clone()]).await?.is_empty()
    {
        return Err(ChannelError::NoSecret(secret));
    }
    let row = Document {
        kind: KIND.to_owned(),
        name: name.to_owned(),
        body: serde_json::to_vec(channel).unwrap_or_default(),
        updated_by: by.to_owned(),
        updated_at: now(),
    };
    let event = hall.event("channel", About::NOTHING, by, format!("channel {name} was set"));
    hall.writer.submit(vec![Write::PutDocument(row), event]).await?;
    Ok(())
}

pub async fn remove(hall: &Hall, name: &str, by: &str) -> Result<(), ChannelError> {
    let row = hall.store.document(KIND, name).await?;
    let name = row.ok_or_else(|| ChannelError::Unknown(name.to_owned()))?.name;
    let event = hall.event("channel", About::NOTHING, by, format!("channel {name} was removed"));
    let remove = Write::RemoveDocument { kind: KIND.to_owned(), name };
    hall.writer.submit(vec![remove, event]).await?;
    Ok(())
}

/// All of them, by name.
pub async fn list(hall: &Hall) -> Result<Vec<api::NamedChannel>, ChannelError> {
    hall.store.documents(KIND).await?.iter().map(named).collect()
}

pub async fn find(hall: &Hall, name: &str) -> Result<api::Channel, ChannelError> {
    let row = hall.store.document(KIND, name).await?;
    let row = row.ok_or_else(|| ChannelError::Unknown(name.to_owned()))?;
    Ok(named(&row)?.channel)
}

pub async fn mail(hall: &Hall) -> Result<api::MailChannel, ChannelError> {
    match find(hall, MAIL).await? {
        api::Channel::Mail(mail) => Ok(mail),
        api::Channel::Webhook(_) => Err(ChannelError::Damaged { name: MAIL.to_owned() }),
    }
}

pub async fn webhook(hall: &Hall, name: &str) -> Result<api::WebhookChannel, ChannelError> {
    match find(hall, name).await? {
        api::Channel::Webhook(webhook) => Ok(webhook),
        api::Channel::Mail(_) => {
            let why = "it is a mail server and no webhook".to_owned();
            Err(ChannelError::Wrong { name: name.to_owned(), why })
        }
    }
}

fn named(row: &Document) -> Result<api::NamedChannel, ChannelError> {
    let damaged = |_| ChannelError::Damaged { name: row.name.clone() };
    Ok(api::NamedChannel {
        name: row.name.clone(),
        channel: serde_json::from_slice(&row.body).map_err(damaged)?,
        updated_by: row.updated_by.clone(),
        updated_at: row.updated_at.as_millis(),
    })
}

/// The secret that the channel uses, or what is wrong with it.
fn check(name: &str, channel: &api::Channel) -> Result<Option<String>, String> {
    trust::check_secret_name(name).map_err(|_| {
        "its name may have letters, digits, `-`, `_` and `.`, and begins with a letter or digit"
            .to_owned()
    })?;
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let ca = match channel {
        api::Channel::Mail(mail) => &mail.ca,
        api::Channel::Webhook(webhook) => &webhook.ca,
    };
    if let Some(pem) = ca {
        certificates(pem).map_err(|error| error.to_string())?;
    }
    match channel {
        api::Channel::Mail(_) if !is(MAIL) => Err("the mail server is called `mail`".to_owned()),
        api::Channel::Mail(mail) => check_mail(mail),
        api::Channel::Webhook(_) if is(MAIL) || is(INTERNAL) => {
            Err("a webhook needs a name of its own".to_owned())
        }
        api::Channel::Webhook(webhook) => {
            Url::parse(&webhook.url).map_err(|error: BadUrl| error.to_string())?;
            Ok(Some(webhook.secret.clone()))
        }
    }
}

fn check_mail(mail: &api::MailChannel) -> Result<Option<String>, String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    if mail.host.is_empty() || !mail.host.chars().all(is_host) || mail.port == 0 {
        return Err("it needs a host and a port".to_owned());
    }
    let from: Result<Mailbox, _> = mail.from.parse();
    if from.is_err() || HeaderValue::from_str(&mail.from).is_err() {
        return Err(format!("`{}` is not a mail address to send from", mail.from));
    }
    if !["implicit", "starttls", "none"].contains(&mail.tls.as_str()) {
        return Err(format!("`{}` is not one of implicit, starttls, none", mail.tls));
    }
    match (&mail.user, &mail.secret) {
        (Some(_), Some(_)) if mail.tls == "none" => {
            Err("the password would go over the network in the clear; use starttls or implicit"
                .to_owned())
        }
        (Some(_), Some(secret)) => Ok(Some(secret.clone())),
        (None, None) => Ok(None),
        (Some(_), None) => Err("a user needs the secret that is the password".to_owned()),
        (None, Some(_)) => Err("a secret needs the user whose password it is".to_owned()),
    }
}
