//! `deskhand explain`: the page of an error code.

use std::process::ExitCode;

use anyhow::Result;

use crate::trouble::Trouble;
use crate::{output, pages};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A code such as DH-W001; all of them are listed without one
    code: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.code {
        Some(code) => explain(code, args.json)?,
        None => list(args.json)?,
    }
    Ok(super::DONE)
}

fn explain(code: &str, json: bool) -> Result<()> {
    let Some(page) = pages::page(code) else {
        let what = format!("there is no error code `{code}`");
        return Err(Trouble::usage(what, "`deskhand explain` lists all of them").into());
    };
    if json {
        output::json(&serde_json::json!({ "code": code.to_uppercase(), "page": page }))
    } else {
        Ok(output::text(&page)?)
    }
}

fn list(json: bool) -> Result<()> {
    let all = pages::index();
    if json {
        let all: Vec<_> = all
            .into_iter()
            .map(|(code, title)| serde_json::json!({ "code": code, "title": title }))
            .collect();
        return output::json(&all);
    }
    let mut table = output::Table::new(&["CODE", "MEANING"]);
    all.into_iter().for_each(|(code, title)| table.row([code.into(), title.into()]));
    Ok(table.print()?)
}
