//! Templates and what they may speak of (WF-06).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, UndefinedBehavior};
use model::{Facts, Timestamp};

use crate::{ActivityName, expression};

/// A text with `{{ … }}` in it, known to be well formed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template {
    source: String,
    /// No `{{`, `{%` or `{#`: renders to itself.
    is_plain: bool,
}

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TemplateError {
    pub reason: String,
    /// Line within the text, from 1.
    pub line: usize,
}

/// A template that could not be rendered: a name is unset here, or a filter failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{template}`: {reason}")]
pub struct RenderError {
    pub template: String,
    pub reason: String,
}

impl Template {
    pub fn new(source: impl Into<String>) -> Result<Self, TemplateError> {
        let source = source.into();
        let is_plain = !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark));
        if !is_plain {
            if let Some(reason) = expression::excess(&source) {
                return Err(TemplateError { reason, line: 1 });
            }
            environment().template_from_str(&source).map_err(|error| TemplateError {
                reason: reason_of(&error),
                line: error.line().unwrap_or(1),
            })?;
        }
        Ok(Self { source, is_plain })
    }

    /// A text in which nothing is rendered, whatever it holds.
    pub fn literal(source: impl Into<String>) -> Self {
        Self { source: source.into(), is_plain: true }
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The names it speaks of, dotted: `computer.name`, `activities.setup.stdout`, `prefix`.
    pub fn names(&self) -> BTreeSet<String> {
        if self.is_plain {
            return BTreeSet::new();
        }
        environment()
            .template_from_str(&self.source)
            .map(|template| template.undeclared_variables(true).into_iter().collect())
            .unwrap_or_default()
    }

    pub fn render(&self, context: &Context) -> Result<String, RenderError> {
        if self.is_plain {
            return Ok(self.source.clone());
        }
        let failed = |error: minijinja::Error| RenderError {
            template: self.source.clone(),
            reason: reason_of(&error),
        };
        environment()
            .template_from_str(&self.source)
            .map_err(failed)?
            .render(context.as_value())
            .map_err(failed)
    }
}

fn reason_of(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Strict: an unknown name is an error, never an empty text. A template's work is bounded.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_fuel(Some(50_000));
    environment.add_filter("sh", quote_sh);
    environment.add_filter("cmd", quote_cmd);
    environment.add_filter("ps", quote_ps);
    environment
}

/// One word for a POSIX shell.
fn quote_sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// One word for `cmd.exe`: quoted, with what it would expand or end the quotes taken apart.
fn quote_cmd(text: &str) -> Result<String, minijinja::Error> {
    if text.contains(['"', '%', '!', '\r', '\n']) {
        return Err(minijinja::Error::new(
            minijinja::ErrorKind::InvalidOperation,
            "cmd cannot quote a text with \", %, ! or a line break; give the command as a list",
        ));
    }
    Ok(format!("\"{text}\""))
}

/// One word for PowerShell.
fn quote_ps(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What templates of one run may speak of, at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    /// `computer.*`, as the warrant's leaf binds it.
    pub computer: Facts,
    /// `deployment.*`.
    pub deployment: Facts,
    /// `run.*`: `id`, `attempt`.
    pub run: Facts,
    /// `agent.*`: `present`, `version`.
    pub agent: Facts,
    /// Own variables.
    pub variables: BTreeMap<String, String>,
    /// Outputs of each activity's last ended visit.
    pub outputs: BTreeMap<ActivityName, BTreeMap<String, String>>,
}

impl Context {
    /// Names that are always roots, so no variable may have them.
    pub const ROOTS: [&'static str; 5] = ["computer", "deployment", "run", "agent", "activities"];

    fn as_value(&self) -> Value {
        let activities =
            self.outputs.iter().map(|(name, outputs)| (name.to_string(), map_value(outputs)));
        let roots = [
            ("computer", map_value(&self.computer)),
            ("deployment", map_value(&self.deployment)),
            ("run", map_value(&self.run)),
            ("agent", map_value(&self.agent)),
            ("activities", Value::from_object(Activities(activities.collect()))),
        ];
        let own =
            self.variables.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
        Value::from_pairs(own.chain(roots))
    }

    /// Outputs as `DESKHAND_<ACTIVITY>_<OUTPUT>`, for commands that would rather not quote.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (activity, outputs) in &self.outputs {
            for (name, value) in outputs {
                let key = format!("DESKHAND_{activity}_{name}").to_ascii_uppercase();
                all.insert(key, value.clone());
            }
        }
        all
    }
}

/// Outputs by activity. One that has not ended has none, so that a default can stand in for them.
#[derive(Debug)]
struct Activities(BTreeMap<String, Value>);

impl Object for Activities {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let known = self.0.get(key.as_str()?).cloned();
        Some(known.unwrap_or_else(|| map_value(&BTreeMap::new())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|name| Value::from(name.as_str())).collect())
    }
}

fn map_value(map: &BTreeMap<String, String>) -> Value {
    Value::from_pairs(map.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str()))))
}

/// When a Wait that begins `now` is over, or why it cannot be told.
pub(crate) fn wait_until(
    duration: &Template,
    context: &Context,
    now: Timestamp,
) -> Result<Timestamp, String> {
    let text = duration.render(context).map_err(|error| error.to_string())?;
    let span: model::Span =
        text.parse().map_err(|error: model::ParseSpanError| error.to_string())?;
    Ok(now + span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let mut context = Context::default();
        context.computer.insert("name".into(), "pc 1".into());
        context.variables.insert("prefix".into(), "/opt".into());
        context
    }

    fn render(source: &str) -> Result<String, String> {
        Template::new(source)
            .map_err(|error| error.to_string())?
            .render(&context())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn templates_render_strictly() {
        assert_eq!(render("{{ prefix }}/{{ computer.name }}"), Ok("/opt/pc 1".into()));
        assert_eq!(render("{{ computer.name | sh }}"), Ok("'pc 1'".into()));
        assert_eq!(render("{{ nothing | default('x') }}"), Ok("x".into()));
        assert!(render("{{ computer.nmae }}").is_err());
        assert!(render("{{ activities.setup.stdout }}").is_err());
        assert_eq!(render("{{ activities.setup.stdout | default('x') }}"), Ok("x".into()));
        assert!(render("{{ prefix ").is_err());
    }

    #[test]
    fn names_are_dotted() {
        let names = Template::new("{{ activities.setup.stdout }} {{ prefix }}").map(|t| t.names());
        let expected: BTreeSet<String> = ["activities.setup.stdout".into(), "prefix".into()].into();
        assert_eq!(names, Ok(expected));
    }

    #[test]
    fn runaway_templates_stop() {
        assert!(
            render("{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}")
                .is_err()
        );
    }
}
