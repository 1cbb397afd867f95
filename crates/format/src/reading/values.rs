//! Values: each shape of the table read strictly, with what to write instead.

use std::collections::BTreeMap;

use model::Span;
use workflow::{ActivityName, Template};

use super::Reader;
use crate::code;
use crate::problem::{Place, Problem, shown};
use crate::registry::parse_registry;
use crate::table::{Parameter, Preset, Shape};
use crate::yaml::{Node, Scalar, Style, Value, whole_number};

/// What was expected where something else was found, and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    what: &'static str,
    hint: &'static str,
}

impl Expected {
    pub(super) const MAPPING: Self =
        Self { what: "a mapping", hint: "write `name: value` lines below it, indented" };
    pub(super) const TRANSITION: Self = Self {
        what: "the name of an activity or a list of them",
        hint: "write `ok: next` or `ok: [one, other]`",
    };
    const TEXT: Self = Self { what: "a text", hint: "put it in quotes to make it a text" };
    const TEXTS: Self =
        Self { what: "a text or a list of texts", hint: "write a text or `[one, two]`" };
    const SWITCH: Self = Self { what: "true or false", hint: "write `true` or `false`" };
    const COUNT: Self =
        Self { what: "a whole number", hint: "write a number from 0, without quotes" };
    const SPAN: Self =
        Self { what: "a length of time", hint: "write `90s`, `10m`, `1h30m`, `2d` or `250ms`" };
    const ACTIVITY: Self =
        Self { what: "the name of an activity", hint: "write a name from `activities:`" };
}

