//! What Windows' special folders mean on Linux, and a user's environment (REFERENCE 1.1).
//!
//! Folders of the desktop are those of the XDG base directory specification and of
//! `user-dirs.dirs`. What has no meaning here has no folder.

use std::io::{self, Read};
use std::path::{Component, Path};

use crate::account::Account;
use crate::home::Home;
use crate::registry::SystemRegistry;
use crate::spot::Spot;

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `user-dirs.dirs` has a line for each of eight folders.
const TOLD_BYTES_MAX: u64 = 64 << 10;

pub(super) fn special(
    name: &str,
    user: Option<&Account>,
    _registry: Option<&SystemRegistry>,
    root: Option<&Path>,
) -> Option<String> {
    let name = name.to_lowercase();
    let common = match name.as_str() {
        "windir" => Some("/"),
        "programfiles" => Some("/opt"),
        "tempdir" | "wintemp" if user.is_none() => {
            return Some(std::env::var("TMPDIR").unwrap_or_else(|_| "/tmp".into()));
        }
        "tempdir" | "wintemp" => Some("/tmp"),
        "commonprograms" | "commonstartmenu" => Some("/usr/local/share/applications"),
        "commonstartup" => Some("/etc/xdg/autostart"),
        "commonappdata" | "allusersprofile" => Some("/var/lib"),
        "fonts" => Some("/usr/local/share/fonts"),
        _ => None,
    };
    common.map(str::to_owned).or_else(|| of_user(&name, user?, root))
}

fn of_user(name: &str, user: &Account, root: Option<&Path>) -> Option<String> {
    let home = user.home.trim_end_matches('/');
    let base = |variable: &str, below: &str| {
        let named = environment_of(user, None, variable).filter(|path| path.starts_with('/'));
        named.unwrap_or_else(|| format!("{home}/{below}"))
    };
    let of_desktop = |variable: &str, below: &str| {
        let folder = base("XDG_CONFIG_HOME", ".config");
        let told = told_by(user, &folder, root).unwrap_or_default();
        let told = told_folder(&told, variable, home);
        let told = told.filter(|folder| user.is_own() || is_below(folder, home));
        told.unwrap_or_else(|| format!("{home}/{below}"))
    };
    Some(match name {
        "userprofile" => home.to_owned(),
        "appdata" => base("XDG_CONFIG_HOME", ".config"),
        "localappdata" => base("XDG_DATA_HOME", ".local/share"),
        "internetcache" => base("XDG_CACHE_HOME", ".cache"),
        "programs" | "startmenu" => {
            format!("{}/applications", base("XDG_DATA_HOME", ".local/share"))
        }
        "startup" => format!("{}/autostart", base("XDG_CONFIG_HOME", ".config")),
        "desktop" => of_desktop("XDG_DESKTOP_DIR", "Desktop"),
        "personal" => of_desktop("XDG_DOCUMENTS_DIR", "Documents"),
        "mypictures" => of_desktop("XDG_PICTURES_DIR", "Pictures"),
        "templates" => of_desktop("XDG_TEMPLATES_DIR", "Templates"),
        _ => return None,
    })
}

/// What `user-dirs.dirs` says in that folder. It is the user's, who may have made it a link, a pipe
/// or endless.
fn told_by(user: &Account, folder: &str, root: Option<&Path>) -> io::Result<String> {
    let home = (!user.is_own()).then(|| Home::new(&user.home, root)).transpose();
    let folder = Spot::absolute(folder, root).map_err(io::Error::other)?;
    let folder = Home::open(home.map_err(io::Error::other)?.as_ref(), &folder.path())?;
    let mut told = String::new();
    folder.read("user-dirs.dirs".as_ref())?.take(TOLD_BYTES_MAX).read_to_string(&mut told)?;
    Ok(told)
}

/// Only a user's own programs follow them out of their home.
fn is_below(folder: &str, home: &str) -> bool {
    let folder = Path::new(folder);
    folder.starts_with(home) && !folder.components().any(|part| part == Component::ParentDir)
}

/// `XDG_DESKTOP_DIR="$HOME/Schreibtisch"`, or an absolute path.
fn told_folder(told: &str, variable: &str, home: &str) -> Option<String> {
    let value =
        |line: &str| line.trim().strip_prefix(variable)?.strip_prefix('=').map(str::to_owned);
    let value = told.lines().find_map(value)?;
    let path = value.trim_matches('"').replacen("$HOME", home, 1);
    path.starts_with('/').then(|| path.trim_end_matches('/').to_owned())
}

/// What a log-in of that user has; of this process only language and time zone, unless it is its
/// own user.
pub(super) fn environment_of(
    user: &Account,
    _registry: Option<&SystemRegistry>,
    name: &str,
) -> Option<String> {
    if user.is_own() {
        return std::env::var(name).ok();
    }
    match name {
        "HOME" => Some(user.home.clone()),
        "USER" | "LOGNAME" => Some(user.name.clone()),
        "SHELL" => Some(user.shell.clone()),
        "PATH" => Some(PATH.to_owned()),
        "LANG" | "LANGUAGE" | "TZ" => std::env::var(name).ok(),
        _ if name.starts_with("LC_") => std::env::var(name).ok(),
        _ => None,
    }
}
