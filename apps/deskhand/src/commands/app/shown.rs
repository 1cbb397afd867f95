//! A step for people: item by item, then a summary; and the same as JSON.

use std::collections::BTreeMap;

use agent::application::{Act, PackageStep, Step, What};
use anyhow::Result;
use application::{Group, Outcome, Planned, Question, Severity};
use serde::Serialize;

use super::here::{said, user_of};
use crate::output::{self, Paint};

/// How a step is shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Also what is in place.
    pub all: bool,
}

/// Counts over a step's items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub changed: usize,
    pub in_place: usize,
    pub skipped: usize,
}

pub fn counts(step: &Step) -> Counts {
    let mut counts = Counts::default();
    for item in &step.plan.items {
        match item.outcome {
            Outcome::InPlace => counts.in_place += 1,
            Outcome::Changed { .. } => counts.changed += 1,
            Outcome::Skipped { .. } => counts.skipped += 1,
        }
    }
    for package in &step.packages {
        match package.act {
            Act::InPlace => counts.in_place += 1,
            Act::Stays => counts.skipped += 1,
            Act::Install(_) | Act::Remove(_) => counts.changed += 1,
        }
    }
    counts
}

pub fn print(step: &Step, style: Style) -> Result<()> {
    let paint = output::paint_stdout();
    output::line(paint.strong(&head(step)))?;
    let mut group = None;
    for item in &step.plan.items {
        let Some(line) = item_line(item, style, paint) else { continue };
        if group != Some(item.group) {
            group = Some(item.group);
            output::line(format!("  {}", group_name(item.group)))?;
        }
        output::line(line)?;
    }
    packages(step, style, paint)?;
    for what in step.around() {
        output::line(format!("  {} {}", paint.busy("!"), output::clean(&what)))?;
    }
    for finding in &step.plan.findings {
        let word = match finding.severity {
            Severity::Warning => paint.busy(&format!("warning[{}]", finding.code)),
            Severity::Error => paint.bad(&format!("error[{}]", finding.code)),
        };
        output::line(format!("  {word}: {}", output::clean(&finding.message)))?;
    }
    for question in &step.plan.questions {
        output::line(format!("  {} {}", paint.busy("?"), output::clean(&asked(question))))?;
    }
    output::line(format!("  {}", summary(step)))?;
    Ok(())
}

fn head(step: &Step) -> String {
    let (name, version, part) = (output::clean(&step.name), step.plan.version, said(step.part()));
    match (step.what, step.installed) {
        (What::Uninstall, _) => format!("{name} {version} - uninstall ({part})"),
        (What::Verify, _) => format!("{name} {version} ({part})"),
        (What::Again, _) => {
            format!("{name} {version} - is here ({part}); `deskhand app verify` looks at all of it")
        }
        (What::Distribute, None) => format!("{name} {version} - not here yet ({part})"),
        (What::Distribute, Some(here)) => format!("{name} {here} -> {version} ({part})"),
    }
}

fn item_line(item: &Planned, style: Style, paint: Paint) -> Option<String> {
    let (target, rule) = (output::clean(&item.target), item.rule);
    Some(match &item.outcome {
        Outcome::InPlace if !style.all => return None,
        Outcome::InPlace => paint.dim(&format!("    = {target}  ({rule})")),
        Outcome::Skipped { why } => {
            paint.dim(&format!("    . {target}  ({rule}): {}", output::clean(why)))
        }
        Outcome::Changed { before, after } => {
            let mark = if before == "absent" {
                paint.good("+")
            } else if after == "absent" {
                paint.bad("-")
            } else {
                paint.busy("~")
            };
            let (before, after) = (output::clean(before), output::clean(after));
            format!("    {mark} {target}  ({rule}): {before} -> {after}")
        }
    })
}

fn packages(step: &Step, style: Style, paint: Paint) -> Result<()> {
    let shown = |package: &&PackageStep| style.all || package.act != Act::InPlace;
    let mut all = step.packages.iter().filter(shown).peekable();
    if all.peek().is_some() {
        output::line("  packages")?;
    }
    for package in all {
        let name = output::clean(&package.name);
        let here = package.here.as_deref().unwrap_or("absent");
        output::line(match &package.act {
            Act::InPlace => paint.dim(&format!("    = {name}: {here}")),
            Act::Stays => paint.dim(&format!("    . {name}: it was here before, so it stays")),
            Act::Install(line) => {
                format!("    {} {name}: {here} -> `{}`", paint.good("+"), line)
            }
            Act::Remove(line) => {
                format!("    {} {name}: {here} -> `{}`", paint.bad("-"), line)
            }
        })?;
    }
    Ok(())
}

