//! Which texts are paths of the depot, of a target, or names.

/// Whether a plain text is a path from a root of the target's file system: `/x`, `C:\x`,
/// `\\host\share`.
pub(super) fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || has_drive(path)
}

fn has_drive(path: &str) -> bool {
    let mut chars = path.chars();
    chars.next().is_some_and(|letter| letter.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && matches!(chars.next(), Some('/' | '\\'))
}

/// Why a plain text cannot be a path within the depot.
pub(super) fn leaves_depot(path: &str) -> Option<&'static str> {
    let is_drive = path.as_bytes().get(1) == Some(&b':')
        && path.bytes().next().is_some_and(|letter| letter.is_ascii_alphabetic());
    if is_absolute(path) || is_drive {
        Some("is absolute")
    } else if path.split(['/', '\\']).any(|part| part.trim() == "..") {
        Some("leads out through `..`")
    } else {
        None
    }
}

/// Whether a plain text is one name, not a path.
pub(super) fn is_one_name(name: &str) -> bool {
    !name.contains(['/', '\\']) && name != "." && name != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_both_systems_are_told_apart() {
        for path in ["/x", r"C:\x", "c:/x", r"\\server\share"] {
            assert!(is_absolute(path), "{path}");
        }
        for path in ["x", "./x", "C:x", "C:", "", "~/x", "%TEMP%"] {
            assert!(!is_absolute(path), "{path}");
        }
        for path in ["/x", r"C:\x", "C:x", "..", "a/../b", r"a\..\b", "a/.. /b"] {
            assert!(leaves_depot(path).is_some(), "{path}");
        }
        for path in [".", "a/b", "a..b", "...", "a b"] {
            assert!(leaves_depot(path).is_none(), "{path}");
        }
        assert!(is_one_name("a.txt") && !is_one_name("a/b") && !is_one_name(".."));
    }
}
