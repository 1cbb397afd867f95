//! Names of files and folders that mean the same on every system.
//!
//! A name that passes [`check_portable_name`] is one component everywhere: it can neither climb,
//! nor begin at a root, a drive or a device, nor address an alternate stream, nor be another name
//! for something else once Windows has trimmed it.

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    #[error("is empty")]
    Empty,
    #[error("means a folder itself or the one above")]
    Dots,
    #[error("is longer than 255 bytes")]
    TooLong,
    #[error("contains a path separator")]
    Separator,
    #[error("contains `:`, which names a drive or an alternate stream on Windows")]
    Colon,
    #[error("contains a control character")]
    Control,
    #[error("ends with a dot or a blank, which Windows drops")]
    Trailing,
    #[error("is the name of a device on Windows")]
    Device,
    #[error("contains one of `< > \" | ? *`, which Windows refuses")]
    Wildcard,
}

/// Checks that `name` is one component of a path on Linux and on Windows alike.
pub fn check_portable_name(name: &str) -> Result<(), NameProblem> {
    match name {
        "" => return Err(NameProblem::Empty),
        "." | ".." => return Err(NameProblem::Dots),
        _ => {}
    }
    if name.len() > 255 {
        return Err(NameProblem::TooLong);
    }
    for c in name.chars() {
        match c {
            '/' | '\\' => return Err(NameProblem::Separator),
            ':' => return Err(NameProblem::Colon),
            c if c.is_control() => return Err(NameProblem::Control),
            _ => {}
        }
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameProblem::Trailing);
    }
    if is_device(name) { Err(NameProblem::Device) } else { Ok(()) }
}

/// Checks what this system itself can hold as one component of a path.
pub fn check_own_name(name: &str) -> Result<(), NameProblem> {
    if cfg!(windows) {
        check_portable_name(name)?;
        let refused = name.contains(['<', '>', '"', '|', '?', '*']);
        return if refused { Err(NameProblem::Wildcard) } else { Ok(()) };
    }
    match name {
        "" => Err(NameProblem::Empty),
        "." | ".." => Err(NameProblem::Dots),
        _ if name.len() > 255 => Err(NameProblem::TooLong),
        _ if name.contains('/') => Err(NameProblem::Separator),
        _ if name.contains('\0') => Err(NameProblem::Control),
        _ => Ok(()),
    }
}

/// `CON`, `nul.txt`, `COM1 .log`: what stands before the first dot decides, blanks do not count.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut digits = port.unwrap_or("").chars();
    let numbered = digits.next().is_some_and(|c| matches!(c, '0'..='9' | '¹' | '²' | '³'));
    numbered && digits.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_told_apart() {
        for (name, expect) in [
            ("", NameProblem::Empty),
            (".", NameProblem::Dots),
            ("..", NameProblem::Dots),
            ("a/b", NameProblem::Separator),
            ("a\\b", NameProblem::Separator),
            ("C:", NameProblem::Colon),
            ("file.txt:stream", NameProblem::Colon),
            ("a\0b", NameProblem::Control),
            ("a\nb", NameProblem::Control),
            ("name.", NameProblem::Trailing),
            ("name ", NameProblem::Trailing),
            (".. ", NameProblem::Trailing),
            ("...", NameProblem::Trailing),
            ("CON", NameProblem::Device),
            ("nul.txt", NameProblem::Device),
            ("Com1", NameProblem::Device),
            ("lpt9.tar.gz", NameProblem::Device),
            ("COM¹", NameProblem::Device),
            ("aux .log", NameProblem::Device),
            ("conin$", NameProblem::Device),
        ] {
            assert_eq!(check_portable_name(name), Err(expect), "{name:?}");
        }
        for name in ["a", ".hidden", "console", "COM10", "nullable.txt", "ä ö.txt", "a..b", "$x"]
        {
            assert_eq!(check_portable_name(name), Ok(()), "{name:?}");
        }
        assert_eq!(check_portable_name(&"x".repeat(256)), Err(NameProblem::TooLong));
    }
}
