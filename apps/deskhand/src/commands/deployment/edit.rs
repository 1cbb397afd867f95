//! A deployment's own copy of its workflow: taken out, edited, put back; and beginning anew with
//! it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use api::{NewWorkflow, Restart};
use client::Client;

use crate::commands::{DONE, workflow};
use crate::output;
use crate::trouble::{FAILED, Trouble};

/// Where nothing else is said.
const EDITOR: &str = if cfg!(windows) { "notepad" } else { "vi" };

pub async fn export(client: &Client, id: &str, copy: Option<u64>) -> Result<()> {
    Ok(output::text(&client.deployment_source(id, copy).await?.source)?)
}

/// Puts a file in as the next copy, or what the editor made of the newest.
pub async fn edit(client: &Client, id: &str, file: Option<PathBuf>) -> Result<ExitCode> {
    let (source, name) = match file {
        Some(file) => (workflow::read(&file)?, workflow::shown(&file)),
        None => {
            let newest = client.deployment_source(id, None).await?;
            let edited = in_editor(&newest.source)?;
            if edited == newest.source {
                output::note("Nothing was changed.");
                return Ok(DONE);
            }
            (edited, format!("copy {}", newest.number + 1))
        }
    };
    if !workflow::accept(&source, &name) {
        return Ok(ExitCode::from(FAILED));
    }
    let edited = client.edit_deployment(id, &NewWorkflow { source }).await?;
    workflow::note_findings(&name, &edited.findings);
    let Some(copy) = edited.copy else { return Ok(ExitCode::from(FAILED)) };
    output::note(format!(
        "Copy {} is kept. What goes on or waits keeps its own; begin anew with it:\n  \
         deskhand deployment restart {id} --which failed",
        copy.number
    ));
    Ok(DONE)
}

/// The text as it is after `$VISUAL` or `$EDITOR`, which may have arguments.
fn in_editor(text: &str) -> Result<String> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok());
    let editor = named.filter(|editor| !editor.trim().is_empty());
    let editor = editor.unwrap_or_else(|| EDITOR.to_owned());
    let file = tempfile::Builder::new()
        .prefix("deskhand-")
        .suffix(".yaml")
        .tempfile()
        .context("cannot write a file to edit")?;
    std::fs::write(file.path(), text).context("cannot write a file to edit")?;
    let ended = editor_command(&editor, file.path()).status();
    let ended = ended.with_context(|| format!("cannot start the editor `{editor}`"))?;
    if !ended.success() {
        let what = format!("the editor `{editor}` ended with {ended}; nothing was kept");
        return Err(Trouble::new("DH-C040", what, "or give the file: --file FILE").into());
    }
    workflow::read(file.path())
}

fn editor_command(editor: &str, file: &Path) -> Command {
    let mut words = editor.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(EDITOR));
    command.args(words).arg(file);
    command
}

/// Begins targets anew; says which.
pub async fn restart(client: &Client, id: &str, asked: &Restart, json: bool) -> Result<()> {
    let restarted = client.restart_deployment(id, asked).await?;
    for left_out in &restarted.left_out {
        output::note(format!("left out: {}", output::clean(left_out)));
    }
    if json {
        return output::json(&restarted);
    }
    let count = crate::results::targets(restarted.computers.len() as u64);
    output::note(format!("Begins anew with copy {}: {count}.", restarted.copy));
    Ok(())
}
