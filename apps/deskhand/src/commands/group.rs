//! `deskhand group`: computers taken together; groups may hold groups.

use std::process::ExitCode;

use anyhow::Result;
use api::{Computer, NewComputer};
use clap::Subcommand;
use client::Client;

use super::computer::as_new;
use crate::connection::Connection;
use crate::output;
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
    /// All groups, as a tree
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// A group with all below it
    Show {
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a group
    Add {
        name: String,
        /// The group it is in
        #[arg(long)]
        group: Option<String>,
    },
    /// Remove groups; their members stay, in no group
    Remove {
        #[arg(required = true)]
        name: Vec<String>,
    },
    /// Put computers or groups into a group; each is in one at most
    AddMember {
        group: String,
        #[arg(required = true)]
        member: Vec<String>,
    },
    /// Take computers or groups out of a group
    RemoveMember {
        group: String,
        #[arg(required = true)]
        member: Vec<String>,
    },
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let client = args.connection.client()?;
    match args.action {
        Action::List { json } => list(&client.computers().await?, json)?,
        Action::Show { name, json } => show(&client.computers().await?, &name, json)?,
        Action::Add { name, group } => {
            let new = NewComputer {
                name,
                host_name: String::new(),
                parent: group,
                is_group: true,
                facts: Default::default(),
            };
            client.add_computer(&new).await?;
        }
        Action::Remove { name } => remove(&client, &name).await?,
        Action::AddMember { group, member } => {
            for member in member {
                place(&client, &member, Some(&group)).await?;
            }
        }
        Action::RemoveMember { group, member } => {
            let all = client.computers().await?;
            let group = find(&all, &group)?;
            for member in member {
                let found = client.computer(&member).await?;
                if found.parent.as_deref() != Some(&group.name) {
                    let what = format!("`{member}` is not directly in `{}`", group.name);
                    let hint = "`deskhand group show` tells where it is";
                    return Err(Trouble::new("DH-C013", what, hint).into());
                }
                place(&client, &member, None).await?;
            }
        }
    }
    Ok(super::DONE)
}

async fn place(client: &Client, member: &str, group: Option<&str>) -> Result<()> {
    let found = client.computer(member).await?;
    let mut new = as_new(&found);
    new.parent = group.map(str::to_owned);
    client.set_computer(&found.id, &new).await?;
    Ok(())
}

async fn remove(client: &Client, names: &[String]) -> Result<()> {
    for name in names {
        let all = client.computers().await?;
        let group = find(&all, name)?;
        for member in members(&all, &group.name) {
            place(client, &member.id, None).await?;
        }
        client.remove_computer(&group.id).await?;
    }
    Ok(())
}

/// The group of that name or id.
pub fn find<'a>(all: &'a [Computer], name: &str) -> Result<&'a Computer> {
    let is_meant = |computer: &&Computer| {
        computer.is_group && (same(&computer.name, name) || computer.id == name)
    };
    all.iter().find(is_meant).ok_or_else(|| {
        let what = format!("there is no group `{name}`");
        Trouble::new("DH-C013", what, "`deskhand group list` shows all groups").into()
    })
}

/// Whether a computer is in that group or in one that is.
pub fn is_below(all: &[Computer], computer: &Computer, group: &str) -> bool {
    let mut above = computer.parent.as_deref();
    // A circle among groups cannot be longer than there are groups.
    for _ in all {
        let Some(name) = above else { return false };
        if same(name, group) {
            return true;
        }
        let parent = all.iter().find(|one| one.is_group && same(&one.name, name));
        above = parent.and_then(|parent| parent.parent.as_deref());
    }
    false
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn members<'a>(all: &'a [Computer], group: &str) -> impl Iterator<Item = &'a Computer> {
    let group = group.to_owned();
    all.iter().filter(move |one| one.parent.as_deref().is_some_and(|parent| same(parent, &group)))
}

fn list(all: &[Computer], json: bool) -> Result<()> {
    let groups: Vec<&Computer> = all.iter().filter(|one| one.is_group).collect();
    if json {
        return output::json(&groups);
    }
    if groups.is_empty() {
        output::note("no groups; make one with `deskhand group add NAME`");
    }
    let tops = groups.iter().filter(|group| group.parent.is_none());
    tops.copied().try_for_each(|group| tree(all, group, 0, false))
}

fn show(all: &[Computer], name: &str, json: bool) -> Result<()> {
    let group = find(all, name)?;
    if json {
        let below = |one: &&Computer| is_below(all, one, &group.name);
        let members: Vec<&Computer> = all.iter().filter(below).collect();
        return output::json(&serde_json::json!({ "group": group, "members": members }));
    }
    tree(all, group, 0, true)
}

fn tree(all: &[Computer], group: &Computer, depth: usize, with_computers: bool) -> Result<()> {
    let direct = members(all, &group.name).filter(|one| !one.is_group).count();
    let indent = "  ".repeat(depth);
    output::line(format!("{indent}{}/ ({direct})", output::clean(&group.name)))?;
    if depth >= all.len() {
        return Ok(());
    }
    for member in members(all, &group.name) {
        if member.is_group {
            tree(all, member, depth + 1, with_computers)?;
        } else if with_computers {
            output::line(format!("{indent}  {}", output::clean(&member.name)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, parent: Option<&str>, is_group: bool) -> Computer {
        Computer {
            id: format!("id-{name}"),
            name: name.into(),
            host_name: String::new(),
            os: String::new(),
            parent: parent.map(str::to_owned),
            is_group,
            facts: Default::default(),
            agent: None,
            created_by: String::new(),
            created_at: 0,
        }
    }

    #[test]
    fn nested_groups_hold_what_is_below() {
        let all = [
            record("all", None, true),
            record("north", Some("all"), true),
            record("pc", Some("North"), false),
            record("loop", Some("loop"), true),
            record("lost", Some("loop"), false),
        ];
        assert!(is_below(&all, &all[2], "ALL"));
        assert!(!is_below(&all, &all[4], "all"));
        assert_eq!(find(&all, "NORTH").unwrap().id, "id-north");
        assert!(find(&all, "pc").is_err());
    }
}
