//! Names that templates speak of, as far as they can be known before anything runs (WF-06).

use std::collections::BTreeSet;

use minijinja::{Environment, ErrorKind};

use super::graph::Graph;
use super::{Report, Site, closest, code, listed};
use crate::event::is_name;
use crate::expression::{self, Block, Word};
use crate::{ActivityName, Command, Context, Kind, Template, Workflow};

/// What is told of every computer. Others may be facts of that computer.
const COMPUTER: [&str; 10] =
    ["id", "name", "host_name", "os", "ip", "mac", "os_version", "serial", "location", "user"];
const DEPLOYMENT: [&str; 3] = ["id", "name", "server"];
const RUN: [&str; 2] = ["id", "attempt"];
const AGENT: [&str; 2] = ["present", "version"];

/// Filters that make one word of a text for a shell.
const QUOTING: [&str; 3] = ["sh", "cmd", "ps"];

pub(super) fn check_variables(workflow: &Workflow, report: &mut Report) {
    for (name, value) in &workflow.variables {
        let site = || Site::Variable(name.clone());
        if Context::ROOTS.contains(&name.as_str()) {
            report.error(
                code::VARIABLE_NAME,
                site(),
                format!("a variable cannot be named `{name}`: templates know something else by it"),
                "choose another name",
            );
        } else if !is_name(name) || is_taken(name) {
            report.error(
                code::VARIABLE_NAME,
                site(),
                format!("`{name}` cannot be the name of a variable"),
                "a name is a letter or `_`, then letters, digits and `_`, at most 64, and no word \
                 of the template language",
            );
        }
        if value.contains("{{") || value.contains("{%") {
            report.warning(
                code::VARIABLE_TEMPLATE,
                site(),
                format!("the value of `{name}` looks like a template, but is taken as it stands"),
                "write the template where the variable is used",
            );
        }
    }
}

/// Whether templates can speak of a variable of this name.
pub fn is_variable_name(name: &str) -> bool {
    !Context::ROOTS.contains(&name) && is_name(name) && !is_taken(name)
}

/// The outputs in a line for a shell that no filter makes one word of.
pub fn unquoted(command: &Template) -> Vec<String> {
    let blocks = expression::blocks(command.source());
    let open = blocks.iter().filter(|block| block.is_output && !is_quoted(block));
    open.map(|block| block.text.trim().to_owned()).collect()
}

fn is_quoted(block: &Block<'_>) -> bool {
    let words = block.words();
    let last = words.iter().rfind(|word| word.is_filter && word.is_outermost);
    last.is_some_and(|word| QUOTING.contains(&word.name))
}

/// Whether templates cannot speak of a variable of this name.
fn is_taken(name: &str) -> bool {
    let is_that =
        Template::new(format!("{{{{ {name} }}}}")).map(|template| template.names().contains(name));
    is_that != Ok(true)
}

pub(super) fn check(workflow: &Workflow, graph: &Graph<'_>, report: &mut Report) {
    let environment = Environment::new();
    let functions: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    for (reader, activity) in &workflow.activities {
        for (parameter, template) in activity.kind.templates() {
            if template.is_plain() {
                continue;
            }
            let site = Site::Parameter(reader.clone(), parameter);
            let mut checked =
                Checked { workflow, graph, functions: &functions, reader, site, report };
            checked.template(template);
            checked.filters(&environment, template);
        }
        if let Kind::Execute(execute) = &activity.kind
            && let Command::Shell(text) = &execute.command
        {
            check_quoting(reader, text, report);
        }
    }
}

struct Checked<'a, 'g> {
    workflow: &'a Workflow,
    graph: &'a Graph<'g>,
    functions: &'a BTreeSet<&'a str>,
    reader: &'a ActivityName,
    site: Site,
    report: &'a mut Report,
}

