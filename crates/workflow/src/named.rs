//! Named actions of the server (AC-22, AW-01): what one does, with parameters and templates.
//!
//! Workflows start them by name, people by command. Templates speak of the action's parameters by
//! their names and, where there is a target, of `computer` and `deployment`.

use std::collections::{BTreeMap, BTreeSet};

use model::Span;

use crate::{Command, Context, Message, Template};

/// A named action.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedAction {
    pub name: String,
    pub description: String,
    /// With the value each has when none is given; without one it must be given.
    pub parameters: BTreeMap<String, Option<String>>,
    pub does: Does,
}

/// What an action does.
#[derive(Debug, Clone, PartialEq)]
pub enum Does {
    Deployment(Start),
    Message(Message),
    Command(ServerCommand),
    Http(Http),
}

/// Starts a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub workflow: Template,
    /// The run's own target when nothing is named.
    pub computers: Vec<Template>,
    pub groups: Vec<Template>,
    /// A condition over the fleet.
    pub query: Option<Template>,
    pub everybody: bool,
    pub variables: BTreeMap<String, Template>,
    /// Wait for its end, whoever starts it.
    pub wait: bool,
}

/// A command on the server, as the server's own user.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerCommand {
    pub command: Command,
    pub folder: Option<Template>,
    pub environment: BTreeMap<String, Template>,
    pub timeout: Span,
}

/// A request to another server.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// `GET`, `POST` …
    pub method: &'static str,
    /// Scheme and host are written out; only what follows may hold templates.
    pub url: Template,
    /// Added to the address, escaped.
    pub query: BTreeMap<String, Template>,
    pub headers: BTreeMap<String, Template>,
    pub secret: Option<SecretHeader>,
    pub body: Template,
    pub timeout: Span,
    /// Answers that are fine; all of 2xx when empty.
    pub expect: BTreeSet<u16>,
}

/// A header whose value ends with a secret of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHeader {
    pub header: String,
    /// What stands before it: `Bearer `.
    pub prefix: String,
    /// The name under which the server keeps it.
    pub secret: String,
}

/// Why an action cannot be started with these parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    #[error("the action `{action}` has no parameter {}", listed(.unknown))]
    Unknown { action: String, unknown: Vec<String> },
    #[error("the action `{action}` needs a value for {}", listed(.missing))]
    Missing { action: String, missing: Vec<String> },
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl NamedAction {
    /// What kind of action it is, as it is written.
    pub const fn kind(&self) -> &'static str {
        match self.does {
            Does::Deployment(_) => "deployment",
            Does::Message(_) => "message",
            Does::Command(_) => "command",
            Does::Http(_) => "http",
        }
    }

    /// What its templates are told: what is known of the run, and its own parameters instead of the
    /// run's variables.
    pub fn context(
        &self,
        of: &Context,
        given: BTreeMap<String, String>,
    ) -> Result<Context, ParameterError> {
        let unknown: Vec<String> =
            given.keys().filter(|name| !self.parameters.contains_key(*name)).cloned().collect();
        if !unknown.is_empty() {
            return Err(ParameterError::Unknown { action: self.name.clone(), unknown });
        }
        let (mut variables, mut missing) = (given, Vec::new());
        for (name, preset) in &self.parameters {
            match preset {
                _ if variables.contains_key(name) => {}
                Some(value) => _ = variables.insert(name.clone(), value.clone()),
                None => missing.push(name.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(ParameterError::Missing { action: self.name.clone(), missing });
        }
        Ok(Context {
            computer: of.computer.clone(),
            deployment: of.deployment.clone(),
            variables,
            ..Context::default()
        })
    }

    /// The secret that it uses.
    pub fn secret(&self) -> Option<&str> {
        match &self.does {
            Does::Http(Http { secret: Some(secret), .. }) => Some(&secret.secret),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action() -> NamedAction {
        let template = |text: &str| Template::new(text).unwrap();
        NamedAction {
            name: "tell".into(),
            description: String::new(),
            parameters: [("how".to_owned(), Some("softly".to_owned())), ("what".to_owned(), None)]
                .into(),
            does: Does::Message(Message {
                channel: crate::Channel::Internal,
                to: Vec::new(),
                subject: template("{{ what }} {{ how }} {{ computer.name }}"),
                text: template(""),
            }),
        }
    }

    #[test]
    fn parameters_are_given_preset_or_asked_for() {
        let of = Context {
            computer: [("name".to_owned(), "pc-1".to_owned())].into(),
            variables: [("what".to_owned(), "of the run".to_owned())].into(),
            ..Context::default()
        };
        let give = |pairs: &[(&str, &str)]| {
            let given = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            action().context(&of, given.collect())
        };
        let context = give(&[("what", "hello")]).unwrap();
        let Does::Message(message) = action().does else { unreachable!() };
        assert_eq!(message.subject.render(&context).unwrap(), "hello softly pc-1");
        let missing = give(&[]).unwrap_err().to_string();
        assert_eq!(missing, "the action `tell` needs a value for `what`");
        let unknown = give(&[("what", ""), ("who", "")]).unwrap_err().to_string();
        assert_eq!(unknown, "the action `tell` has no parameter `who`");
    }
}
