//! `deskhand channel`: the mail server and the webhooks that messages go through.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use api::{Channel, MailChannel, WebhookChannel};
use clap::Subcommand;

use crate::connection::Connection;
use crate::output::{self, Table};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set a channel up, or change it
    #[command(subcommand)]
    Set(Set),
    /// All channels
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send nothing through a channel any more
    Remove {
        #[arg(required = true)]
        name: Vec<String>,
    },
    /// Send a message through a channel, once
    Test {
        /// `mail` or a webhook's name
        name: String,
        /// Addresses, for mail
        #[arg(long, num_args = 1.., value_name = "ADDRESS")]
        to: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Set {
    /// The mail server that takes messages over SMTP
    Mail {
        #[arg(long)]
        host: String,
        /// 465 for implicit TLS, 587 for STARTTLS, 25 for none, unless given
        #[arg(long)]
        port: Option<u16>,
        /// How the connection is protected
        #[arg(long, default_value = "starttls", value_parser = ["starttls", "implicit", "none"])]
        tls: String,
        /// Who signs in there
        #[arg(long, requires = "secret")]
        user: Option<String>,
        /// Name of the secret that is the password
        #[arg(long, requires = "user", value_name = "NAME")]
        secret: Option<String>,
        /// `Name <address>` or an address
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        /// Certificates (PEM) that the mail server proves itself by, instead of this machine's
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
    /// A program elsewhere that takes messages over HTTP
    Webhook {
        name: String,
        #[arg(long)]
        url: String,
        /// Name of the secret that messages are signed with
        #[arg(long, value_name = "NAME")]
        secret: String,
        /// Certificates (PEM) that the receiver proves itself by, instead of this machine's
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::Set(set) => {
            let (name, channel) = channel(set)?;
            client.set_channel(&name, &channel).await?;
            let name = output::clean(&name);
            output::note(format!("Set up. Try it: deskhand channel test {name}"));
        }
        Action::List { json } => list(&client.channels().await?, json)?,
        Action::Remove { name } => {
            for name in name {
                client.remove_channel(&name).await?;
            }
        }
        Action::Test { name, to } => {
            let delivered = client.test_channel(&name, &api::ChannelTest { to }).await?;
            output::note(format!("Delivered as {}.", output::clean(&delivered.id)));
        }
    }
    Ok(super::DONE)
}

fn channel(set: Set) -> Result<(String, Channel)> {
    let read = |path: PathBuf| {
        let shown = path.display().to_string();
        std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))
    };
    Ok(match set {
        Set::Mail { host, port, tls, user, secret, from, ca } => {
            let port = port.unwrap_or(match tls.as_str() {
                "implicit" => 465,
                "starttls" => 587,
                _ => 25,
            });
            let ca = ca.map(read).transpose()?;
            let mail = MailChannel { host, port, tls, user, secret, from, ca };
            ("mail".to_owned(), Channel::Mail(mail))
        }
        Set::Webhook { name, url, secret, ca } => {
            let ca = ca.map(read).transpose()?;
            (name, Channel::Webhook(WebhookChannel { url, secret, ca }))
        }
    })
}

fn list(channels: &[api::NamedChannel], json: bool) -> Result<()> {
    if json {
        return output::json(&channels);
    }
    let mut table = Table::new(&["NAME", "TO", "AS", "SECRET", "CHANGED"]);
    for named in channels {
        let (to, who, secret) = match &named.channel {
            Channel::Mail(mail) => {
                let to = format!("{}:{} ({})", mail.host, mail.port, mail.tls);
                (to, mail.from.clone(), mail.secret.clone().unwrap_or_default())
            }
            Channel::Webhook(webhook) => {
                (webhook.url.clone(), String::new(), webhook.secret.clone())
            }
        };
        table.row([
            named.name.as_str().into(),
            to.into(),
            who.into(),
            secret.into(),
            output::stamp(named.updated_at).into(),
        ]);
    }
    super::print_or_note(&table, "no channels; set one up with `deskhand channel set`")
}
