//! Scripts, processes, options, dependencies, uninstalling.

use application::{
    Dependency, DistributionScript, Launch, Options, ProcessEnd, Rights, Scripts, Unassociated,
    Uninstall,
};
use model::ApplicationId;
use workflow::Severity;

use super::Builder;
use crate::application::code;
use crate::application::given::{Fields, Value};
use crate::application::words;
use crate::problem::Place;

impl Builder<'_, '_> {
    pub(super) fn scripts(&mut self, mut fields: Fields) -> Scripts {
        Scripts {
            before: self.named_script(&mut fields, "before"),
            after: self.named_script(&mut fields, "after"),
            before_uninstall: self.named_script(&mut fields, "before_uninstall"),
            after_uninstall: self.named_script(&mut fields, "after_uninstall"),
        }
    }

    pub(super) fn launch(&mut self, mut fields: Fields) -> Launch {
        Launch {
            program: fields.needed("program"),
            arguments: fields.text("arguments"),
            working_folder: fields.text("working_folder"),
            once: fields.switch("once"),
            before: self.named_script(&mut fields, "before"),
            after: self.named_script(&mut fields, "after"),
        }
    }

    fn named_script(&mut self, fields: &mut Fields, name: &str) -> Option<DistributionScript> {
        let fields = fields.record(name)?;
        Some(self.script(fields))
    }

    fn script(&mut self, mut fields: Fields) -> DistributionScript {
        let place = fields.place_of("extension");
        let extension = fields.plain("extension");
        if let Some(written) = &extension {
            let rest = written.strip_prefix('.').unwrap_or_default();
            if rest.is_empty() || !rest.chars().all(|letter| letter.is_ascii_alphanumeric()) {
                let hint = "a dot, then letters and digits: `.bat`";
                self.error(code::VALUE, place, "this is no extension of a file", hint);
            }
        }
        let engine_at = fields.place_of("engine");
        let engine = fields.text("engine");
        if let Some(engine) = &engine {
            self.engine(engine.as_str(), engine_at);
        }
        DistributionScript {
            text: fields.needed("run"),
            engine,
            extension,
            timeout: fields.span("timeout").map(|(span, _)| span),
        }
    }

    /// `cmd.exe` alone would ask for commands instead of carrying out the script.
    fn engine(&mut self, engine: &str, place: Place) {
        let engine = engine.trim();
        if engine.is_empty() {
            let hint = "leave `engine` out for the system's own shell";
            self.error(code::ENGINE, place, "the script has no engine", hint);
            return;
        }
        let program = engine.trim_end_matches('"').rsplit(['\\', '/']).next().unwrap_or_default();
        let program = program.to_ascii_lowercase();
        if matches!(program.as_str(), "cmd" | "cmd.exe" | "command.com" | "%comspec%") {
            let what = "this engine waits for commands and never reads the script";
            let hint = format!("write `{engine} /c`");
            self.problems.add(Severity::Warning, code::ENGINE, place, (what.into(), hint));
        }
    }

    pub(super) fn options(&mut self, mut fields: Fields) -> Options {
        self.places.options = Some(fields.place);
        Options {
            distribute_always: fields.switch("distribute_always"),
            prompt: fields.switch("prompt"),
            rights: if fields.word("rights") == "user" { Rights::User } else { Rights::System },
            reboot: words::reboot(fields.word("reboot")).unwrap_or_default(),
            prompt_reboot: fields.switch("prompt_reboot"),
            show_progress: fields.switch("show_progress"),
        }
    }

    pub(super) fn dependencies(&mut self, fields: &mut Fields) -> Vec<Dependency> {
        let mut dependencies = Vec::new();
        for mut fields in fields.records("dependencies") {
            let Some((application, place)) = fields.id("application") else { continue };
            self.places.dependencies.push(place);
            dependencies.push(Dependency {
                application,
                name: fields.plain("name"),
                continue_if_it_fails: fields.switch("continue_if_it_fails"),
            });
        }
        dependencies
    }

    pub(super) fn supersedes(&mut self, fields: &mut Fields) -> Vec<ApplicationId> {
        let mut ids = Vec::new();
        for given in fields.list("supersedes") {
            if let Value::Id(id) = given.value {
                self.places.supersedes.push(given.place);
                ids.push(id);
            }
        }
        ids
    }
}

pub(super) fn uninstall(mut fields: Fields) -> Uninstall {
    let end = ends(&mut fields);
    let mut removal = |name: &str| words::removal(fields.word(name)).unwrap_or_default();
    let (files, shortcuts) = (removal("files"), removal("shortcuts"));
    let (ini, text, registry) = (removal("ini"), removal("text"), removal("registry"));
    Uninstall {
        allowed: fields.switch("allowed"),
        when_unassociated: match fields.word("when_unassociated") {
            "uninstall" => Unassociated::Uninstall,
            _ => Unassociated::Keep,
        },
        end,
        prompt: fields.switch("prompt"),
        files,
        shortcuts,
        ini,
        text,
        registry,
    }
}

pub(super) fn ends(fields: &mut Fields) -> Vec<ProcessEnd> {
    let end = |mut fields: Fields| match fields.record.name {
        "service" => ProcessEnd::Service(fields.needed("service")),
        _ => ProcessEnd::Process(fields.needed("process")),
    };
    fields.records("end").into_iter().map(end).collect()
}