impl Checked<'_, '_> {
    fn template(&mut self, template: &Template) {
        let with_default = names_with_default(template.source());
        for name in template.names() {
            let parts: Vec<&str> = name.split('.').collect();
            match parts.as_slice() {
                ["computer", field, rest @ ..] => {
                    if !rest.is_empty() {
                        self.no_parts(&name, &format!("computer.{field}"));
                    } else if !COMPUTER.contains(field) && !with_default.contains(&name) {
                        self.fact(field);
                    }
                }
                ["deployment", field, rest @ ..] => {
                    self.field("deployment", field, &DEPLOYMENT, rest);
                }
                ["run", field, rest @ ..] => self.field("run", field, &RUN, rest),
                ["agent", field, rest @ ..] => self.field("agent", field, &AGENT, rest),
                ["activities", activity, rest @ ..] => self.output(activity, rest),
                ["computer" | "deployment" | "run" | "agent" | "activities"] | [] => {}
                [own, rest @ ..] => self.own(own, rest),
            }
        }
    }

    fn no_parts(&mut self, name: &str, whole: &str) {
        self.report.error(
            code::UNKNOWN_NAME,
            self.site.clone(),
            format!("`{name}` is unknown: `{whole}` is a text and has no parts"),
            format!("write `{{{{ {whole} }}}}`"),
        );
    }

    fn fact(&mut self, field: &str) {
        let near = closest(field, COMPUTER)
            .map(|near| format!("did you mean `computer.{near}`? "))
            .unwrap_or_default();
        self.report.warning(
            code::UNKNOWN_FACT,
            self.site.clone(),
            format!("`computer.{field}` is only there when it is a fact of that computer"),
            format!("{near}Without that fact the activity ends in `error`; `| default('')` helps"),
        );
    }

    fn field(&mut self, root: &str, field: &str, known: &[&str], rest: &[&str]) {
        if !known.contains(&field) {
            let name = format!("{root}.{field}");
            let hint = match closest(field, known.iter().copied()) {
                Some(near) => format!("did you mean `{root}.{near}`?"),
                None => format!("`{root}` has {}", listed(known)),
            };
            let message = format!("`{name}` is unknown");
            self.report.error(code::UNKNOWN_NAME, self.site.clone(), message, hint);
        } else if let Some(part) = rest.first() {
            self.no_parts(&format!("{root}.{field}.{part}"), &format!("{root}.{field}"));
        }
    }

    fn own(&mut self, name: &str, rest: &[&str]) {
        if self.workflow.variables.contains_key(name) {
            if let Some(part) = rest.first() {
                self.no_parts(&format!("{name}.{part}"), name);
            }
        } else if !self.functions.contains(name) {
            let own = self.workflow.variables.keys().map(String::as_str);
            let hint = self.report.suggest(
                name,
                own.chain(Context::ROOTS),
                format!("write it under `variables:`, or use {}", listed(Context::ROOTS)),
            );
            let message = format!("`{name}` is unknown");
            self.report.error(code::UNKNOWN_NAME, self.site.clone(), message, hint);
        }
    }

    fn output(&mut self, activity: &str, rest: &[&str]) {
        let found = activity.parse::<ActivityName>().ok();
        let Some((source, written)) =
            found.and_then(|name| self.workflow.activities.get_key_value(&name))
        else {
            let known = self.workflow.activities.keys().map(ActivityName::as_str);
            let hint = self.report.suggest(activity, known, "name an activity of this workflow");
            let message = format!("`activities.{activity}`: there is no activity `{activity}`");
            self.report.error(code::UNKNOWN_OUTPUT, self.site.clone(), message, hint);
            return;
        };
        if let Some(output) = rest.first() {
            let known = written.kind.outputs();
            let is_open = matches!(written.kind, Kind::NotYet { .. });
            if !is_open && !known.contains(output) {
                self.no_output(activity, &written.kind, output);
                return;
            }
            if rest.len() > 1 && !is_open {
                let whole = format!("activities.{activity}.{output}");
                self.no_parts(&format!("{whole}.{}", rest[1]), &whole);
            }
        }
        self.order(source);
    }

