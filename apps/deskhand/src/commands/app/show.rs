//! `deskhand app show`: an application for people, and what an INI file gets of it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use application::{Application, Kind, MacroValue, PreInstall};

use super::items::{group_name, rows};
use super::read;
use crate::commands::DONE;
use crate::output::{self, Table};
use crate::trouble::Trouble;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The application's file, `-` for standard input
    file: PathBuf,
    /// Only what this INI file gets; its path as the application writes it, or its last part
    #[arg(long, value_name = "INI")]
    ini: Option<String>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (application, _) = read(&args.file)?;
    match &args.ini {
        Some(path) => output::text(&ini_text(&application, path)?)?,
        None => show(&application)?,
    }
    Ok(DONE)
}

/// What one of the application's INI files gets.
pub fn ini_text(application: &Application, path: &str) -> Result<String> {
    let is_meant = |written: &str| {
        let last = written.rsplit(['/', '\\']).next().unwrap_or_default();
        written.eq_ignore_ascii_case(path) || last.eq_ignore_ascii_case(path)
    };
    let files = &application.items.ini;
    let Some(file) = files.iter().find(|file| is_meant(file.path.as_str())) else {
        let known: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let hint = match known.as_slice() {
            [] => "it changes no INI file".to_owned(),
            known => format!("it changes {}", known.join(", ")),
        };
        return Err(Trouble::usage(format!("the application has no `{path}`"), hint).into());
    };
    Ok(format::exchange::print_ini(file))
}

fn show(application: &Application) -> Result<()> {
    let Application { name, id, version, .. } = application;
    output::line(format!("{}, version {version}", output::clean(name)))?;
    output::line(format!("  id {id}"))?;
    output::line(format!("  {}", kind(&application.kind)))?;
    if let Some(description) = &application.description {
        for line in description.lines() {
            output::line(format!("  {}", output::clean(line)))?;
        }
    }
    let paths = [("source", &application.source), ("target", &application.target)];
    for (name, path) in paths {
        if let Some(path) = path {
            output::line(format!("  {name} {}", output::clean(path.as_str())))?;
        }
    }
    for own in &application.macros {
        let value = match &own.value {
            MacroValue::Text(text) => text.to_string(),
            MacroValue::Prompted { prompt, default, .. } => {
                format!("asks `{prompt}`, else {default}")
            }
        };
        output::line(output::clean(&format!("  %{}% {value}", own.name)))?;
    }
    if let Some(launch) = &application.launch {
        let once = if launch.once { ", once" } else { "" };
        let program = output::clean(launch.program.as_str());
        output::line(format!("  its icon launches {program}{once}"))?;
    }
    output::line(match &application.pre_install {
        PreInstall::No => "  distributed at first use",
        PreInstall::AsSoonAsAssociated => "  distributed as soon as it is associated",
        PreInstall::Scheduled(_) => "  distributed ahead, by a schedule",
    })?;
    let rows = rows(application);
    if rows.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let mut table = Table::new(&["LIST", "RULE", "WHAT"]);
    for row in &rows {
        let texts = row.fields.iter().map(|(_, text)| text.as_str());
        let what = texts.collect::<Vec<_>>().join(" · ");
        table.row([group_name(row.group).into(), row.rule.into(), what.into()]);
    }
    Ok(table.print()?)
}

fn kind(kind: &Kind) -> String {
    let text = match kind {
        Kind::Simple => "items only".to_owned(),
        Kind::Msi(msi) => format!("Windows Installer package {}", msi.file),
        Kind::Packages(packages) => {
            let names = packages.packages.iter().map(|package| package.name.as_str());
            format!("packages {}", names.collect::<Vec<_>>().join(", "))
        }
        Kind::Web { url, .. } => format!("opens {url}"),
        Kind::TerminalServer(server) => format!("opens a session on {}", server.address),
    };
    output::clean(&text).into_owned()
}
