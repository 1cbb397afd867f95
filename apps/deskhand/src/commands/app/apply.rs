//! `deskhand app apply`: an application on this machine, without a server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use agent::application::{Answers, Considered, Driver, Step};
use anyhow::Result;
use application::Question;
use model::ApplicationId;
use tokio_util::sync::CancellationToken;

use super::course::Course;
use super::here::{CHANGES, EXIT_CODES, FINDINGS, IN_PLACE, Loaded, Machine, Wishes};
use super::plan;
use super::shown::Style;
use super::telling::{self, Ended, Results};
use crate::trouble::{FAILED, Trouble};
use crate::{ask, output};

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// An application file
    file: PathBuf,
    #[command(flatten)]
    machine: Machine,
    #[command(flatten)]
    wishes: Wishes,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON; asks nothing
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, cancel: &CancellationToken) -> Result<ExitCode> {
    let Some(loaded) = args.wishes.documents(&args.file)? else {
        return Ok(ExitCode::from(FAILED));
    };
    let mut driver = args.machine.open()?;
    let course = Course::of(&driver, &loaded, &args.wishes)?;
    let mut answers = args.wishes.answers();
    let looked = plan::look(&course, &driver, &args.wishes)?;
    let is_asking = !args.yes && !args.json;
    if is_asking {
        plan::print(&looked, Style { all: false })?;
    }
    match plan::exit_code(&looked) {
        FINDINGS => {
            if !is_asking && !args.json {
                plan::print(&looked, Style { all: false })?;
            }
            return refused(args, &looked);
        }
        CHANGES if is_asking => {
            let open = looked.iter().filter_map(|one| match &one.considered {
                Considered::Step(step) => Some(step.plan.questions.as_slice()),
                _ => None,
            });
            ask_all(open.flatten(), &mut answers)?;
            if !agreed(&offer(&looked, &loaded))? {
                output::note("nothing was changed");
                return Ok(ExitCode::from(CHANGES));
            }
        }
        _ => {}
    }
    let all = carry_out(&course, &mut driver, &answers, cancel)?;
    let code = if all.iter().any(|ended| ended.result.is_err()) { FAILED } else { IN_PLACE };
    if args.json {
        output::json(&Results::of(&all))?;
    } else if all.is_empty() {
        output::line("everything is as it should be")?;
    }
    Ok(ExitCode::from(code))
}

fn refused(args: &Args, looked: &[plan::Looked]) -> Result<ExitCode> {
    if args.json {
        output::json(&plan::shown(looked))?;
    } else {
        output::note("nothing was changed: the findings above forbid it");
    }
    Ok(ExitCode::from(FINDINGS))
}

/// The question before anything is done; where the file wants its user asked before the first
/// time (AP-11), with what it says of itself.
fn offer(looked: &[plan::Looked], loaded: &[Loaded]) -> String {
    const PLAIN: &str = "Carry this out?";
    let Some(one) = loaded.first().map(|one| &one.document.application) else {
        return PLAIN.to_owned();
    };
    let is_here = looked.iter().any(|looked| match &looked.considered {
        Considered::Step(step) => step.id() == one.id && step.installed.is_some(),
        _ => false,
    });
    if !one.options.prompt || is_here {
        return PLAIN.to_owned();
    }
    let described = one.description.as_deref().map(|text| format!("\n{}\n", output::clean(text)));
    let described = described.unwrap_or_default();
    format!(
        "{described}{} is to be installed on this computer. Install it now?",
        output::clean(&one.name)
    )
}

/// Each step is planned anew, for the ones before it may have changed what it finds.
fn carry_out(
    course: &Course<'_>,
    driver: &mut Driver,
    answers: &Answers,
    cancel: &CancellationToken,
) -> Result<Vec<Ended>> {
    let mut all: Vec<Ended> = Vec::new();
    let mut failed: BTreeSet<ApplicationId> = BTreeSet::new();
    for entry in &course.entries {
        let name = course.name(driver, entry);
        if let Some(needed) = course.lacks(entry, &failed) {
            let (name, needed) = (output::clean(&name), output::clean(&needed));
            output::note(format!("{name} is left out, for it needs {needed}"));
            failed.insert(course.id(entry));
            continue;
        }
        let considered = course.consider(driver, entry, answers)?;
        let step = match considered {
            Considered::Step(step) if is_worth_doing(&step) => step,
            Considered::Unavailable { why } if !entry.may_fail() => {
                let what = format!("{name} is not for this machine: {}", why.join("; "));
                return Err(Trouble::new("DH-U012", what, "see its `availability`").into());
            }
            Considered::Unavailable { .. } => {
                failed.insert(course.id(entry));
                continue;
            }
            _ => continue,
        };
        let digests = driver.digests();
        let source = course.source(entry, &*digests);
        let ended = telling::carry_out(driver, &step, &source, cancel);
        let is_over = ended.result.is_err() && !entry.may_fail();
        if ended.result.is_err() {
            failed.insert(course.id(entry));
        }
        all.push(ended);
        if is_over {
            break;
        }
    }
    Ok(all)
}

/// What changes something, or is not on record yet with something to answer for.
fn is_worth_doing(step: &Step) -> bool {
    let is_new = step.installed != Some(step.plan.version);
    let is_machine = *step.part() == application::Part::Machine;
    !step.changes_nothing()
        || step.is_refused()
        || is_new && (is_machine || !step.plan.items.is_empty())
}

fn agreed(question: &str) -> Result<bool> {
    ask::agreed(question, "say `--yes`, or look with `deskhand app plan`")
}

pub fn agreed_or(yes: bool, question: &str) -> Result<bool> {
    if yes { Ok(true) } else { agreed(question) }
}

/// What the documents leave open, of whoever sits there.
fn ask_all<'q>(questions: impl Iterator<Item = &'q Question>, answers: &mut Answers) -> Result<()> {
    if !ask::is_anybody_there() {
        return Ok(());
    }
    let mut asked: BTreeMap<&str, ()> = BTreeMap::new();
    for question in questions {
        match question {
            Question::Macro { name, prompt, default, .. } => {
                if asked.insert(name, ()).is_none() {
                    let answer = ask::answer(&format!(
                        "{} [{}] ",
                        output::clean(prompt),
                        output::clean(default)
                    ))?;
                    let answer = if answer.is_empty() { default.clone() } else { answer };
                    answers.macros.insert(name.clone(), answer);
                }
            }
            Question::Confirm { path, before, after } => {
                if asked.insert(path, ()).is_none() {
                    let text = format!("Write {path}: {before} -> {after}? [y/N] ");
                    let answer = ask::answer(&output::clean(&text))?;
                    let is_yes = ask::is_yes(&answer);
                    answers.confirmed.insert(path.clone(), is_yes);
                }
            }
        }
    }
    Ok(())
}
