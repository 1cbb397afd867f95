//! Windows' special folders, and a user's environment (REFERENCE 1.1).
//!
//! The machine's are asked of the shell. A user's are read from the user's part of the registry,
//! for somebody who is not logged on has no shell.

#![allow(unsafe_code)] // The shell alone knows its folders.

use std::path::{Component, Path, PathBuf, Prefix};

use model::registry::{Data, Key, Root};
use windows_sys::Win32::System::Com::CoTaskMemFree;
use windows_sys::Win32::UI::Shell::{
    FOLDERID_CommonAdminTools, FOLDERID_CommonPrograms, FOLDERID_CommonStartMenu,
    FOLDERID_CommonStartup, FOLDERID_CommonTemplates, FOLDERID_Fonts, FOLDERID_ProgramData,
    FOLDERID_ProgramFilesCommonX64, FOLDERID_ProgramFilesX64, FOLDERID_PublicDesktop,
    FOLDERID_PublicDocuments, FOLDERID_System, FOLDERID_Windows, SHGetKnownFolderPath,
};
use windows_sys::core::GUID;

use crate::account::Account;
use crate::registry::{Registry, SystemRegistry};

const SHELL_FOLDERS: &str =
    r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders";

/// A user's folders: the macro, the value that names it, where it is when nothing names it.
const OF_USERS: [(&str, &str, &str); 19] = [
    ("appdata", "AppData", r"AppData\Roaming"),
    ("localappdata", "Local AppData", r"AppData\Local"),
    ("desktop", "Desktop", "Desktop"),
    ("favorites", "Favorites", "Favorites"),
    ("personal", "Personal", "Documents"),
    ("mypictures", "My Pictures", "Pictures"),
    ("startmenu", "Start Menu", r"AppData\Roaming\Microsoft\Windows\Start Menu"),
    ("programs", "Programs", r"AppData\Roaming\Microsoft\Windows\Start Menu\Programs"),
    ("startup", "Startup", r"AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Startup"),
    (
        "admintools",
        "Administrative Tools",
        r"AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Administrative Tools",
    ),
    ("templates", "Templates", r"AppData\Roaming\Microsoft\Windows\Templates"),
    ("sendto", "SendTo", r"AppData\Roaming\Microsoft\Windows\SendTo"),
    ("recent", "Recent", r"AppData\Roaming\Microsoft\Windows\Recent"),
    ("nethood", "NetHood", r"AppData\Roaming\Microsoft\Windows\Network Shortcuts"),
    ("printhood", "PrintHood", r"AppData\Roaming\Microsoft\Windows\Printer Shortcuts"),
    ("cookies", "Cookies", r"AppData\Local\Microsoft\Windows\INetCookies"),
    ("history", "History", r"AppData\Local\Microsoft\Windows\History"),
    ("internetcache", "Cache", r"AppData\Local\Microsoft\Windows\INetCache"),
    ("userprofile", "", ""),
];

pub(super) fn special(
    name: &str,
    user: Option<&Account>,
    registry: Option<&SystemRegistry>,
    _root: Option<&Path>,
) -> Option<String> {
    let name = name.to_lowercase();
    let common = match name.as_str() {
        "windir" => &FOLDERID_Windows,
        "winsysdir" => &FOLDERID_System,
        "winsys16dir" => return Some(format!(r"{}\System", known(&FOLDERID_Windows)?)),
        "windisk" => return disk(&known(&FOLDERID_Windows)?),
        "winsysdisk" => return disk(&known(&FOLDERID_System)?),
        "tempdir" | "wintemp" => {
            return match user {
                Some(user) => environment_of(user, registry, "TEMP"),
                None => Some(format!(r"{}\Temp", known(&FOLDERID_Windows)?)),
            };
        }
        "programfiles" => &FOLDERID_ProgramFilesX64,
        "commonprogramfiles" => &FOLDERID_ProgramFilesCommonX64,
        "allusersprofile" | "commonappdata" => &FOLDERID_ProgramData,
        "commondesktop" => &FOLDERID_PublicDesktop,
        "commondocuments" => &FOLDERID_PublicDocuments,
        "commonprograms" => &FOLDERID_CommonPrograms,
        "commonstartmenu" => &FOLDERID_CommonStartMenu,
        "commonstartup" => &FOLDERID_CommonStartup,
        "commonadmintools" => &FOLDERID_CommonAdminTools,
        "commontemplates" => &FOLDERID_CommonTemplates,
        "fonts" => &FOLDERID_Fonts,
        _ => return of_user(&name, user?, registry),
    };
    // Where everybody's is missing, the user's own is meant.
    known(common).or_else(|| of_user(name.strip_prefix("common")?, user?, registry))
}

