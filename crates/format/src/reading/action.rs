//! Reading an action file: a name, parameters, and the one thing that it does.

use std::collections::{BTreeMap, BTreeSet};

use model::Span;
use workflow::{
    Command, Does, Http, Kind, NamedAction, SecretHeader, ServerCommand, Severity, Start, Template,
};

use super::Reader;
use super::kinds::{self, Arguments};
use super::places::{ActivityPlaces, Places};
use super::values::{Expected, Texts, listed};
use crate::code;
use crate::problem::{Place, Problem, Problems, shown};
use crate::table::{self, actions};
use crate::yaml::{self, Entry, Node, Scalar, Value};

/// What came of an action file.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedAction {
    /// There when nothing is wrong with it.
    pub action: Option<NamedAction>,
    /// Everything that is wrong, in the order of its places.
    pub problems: Vec<Problem>,
}

/// Reads an action file.
pub fn parse_action(source: &str) -> ParsedAction {
    let mut problems = Problems::new(source);
    let read = yaml::read(source, &mut problems).and_then(|root| {
        let mut reader =
            Reader { problems: &mut problems, places: Places::default(), is_literal: false };
        reader.action_file(root)
    });
    let action = if problems.has_errors() { None } else { read };
    let problems = problems.into_sorted();
    debug_assert!(problems.iter().all(|problem| problem.severity == Severity::Error));
    ParsedAction { action, problems }
}

