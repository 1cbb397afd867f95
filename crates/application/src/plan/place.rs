//! Paths of a target as each system writes them: read strictly, put together, compared.
//!
//! A path that this module lets pass is absolute, goes up nowhere, names no device, and is written
//! in one way only. Whether it may be removed is asked apart ([`is_vital`]).

use std::borrow::Cow;

use crate::{Family, Survey};

const WINDOWS_NAME_UNITS_MAX: usize = 255;
const LINUX_NAME_BYTES_MAX: usize = 255;
/// Names that Windows takes for devices, with any extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Without a separator at its end, unless it is the root of a disk.
    pub path: String,
    /// It was written with a separator at its end.
    pub names_folder: bool,
}

/// Why a text is no place on a machine, in words.
pub fn target(family: Family, text: &str) -> Result<Target, String> {
    if text.contains(|c: char| c.is_control()) {
        return Err("a path has no control characters".to_owned());
    }
    match family {
        Family::Linux => linux(text),
        Family::Windows => windows(&text.replace('/', "\\")),
    }
}

fn linux(text: &str) -> Result<Target, String> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err("it must be a full path, from `/`".to_owned());
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    for part in &parts {
        check_ways(part)?;
        if part.len() > LINUX_NAME_BYTES_MAX {
            return Err(format!("`{part}` is longer than {LINUX_NAME_BYTES_MAX} bytes"));
        }
    }
    if let Some(first @ (&"dev" | &"proc" | &"sys")) = parts.first() {
        return Err(format!("what is in `/{first}` is made by the system, not by files"));
    }
    Ok(Target { path: format!("/{}", parts.join("/")), names_folder: rest.ends_with('/') })
}

