//! `deskhand secret`: passwords and keys that workflows use by name.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use zeroize::Zeroizing;

use super::deploy;
use crate::connection::Connection;
use crate::output::{self, Cell, Table};
use crate::trouble::Trouble;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keep a secret, asked for at the terminal or read from standard input; nothing gives it back
    Set {
        /// Letters, digits, `-`, `_` and `.`
        name: String,
        /// Read it from a file; one line end at its end does not count
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// The names of all secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try a user with the secret as the password on a computer, by a run that does nothing else
    Test {
        name: String,
        #[arg(long)]
        user: String,
        /// The user's domain, on Windows
        #[arg(long)]
        domain: Option<String>,
        /// By name or id
        #[arg(long, value_name = "NAME")]
        computer: String,
        /// Print JSON: the results
        #[arg(long)]
        json: bool,
    },
    /// Forget a secret
    Remove {
        #[arg(required = true)]
        name: Vec<String>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::Set { name, from_file } => {
            let secret = read(&name, from_file)?;
            let base64 = STANDARD.encode(&secret[..]);
            client.set_secret(&name, &api::NewSecret { base64 }).await?;
            output::note(format!("Kept the secret {}.", output::clean(&name)));
        }
        Action::List { json } => list(&client.secrets().await?, json)?,
        Action::Test { name, user, domain, computer, json } => {
            let test = api::SecretTest { user, domain, computer };
            let deployed = client.test_secret(&name, &test).await?;
            return deploy::begun(&client, &name, &deployed, true, json).await;
        }
        Action::Remove { name } => {
            for name in name {
                client.remove_secret(&name).await?;
            }
        }
    }
    Ok(super::DONE)
}

fn read(name: &str, file: Option<PathBuf>) -> Result<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(Vec::new());
    if let Some(path) = file {
        let shown = path.display();
        *secret = std::fs::read(&path).with_context(|| format!("cannot read {shown}"))?;
    } else if std::io::stdin().is_terminal() {
        let ask = |prompt: String| {
            rpassword::prompt_password(prompt).context("cannot ask at the terminal")
        };
        let first = Zeroizing::new(ask(format!("{}: ", output::clean(name)))?);
        let second = Zeroizing::new(ask("once more: ".to_owned())?);
        if first != second {
            return Err(Trouble::usage("the two are not the same", "type it again").into());
        }
        *secret = first.as_bytes().to_vec();
    } else {
        let read = std::io::stdin().lock().read_to_end(&mut secret);
        read.context("cannot read standard input")?;
    }
    for end in [b'\n', b'\r'] {
        if secret.last() == Some(&end) {
            secret.pop();
        }
    }
    if secret.is_empty() {
        return Err(Trouble::usage("the secret is empty", "type it, or give --from-file").into());
    }
    Ok(secret)
}

fn list(secrets: &[api::Secret], json: bool) -> Result<()> {
    if json {
        return output::json(&secrets);
    }
    let mut table = Table::new(&["NAME", "STATE", "CHANGED", "BY"]);
    for secret in secrets {
        table.row([
            secret.name.as_str().into(),
            Cell::state(if secret.is_readable { "ok" } else { "unreadable" }),
            output::stamp(secret.updated_at).into(),
            secret.updated_by.as_str().into(),
        ]);
    }
    super::print_or_note(&table, "no secrets; keep one with `deskhand secret set NAME`")
}
