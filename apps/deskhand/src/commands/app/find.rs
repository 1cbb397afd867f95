//! `deskhand app find`: where an application says something (AP-15).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use super::items::{group_name, rows};
use super::read;
use crate::commands::DONE;
use crate::output::{self, Table};
use crate::trouble::FAILED;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The application's file, `-` for standard input
    file: PathBuf,
    /// What to look for, in any case
    text: String,
    /// Only in this list
    #[arg(long = "in", value_enum, value_name = "LIST")]
    list: Option<List>,
    /// Only the next one below this line
    #[arg(long, value_name = "LINE")]
    after: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum List {
    Shortcuts,
    Registry,
    Files,
    Ini,
    Text,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Shortcuts => "shortcuts",
            Self::Registry => "registry",
            Self::Files => "files",
            Self::Ini => "ini",
            Self::Text => "text",
        }
    }
}

/// One field that says it.
#[derive(Serialize)]
struct Hit {
    line: usize,
    list: &'static str,
    field: &'static str,
    text: String,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (application, parsed) = read(&args.file)?;
    let wanted = args.text.to_lowercase();
    let mut hits = Vec::new();
    for row in rows(&application) {
        let list = group_name(row.group);
        if args.list.is_some_and(|wanted| wanted.name() != list) {
            continue;
        }
        let line = parsed.line(row.group, row.place).unwrap_or_default();
        let said = row.fields.into_iter();
        let said = said.filter(|(_, text)| text.to_lowercase().contains(&wanted));
        hits.extend(said.map(|(field, text)| Hit { line, list, field, text }));
    }
    hits.sort_by_key(|hit| hit.line);
    if let Some(line) = args.after {
        hits.retain(|hit| hit.line > line);
        let next = hits.first().map(|hit| hit.line);
        hits.retain(|hit| Some(hit.line) == next);
    }
    if args.json {
        output::json(&hits)?;
    } else if hits.is_empty() {
        output::note("nothing found");
    } else {
        let mut table = Table::new(&["LINE", "LIST", "IN", "TEXT"]);
        for hit in &hits {
            let line = hit.line.to_string();
            table.row([line.into(), hit.list.into(), hit.field.into(), hit.text.as_str().into()]);
        }
        table.print()?;
    }
    Ok(if hits.is_empty() { ExitCode::from(FAILED) } else { DONE })
}
