//! What people are told of the keys that count.

use anyhow::Result;

use crate::output::{self, Cell, Table};

pub fn list(keys: &api::Keys, json: bool) -> Result<()> {
    if json {
        return output::json(&keys.keys);
    }
    let mut table = Table::new(&["FINGERPRINT", "STATE", "ROLES", "UNTIL", "SECRET"]);
    let now = output::now();
    for key in &keys.keys {
        let state = match key.until {
            _ if key.is_current => "current",
            Some(until) if until < now => "ended",
            Some(_) => "ending",
            None => "valid",
        };
        table.row([
            key.fingerprint.as_str().into(),
            Cell::state(state),
            key.roles.join(",").into(),
            key.until.map_or("-".to_owned(), output::stamp).into(),
            if key.is_here { "here" } else { "elsewhere" }.into(),
        ]);
    }
    Ok(table.print()?)
}

pub fn status(keys: &api::Keys, json: bool) -> Result<()> {
    if json {
        return output::json(keys);
    }
    let mut table = Table::new(&["DOCUMENT", "MADE", "AGENTS"]);
    for document in &keys.documents {
        table.row([
            document.number.to_string().into(),
            output::stamp(document.made_at).into(),
            document.agents.to_string().into(),
        ]);
    }
    table.print()?;
    if keys.behind.is_empty() {
        output::note(format!("Every agent has document {}.", keys.document));
        return Ok(());
    }
    output::note("These have not heard of the last change; they catch up when they connect:");
    let mut table = Table::new(&["COMPUTER", "DOCUMENT", "STATE", "LAST SEEN"]);
    for agent in &keys.behind {
        let document = if agent.document == 0 { "?".into() } else { agent.document.to_string() };
        table.row([
            agent.computer.as_str().into(),
            document.into(),
            Cell::state(if agent.is_online { "online" } else { "offline" }),
            output::stamp(agent.last_seen).into(),
        ]);
    }
    Ok(table.print()?)
}

/// What a change came to.
pub fn told(changed: &api::KeysChanged, json: bool) -> Result<()> {
    if json {
        return output::json(changed);
    }
    output::line(&changed.current)?;
    let mut text = format!(
        "Trust document {} is in force. Connected agents are being told; others catch up when they \
         connect (`deskhand keys status`).",
        changed.document
    );
    if let Some(ending) = changed.keys.keys.iter().find_map(|key| key.until) {
        text.push_str(&format!("\nThe former key is good until {}.", output::stamp(ending)));
    }
    if !changed.gone.is_empty() {
        text.push_str(&format!(
            "\nGood for nothing any more: {}. Enrolment tokens that pinned it were revoked.",
            changed.gone.join(", ")
        ));
    }
    text.push_str("\nKeep a copy of the new `keypriv.key` where you kept the old one.");
    output::note(text);
    Ok(())
}
