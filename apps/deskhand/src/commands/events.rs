//! `deskhand events`: the log of who did what, what was refused and why.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use api::Event;
use client::Client;
use tokio::time::sleep;

use crate::connection::Connection;
use crate::output;

/// How often a followed log is asked for more.
const ASK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those after the event with this number
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Go on with what comes
    #[arg(long, short)]
    follow: bool,
    /// Print JSON: an array, or with --follow one object on each line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    let mut after = args.after;
    if !args.follow {
        let events = read(&client, &mut after).await?;
        if args.json {
            output::json(&events)?;
        } else {
            events.iter().try_for_each(print)?;
        }
        return Ok(super::DONE);
    }
    loop {
        for event in read(&client, &mut after).await? {
            if args.json {
                output::line(serde_json::to_string(&event)?)?;
            } else {
                print(&event)?;
            }
        }
        tokio::select! {
            () = sleep(ASK) => {}
            _ = tokio::signal::ctrl_c() => return Ok(super::DONE),
        }
    }
}

/// All that came since, and where to go on.
async fn read(client: &Client, after: &mut Option<u64>) -> Result<Vec<Event>> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let from = after.map(|seq| seq.to_string());
        let page = client.events(from.as_deref()).await?;
        let Some(last) = page.items.last() else { return Ok(all) };
        *after = Some(last.seq);
        all.extend(page.items);
        if page.next.is_none() {
            return Ok(all);
        }
    }
}

fn print(event: &Event) -> Result<()> {
    let Event { seq, at, kind, who, text, .. } = event;
    let line = format!("{seq:>6}  {}  {kind:<10}  {text} ({who})", output::stamp(*at));
    Ok(output::line(output::clean(&line))?)
}
