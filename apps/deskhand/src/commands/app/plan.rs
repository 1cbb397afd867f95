//! `deskhand app plan`: what distributing an application here would do.

use std::path::PathBuf;
use std::process::ExitCode;

use agent::application::{Considered, Driver, Step};
use anyhow::Result;
use serde::Serialize;

use super::course::{Course, Entry};
use super::here::{CHANGES, EXIT_CODES, FINDINGS, IN_PLACE, Machine, Wishes, said};
use super::shown::{self, ShownStep, Style};
use crate::output;
use crate::trouble::FAILED;

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// An application file
    file: PathBuf,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    wishes: Wishes,
    /// Show what is in place too
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let Some(loaded) = args.wishes.documents(&args.file)? else {
        return Ok(ExitCode::from(FAILED));
    };
    let driver = args.machine.look()?;
    let course = Course::of(&driver, &loaded, &args.wishes)?;
    let looked = look(&course, &driver, &args.wishes)?;
    driver.remember();
    if args.json {
        output::json(&shown(&looked))?;
    } else {
        print(&looked, Style { all: args.all })?;
    }
    Ok(ExitCode::from(exit_code(&looked)))
}

/// What came of one entry.
pub struct Looked {
    pub name: String,
    pub part: application::Part,
    pub considered: Considered,
}

/// Looks at every entry as the machine is now; the first steps may change what later ones find.
pub fn look(course: &Course<'_>, driver: &Driver, wishes: &Wishes) -> Result<Vec<Looked>> {
    let answers = wishes.answers();
    let worth = |entry: &Entry, considered: &Considered| match considered {
        Considered::Step(step) => Course::is_worth_telling(entry, step),
        Considered::Gone => false,
        _ => true,
    };
    let mut all = Vec::new();
    for entry in &course.entries {
        let considered = course.consider(driver, entry, &answers)?;
        if worth(entry, &considered) {
            let name = course.name(driver, entry);
            all.push(Looked { name, part: entry.part().clone(), considered });
        }
    }
    Ok(all)
}

pub fn print(looked: &[Looked], style: Style) -> Result<()> {
    let paint = output::paint_stdout();
    for one in looked {
        let (name, part) = (output::clean(&one.name), said(&one.part));
        match &one.considered {
            Considered::Step(step) => shown::print(step, style)?,
            Considered::LeftAlone { installed } => {
                let why = format!("{name}: version {installed} is here, which is later ({part})");
                output::line(paint.dim(&why))?;
            }
            Considered::Unavailable { why } => {
                output::line(paint.bad(&format!("{name} is not for {part}:")))?;
                for why in why {
                    output::line(format!("  {}", output::clean(why)))?;
                }
            }
            Considered::Gone => {}
        }
    }
    Ok(())
}

pub fn exit_code(looked: &[Looked]) -> u8 {
    let code = |one: &Looked| match &one.considered {
        Considered::Unavailable { .. } => FINDINGS,
        Considered::Step(step) if step.is_refused() => FINDINGS,
        Considered::Step(step) if changes(step) => CHANGES,
        _ => IN_PLACE,
    };
    looked.iter().map(code).max().unwrap_or(IN_PLACE)
}

fn changes(step: &Step) -> bool {
    !step.changes_nothing() || shown::counts(step).changed > 0
}

/// What was looked at, for scripts.
pub fn shown(looked: &[Looked]) -> impl Serialize {
    Shown::of(looked)
}

#[derive(Serialize)]
struct Shown {
    steps: Vec<ShownStep>,
    left_alone: Vec<LeftAlone>,
    unavailable: Vec<Unavailable>,
}

#[derive(Serialize)]
struct LeftAlone {
    application: String,
    installed: u16,
}

#[derive(Serialize)]
struct Unavailable {
    application: String,
    why: Vec<String>,
}

impl Shown {
    fn of(looked: &[Looked]) -> Self {
        let mut shown = Self { steps: Vec::new(), left_alone: vec![], unavailable: vec![] };
        for Looked { name, considered, .. } in looked {
            let application = name.clone();
            match considered {
                Considered::Step(step) => shown.steps.push(ShownStep::of(step)),
                Considered::LeftAlone { installed } => {
                    shown.left_alone.push(LeftAlone { application, installed: *installed });
                }
                Considered::Unavailable { why } => {
                    shown.unavailable.push(Unavailable { application, why: why.clone() });
                }
                Considered::Gone => {}
            }
        }
        shown
    }
}