fn of_user(name: &str, user: &Account, registry: Option<&SystemRegistry>) -> Option<String> {
    let (_, value, below) = OF_USERS.iter().find(|(known, ..)| *known == name)?;
    if below.is_empty() {
        return Some(user.home.clone());
    }
    let named = registry.and_then(|registry| text(registry, SHELL_FOLDERS, value));
    let named = named.map(|path| super::expanded(&path, |name| environment_of(user, None, name)));
    let named = named.filter(|path| user.is_own() || is_theirs(path, user));
    Some(named.unwrap_or_else(|| format!(r"{}\{below}", user.home)))
}

/// A folder that a user names, for somebody with more rights to change: it is in their home or on
/// another disk than that, for what is beside their home is not theirs.
fn is_theirs(path: &str, user: &Account) -> bool {
    let mut parts = Path::new(path).components();
    let Some(Component::Prefix(prefix)) = parts.next() else { return false };
    let Prefix::Disk(letter) = prefix.kind() else { return false };
    if parts.any(|part| part == Component::ParentDir) {
        return false;
    }
    let of_home = user.home.bytes().next().unwrap_or_default();
    let folded = |path: &str| PathBuf::from(path.to_uppercase());
    !letter.eq_ignore_ascii_case(&of_home) || folded(path).starts_with(folded(&user.home))
}

/// What a log-in of that user has: those of the profile, the machine's variables, and the user's
/// own, which the registry keeps, where the machine has none of that name.
pub(super) fn environment_of(
    user: &Account,
    registry: Option<&SystemRegistry>,
    name: &str,
) -> Option<String> {
    if user.is_own() {
        return std::env::var(name).ok();
    }
    let own = || {
        let own = text(registry?, "Environment", name)?;
        Some(super::expanded(&own, |name| environment_of(user, None, name)))
    };
    let (drive, below) = user.home.split_at_checked(2).unwrap_or((&user.home, ""));
    let bare = user.name.rsplit('\\').next().unwrap_or(&user.name);
    Some(match name.to_uppercase().as_str() {
        "USERNAME" => bare.to_owned(),
        "USERDOMAIN" => user.name.split_once('\\')?.0.to_owned(),
        "USERPROFILE" => user.home.clone(),
        "HOMEDRIVE" => drive.to_owned(),
        "HOMEPATH" => below.to_owned(),
        "APPDATA" => format!(r"{}\AppData\Roaming", user.home),
        "LOCALAPPDATA" => format!(r"{}\AppData\Local", user.home),
        "TEMP" | "TMP" => own()
            .filter(|path| is_theirs(path, user))
            .unwrap_or_else(|| format!(r"{}\AppData\Local\Temp", user.home)),
        _ => return std::env::var(name).ok().or_else(own),
    })
}

/// A text value of the user's part of the registry.
fn text(registry: &SystemRegistry, path: &str, name: &str) -> Option<String> {
    let key = Key::new(Root::CurrentUser, path).ok()?;
    let data = registry.value(&key, name).ok()??;
    let is_text = matches!(data.kind, Data::TEXT | Data::EXPANDED_TEXT);
    let text = Data { kind: Data::TEXT, ..data }.as_text()?;
    (is_text && !text.is_empty()).then_some(text)
}

/// `C:`.
fn disk(path: &str) -> Option<String> {
    path.get(..2).map(str::to_owned)
}

fn known(folder: &GUID) -> Option<String> {
    let mut text = std::ptr::null_mut();
    // SAFETY: where it answers yes the text ends with a zero; it is freed once either way.
    unsafe {
        let status = SHGetKnownFolderPath(folder, 0, std::ptr::null_mut(), &mut text);
        let found = (status >= 0 && !text.is_null()).then(|| {
            let length = (0..).take_while(|at| *text.add(*at) != 0).count();
            String::from_utf16_lossy(std::slice::from_raw_parts(text, length))
        });
        CoTaskMemFree(text.cast());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_name_folders_of_theirs_alone() {
        let user = Account {
            name: "ann".to_owned(),
            home: r"C:\Users\ann".to_owned(),
            sid: "S-1-5-21-1-2-3-4".to_owned(),
        };
        for (path, expect) in [
            (r"C:\Users\ann\Desktop", true),
            (r"c:\users\Ann", true),
            (r"D:\Homes\ann\Documents", true),
            (r"C:\Users\anna", false),
            (r"C:\Windows\System32", false),
            (r"C:\Users\ann\..\bob", false),
            (r"\\server\home\ann", false),
            (r"\\?\C:\Users\ann", false),
            (r"Desktop", false),
            (r"\Windows", false),
            ("", false),
        ] {
            assert_eq!(is_theirs(path, &user), expect, "{path}");
        }
    }
}
