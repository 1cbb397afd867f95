//! From the parameters of an activity to its [`Kind`].

use std::collections::BTreeMap;

use model::Span;
use workflow::{
    Action, ActivityName, ApplicationAction, Channel, Command, Execute, FileMove, FolderList,
    Impersonate, Kind, Logging, Message, OneApplication, OneRename, Script, Shutdown,
    ShutdownMethod, Template, Transfer, Visibility, WakeOnLan, WakeThrough,
};

use super::values::{Argument, Texts, blank};

/// The parameters of one activity: all that the table knows, each taken once.
pub(super) struct Arguments(pub(super) BTreeMap<&'static str, Argument>);

impl Arguments {
    fn take(&mut self, name: &str) -> Argument {
        let argument = self.0.remove(name);
        debug_assert!(argument.is_some(), "the table has no parameter `{name}` here");
        argument.unwrap_or(Argument::Absent)
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Option<Template> {
        match self.take(name) {
            Argument::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn plain(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Argument::Plain(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Template {
        self.optional_text(name).unwrap_or_else(blank)
    }

    pub(super) fn texts(&mut self, name: &str) -> Texts {
        match self.take(name) {
            Argument::Texts(texts) => texts,
            _ => Texts::One(blank()),
        }
    }

    pub(super) fn switch(&mut self, name: &str) -> bool {
        matches!(self.take(name), Argument::Switch(true))
    }

    fn count(&mut self, name: &str) -> u32 {
        match self.take(name) {
            Argument::Count(count) => count,
            _ => 0,
        }
    }

    /// A length of time, if the table knows this parameter here and it is written.
    pub(super) fn span(&mut self, name: &str) -> Option<Span> {
        match self.0.remove(name) {
            Some(Argument::Span(span)) => Some(span),
            _ => None,
        }
    }

    pub(super) fn choice(&mut self, name: &str) -> &'static str {
        match self.take(name) {
            Argument::Choice(word) => word,
            _ => "",
        }
    }

    pub(super) fn environment(&mut self, name: &str) -> BTreeMap<String, Template> {
        match self.take(name) {
            Argument::Environment(environment) => environment,
            _ => BTreeMap::new(),
        }
    }

    fn activity(&mut self, name: &str) -> Option<ActivityName> {
        match self.take(name) {
            Argument::Activity(name) => Some(name),
            _ => None,
        }
    }
}

/// The kind named `name`. `None` when a parameter that has no stand-in is wrong.
pub(super) fn build(name: &'static str, arguments: &mut Arguments) -> Option<Kind> {
    let kind = match name {
        "success" => Kind::Success { message: arguments.optional_text("message") },
        "failure" => Kind::Failure { message: arguments.optional_text("message") },
        "retry" => {
            let delay = arguments.span("delay").unwrap_or_default();
            Kind::Retry { limit: arguments.count("limit"), delay }
        }
        "jump" => Kind::Jump { to: arguments.activity("to")? },
        "empty" => Kind::Empty,
        "synchronization" => Kind::Synchronization,
        "wait" => Kind::Wait { duration: arguments.text("duration") },
        "execute" => Kind::Execute(execute(arguments)),
        "upload" => {
            let from_targets = arguments.switch("from_targets");
            Kind::Upload { transfer: transfer(arguments), from_targets }
        }
        "download" => Kind::Download(transfer(arguments)),
        "move" => Kind::Move(files(arguments)),
        "copy" => Kind::Copy(files(arguments)),
        "rename" => Kind::Rename(rename(arguments)),
        "delete_files" => Kind::DeleteFiles {
            folder: arguments.text("folder"),
            filter: arguments.text("filter"),
            recursive: arguments.switch("recursive"),
            force: arguments.switch("force"),
            on_server: arguments.switch("on_server"),
        },
        "create_folders" => Kind::CreateFolders {
            folders: folders(arguments),
            on_server: arguments.switch("on_server"),
        },
        "delete_folders" => Kind::DeleteFolders {
            folders: folders(arguments),
            recursive: arguments.switch("recursive"),
            force: arguments.switch("force"),
            on_server: arguments.switch("on_server"),
        },
        "choose" => Kind::Choose { value: arguments.text("value") },
        "impersonate" => Kind::Impersonate(Impersonate {
            user: arguments.optional_text("user"),
            domain: arguments.optional_text("domain"),
            secret: arguments.plain("secret"),
        }),
        "shutdown" => Kind::Shutdown(shutdown(arguments)),
        "registry" => Kind::Registry { script: arguments.text("script") },
        "script" => Kind::Script(script(arguments)),
        "wake_on_lan" => Kind::WakeOnLan(wake(arguments)),
        "action" => Kind::Action(Action {
            name: arguments.text("name"),
            parameters: arguments.environment("parameters"),
            wait: arguments.switch("wait"),
        }),
        "message" => Kind::Message(message(arguments)),
        "application" => Kind::Application(one_application(arguments)),
        later => Kind::NotYet { name: later.to_owned() },
    };
    debug_assert!(arguments.0.is_empty(), "parameters of `{name}` that nothing takes");
    Some(kind)
}

fn execute(arguments: &mut Arguments) -> Execute {
    Execute {
        command: match arguments.texts("command") {
            Texts::One(text) => Command::Shell(text),
            Texts::Each(texts) => Command::List(texts),
        },
        folder: arguments.optional_text("folder"),
        synchronous: arguments.switch("synchronous"),
        log: match arguments.choice("log") {
            "none" => Logging::None,
            "all" => Logging::All,
            _ => Logging::Errors,
        },
        visibility: match arguments.choice("visibility") {
            "shown" => Visibility::Shown,
            "hidden" => Visibility::Hidden,
            _ => Visibility::Default,
        },
        environment: arguments.environment("environment"),
    }
}

fn script(arguments: &mut Arguments) -> Script {
    Script {
        code: arguments.plain("code").unwrap_or_default(),
        depot: list(arguments, "depot"),
        deposit: list(arguments, "deposit"),
        actions: list(arguments, "actions"),
        messages: arguments.switch("messages"),
        memory_mb: arguments.count("memory"),
        operations: arguments.count("operations"),
    }
}

fn list(arguments: &mut Arguments, name: &'static str) -> Vec<Template> {
    match arguments.texts(name) {
        Texts::One(text) => vec![text],
        Texts::Each(texts) => texts,
    }
}

fn transfer(arguments: &mut Arguments) -> Transfer {
    Transfer {
        from: arguments.text("from"),
        to: arguments.text("to"),
        filter: arguments.text("filter"),
        recursive: arguments.switch("recursive"),
        replace: arguments.switch("replace"),
        force: arguments.switch("force"),
        resume: arguments.switch("resume"),
    }
}

fn files(arguments: &mut Arguments) -> FileMove {
    FileMove {
        from: arguments.text("from"),
        to: arguments.text("to"),
        filter: arguments.text("filter"),
        recursive: arguments.switch("recursive"),
        replace: arguments.switch("replace"),
        force: arguments.switch("force"),
        on_server: arguments.switch("on_server"),
    }
}

fn rename(arguments: &mut Arguments) -> OneRename {
    OneRename {
        current: arguments.text("current"),
        new: arguments.text("new"),
        replace: arguments.switch("replace"),
        force: arguments.switch("force"),
        on_server: arguments.switch("on_server"),
    }
}

fn folders(arguments: &mut Arguments) -> FolderList {
    match arguments.texts("folders") {
        Texts::One(text) => FolderList::Joined(text),
        Texts::Each(texts) => FolderList::Each(texts),
    }
}

fn shutdown(arguments: &mut Arguments) -> Shutdown {
    Shutdown {
        method: match arguments.choice("method") {
            "shutdown" => ShutdownMethod::PowerOff,
            _ => ShutdownMethod::Restart,
        },
        delay: arguments.span("delay").unwrap_or_default(),
        message: arguments.optional_text("message"),
        force: arguments.switch("force"),
    }
}

fn wake(arguments: &mut Arguments) -> WakeOnLan {
    WakeOnLan {
        address: arguments.optional_text("address"),
        through: match arguments.choice("through") {
            "server" => WakeThrough::Server,
            "neighbour" => WakeThrough::Neighbour,
            _ => WakeThrough::Any,
        },
        port: arguments.count("port"),
    }
}

fn one_application(arguments: &mut Arguments) -> OneApplication {
    let action = arguments.choice("do");
    OneApplication {
        application: arguments.text("application"),
        action: ApplicationAction::ALL
            .into_iter()
            .find(|known| known.as_str() == action)
            .unwrap_or(ApplicationAction::Distribute),
    }
}

fn message(arguments: &mut Arguments) -> Message {
    let channel = arguments.choice("channel");
    Message {
        channel: Channel::ALL
            .into_iter()
            .find(|known| known.as_str() == channel)
            .unwrap_or(Channel::Internal),
        to: list(arguments, "to"),
        subject: arguments.text("subject"),
        text: arguments.text("text"),
    }
}
