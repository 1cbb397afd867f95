//! Macros of which it can be told without a machine that they will stand for nothing.

use std::collections::{BTreeMap, BTreeSet};

use application::macros::{Piece, pieces};
use application::{Application, MacroValue, Text};

use crate::application::code;
use crate::problem::{Place, Problems, shown};

/// Special folders of Windows (REFERENCE 1.1).
const FOLDERS: [&str; 38] = [
    "AdminTools",
    "AllUsersProfile",
    "AppData",
    "CommonAdminTools",
    "CommonAppData",
    "CommonDesktop",
    "CommonDocuments",
    "CommonProgramFiles",
    "CommonPrograms",
    "CommonStartMenu",
    "CommonStartup",
    "CommonTemplates",
    "Cookies",
    "Desktop",
    "Favorites",
    "Fonts",
    "History",
    "InternetCache",
    "LocalAppData",
    "MyPictures",
    "NetHood",
    "Personal",
    "PrintHood",
    "ProgramFiles",
    "Programs",
    "Recent",
    "SendTo",
    "StartMenu",
    "Startup",
    "TempDir",
    "Templates",
    "UserProfile",
    "WinDir",
    "WinDisk",
    "WinSys16Dir",
    "WinSysDir",
    "WinSysDisk",
    "WinTemp",
];

pub(in crate::application) fn check(
    application: &Application,
    has_target: bool,
    texts: &[(String, Place)],
    problems: &mut Problems<'_>,
) {
    let own = Own::of(application);
    let mut told = BTreeSet::new();
    for (text, place) in texts {
        for piece in pieces(text) {
            let Piece::Macro(name) = piece else { continue };
            let what = if let Some(folder) = name.strip_prefix('*') {
                unknown_folder(folder)
            } else {
                own.unknown(has_target, name)
            };
            if let Some((what, hint)) = what.filter(|_| told.insert((name.to_lowercase(), *place)))
            {
                problems.error(code::MACRO, *place, what, hint);
            }
        }
    }
}

fn unknown_folder(name: &str) -> Option<(String, String)> {
    // `%*;DN%` is an attribute of the application.
    if name.starts_with(';') || FOLDERS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return None;
    }
    let what = format!("there is no special folder `%*{}%`", shown(name, 40));
    let hint = match workflow::closest(name, FOLDERS) {
        Some(near) => format!("did you mean `%*{near}%`?"),
        None => "the guide lists them; other macros are written without the asterisk".to_owned(),
    };
    Some((what, hint))
}

/// The application's own macros and its target, by their names in small letters.
struct Own {
    known: BTreeSet<String>,
    /// Those that are in their own value, however deep.
    circular: BTreeSet<String>,
}

impl Own {
    fn of(application: &Application) -> Self {
        let mut values: BTreeMap<String, &Text> = BTreeMap::new();
        for own in application.macros.iter().rev() {
            let (MacroValue::Text(text) | MacroValue::Prompted { default: text, .. }) = &own.value;
            values.insert(own.name.to_lowercase(), text);
        }
        values.extend(application.target.as_ref().map(|text| ("target_path".to_owned(), text)));
        let numbers: BTreeMap<&str, usize> =
            values.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
        let mut inner: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); values.len()];
        let mut outer = inner.clone();
        for (number, text) in values.values().enumerate() {
            for piece in pieces(text.as_str()) {
                let Piece::Macro(name) = piece else { continue };
                if let Some(held) = numbers.get(name.to_lowercase().as_str()) {
                    inner[number].insert(*held);
                    outer[*held].insert(number);
                }
            }
        }
        let (lead, are_led) = (without_end(&inner, &outer), without_end(&outer, &inner));
        let names = values.keys().enumerate();
        let circular =
            names.filter(|(number, _)| lead.contains(number) && are_led.contains(number));
        let circular = circular.map(|(_, name)| name.clone()).collect();
        Self { circular, known: values.into_keys().collect() }
    }

    /// Others may be known to the machine.
    fn unknown(&self, has_target: bool, name: &str) -> Option<(String, String)> {
        let name_folded = name.to_lowercase();
        if !has_target
            && !self.known.contains(&name_folded)
            && matches!(name_folded.as_str(), "target_path" | "directory_target_path")
        {
            let what = format!("`%{name}%` stands for nothing: the application has no `target`");
            return Some((what, "write `target:` with the folder it goes to".to_owned()));
        }
        if self.circular.contains(&name_folded) {
            let what = format!("the macro `%{name}%` holds itself");
            return Some((what, "take it out of its own value".to_owned()));
        }
        None
    }
}

/// Those from which one can go on without end; `back` has the same ways the other way round.
fn without_end(ways: &[BTreeSet<usize>], back: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut open: Vec<usize> = ways.iter().map(BTreeSet::len).collect();
    let mut ends: Vec<usize> = (0..ways.len()).filter(|at| open[*at] == 0).collect();
    while let Some(end) = ends.pop() {
        for before in &back[end] {
            open[*before] -= 1;
            if open[*before] == 0 {
                ends.push(*before);
            }
        }
    }
    (0..ways.len()).filter(|at| open[*at] > 0).collect()
}
