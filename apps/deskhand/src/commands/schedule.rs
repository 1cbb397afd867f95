//! `deskhand schedule`: deployments that are made again and again.

use std::process::ExitCode;

use anyhow::Result;
use api::{NewSchedule, Schedule, ScheduleStart, Targets};
use clap::Subcommand;
use client::Client;

use super::deploy::EVERYBODY;
use super::pair;
use crate::connection::Connection;
use crate::output::{self, Cell, Table};
use crate::trouble::Trouble;
use crate::when;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// All schedules: when they begin next, and what became of the last start
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// One schedule: its next starts and its history
    Show {
        name: String,
        /// How many of the next starts
        #[arg(long, default_value_t = 5, value_name = "NUMBER")]
        next: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Deploy a workflow again and again
    Add(Box<Add>),
    /// Begin nothing until it is resumed; what goes on goes on
    Pause { name: String },
    /// Go on; starts that were due meanwhile are not made up for
    Resume { name: String },
    /// Make a deployment of it now
    RunNow { name: String },
    /// Take schedules away; their deployments stay
    Remove {
        #[arg(required = true)]
        name: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    name: String,
    /// A workflow on the server; its latest revision each time
    #[arg(long, required_unless_present = "action", conflicts_with = "action")]
    workflow: Option<String>,
    /// Or an action that starts one, with its own targets unless others are given
    #[arg(long)]
    action: Option<String>,
    /// When: `minute hour day month weekday`, with seconds before if there are six
    #[arg(long, required_unless_present = "every", conflicts_with = "every")]
    cron: Option<String>,
    /// Or how often: `6h`
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// The time zone of the cron expression: `Europe/Warsaw`
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Those that a query chooses at each start, or `everybody`
    #[arg(long, value_name = "QUERY|everybody")]
    to: Option<String>,
    /// Computers by name or id
    #[arg(long, num_args = 1.., value_name = "NAME")]
    computer: Vec<String>,
    /// Groups by name, with all below them at each start
    #[arg(long, num_args = 1.., value_name = "NAME")]
    group: Vec<String>,
    /// A value for a variable of the workflow, or for a parameter of the action
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    var: Vec<(String, String)>,
    /// Begin nothing before
    #[arg(long, value_name = "TIME", value_parser = when::instant)]
    from: Option<i64>,
    /// Begin nothing after
    #[arg(long, value_name = "TIME", value_parser = when::instant)]
    until: Option<i64>,
    /// Begin up to so much later, differently each time: `10m`
    #[arg(long, value_name = "TIME")]
    jitter: Option<String>,
    /// While the former deployment goes on
    #[arg(long, default_value = "skip", value_parser = ["skip", "queue", "parallel"])]
    overlap: String,
    /// Starts that were due while the server was down
    #[arg(long, default_value = "once", value_parser = ["skip", "once", "all"])]
    missed: String,
    /// Targets that have not begun so long after a start never will: `2h`
    #[arg(long, value_name = "TIME")]
    stop_after: Option<String>,
    /// Begin nothing until it is resumed
    #[arg(long)]
    paused: bool,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::List { json } => list(&client.schedules().await?, json)?,
        Action::Show { name, next, json } => show(&client.schedule(&name, next).await?, json)?,
        Action::Add(add) => {
            let made = client.add_schedule(&add.wish()?).await?;
            let next = made.next.first().map(|at| output::stamp(*at));
            let next = next.unwrap_or_else(|| "never, until it is resumed".to_owned());
            output::note(format!("Begins next: {next}"));
        }
        Action::Pause { name } => order(&client, &name, "pause").await?,
        Action::Resume { name } => order(&client, &name, "resume").await?,
        Action::RunNow { name } => {
            let made = client.order_schedule(&name, "run").await?;
            let newest = made.history.iter().rev().find_map(|start| start.deployment.as_ref());
            if let Some(id) = newest {
                output::line(id)?;
                output::note(format!("Watch it: deskhand deployment show {id} --follow"));
            }
        }
        Action::Remove { name } => {
            for name in name {
                client.remove_schedule(&name).await?;
            }
        }
    }
    Ok(super::DONE)
}

async fn order(client: &Client, name: &str, order: &str) -> Result<()> {
    client.order_schedule(name, order).await?;
    Ok(())
}

