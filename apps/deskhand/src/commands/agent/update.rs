//! `deskhand agent update`: a new version on its way to the fleet.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use client::Client;
use model::Span;

use crate::output::{self, Cell, Table};
use crate::trouble::Trouble;

const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The release that the agents shall run
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Shares of the fleet that are asked one after the other; the rest comes last
    #[arg(long, default_value = "5%,25%,100%", value_parser = shares)]
    waves: Shares,
    /// How long a machine may take to come back in the new version
    #[arg(long, default_value = "10m", value_name = "TIME")]
    within: Span,
    /// Stop when more of the machines asked so far have failed
    #[arg(long, default_value = "5%", value_parser = share, value_name = "SHARE")]
    failures: u8,
    /// Only these computers, by name or id
    #[arg(long)]
    computer: Vec<String>,
    /// Wait for its end; exit code 1 unless all machines have come back
    #[arg(long)]
    follow: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// How far it is, and what became of each machine
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Offer it to nobody any more; what has begun goes on
    Halt,
    /// Go on after a halt; machines that failed are asked again
    Resume,
}

#[derive(Debug, Clone)]
struct Shares(Vec<u8>);

fn shares(text: &str) -> Result<Shares, String> {
    let all: Result<Vec<u8>, String> = text.split(',').map(share).collect();
    all.map(Shares)
}

fn share(text: &str) -> Result<u8, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text.trim());
    let share = number.parse().ok().filter(|share| *share <= 100);
    share.ok_or_else(|| format!("`{text}` is no share such as 25%"))
}

pub async fn run(client: &Client, args: Args) -> Result<ExitCode> {
    match args.action {
        None => begin(client, args).await,
        Some(Action::Status { json }) => shown(&client.update().await?, json),
        Some(Action::Halt) => shown(&client.change_update("halt").await?, false),
        Some(Action::Resume) => shown(&client.change_update("resume").await?, false),
    }
}

async fn begin(client: &Client, args: Args) -> Result<ExitCode> {
    let Some(version) = args.to else {
        let text = "which version?";
        let hint = "`--to VERSION`; `deskhand agent release list` shows those there are";
        return Err(Trouble::usage(text, hint).into());
    };
    let new = api::NewUpdate {
        version,
        waves: args.waves.0,
        within_s: args.within.as_millis().div_ceil(1_000),
        failures_max: args.failures,
        computers: args.computer,
    };
    let mut update = client.begin_update(&new).await?;
    while args.follow && update.standing == "running" {
        tokio::time::sleep(LOOK).await;
        update = client.update().await?;
    }
    shown(&update, args.json)?;
    let is_well = !args.follow || update.standing == "done";
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(update: &api::Update, json: bool) -> Result<ExitCode> {
    if json {
        output::json(&update)?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = |state| update.machines.iter().filter(|machine| machine.state == state).count();
    let shares: Vec<String> = update.waves.iter().map(|share| format!("{share}%")).collect();
    output::line(format!(
        "version {} · {}{} · {} of {} done, {} failed",
        update.version,
        update.standing,
        if update.standing == "running" {
            format!(", wave {} of {}", update.wave, shares.join(" "))
        } else {
            String::new()
        },
        count("done"),
        update.machines.len(),
        count("failed"),
    ))?;
    if let Some(why) = &update.why {
        output::line(format!("halted: {why}"))?;
    }
    let mut table = Table::new(&["COMPUTER", "STATE", "WHY"]);
    for machine in &update.machines {
        table.row([
            machine.name.as_str().into(),
            Cell::state(&machine.state),
            machine.why.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}