impl Reader<'_, '_> {
    fn action_file(&mut self, root: Node) -> Option<NamedAction> {
        let Value::Map(entries) = root.value else {
            if !root.is_broken() {
                let what = format!("an action file is a mapping, found {}", root.in_words());
                let hint = "begin with `action: A name`, then what it does";
                self.error(code::WRONG_TYPE, root.place, what, hint);
            }
            return None;
        };
        let (kinds, rest): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| kind_named(&entry.key).is_some());
        let mut keys = self.keys(rest, actions::FILE, "an action file, besides what it does,");
        let name = keys.remove("action").map(|entry| entry.value);
        self.missing_keys(actions::FILE, &[("action", name.is_some())]);
        let name = name.and_then(|node| self.action_name(&node)).unwrap_or_default();
        let description = keys.remove("description");
        let description =
            description.and_then(|entry| self.optional_text(&entry.value)).unwrap_or_default();
        let parameters = keys.remove("parameters");
        let parameters = parameters.map(|entry| self.action_parameters(entry.value));
        let does = self.does(kinds)?;
        let parameters = parameters.unwrap_or_default();
        Some(NamedAction { name, description, parameters, does })
    }

    fn action_name(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node)?;
        let is_part = |c: char| c.is_alphanumeric() || " -_.".contains(c);
        if name.trim() != name || name.is_empty() || !name.chars().all(is_part) {
            let what = format!("`{}` cannot be the name of an action", shown(&name, 60));
            let hint = "a name has letters, digits, spaces, `-`, `_` and `.`";
            self.error(code::WRONG_VALUE, node.place, what, hint);
        }
        Some(name)
    }

    fn action_parameters(&mut self, node: Node) -> BTreeMap<String, Option<String>> {
        let mut parameters = BTreeMap::new();
        for entry in self.map(node, Expected::MAPPING).unwrap_or_default() {
            if !workflow::is_variable_name(&entry.key) {
                let what = format!("`{}` cannot be the name of a parameter", shown(&entry.key, 60));
                let hint = "a name is a letter or `_`, then letters, digits and `_`, at most 64, \
                            and nothing that templates know already";
                self.error(code::WRONG_VALUE, entry.place, what, hint);
            }
            let preset = match entry.value.scalar() {
                Some(Scalar::Null) => None,
                _ => self.text(&entry.value),
            };
            parameters.insert(entry.key, preset);
        }
        parameters
    }

    fn does(&mut self, kinds: Vec<Entry>) -> Option<Does> {
        let mut kinds = kinds.into_iter();
        let Some(entry) = kinds.next() else {
            let names = ["deployment", "message", "command", "http"];
            let hint = format!("write {} with its parameters below", listed(&names, "or"));
            self.error(code::NO_KIND, Place::BEGIN, "the action does nothing", hint);
            return None;
        };
        let kind = kind_named(&entry.key)?;
        if let Some(second) = kinds.next() {
            let what = format!("the action is both `{}` and `{}`", kind.name, second.key);
            self.error(code::SEVERAL_KINDS, second.place, what, "make two actions of it");
            return None;
        }
        let place = entry.place;
        let mut places = ActivityPlaces::new(place);
        let mut arguments = self.arguments(kind, entry, &mut places)?;
        match kind.name {
            "message" => match kinds::build(kind.name, &mut arguments)? {
                Kind::Message(message) => Some(Does::Message(message)),
                _ => None,
            },
            "deployment" => Some(Does::Deployment(start(&mut arguments))),
            "command" => self.server_command(&mut arguments, place).map(Does::Command),
            _ => self.http(&mut arguments, place).map(Does::Http),
        }
    }

    fn server_command(&mut self, arguments: &mut Arguments, place: Place) -> Option<ServerCommand> {
        let command = match arguments.texts("command") {
            Texts::One(text) => Command::Shell(text),
            Texts::Each(words) => Command::List(words),
        };
        if let Command::Shell(text) = &command
            && let Some(name) = workflow::unquoted(text).into_iter().next()
        {
            // What a target calls itself must not become a command on the server.
            let what = format!("`{name}` becomes part of a command for the shell without quotes");
            let hint = "write `{{ … | sh }}`, or give the command as a list";
            self.error(code::WRONG_VALUE, place, what, hint);
        }
        Some(ServerCommand {
            command,
            folder: arguments.optional_text("folder"),
            environment: arguments.environment("environment"),
            timeout: self.fixed_span(&arguments.text("timeout"), place),
        })
    }

    fn http(&mut self, arguments: &mut Arguments, place: Place) -> Option<Http> {
        let url = arguments.text("url");
        if !has_plain_host(url.source()) {
            let what = format!("`{}` does not say plainly where to send", shown(url.source(), 60));
            let hint = "write `https://host/` out; templates may follow after that `/`";
            self.error(code::WRONG_VALUE, place, what, hint);
        }
        let (header, prefix) = (arguments.plain("secret_header"), arguments.plain("secret_prefix"));
        let secret = arguments.plain("secret").map(|secret| SecretHeader {
            header: header.unwrap_or_else(|| "Authorization".to_owned()),
            prefix: prefix.unwrap_or_else(|| "Bearer ".to_owned()),
            secret,
        });
        let expect = match arguments.texts("expect") {
            Texts::One(one) => vec![one],
            Texts::Each(each) => each,
        };
        let mut fine = BTreeSet::new();
        for text in expect {
            match text.source().parse::<u16>() {
                Ok(status) if (100..600).contains(&status) => _ = fine.insert(status),
                _ => {
                    let what = format!("`{}` is no status of HTTP", shown(text.source(), 60));
                    self.error(code::WRONG_VALUE, place, what, "write a number such as 200");
                }
            }
        }
        Some(Http {
            method: arguments.choice("method"),
            url,
            query: arguments.environment("query"),
            headers: arguments.environment("headers"),
            secret,
            body: arguments.text("body"),
            timeout: self.fixed_span(&arguments.text("timeout"), place),
            expect: fine,
        })
    }

    /// A length of time that is no template.
    fn fixed_span(&mut self, text: &Template, place: Place) -> Span {
        text.source().parse().unwrap_or_else(|_| {
            let what = format!("`{}` is not a length of time", shown(text.source(), 60));
            self.error(code::WRONG_VALUE, place, what, "write `90s`, `10m` or `1h30m`");
            Span::ZERO
        })
    }
}

fn kind_named(name: &str) -> Option<&'static table::Activity> {
    if name == "message" {
        return table::activity_named(name);
    }
    actions::KINDS.iter().find(|kind| kind.name == name)
}

fn start(arguments: &mut Arguments) -> Start {
    let each = |texts| match texts {
        Texts::One(one) => vec![one],
        Texts::Each(each) => each,
    };
    Start {
        workflow: arguments.text("workflow"),
        computers: each(arguments.texts("computers")),
        groups: each(arguments.texts("groups")),
        query: arguments.optional_text("query"),
        everybody: arguments.switch("everybody"),
        variables: arguments.environment("variables"),
        wait: arguments.switch("wait"),
    }
}