impl Add {
    fn wish(self) -> Result<NewSchedule> {
        let is_for_nobody = self.to.is_none() && self.computer.is_empty() && self.group.is_empty();
        if is_for_nobody && self.action.is_none() {
            let hint = "--to QUERY, --to everybody, --computer NAME... or --group NAME...";
            return Err(Trouble::usage("who gets it? no targets were given", hint).into());
        }
        let everybody = self.to.as_deref() == Some(EVERYBODY);
        Ok(NewSchedule {
            name: self.name,
            workflow: self.workflow.unwrap_or_default(),
            action: self.action,
            targets: Targets {
                computers: self.computer,
                groups: self.group,
                query: self.to.filter(|to| to != EVERYBODY),
                everybody,
                ..Targets::default()
            },
            variables: self.var.into_iter().collect(),
            cron: self.cron,
            every: self.every,
            zone: self.zone,
            from: self.from,
            until: self.until,
            jitter: self.jitter,
            overlap: self.overlap,
            missed: self.missed,
            stop_after: self.stop_after,
            is_paused: self.paused,
        })
    }
}

/// When it begins, as it was said.
fn when_told(schedule: &NewSchedule) -> String {
    match (&schedule.cron, &schedule.every) {
        (Some(cron), _) => format!("{cron} ({})", schedule.zone),
        (None, Some(every)) => format!("every {every}"),
        (None, None) => String::new(),
    }
}

/// What became of a start, in a word.
fn outcome(start: &ScheduleStart) -> &str {
    match &start.status {
        Some(status) => status,
        None if start.deployment.is_some() => "removed",
        None => "none",
    }
}

fn list(schedules: &[Schedule], json: bool) -> Result<()> {
    if json {
        return output::json(&schedules);
    }
    let mut table = Table::new(&["NAME", "BEGINS", "WHEN", "NEXT", "LAST", "RESULT"]);
    for Schedule { schedule, next, history, .. } in schedules {
        let next = match next.first() {
            _ if schedule.is_paused => "paused".to_owned(),
            Some(at) => output::stamp(*at),
            None => "over".to_owned(),
        };
        let last = history.last();
        table.row([
            schedule.name.as_str().into(),
            begins(schedule).into(),
            when_told(schedule).into(),
            next.into(),
            last.map(|start| output::stamp(start.at)).unwrap_or_default().into(),
            Cell::state(last.map_or("", outcome)),
        ]);
    }
    super::print_or_note(&table, "no schedules; `deskhand schedule add` makes one")
}

fn begins(schedule: &NewSchedule) -> String {
    match &schedule.action {
        Some(action) => format!("action {action}"),
        None => schedule.workflow.clone(),
    }
}

fn show(told: &Schedule, json: bool) -> Result<()> {
    if json {
        return output::json(told);
    }
    let Schedule { schedule, changed_by, changed_at, next, queued, history } = told;
    let mut lines = vec![
        ("Name", schedule.name.clone()),
        ("Begins", begins(schedule)),
        ("Targets", targets(&schedule.targets)),
        ("When", when_told(schedule)),
        ("Overlap", schedule.overlap.clone()),
        ("Missed", schedule.missed.clone()),
        ("Changed", format!("{} by {changed_by}", output::stamp(*changed_at))),
    ];
    let dates = [("From", schedule.from), ("Until", schedule.until)];
    lines.extend(dates.into_iter().filter_map(|(name, at)| Some((name, output::stamp(at?)))));
    let spans = [("Jitter", &schedule.jitter), ("Stop after", &schedule.stop_after)];
    lines.extend(spans.into_iter().filter_map(|(name, span)| Some((name, span.clone()?))));
    let values: Vec<String> =
        schedule.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.push(("Variables", values.join(" ")));
    lines.extend(queued.iter().map(|at| ("Waits", format!("since {}", output::stamp(*at)))));
    match next.as_slice() {
        [] => lines.push(("Next", if schedule.is_paused { "paused" } else { "over" }.to_owned())),
        next => lines.extend(next.iter().map(|at| ("Next", output::stamp(*at)))),
    }
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(format!("{:11} {}", format!("{name}:"), output::clean(value)))?;
    }
    if history.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let mut table = Table::new(&["DUE", "BEGAN", "DEPLOYMENT", "STATE", "NOTE"]);
    for start in history {
        let began = start.deployment.as_ref().map(|_| output::stamp(start.at));
        table.row([
            output::stamp(start.due).into(),
            began.unwrap_or_default().into(),
            super::deployment::short(start.deployment.as_deref().unwrap_or_default()).into(),
            Cell::state(outcome(start)),
            start.note.as_str().into(),
        ]);
    }
    Ok(table.print()?)
}

fn targets(targets: &Targets) -> String {
    let mut parts = Vec::new();
    if targets.everybody {
        parts.push(EVERYBODY.to_owned());
    }
    parts.extend(targets.query.iter().map(|query| format!("where {query}")));
    let named = [("computers", &targets.computers), ("groups", &targets.groups)];
    let named = named.into_iter().filter(|(_, names)| !names.is_empty());
    parts.extend(named.map(|(what, names)| format!("{what} {}", names.join(", "))));
    parts.join("; ")
}
