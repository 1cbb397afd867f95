//! Application files: what a machine should have, as people write it.
//!
//! Macros stay as they are written; what they stand for is known on the machine only.

mod build;
mod check;
pub mod code;
mod given;
mod print;
mod schema;
mod table;
pub mod words;

use application::{Application, Group};
use workflow::Severity;

use crate::problem::{Problem, Problems};
use crate::yaml;
pub(crate) use build::check_key;
use build::{Builder, Places};
use given::Reader;

pub use print::print_application;
pub use schema::application_schema;

/// What came of an application file.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedApplication {
    /// There when the whole text was understood.
    pub application: Option<Application>,
    /// Everything that is wrong or worth a thought, in the order of its places.
    pub problems: Vec<Problem>,
    /// No id is written at all.
    pub lacks_id: bool,
    places: Places,
}

impl ParsedApplication {
    /// Whether the application is refused.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The line of an item, from 1: its place in its group, and of what is in a file its own.
    pub fn line(&self, group: Group, place: (usize, Option<usize>)) -> Option<usize> {
        let places = &self.places;
        let within = |files: &[(crate::problem::Place, Vec<crate::problem::Place>)]| {
            let (file, parts) = files.get(place.0)?;
            match place.1 {
                None => Some(*file),
                Some(part) => parts.get(part).copied(),
            }
        };
        let found = match group {
            Group::Shortcuts => places.shortcuts.get(place.0).copied(),
            Group::Registry => places.registry.get(place.0).copied(),
            Group::Files => places.files.get(place.0).copied(),
            Group::Ini => within(&places.ini),
            Group::Text => within(&places.text),
        };
        found.map(|place| place.line)
    }
}

/// Reads an application file and checks what can be known without a machine.
pub fn parse_application(source: &str) -> ParsedApplication {
    let mut problems = Problems::new(source);
    let mut understood = None;
    let mut places = Places::default();
    let mut lacks_id = false;
    if let Some(root) = yaml::read(source, &mut problems) {
        let mut reader = Reader { problems: &mut problems, texts: Vec::new() };
        let fields = reader.record(root, &table::FILE);
        let texts = reader.texts;
        if let Some(fields) = fields {
            lacks_id = !fields.has("id");
            let has_target = fields.has("target");
            let mut builder = Builder { problems: &mut problems, places };
            let application = builder.application(fields);
            places = builder.places;
            check::check(&application, &places, &mut problems);
            check::macros::check(&application, has_target, &texts, &mut problems);
            understood = Some(application);
        }
    }
    let application = understood.filter(|_| !problems.has_errors());
    ParsedApplication { application, problems: problems.into_sorted(), lacks_id, places }
}

#[cfg(test)]
mod tests;
