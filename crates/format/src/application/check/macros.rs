//! Macros of which it can be told without a machine that they will stand for nothing.

use std::collections::BTreeSet;

use application::macros::{Piece, pieces};
use application::{Application, MacroValue};

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
    let mut told = BTreeSet::new();
    for (text, place) in texts {
        for piece in pieces(text) {
            let Piece::Macro(name) = piece else { continue };
            let what = if let Some(folder) = name.strip_prefix('*') {
                unknown_folder(folder)
            } else {
                unknown(application, has_target, name)
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

/// Others may be known to the machine.
fn unknown(application: &Application, has_target: bool, name: &str) -> Option<(String, String)> {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if !has_target
        && own(application, name).is_none()
        && (is("TARGET_PATH") || is("DIRECTORY_TARGET_PATH"))
    {
        let what = format!("`%{name}%` stands for nothing: the application has no `target`");
        return Some((what, "write `target:` with the folder it goes to".to_owned()));
    }
    if holds(application, name, name, &mut BTreeSet::new()) {
        let what = format!("the macro `%{name}%` holds itself");
        return Some((what, "take it out of its own value".to_owned()));
    }
    None
}

fn own<'a>(application: &'a Application, name: &str) -> Option<&'a str> {
    if name.eq_ignore_ascii_case("TARGET_PATH")
        && let Some(target) = &application.target
    {
        return Some(target.as_str());
    }
    let found = application.macros.iter().find(|own| own.name.eq_ignore_ascii_case(name))?;
    match &found.value {
        MacroValue::Text(text) | MacroValue::Prompted { default: text, .. } => Some(text.as_str()),
    }
}

/// Whether what `outer` stands for has `name` in it, however deep.
fn holds(application: &Application, outer: &str, name: &str, seen: &mut BTreeSet<String>) -> bool {
    let Some(text) = own(application, outer) else { return false };
    if !seen.insert(outer.to_lowercase()) {
        return false;
    }
    pieces(text).any(|piece| match piece {
        Piece::Macro(inner) => {
            inner.eq_ignore_ascii_case(name) || holds(application, inner, name, seen)
        }
        Piece::Plain(_) => false,
    })
}