fn asked(question: &Question) -> String {
    match question {
        Question::Macro { name, prompt, default, .. } => {
            format!("{prompt} `{default}` is taken; answer with --set {name}=...")
        }
        Question::Confirm { path, before, after } => {
            format!("{path}: {before} -> {after} asks for confirmation (--confirm)")
        }
    }
}

/// `3 to change (2 files, 1 ini), 40 in place, 1 left alone; 14.2 MiB from the source; no restart`.
pub fn summary(step: &Step) -> String {
    let counts = counts(step);
    let mut groups: BTreeMap<Group, usize> = BTreeMap::new();
    for item in &step.plan.items {
        if matches!(item.outcome, Outcome::Changed { .. }) {
            *groups.entry(item.group).or_default() += 1;
        }
    }
    let mut parts: Vec<String> =
        groups.iter().map(|(group, count)| format!("{count} {}", group_name(*group))).collect();
    let working = step.packages.iter().filter(|package| !package.is_in_place()).count();
    if working > 0 {
        parts.push(format!("{working} packages"));
    }
    let of = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let mut text = format!("{} to change{of}, {} in place", counts.changed, counts.in_place);
    if counts.skipped > 0 {
        text = format!("{text}, {} left alone", counts.skipped);
    }
    let bytes = step.plan.bytes();
    if bytes > 0 {
        text = format!("{text}; {} from the source", output::bytes(bytes));
    }
    match step.plan.reboot.as_slice() {
        [] => text,
        why => format!("{text}; a restart for {}", output::clean(&why.join(", "))),
    }
}

pub fn group_name(group: Group) -> &'static str {
    match group {
        Group::Shortcuts => "shortcuts",
        Group::Registry => "registry",
        Group::Files => "files",
        Group::Ini => "ini",
        Group::Text => "text",
    }
}

/// A step for scripts.
#[derive(Serialize)]
pub struct ShownStep {
    application: String,
    id: String,
    version: u16,
    installed: Option<u16>,
    /// None: the machine's.
    user: Option<String>,
    action: &'static str,
    items: Vec<ShownItem>,
    packages: Vec<ShownPackage>,
    around: Vec<String>,
    findings: Vec<ShownFinding>,
    questions: Vec<String>,
    reboot: Vec<String>,
    bytes: u64,
    summary: Counts,
    refused: bool,
}

#[derive(Serialize)]
struct ShownItem {
    group: &'static str,
    place: (usize, Option<usize>),
    target: String,
    rule: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct ShownPackage {
    name: String,
    here: Option<String>,
    action: &'static str,
}

#[derive(Serialize)]
struct ShownFinding {
    severity: &'static str,
    code: &'static str,
    group: Option<&'static str>,
    place: Option<(usize, Option<usize>)>,
    message: String,
}

impl ShownStep {
    pub fn of(step: &Step) -> Self {
        let packages = step.packages.iter().map(|package| ShownPackage {
            name: package.name.clone(),
            here: package.here.clone(),
            action: match package.act {
                Act::InPlace => "in_place",
                Act::Stays => "stays",
                Act::Install(_) => "install",
                Act::Remove(_) => "remove",
            },
        });
        let findings = step.plan.findings.iter().map(|finding| ShownFinding {
            severity: match finding.severity {
                Severity::Warning => "warning",
                Severity::Error => "error",
            },
            code: finding.code,
            group: finding.group.map(group_name),
            place: finding.place,
            message: finding.message.clone(),
        });
        Self {
            application: step.name.clone(),
            id: step.id().to_string(),
            version: step.plan.version,
            installed: step.installed,
            user: user_of(step.part()),
            action: match step.what {
                What::Distribute => "distribute",
                What::Again => "again",
                What::Verify => "verify",
                What::Uninstall => "uninstall",
            },
            items: step.plan.items.iter().map(shown_item).collect(),
            packages: packages.collect(),
            around: step.around(),
            findings: findings.collect(),
            questions: step.plan.questions.iter().map(asked).collect(),
            reboot: step.plan.reboot.clone(),
            bytes: step.plan.bytes(),
            summary: counts(step),
            refused: step.is_refused(),
        }
    }
}

fn shown_item(item: &Planned) -> ShownItem {
    let (outcome, before, after, why) = match &item.outcome {
        Outcome::InPlace => ("in_place", None, None, None),
        Outcome::Changed { before, after } => {
            ("changed", Some(before.clone()), Some(after.clone()), None)
        }
        Outcome::Skipped { why } => ("skipped", None, None, Some(why.clone())),
    };
    ShownItem {
        group: group_name(item.group),
        place: item.place,
        target: item.target.clone(),
        rule: item.rule,
        outcome,
        before,
        after,
        why,
    }
}
