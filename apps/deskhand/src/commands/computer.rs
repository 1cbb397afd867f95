//! `deskhand computer`: machines on record.

use std::process::ExitCode;

use anyhow::Result;
use api::{Computer, NewComputer};
use clap::Subcommand;
use client::Client;

use super::ssh::Way;
use super::{agent, pair};
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
    /// All computers
    List {
        /// Only those in this group and the groups in it
        #[arg(long)]
        group: Option<String>,
        /// Only those that a query chooses, such as "os = 'windows' AND agent.connected"
        #[arg(long = "where", value_name = "QUERY", conflicts_with = "group")]
        query: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one
    Show {
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put a computer on record before its agent comes
    Add {
        name: String,
        #[command(flatten)]
        wish: Wish,
        #[command(flatten)]
        way: Way,
    },
    /// Change what is on record
    Set {
        name: String,
        /// Its new name
        #[arg(long)]
        rename: Option<String>,
        /// Take it out of its group
        #[arg(long, conflicts_with = "group")]
        no_group: bool,
        #[command(flatten)]
        wish: Wish,
        #[command(flatten)]
        way: Way,
    },
    /// Wake a computer by its network card and wait until it shows itself
    Wake {
        name: String,
        /// Its physical address [default: that on record]
        #[arg(long, value_name = "MAC")]
        address: Option<String>,
        /// Who sends the packet
        #[arg(long, default_value = "any", value_parser = ["any", "server", "neighbour"])]
        through: String,
        /// The packet's port
        #[arg(long, default_value_t = 9)]
        port: u16,
        /// How long to wait for it
        #[arg(long, value_name = "TIME", default_value = "5m")]
        timeout: model::Span,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take computers off the record; their agents are no longer trusted
    Remove {
        #[arg(required = true)]
        name: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Wish {
    /// The group it is in
    #[arg(long)]
    group: Option<String>,
    /// Its name on the network
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,
    /// Something to be told to templates; `name=` takes it away
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    fact: Vec<(String, String)>,
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::List { group, query, json } => {
            list(&client, group.as_deref(), query.as_deref(), json).await?;
        }
        Action::Show { name, json } => show(&client.computer(&name).await?, json)?,
        Action::Add { name, wish, way } => {
            let mut new = NewComputer {
                name,
                host_name: String::new(),
                parent: None,
                is_group: false,
                facts: Default::default(),
            };
            wish.apply(&mut new);
            let added = client.add_computer(&new).await?;
            way.apply(&client, &added.id).await?;
            output::note(format!("Added {}.", added.name));
        }
        Action::Set { name, rename, no_group, wish, way } => {
            let now = client.computer(&name).await?;
            let mut new = as_new(&now);
            if let Some(rename) = rename {
                new.name = rename;
            }
            if no_group {
                new.parent = None;
            }
            wish.apply(&mut new);
            if new != as_new(&now) {
                client.set_computer(&now.id, &new).await?;
            }
            way.apply(&client, &now.id).await?;
        }
        Action::Wake { name, address, through, port, timeout, json } => {
            let wake = api::Wake {
                address,
                through: Some(through),
                port: Some(port),
                within_s: Some(timeout.as_millis().div_ceil(1_000)),
            };
            let woken = client.wake_computer(&name, &wake).await?;
            if json {
                output::json(&woken)?;
            } else if woken.was_awake {
                output::note(format!("{name} was awake already."));
            } else {
                output::note(format!(
                    "{name} woke up and showed itself after {} s.",
                    woken.seconds
                ));
            }
        }
        Action::Remove { name } => {
            for name in name {
                client.remove_computer(&name).await?;
            }
        }
    }
    Ok(super::DONE)
}

impl Wish {
    fn apply(self, to: &mut NewComputer) {
        if let Some(group) = self.group {
            to.parent = Some(group);
        }
        if let Some(host_name) = self.host_name {
            to.host_name = host_name;
        }
        for (name, value) in self.fact {
            // Without a value, the server takes it away.
            to.facts.insert(name, value);
        }
    }
}

/// What is on record, to be changed in part.
pub fn as_new(computer: &Computer) -> NewComputer {
    NewComputer {
        name: computer.name.clone(),
        host_name: computer.host_name.clone(),
        parent: computer.parent.clone(),
        is_group: computer.is_group,
        facts: computer.facts.clone(),
    }
}

async fn list(client: &Client, group: Option<&str>, query: Option<&str>, json: bool) -> Result<()> {
    let all = match query {
        Some(query) => client.computers_where(query).await?,
        None => client.computers().await?,
    };
    let is_meant = |computer: &&Computer| {
        !computer.is_group
            && group.is_none_or(|group| super::group::is_below(&all, computer, group))
    };
    if let Some(group) = group {
        super::group::find(&all, group)?;
    }
    let computers: Vec<&Computer> = all.iter().filter(is_meant).collect();
    if json {
        return output::json(&computers);
    }
    let mut table = Table::new(&["NAME", "SYSTEM", "GROUP", "AGENT", "LAST SEEN"]);
    let now = output::now();
    for computer in computers {
        let agent = computer.agent.as_ref();
        let seen = agent.map(|agent| match agent.is_online {
            true => "now".to_owned(),
            false => output::ago_or_ahead(agent.last_seen, now),
        });
        table.row([
            computer.name.as_str().into(),
            computer.os.as_str().into(),
            computer.parent.as_deref().unwrap_or_default().into(),
            Cell::state(agent.map_or("none", agent::state)),
            seen.unwrap_or_default().into(),
        ]);
    }
    let otherwise = match query {
        Some(_) => "no computer meets the query",
        None => "no computers; `deskhand token create` lets the first one in",
    };
    super::print_or_note(&table, otherwise)
}

fn show(computer: &Computer, json: bool) -> Result<()> {
    if json {
        return output::json(computer);
    }
    let mut lines = vec![
        ("Name", computer.name.clone()),
        ("Id", computer.id.clone()),
        ("Kind", if computer.is_group { "group" } else { "computer" }.to_owned()),
        ("Group", computer.parent.clone().unwrap_or_default()),
        ("Host name", computer.host_name.clone()),
        ("System", computer.os.clone()),
        (
            "On record",
            format!("since {} by {}", output::stamp(computer.created_at), computer.created_by),
        ),
    ];
    if let Some(agent) = &computer.agent {
        lines.push(("Agent", format!("{}, version {}", agent::state(agent), agent.version)));
        lines.push(("Address", agent.address.clone()));
        lines.push(("Last seen", output::stamp(agent.last_seen)));
        lines.push(("Key", agent.key.clone()));
    }
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(format!("{:10} {}", format!("{name}:"), output::clean(value)))?;
    }
    for (name, value) in &computer.facts {
        output::line(format!("  {} = {}", output::clean(name), output::clean(value)))?;
    }
    Ok(())
}
