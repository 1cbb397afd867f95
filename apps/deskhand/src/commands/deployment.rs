//! `deskhand deployment`: watch and steer what was deployed.

mod edit;
mod log;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use api::{ControlRequest, Deployment, NewDeployment, Restart, Run, Targets};
use clap::Subcommand;
use client::Client;

use super::{deploy, pair};
use crate::connection::Connection;
use crate::output::{self, Cell, Table};
use crate::trouble::Trouble;
use crate::when;

/// Of an id, enough to tell deployments apart that began in different milliseconds.
const ID_CHARS: usize = 13;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Its id, or as much of its beginning as is unique; `last` for the newest
    id: String,
    /// Only these targets: computers by name or id
    #[arg(long, num_args = 1.., value_name = "NAME")]
    computer: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All deployments, newest first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Every target: where it stands, why it waits, when it is tried next
    Show {
        #[command(flatten)]
        which: Which,
        /// Watch until the last result
        #[arg(long, short)]
        follow: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Output of the commands that were carried out
    Log {
        #[command(flatten)]
        which: Which,
        /// Go on with what comes, until the last result
        #[arg(long, short)]
        follow: bool,
        /// Print JSON
        #[arg(long, conflicts_with = "follow")]
        json: bool,
    },
    /// Let activities in progress end and begin no new ones
    Suspend(Which),
    /// Go on with what was suspended
    Resume(Which),
    /// End what is in progress; runs that have not begun never will
    Abort(Which),
    /// Try targets again, as a new deployment
    Retry {
        #[command(flatten)]
        which: Which,
        /// `failed` (failure, aborted, refused, lost), `not_begun`, `all`, or an outcome
        #[arg(long = "which", num_args = 1.., default_value = "failed", value_name = "SET")]
        sets: Vec<String>,
        /// A value for a variable of the workflow
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        var: Vec<(String, String)>,
        /// Watch until the last result
        #[arg(long, short)]
        follow: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Begin targets anew inside the deployment, with its newest copy of the workflow
    Restart {
        #[command(flatten)]
        which: Which,
        /// `failed` (failure, aborted, refused, lost), `not_begun`, `pending`, `all` that do not go
        /// on, or an outcome
        #[arg(long = "which", num_args = 1.., default_value = "failed", value_name = "SET")]
        sets: Vec<String>,
        /// Another copy of the workflow than the newest
        #[arg(long, value_name = "NUMBER")]
        copy: Option<u64>,
        /// The stop date from now on
        #[arg(long, value_name = "TIME", value_parser = when::instant)]
        stop: Option<i64>,
        /// Watch until the last result
        #[arg(long, short)]
        follow: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the deployment's own copy of the workflow, for its next restart
    Edit {
        id: String,
        /// The workflow file to put in its place; without one, $EDITOR opens the newest copy
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the deployment's own copy of the workflow
    Export {
        id: String,
        /// Which copy; the newest when not given
        #[arg(long, value_name = "NUMBER")]
        copy: Option<u64>,
    },
    /// Give up machines that will not return: their runs end as `lost`
    Close(Which),
    /// Let nothing begin from then on: a time, or `none`
    StopDate {
        id: String,
        #[arg(value_parser = when::instant_or_none)]
        time: std::option::Option<i64>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::List { json } => list(&client.deployments().await?, json)?,
        Action::Show { which, follow, json } => {
            let id = resolve(&client, &which.id).await?;
            if follow {
                return deploy::watch(&client, &id, json).await;
            }
            show::run(&client, &id, &which.computer, json).await?;
        }
        Action::Log { which, follow, json } => {
            let id = resolve(&client, &which.id).await?;
            log::run(&client, &id, &which.computer, follow, json).await?;
        }
        Action::Suspend(which) => control(&client, which, "suspend").await?,
        Action::Resume(which) => control(&client, which, "resume").await?,
        Action::Abort(which) => control(&client, which, "abort").await?,
        Action::Close(which) => control(&client, which, "close").await?,
        Action::Retry { which, sets, var, follow, json } => {
            let id = resolve(&client, &which.id).await?;
            let new = again(&client, &id, &which.computer, sets, var).await?;
            let deployed = client.deploy(&new).await?;
            return deploy::begun(&client, &id, &deployed, follow, json).await;
        }
        Action::Restart { which, sets, copy, stop, follow, json } => {
            let id = resolve(&client, &which.id).await?;
            let asked = Restart { computers: which.computer, which: sets, copy, stop };
            edit::restart(&client, &id, &asked, json && !follow).await?;
            if follow {
                return deploy::watch(&client, &id, json).await;
            }
        }
        Action::Edit { id, file } => {
            let id = resolve(&client, &id).await?;
            return edit::edit(&client, &id, file).await;
        }
        Action::Export { id, copy } => {
            let id = resolve(&client, &id).await?;
            edit::export(&client, &id, copy).await?;
        }
        Action::StopDate { id, time } => {
            let id = resolve(&client, &id).await?;
            client.set_stop(&id, time).await?;
        }
    }
    Ok(super::DONE)
}

/// The same workflow in the same revision with the same variables but for those given anew, for
/// targets of that deployment.
async fn again(
    client: &Client,
    id: &str,
    computers: &[String],
    sets: Vec<String>,
    variables: Vec<(String, String)>,
) -> Result<NewDeployment> {
    let detail = client.deployment(id).await?;
    let mut values = detail.variables;
    values.extend(variables);
    let mut targets =
        Targets { retry_of: Some(id.to_owned()), retry_which: sets, ..Targets::default() };
    if !computers.is_empty() {
        let mut runs = show::chosen(detail.runs, computers)?;
        runs.retain(|run| targets.retry_which.iter().any(|set| is_in(run, set)));
        if runs.is_empty() {
            let what = format!("none of them is {}", targets.retry_which.join(" or "));
            return Err(Trouble::new("DH-C013", what, "--which all takes every one").into());
        }
        let computers = runs.into_iter().map(|run| run.computer_id).collect();
        targets = Targets { computers, ..Targets::default() };
    }
    Ok(NewDeployment {
        workflow: Some(detail.deployment.workflow),
        revision: Some(detail.deployment.revision),
        source: None,
        targets,
        variables: values,
        start: None,
        stop: None,
    })
}

/// Whether a run belongs to a retry set, as the server counts them.
fn is_in(run: &Run, set: &str) -> bool {
    let outcome = run.outcome.as_deref();
    match set {
        "all" => true,
        "failed" => outcome.is_some_and(|o| ["failure", "refused", "lost", "aborted"].contains(&o)),
        set => outcome == Some(set),
    }
}

async fn control(client: &Client, which: Which, control: &str) -> Result<()> {
    let id = resolve(client, &which.id).await?;
    let request = ControlRequest { control: control.to_owned(), computers: which.computer };
    Ok(client.control(&id, &request).await?)
}

/// The full id of what was typed.
async fn resolve(client: &Client, typed: &str) -> Result<String> {
    const WHOLE: usize = 36;
    if typed.len() == WHOLE {
        return Ok(typed.to_owned());
    }
    Ok(matching(&client.deployments().await?, typed)?.to_owned())
}

fn matching<'a>(all: &'a [Deployment], typed: &str) -> Result<&'a str, Trouble> {
    if typed == "last" {
        let newest = all.iter().max_by_key(|deployment| deployment.created_at);
        let hint = "`deskhand deploy` makes the first";
        let none = || Trouble::new("DH-C014", "there is no deployment yet", hint);
        return newest.map(|deployment| deployment.id.as_str()).ok_or_else(none);
    }
    let typed = typed.to_lowercase();
    let mut found = all.iter().filter(|deployment| deployment.id.starts_with(&typed));
    match (found.next(), found.next()) {
        (Some(one), None) if !typed.is_empty() => Ok(&one.id),
        (Some(_), _) => {
            let what = format!("several deployments begin with `{typed}`");
            Err(Trouble::new("DH-C014", what, "write more of the id"))
        }
        (None, _) => {
            let what = format!("no deployment begins with `{typed}`");
            Err(Trouble::new("DH-C014", what, "`deskhand deployment list` shows all"))
        }
    }
}

/// As much of an id as people need.
pub fn short(id: &str) -> &str {
    super::short(id, ID_CHARS)
}

fn list(deployments: &[Deployment], json: bool) -> Result<()> {
    if json {
        return output::json(&deployments);
    }
    let mut table = Table::new(&["ID", "NAME", "STATE", "TARGETS", "SUCCESS", "BEGUN BY", "MADE"]);
    for deployment in deployments {
        let succeeded = deployment.counts.get("success").copied().unwrap_or(0);
        table.row([
            short(&deployment.id).into(),
            deployment.name.as_str().into(),
            Cell::state(&deployment.status),
            deployment.targets.to_string().into(),
            succeeded.to_string().into(),
            deployment.created_by.as_str().into(),
            output::stamp(deployment.created_at).into(),
        ]);
    }
    super::print_or_note(&table, "no deployments; `deskhand deploy` makes one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(id: &str, created_at: i64) -> Deployment {
        Deployment {
            id: id.into(),
            name: String::new(),
            workflow: String::new(),
            revision: 1,
            status: "ended".into(),
            start: None,
            stop: None,
            created_by: String::new(),
            created_at,
            targets: 0,
            counts: Default::default(),
        }
    }

    #[test]
    fn ids_are_found_by_their_beginning() {
        let all = [deployment("0189aa-1", 1), deployment("0189ab-2", 3), deployment("02", 2)];
        assert_eq!(matching(&all, "0189AA").unwrap(), "0189aa-1");
        assert_eq!(matching(&all, "02").unwrap(), "02");
        assert_eq!(matching(&all, "last").unwrap(), "0189ab-2");
        assert!(matching(&all, "0189a").unwrap_err().to_string().contains("several"));
        assert!(matching(&all, "3").unwrap_err().to_string().contains("no deployment"));
        assert!(matching(&all, "").is_err());
        assert!(matching(&[], "last").is_err());
    }
}
