//! `deskhand message`: what workflows and the server told their administrators.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::connection::Connection;
use crate::output::{self, Cell, Table};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All messages, latest first
    List {
        /// Only those that nobody has read
        #[arg(long)]
        unread: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One message with its text
    Show {
        number: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Mark messages as read
    Read {
        #[arg(required = true)]
        number: Vec<u64>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::List { unread, json } => list(&client.messages(unread).await?, json)?,
        Action::Show { number, json } => show(&client.message(number).await?, json)?,
        Action::Read { number } => {
            for number in number {
                client.read_message(number).await?;
            }
        }
    }
    Ok(super::DONE)
}

fn list(messages: &[api::Message], json: bool) -> Result<()> {
    if json {
        return output::json(&messages);
    }
    let mut table = Table::new(&["NUMBER", "STATE", "TIME", "TO", "SUBJECT"]);
    for message in messages {
        table.row([
            message.number.to_string().into(),
            Cell::state(if message.read_at.is_some() { "read" } else { "new" }),
            output::stamp(message.at).into(),
            message.to.as_str().into(),
            message.subject.as_str().into(),
        ]);
    }
    super::print_or_note(&table, "no messages")
}

fn show(message: &api::Message, json: bool) -> Result<()> {
    if json {
        return output::json(message);
    }
    output::line(format!("subject:    {}", output::clean(&message.subject)))?;
    output::line(format!("sent:       {}", output::stamp(message.at)))?;
    let read = message.read_at.zip(message.read_by.as_deref());
    let read = read.map(|(at, by)| format!("{} by {}", output::stamp(at), output::clean(by)));
    for (name, value) in [
        ("to:", Some(output::clean(&message.to).into_owned())),
        ("deployment:", message.deployment.clone()),
        ("computer:", message.computer.clone()),
        ("read:", read),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            output::line(format!("{name:<11} {value}"))?;
        }
    }
    output::line("")?;
    Ok(output::line(output::clean_lines(&message.text))?)
}