/// Whether scheme and host stand there before any template.
fn has_plain_host(url: &str) -> bool {
    let marks = ["{{", "{%", "{#"].iter().filter_map(|mark| url.find(mark));
    let plain = &url[..marks.min().unwrap_or(url.len())];
    let host = plain.strip_prefix("https://").or_else(|| plain.strip_prefix("http://"));
    let is_whole = plain.len() == url.len();
    host.is_some_and(|host| match host.find(['/', '?']) {
        Some(end) => end > 0,
        None => is_whole && !host.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(source: &str) -> Vec<String> {
        let parsed = parse_action(source);
        parsed.problems.into_iter().map(|problem| problem.what).collect()
    }

    fn read(source: &str) -> NamedAction {
        let parsed = parse_action(source);
        parsed.action.unwrap_or_else(|| panic!("{:?}", parsed.problems))
    }

    #[test]
    fn each_kind_of_action_is_read() {
        let action = read(
            "action: patch now\nparameters: { kb:, mode: quick }\ndeployment:\n  workflow: patch\n  \
             variables: { kb: \"{{ kb }}\" }\n  wait: true\n",
        );
        assert_eq!(action.name, "patch now");
        assert_eq!(action.parameters["kb"], None);
        assert_eq!(action.parameters["mode"].as_deref(), Some("quick"));
        let Does::Deployment(start) = action.does else { panic!() };
        assert!(start.wait && start.computers.is_empty() && start.query.is_none());

        let action = read("action: a\nmessage: { channel: mail, to: x, subject: s, text: t }\n");
        assert!(matches!(action.does, Does::Message(_)));

        let action = read("action: a\ncommand: { command: [ls, \"{{ computer.name }}\"] }\n");
        let Does::Command(command) = action.does else { panic!() };
        assert_eq!(command.timeout, Span::from_secs(600));

        let action = read(
            "action: a\nhttp: { method: POST, url: \"https://x.example/{{ computer.name }}\", \
             secret: token, expect: [201, 409], timeout: 5s }\n",
        );
        let Does::Http(http) = action.does else { panic!() };
        assert_eq!((http.method, http.expect.len()), ("POST", 2));
        let secret = http.secret.unwrap();
        assert_eq!((secret.header.as_str(), secret.prefix.as_str()), ("Authorization", "Bearer "));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (source, expect) in [
            ("action: a\n", "the action does nothing"),
            ("command: { command: ls }\n", "`action` is missing"),
            ("- a\n", "an action file is a mapping"),
            ("action: a\ncommand: { command: ls }\nhttp: { url: https://x }\n", "both"),
            ("action: a/b\ncommand: { command: ls }\n", "cannot be the name of an action"),
            ("action: a\nparameters: { 1x: y }\ncommand: { command: ls }\n", "of a parameter"),
            (
                "action: a\nparameters: { computer: y }\ncommand: { command: ls }\n",
                "of a parameter",
            ),
            ("action: a\ncommand: { command: \"ls {{ computer.name }}\" }\n", "without quotes"),
            ("action: a\ncommand: { command: ls, timeout: soon }\n", "not a length of time"),
            ("action: a\nhttp: { url: \"https://{{ computer.name }}/\" }\n", "plainly where"),
            ("action: a\nhttp: { url: \"{{ url }}\" }\n", "plainly where"),
            ("action: a\nhttp: { url: https://x, expect: [9] }\n", "no status"),
            ("action: a\nhttp: { url: https://x, method: FETCH }\n", "cannot stand here"),
            ("action: a\nmessage: { channel: fax, subject: s }\n", "cannot stand here"),
            ("action: a\ndeployment: { workflow: w, targets: x }\n", "unknown key"),
        ] {
            let told = problems(source);
            assert!(told.iter().any(|what| what.contains(expect)), "{source}: {told:?}");
        }
        assert_eq!(
            problems("action: a\ncommand: { command: \"ls {{ computer.name | sh }}\" }\n"),
            [""; 0]
        );
    }
}
