//! Messages, and the channels they go through.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A message for whoever administers the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Counts from 1.
    pub number: u64,
    pub at: i64,
    /// Whom it is meant for, as its sender wrote it.
    pub to: String,
    pub subject: String,
    pub text: String,
    pub computer: Option<String>,
    pub deployment: Option<String>,
    pub run: Option<String>,
    pub read_by: Option<String>,
    pub read_at: Option<i64>,
}

/// A way for messages out of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Channel {
    Mail(MailChannel),
    Webhook(WebhookChannel),
}

/// A mail server that takes messages over SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailChannel {
    pub host: String,
    pub port: u16,
    /// `implicit` (TLS from the first byte), `starttls`, or `none`.
    pub tls: String,
    #[serde(default)]
    pub user: Option<String>,
    /// Name of the secret that is the password.
    #[serde(default)]
    pub secret: Option<String>,
    /// `Name <address>` or an address.
    pub from: String,
    /// Certificates, as PEM, that the mail server may prove itself by instead of the machine's.
    #[serde(default)]
    pub ca: Option<String>,
}

/// A program elsewhere that takes messages over HTTP, signed as Standard Webhooks has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookChannel {
    pub url: String,
    /// Name of the secret that messages are signed with.
    pub secret: String,
    /// Certificates, as PEM, that the receiver may prove itself by instead of the machine's.
    #[serde(default)]
    pub ca: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedChannel {
    /// `mail`, or the name of a webhook.
    pub name: String,
    pub channel: Channel,
    pub updated_by: String,
    pub updated_at: i64,
}

/// A message to be sent for trying a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelTest {
    /// Addresses, for `mail`.
    #[serde(default)]
    pub to: Vec<String>,
}

/// What a message was sent as: a number, a Message-ID or a webhook-id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivered {
    pub id: String,
}