    fn no_output(&mut self, activity: &str, kind: &Kind, output: &str) {
        let known = kind.outputs();
        let otherwise = match known {
            [] => format!("`{}` has no outputs", kind.name()),
            _ => format!("`{}` has {}", kind.name(), listed(known)),
        };
        let hint = self.report.suggest(output, known.iter().copied(), otherwise);
        self.report.error(
            code::UNKNOWN_OUTPUT,
            self.site.clone(),
            format!("`activities.{activity}.{output}`: `{activity}` has no output `{output}`"),
            hint,
        );
    }

    fn order(&mut self, source: &ActivityName) {
        let numbers = (self.graph.number(source), self.graph.number(self.reader));
        let (Some(first), Some(second)) = numbers else { return };
        if self.graph.is_reachable[second] && !self.graph.can_precede(first, second) {
            let reader = self.reader;
            self.report.warning(
                code::NEVER_BEFORE,
                self.site.clone(),
                format!("`{reader}` reads outputs of `{source}`, which never ends before it"),
                format!(
                    "lead a transition from `{source}` to `{reader}`, or read another activity"
                ),
            );
        }
    }

    fn filters(&mut self, environment: &Environment<'_>, template: &Template) {
        let mut told = BTreeSet::new();
        for block in expression::blocks(template.source()) {
            for Word { name, is_filter, .. } in block.words() {
                if is_known(environment, name, is_filter) || !told.insert(name.to_owned()) {
                    continue;
                }
                let what = if is_filter { "filter" } else { "test" };
                let hint = if is_filter {
                    "`sh`, `cmd` and `ps` quote for a shell; others are those of MiniJinja"
                } else {
                    "after `is` stands a test of MiniJinja, such as `defined`"
                };
                let message = format!("there is no {what} `{name}`");
                self.report.error(code::UNKNOWN_FILTER, self.site.clone(), message, hint);
            }
        }
    }
}

fn is_known(environment: &Environment<'_>, name: &str, is_filter: bool) -> bool {
    if is_filter && QUOTING.contains(&name) {
        return true;
    }
    let source = if is_filter { format!("0|{name}") } else { format!("0 is {name}") };
    let result = environment.compile_expression(&source).and_then(|expression| expression.eval(()));
    !result.is_err_and(|error| {
        matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest)
    })
}

/// Names spoken of in a block that also says what happens when they are unset.
fn names_with_default(source: &str) -> BTreeSet<String> {
    let has_default = |block: &Block<'_>| {
        block
            .words()
            .iter()
            .any(|word| matches!(word.name, "default" | "d" | "defined" | "undefined"))
    };
    expression::blocks(source)
        .iter()
        .filter(|block| has_default(block))
        .flat_map(names_of)
        .collect()
}

fn names_of(block: &Block<'_>) -> BTreeSet<String> {
    let expression = if block.is_output {
        block.text
    } else {
        block.text.trim_start_matches("if ").trim_start_matches("elif ")
    };
    Template::new(format!("{{{{ {expression} }}}}"))
        .map(|template| template.names())
        .unwrap_or_default()
}

/// Outputs that become part of a command as they are: whoever can make that output can run
/// commands.
fn check_quoting(name: &ActivityName, command: &Template, report: &mut Report) {
    for block in expression::blocks(command.source()) {
        if !block.is_output || is_quoted(&block) {
            continue;
        }
        let output = names_of(&block).into_iter().find(|name| {
            name.starts_with("activities.")
                && (name.ends_with(".stdout") || name.ends_with(".stderr"))
        });
        if let Some(output) = output {
            report.warning(
                code::UNQUOTED_OUTPUT,
                Site::Parameter(name.clone(), "command"),
                format!("`{output}` becomes part of a command for the shell without quotes"),
                format!(
                    "write `{{{{ {output} | sh }}}}` (`cmd`, `ps` on Windows), or give the command \
                     as a list"
                ),
            );
        }
    }
}
