//! From what was written to an [`Application`].

mod availability;
mod items;
mod kinds;
mod options;
mod registry;
mod schedule;

use application::{Application, Handling, Items, Macro, MacroValue};
use model::ApplicationId;

use super::code;
use super::given::{Fields, Given, Value};
use crate::problem::{Place, Problems};
pub(crate) use registry::check_key;

/// Where items stand, in the order of [`Items`]; of files with parts, these too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Places {
    pub(super) macros: Vec<Place>,
    pub(super) shortcuts: Vec<Place>,
    pub(super) registry: Vec<Place>,
    pub(super) files: Vec<Place>,
    pub(super) ini: Vec<(Place, Vec<Place>)>,
    pub(super) text: Vec<(Place, Vec<Place>)>,
    pub(super) id: Option<Place>,
    pub(super) dependencies: Vec<Place>,
    pub(super) supersedes: Vec<Place>,
    pub(super) options: Option<Place>,
}

pub(super) struct Builder<'p, 's> {
    pub(super) problems: &'p mut Problems<'s>,
    pub(super) places: Places,
}

impl Builder<'_, '_> {
    fn error(&mut self, code: &'static str, place: Place, what: impl Into<String>, hint: &str) {
        self.problems.error(code, place, what, hint);
    }

    /// What was understood, with stand-ins for what was wrong, which is told.
    pub(super) fn application(&mut self, mut fields: Fields) -> Application {
        let name = self.name(&mut fields);
        let id = match fields.id("id") {
            Some((id, place)) => {
                self.places.id = Some(place);
                id
            }
            None => ApplicationId::from_bytes([0; 16]),
        };
        self.check_kind(&fields);
        let scripts = fields.record("scripts").map(|fields| self.scripts(fields));
        let launch = fields.record("launch").map(|fields| self.launch(fields));
        let options = fields.record("options").map(|fields| self.options(fields));
        let uninstall = fields.record("uninstall").map(options::uninstall);
        let pre_install = fields.take("pre_install").and_then(|given| self.pre_install(given));
        let availability = fields.record("availability");
        Application {
            name,
            id,
            version: u16::try_from(fields.count("version")).unwrap_or(u16::MAX),
            description: fields.plain("description"),
            icon: fields.text("icon"),
            folder: fields.plain("folder"),
            kind: self.kind(&mut fields),
            source: fields.text("source"),
            target: fields.text("target"),
            macros: self.macros(fields.named("macros")),
            items: self.items(&mut fields),
            scripts: scripts.unwrap_or_default(),
            launch,
            end: options::ends(&mut fields),
            pre_install: pre_install.unwrap_or_default(),
            options: options.unwrap_or_default(),
            availability: availability.and_then(|fields| self.availability(fields)),
            dependencies: self.dependencies(&mut fields),
            supersedes: self.supersedes(&mut fields),
            uninstall: uninstall.unwrap_or_default(),
        }
    }

    fn name(&mut self, fields: &mut Fields) -> String {
        let place = fields.place_of("application");
        let Some(name) = fields.plain("application") else { return String::new() };
        let is_bad = |letter: char| letter.is_control() || letter == '%';
        if name.trim().is_empty() || name.contains(is_bad) {
            let hint = "a name has letters, and neither line breaks nor `%`";
            self.error(crate::code::WRONG_VALUE, place, "this cannot be a name", hint);
        }
        name
    }

    fn items(&mut self, fields: &mut Fields) -> Items {
        Items {
            shortcuts: self.shortcuts(fields.records("shortcuts")),
            registry: self.registry(fields.records("registry")),
            files: self.files(fields.records("files")),
            ini: self.ini(fields.records("ini")),
            text: self.text(fields.records("text")),
        }
    }

    fn macros(&mut self, entries: Vec<(String, Given)>) -> Vec<Macro> {
        let mut macros = Vec::new();
        for (name, Given { place, value }) in entries {
            self.macro_name(&name, place);
            let value = match value {
                Value::Text(text) => MacroValue::Text(application::Text::new(text)),
                Value::Record(mut fields) => MacroValue::Prompted {
                    prompt: fields.plain("prompt").unwrap_or_default(),
                    default: fields.needed("default"),
                    length_max: fields
                        .optional_count("length_max")
                        .and_then(|count| u32::try_from(count).ok()),
                },
                _ => continue,
            };
            self.places.macros.push(place);
            macros.push(Macro { name, value });
        }
        macros
    }

    fn macro_name(&mut self, name: &str, place: Place) {
        let is_right = |letter: char| letter.is_alphanumeric() || "_-. ".contains(letter);
        let is_whole = !name.is_empty() && name.trim() == name && name.chars().all(is_right);
        if !is_whole {
            let what = format!("`{name}` cannot be the name of a macro");
            let hint = "a name has letters, digits, `_`, `-`, `.` and blanks within it; it is \
                        written without the percent signs";
            self.error(code::MACRO, place, what, hint);
        } else if ["SOURCE_PATH", "TARGET_PATH"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        {
            let hint = "write it as `source:` or `target:`, beside `macros:`";
            self.error(code::MACRO, place, format!("`{name}` has a key of its own"), hint);
        }
    }
}

fn handling(fields: &mut Fields) -> Handling {
    Handling {
        distribute_always: fields.switch("distribute_always"),
        track_per_user: fields.switch("track_per_user"),
    }
}
