//! `deskhand events`: the log of who did what, what was refused and why.

use std::collections::BTreeMap;
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
    let mut names = Names::default();
    if !args.follow {
        let events = read(&client, &mut after).await?;
        if args.json {
            output::json(&events)?;
        } else {
            names.learn(&client, &events).await?;
            events.iter().try_for_each(|event| print(event, &names))?;
        }
        return Ok(super::DONE);
    }
    loop {
        let events = read(&client, &mut after).await?;
        if !args.json {
            names.learn(&client, &events).await?;
        }
        for event in events {
            if args.json {
                output::line(serde_json::to_string(&event)?)?;
            } else {
                print(&event, &names)?;
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

/// The names of computers by their ids.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    /// Asks for the computers on record when an event is about one that is not known yet.
    async fn learn(&mut self, client: &Client, events: &[Event]) -> Result<()> {
        let is_new = |id: &String| !self.0.contains_key(id);
        if events.iter().filter_map(|event| event.computer.as_ref()).any(is_new) {
            let computers = client.computers().await?;
            self.0.extend(computers.into_iter().map(|computer| (computer.id, computer.name)));
        }
        Ok(())
    }
}

fn print(event: &Event, names: &Names) -> Result<()> {
    Ok(output::line(output::clean(&shown(event, names)))?)
}

/// Says of which computer an event tells, unless its text names it already.
fn shown(event: &Event, names: &Names) -> String {
    let Event { seq, at, kind, computer, who, text, .. } = event;
    let name = computer.as_ref().map(|id| names.0.get(id).unwrap_or(id));
    let about = match name.filter(|name| !text.contains(name.as_str())) {
        Some(name) => format!("{name}: "),
        None => String::new(),
    };
    format!("{seq:>6}  {}  {kind:<10}  {about}{text} ({who})", output::stamp(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_its_computer_once() {
        let names = Names([("id-1".to_owned(), "pc-1".to_owned())].into());
        let told = |computer: Option<&str>, text: &str| {
            let event = Event {
                seq: 1,
                at: 0,
                kind: "clone".into(),
                computer: computer.map(str::to_owned),
                deployment: None,
                run: None,
                who: "agent".into(),
                text: text.into(),
            };
            shown(&event, &names)
        };
        assert!(told(Some("id-1"), "two of it").ends_with("clone       pc-1: two of it (agent)"));
        assert!(told(Some("id-1"), "pc-1 came").ends_with("clone       pc-1 came (agent)"));
        assert!(told(Some("id-9"), "gone").ends_with("clone       id-9: gone (agent)"));
        assert!(told(None, "began").ends_with("clone       began (agent)"));
    }
}
