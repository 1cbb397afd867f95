//! Servers on record.

use anyhow::Result;
use client::Client;

use crate::output::{self, Cell, Table};

/// What can be set; one of it is needed.
const CHANGES: [&str; 6] = ["name", "presence", "detection", "max_targets", "depot", "default"];

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(CHANGES))]
pub struct SetArgs {
    /// The server, by name or id [default: the one that answers]
    server: Option<String>,
    /// Its new name
    #[arg(long)]
    name: Option<String>,
    /// `host:port` under which agents reach it, in this order, parted by `;`
    #[arg(long, value_name = "LIST")]
    presence: Option<String>,
    /// Where the one that answers hears signals of presence: `INET::1738; INET::1742`; empty for
    /// nowhere
    #[arg(long, value_name = "ADDRESSES", conflicts_with = "server")]
    detection: Option<String>,
    /// Runs in progress at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_targets: Option<u32>,
    /// Where its depot is, of a server that does not run
    #[arg(long, value_name = "DIR")]
    depot: Option<String>,
    /// Let it carry out what names no server
    #[arg(long)]
    default: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn list(servers: &[api::ServerRecord], json: bool) -> Result<()> {
    if json {
        return output::json(&servers);
    }
    let mut table =
        Table::new(&["NAME", "STATE", "DEFAULT", "COMPUTER", "MAX", "AGENTS AT", "PRESENCE"]);
    for server in servers {
        table.row([
            server.name.as_str().into(),
            Cell::state(if server.is_running { "running" } else { "stopped" }),
            if server.is_default { "yes" } else { "-" }.into(),
            server.computer.as_deref().unwrap_or("-").into(),
            server.max_targets.to_string().into(),
            server.agent_listen.as_str().into(),
            server.presence.join("; ").into(),
        ]);
    }
    Ok(table.print()?)
}

pub fn show(server: &api::ServerRecord, json: bool) -> Result<()> {
    if json {
        return output::json(server);
    }
    let state = match (server.is_this, server.is_running) {
        (true, _) => "running, the one that answers",
        (false, true) => "running",
        (false, false) => "stopped",
    };
    let lines = [
        ("Name", server.name.clone()),
        ("State", state.to_owned()),
        ("Default", if server.is_default { "yes" } else { "no" }.to_owned()),
        ("Computer", server.computer.clone().unwrap_or_else(|| "none of record".to_owned())),
        ("Max", format!("{} runs at once", server.max_targets)),
        ("Depot", server.depot.clone()),
        ("Presence", server.presence.join("; ")),
        ("Agents", server.agent_listen.clone()),
        ("API", server.api_listen.clone()),
        ("Since", output::stamp(server.created_at)),
        ("Id", server.id.clone()),
    ];
    for (name, value) in lines {
        output::line(format!("{:10}{}", format!("{name}:"), output::clean(&value)))?;
    }
    Ok(())
}

pub async fn set(client: &Client, args: SetArgs) -> Result<()> {
    if args.detection.is_some() {
        let detection = args.detection.clone();
        let settings = api::ServerSettings { detection, ..api::ServerSettings::default() };
        client.set_server(&settings).await?;
    }
    let name = match args.server {
        Some(name) => name,
        None => client.server().await?.id,
    };
    let addresses = |list: String| {
        let all = list.split(';').map(str::trim).filter(|address| !address.is_empty());
        all.map(str::to_owned).collect()
    };
    let change = api::ServerChange {
        name: args.name,
        presence: args.presence.map(addresses),
        max_targets: args.max_targets,
        depot: args.depot,
        is_default: args.default.then_some(true),
    };
    show(&client.set_server_record(&name, &change).await?, args.json)
}