fn windows(text: &str) -> Result<Target, String> {
    if text.starts_with(r"\\?\") || text.starts_with(r"\\.\") {
        return Err("paths of devices are not written".to_owned());
    }
    let (root, rest) = match text.strip_prefix(r"\\") {
        Some(share) => {
            let mut parts = share.splitn(3, '\\');
            let (server, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            if server.is_empty() || name.is_empty() {
                return Err(r"a share is named by `\\server\share`".to_owned());
            }
            (format!(r"\\{server}\{name}\"), parts.next().unwrap_or(""))
        }
        None => match text.as_bytes() {
            [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic() => {
                (format!("{}:\\", char::from(drive.to_ascii_uppercase())), &text[3..])
            }
            _ => return Err(r"it must be a full path, from `C:\`".to_owned()),
        },
    };
    let parts: Vec<&str> = rest.split('\\').filter(|part| !part.is_empty()).collect();
    for part in &parts {
        check_windows_name(part)?;
    }
    let path = if parts.is_empty() { root } else { root + &parts.join("\\") };
    Ok(Target { path, names_folder: rest.ends_with('\\') })
}

fn check_ways(part: &str) -> Result<(), String> {
    match part {
        "." | ".." => Err(format!("`{part}` is not followed: write the path as it is")),
        _ => Ok(()),
    }
}

fn check_windows_name(part: &str) -> Result<(), String> {
    check_ways(part)?;
    if let Some(c) = part.chars().find(|c| "<>:\"|?*".contains(*c)) {
        return Err(format!("no name on Windows has `{c}` in it"));
    }
    if part.ends_with(['.', ' ']) {
        return Err(format!("Windows drops what `{part}` ends with"));
    }
    if part.encode_utf16().count() > WINDOWS_NAME_UNITS_MAX {
        return Err(format!("`{part}` is longer than {WINDOWS_NAME_UNITS_MAX} characters"));
    }
    if is_device(part) { Err(format!("`{part}` is a device")) } else { Ok(()) }
}

/// `NUL`, `com1.txt`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let numbered = |prefix: &str| {
        let rest = stem.get(..3).filter(|start| start.eq_ignore_ascii_case(prefix));
        let number = rest.and_then(|_| stem.get(3..)).unwrap_or("");
        number.chars().count() == 1 && number.contains(|c: char| "0123456789¹²³".contains(c))
    };
    DEVICES.iter().any(|device| device.eq_ignore_ascii_case(stem))
        || numbered("COM")
        || numbered("LPT")
}

pub fn separator(family: Family) -> char {
    match family {
        Family::Linux => '/',
        Family::Windows => '\\',
    }
}

pub fn join(family: Family, folder: &str, name: &str) -> String {
    let separator = separator(family);
    match folder.ends_with(separator) {
        true => format!("{folder}{name}"),
        false => format!("{folder}{separator}{name}"),
    }
}

/// Folder and name; `None` for the root of a disk or share.
pub fn split(family: Family, path: &str) -> Option<(&str, &str)> {
    let root = root_length(family, path);
    if path.len() <= root {
        return None;
    }
    match path[root..].rfind(separator(family)) {
        Some(at) => Some((&path[..root + at], &path[root + at + 1..])),
        None => Some((&path[..root], &path[root..])),
    }
}

/// Bytes of what stands before the first name.
fn root_length(family: Family, path: &str) -> usize {
    match family {
        Family::Linux => 1,
        Family::Windows => match path.strip_prefix(r"\\") {
            Some(share) => {
                let ends = share.match_indices('\\').map(|(at, _)| at);
                ends.take(2).nth(1).map_or(path.len(), |at| at + 3)
            }
            None => 3,
        },
    }
}

pub fn parent(family: Family, path: &str) -> Option<&str> {
    split(family, path).map(|(folder, _)| folder)
}

/// The same for two spellings of one place.
pub fn folded(family: Family, path: &str) -> Cow<'_, str> {
    match family {
        Family::Linux => Cow::Borrowed(path),
        Family::Windows => Cow::Owned(path.to_uppercase()),
    }
}

/// Folders that no application removes: a machine does not go on without them, or everybody's
/// things are in them. On Linux all that are right below `/`, `/usr` and `/home`.
pub fn is_vital(survey: &dyn Survey, path: &str) -> bool {
    const WINDOWS: [&str; 12] = [
        "WinDir",
        "WinSysDir",
        "WinSys16Dir",
        "ProgramFiles",
        "CommonProgramFiles",
        "UserProfile",
        "AllUsersProfile",
        "AppData",
        "LocalAppData",
        "Desktop",
        "Personal",
        "Fonts",
    ];
    let family = survey.family();
    let same = |other: &str| folded(family, other) == folded(family, path);
    let of_system = match family {
        Family::Linux => {
            let depth = path.matches('/').count();
            depth < 2 || (depth == 2 && (path.starts_with("/usr/") || path.starts_with("/home/")))
        }
        Family::Windows => {
            let users = || path.get(1..).is_some_and(|rest| rest.eq_ignore_ascii_case(r":\Users"));
            let folders = WINDOWS.iter().filter_map(|name| survey.special_folder(name));
            users() || folders.into_iter().any(|folder| same(folder.trim_end_matches('\\')))
        }
    };
    let home = survey.environment("HOME");
    split(family, path).is_none() || of_system || home.is_some_and(|home| same(&home))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_one_way() {
        use Family::{Linux, Windows};
        for (family, text, expect) in [
            (Linux, "/a//b/", Some("/a/b")),
            (Linux, "/", Some("/")),
            (Linux, "/a\\b", Some("/a\\b")),
            (Linux, "a", None),
            (Linux, "/a/../b", None),
            (Linux, "/dev/sda", None),
            (Linux, "/a\n", None),
            (Windows, "c:/a\\b", Some(r"C:\a\b")),
            (Windows, r"C:\", Some(r"C:\")),
            (Windows, r"\\server\share\a", Some(r"\\server\share\a")),
            (Windows, r"\\server", None),
            (Windows, r"\\.\PhysicalDrive0", None),
            (Windows, r"C:a", None),
            (Windows, r"\a", None),
            (Windows, r"C:\nul.txt", None),
            (Windows, r"C:\Com1", None),
            (Windows, r"C:\Com10", Some(r"C:\Com10")),
            (Windows, r"C:\a.", None),
            (Windows, r"C:\a:b", None),
        ] {
            let read = target(family, text).ok().map(|target| target.path);
            assert_eq!(read.as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn paths_are_split_at_their_last_name() {
        use Family::{Linux, Windows};
        for (family, path, expect) in [
            (Linux, "/a/b", Some(("/a", "b"))),
            (Linux, "/a", Some(("/", "a"))),
            (Linux, "/", None),
            (Windows, r"C:\a\b", Some((r"C:\a", "b"))),
            (Windows, r"C:\a", Some((r"C:\", "a"))),
            (Windows, r"C:\", None),
            (Windows, r"\\s\t\a", Some((r"\\s\t\", "a"))),
            (Windows, r"\\s\t\", None),
        ] {
            assert_eq!(split(family, path), expect, "{path}");
        }
    }
}
