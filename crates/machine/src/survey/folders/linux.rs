//! What Windows' special folders mean on Linux, and a user's environment (REFERENCE 1.1).
//!
//! Folders of the desktop are those of the XDG base directory specification and of
//! `user-dirs.dirs`. What has no meaning here has no folder.

use std::path::Path;

use crate::account::Account;
use crate::registry::SystemRegistry;

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

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
        let file = format!("{}/user-dirs.dirs", base("XDG_CONFIG_HOME", ".config"));
        let file = match root {
            Some(root) => root.join(file.trim_start_matches('/')),
            None => file.into(),
        };
        let told = std::fs::read_to_string(file).unwrap_or_default();
        told_folder(&told, variable, home).unwrap_or_else(|| format!("{home}/{below}"))
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