/// The value of one parameter.
pub(super) enum Argument {
    Absent,
    Plain(String),
    Text(Template),
    Texts(Texts),
    Switch(bool),
    Count(u32),
    Span(Span),
    Choice(&'static str),
    Environment(BTreeMap<String, Template>),
    Activity(ActivityName),
}

pub(super) enum Texts {
    One(Template),
    Each(Vec<Template>),
}

/// A template without anything in it, standing in for a wrong one.
pub(super) fn blank() -> Template {
    plain("")
}

/// A text of the tables, which contain no templates.
fn plain(text: &'static str) -> Template {
    Template::new(text).unwrap_or_else(|_| unreachable!("`{text}` has no template in it"))
}

/// `a`, `b` and `c`.
pub(super) fn listed(names: &[&str], last_word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {last_word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// What a parameter is when it is not written, or stands in for one that is wrong or missing.
pub(super) fn preset(parameter: &Parameter) -> Argument {
    match (parameter.preset, parameter.shape) {
        (Preset::Absent, _) => Argument::Absent,
        (Preset::Switch(value), _) => Argument::Switch(value),
        (Preset::Count(value), _) => Argument::Count(value),
        (Preset::Word(word), Shape::Choice(_)) => Argument::Choice(word),
        (Preset::Word(word), _) => Argument::Text(plain(word)),
        (Preset::Nothing, Shape::Span) => Argument::Span(Span::ZERO),
        (Preset::Nothing, Shape::Environment) => Argument::Environment(BTreeMap::new()),
        (Preset::Nothing, Shape::Texts) => Argument::Texts(Texts::Each(Vec::new())),
        (Preset::Required, Shape::Plain | Shape::Code) => Argument::Plain(String::new()),
        (Preset::Required, Shape::Texts) => Argument::Texts(Texts::One(blank())),
        (Preset::Required, Shape::Text | Shape::Registry) => Argument::Text(blank()),
        (Preset::Required | Preset::Nothing, _) => Argument::Absent,
    }
}

impl Reader<'_, '_> {
    pub(super) fn wrong_type(&mut self, node: &Node, expected: Expected) {
        if node.is_broken() {
            return;
        }
        let what = format!("expected {}, found {}", expected.what, node.in_words());
        self.error(code::WRONG_TYPE, node.place, what, expected.hint);
    }

    /// The value of a parameter, in the shape the table says. `None` when it is wrong, which is
    /// told.
    pub(super) fn argument(&mut self, shape: Shape, node: &Node) -> Option<Argument> {
        match shape {
            Shape::Plain => self.text(node).map(Argument::Plain),
            Shape::Code => self.code(node).map(Argument::Plain),
            Shape::Text => self.template(node).map(Argument::Text),
            Shape::Registry => self.registry(node).map(Argument::Text),
            Shape::Texts => self.texts(node).map(Argument::Texts),
            Shape::Switch => self.switch(node).map(Argument::Switch),
            Shape::Count => self.count(node).map(Argument::Count),
            Shape::Span => self.span(node).map(Argument::Span),
            Shape::Choice(words) => self.choice(node, words).map(Argument::Choice),
            Shape::Environment => self.environment(node).map(Argument::Environment),
            Shape::Activity => self.activity_name(node).map(Argument::Activity),
            Shape::Variables | Shape::Transitions | Shape::Activities => Some(Argument::Absent),
        }
    }

    /// A text; a whole number counts as its digits.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        match node.scalar() {
            Some(Scalar::Text(text) | Scalar::Int(text)) => Some(text.to_owned()),
            _ => {
                let is_scalar = node.scalar().is_some_and(|scalar| scalar != Scalar::Null);
                let hint = if is_scalar { Expected::TEXT.hint } else { "write one value here" };
                self.wrong_type(node, Expected { hint, ..Expected::TEXT });
                None
            }
        }
    }

    /// A text, or nothing.
    pub(super) fn optional_text(&mut self, node: &Node) -> Option<String> {
        match node.scalar() {
            Some(Scalar::Null) => None,
            _ => self.text(node),
        }
    }

    /// A script, if it compiles.
    fn code(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if let Err(problem) = script::check(&text) {
            let place = place_in(node, problem.line, problem.column);
            let hint = "the script is JavaScript, carried out as the body of an async function";
            let at = format!("line {}, column {} of it", problem.line, problem.column);
            let what = format!("the script does not compile ({at}): {}", problem.message);
            self.error(code::SCRIPT, place, what, hint);
            return None;
        }
        Some(text)
    }

    /// A script for the registry. One with templates in it can only be read where it is carried
    /// out.
    fn registry(&mut self, node: &Node) -> Option<Template> {
        let template = self.template(node)?;
        let text = self.text(node)?;
        if !self.is_literal && (text.contains("{{") || text.contains("{%")) {
            return Some(template);
        }
        let problems = parse_registry(&text).problems;
        for Problem { line, column, code, what, hint, .. } in &problems {
            let place = place_in(node, *line, *column);
            let what = format!("in the script, line {line}, column {column}: {what}");
            self.error(code, place, what, hint.as_str());
        }
        problems.is_empty().then_some(template)
    }

    pub(super) fn template(&mut self, node: &Node) -> Option<Template> {
        let text = self.text(node)?;
        if self.is_literal {
            return Some(Template::literal(text));
        }
        match Template::new(text) {
            Ok(template) => Some(template),
            Err(error) => {
                let place = place_within(node, error.line);
                let what = format!("the template is wrong: {}", error.reason);
                let hint = "a template is written `{{ computer.name }}`, with filters after `|`; \
                            to write `{{` itself, put it between `{% raw %}` and `{% endraw %}`";
                self.error(code::TEMPLATE, place, what, hint);
                None
            }
        }
    }

    fn texts(&mut self, node: &Node) -> Option<Texts> {
        match (&node.value, node.scalar()) {
            (Value::List(items), _) => {
                let texts: Vec<_> = items.iter().map(|item| self.template(item)).collect();
                texts.into_iter().collect::<Option<Vec<_>>>().map(Texts::Each)
            }
            (_, Some(Scalar::Text(_) | Scalar::Int(_))) => self.template(node).map(Texts::One),
            _ => {
                self.wrong_type(node, Expected::TEXTS);
                None
            }
        }
    }

    pub(super) fn switch(&mut self, node: &Node) -> Option<bool> {
        if let Some(Scalar::Bool(value)) = node.scalar() {
            return Some(value);
        }
        self.wrong_type(node, Expected::SWITCH);
        None
    }

    fn count(&mut self, node: &Node) -> Option<u32> {
        let Some(Scalar::Int(digits)) = node.scalar() else {
            self.wrong_type(node, Expected::COUNT);
            return None;
        };
        let count = whole_number(digits).and_then(|number| u32::try_from(number).ok());
        if count.is_none() {
            let what = format!("`{}` is not a whole number up to {}", shown(digits, 60), u32::MAX);
            self.error(code::WRONG_VALUE, node.place, what, Expected::COUNT.hint);
        }
        count
    }

    pub(super) fn span(&mut self, node: &Node) -> Option<Span> {
        let (text, hint) = match node.scalar() {
            Some(Scalar::Text(text)) => (text, Expected::SPAN.hint.to_owned()),
            Some(Scalar::Int(digits)) => (digits, format!("write `{digits}s` or `{digits}m`")),
            _ => {
                self.wrong_type(node, Expected::SPAN);
                return None;
            }
        };
        let span = text.parse().ok();
        if span.is_none() {
            let what = format!("`{}` is not a length of time", shown(text, 60));
            self.error(code::WRONG_VALUE, node.place, what, hint);
        }
        span
    }

    fn choice(&mut self, node: &Node, words: &'static [&'static str]) -> Option<&'static str> {
        let otherwise = || format!("write {}", listed(words, "or"));
        let Some(Scalar::Text(text)) = node.scalar() else {
            if !node.is_broken() {
                let what = format!("expected {}, found {}", listed(words, "or"), node.in_words());
                self.error(code::WRONG_TYPE, node.place, what, otherwise());
            }
            return None;
        };
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let hint = match workflow::closest(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => otherwise(),
            };
            let what = format!("`{}` cannot stand here", shown(text, 60));
            self.error(code::WRONG_VALUE, node.place, what, hint);
        }
        found
    }

    fn environment(&mut self, node: &Node) -> Option<BTreeMap<String, Template>> {
        let entries = match (&node.value, node.scalar()) {
            (Value::Map(entries), _) => entries,
            (_, Some(Scalar::Null)) => return Some(BTreeMap::new()),
            _ => {
                self.wrong_type(node, Expected::MAPPING);
                return None;
            }
        };
        let mut environment = BTreeMap::new();
        for entry in entries {
            let value = self.template(&entry.value).unwrap_or_else(blank);
            environment.insert(entry.key.clone(), value);
        }
        Some(environment)
    }

    pub(super) fn activity_name(&mut self, node: &Node) -> Option<ActivityName> {
        let Some(Scalar::Text(text) | Scalar::Int(text)) = node.scalar() else {
            self.wrong_type(node, Expected::ACTIVITY);
            return None;
        };
        let name = text.parse().ok();
        if name.is_none() {
            let what = format!("`{}` is not the name of an activity", shown(text, 60));
            let hint = "a name is a letter or `_`, then letters, digits and `_`, at most 64";
            self.error(code::WRONG_VALUE, node.place, what, hint);
        }
        name
    }
}

/// The place of a character of a text: exact after `|`, else where the value begins.
fn place_in(node: &Node, line: usize, column: usize) -> Place {
    let place = place_within(node, line);
    match &node.value {
        Value::Scalar { style: Style::Literal, .. } => {
            Place { column: place.column + column.saturating_sub(1), ..place }
        }
        _ => place,
    }
}

/// The place of a line of a text: exact after `|`, else where the value begins.
fn place_within(node: &Node, line: usize) -> Place {
    match &node.value {
        Value::Scalar { style: Style::Literal, .. } => {
            Place { line: node.place.line + line.saturating_sub(1), ..node.place }
        }
        _ => node.place,
    }
}
