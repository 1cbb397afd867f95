//! `deskhand token`: enrolment tokens.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use model::Span;

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
    /// Make a token; its text is printed once and kept nowhere
    Create {
        /// How many machines it lets in
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        uses: u32,
        /// How long it can be used
        #[arg(long, default_value = "1d", value_name = "TIME")]
        valid: Span,
        /// What it is for, for people
        #[arg(long, default_value = "")]
        note: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// All tokens
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let nobody in with this token any more
    Revoke {
        #[arg(required = true)]
        id: Vec<String>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::Create { uses, valid, note, json } => {
            let valid_s = valid.as_millis().div_ceil(1_000);
            let made = client.make_token(&api::NewToken { uses, valid_s, note }).await?;
            if json {
                output::json(&made)?;
            } else {
                output::line(&made.text)?;
                let until = output::stamp(made.token.expires_at);
                output::note(format!(
                    "Lets {uses} in until {until}. On the machine:\n  \
                     deskhand-agent enroll --token TOKEN\n  deskhand-agent run"
                ));
            }
        }
        Action::List { json } => list(&client.tokens().await?, json)?,
        Action::Revoke { id } => {
            for id in id {
                client.revoke_token(&id).await?;
            }
        }
    }
    Ok(super::DONE)
}

fn list(tokens: &[api::Token], json: bool) -> Result<()> {
    if json {
        return output::json(&tokens);
    }
    let now = output::now();
    let mut table = Table::new(&["ID", "STATE", "USES LEFT", "EXPIRES", "BY", "NOTE"]);
    for token in tokens {
        let state = match () {
            () if token.revoked => "revoked",
            () if token.expires_at <= now => "expired",
            () if token.uses_left == 0 => "used up",
            () => "ok",
        };
        table.row([
            token.id.as_str().into(),
            Cell::state(state),
            token.uses_left.to_string().into(),
            output::stamp(token.expires_at).into(),
            token.created_by.as_str().into(),
            token.note.as_str().into(),
        ]);
    }
    super::print_or_note(&table, "no tokens; make one with `deskhand token create`")
}
