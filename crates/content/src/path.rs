//! Paths in the depot that cannot lead out of it.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use machine::{NameProblem, Spot, check_portable_name};

/// A path below a depot or below a folder of it: names that mean the same on every system,
/// separated by `/`. The empty path is the depot itself.
///
/// That no link on the way is followed is seen to where the path is used ([`DepotPath::under`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DepotPath(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepotPathError {
    #[error("`{path}` is absolute; write a path relative to the depot")]
    Absolute { path: String },
    #[error("`{name}` in the depot path `{path}` {problem}")]
    Name { path: String, name: String, problem: NameProblem },
    #[error("`{path}` contains `\\`; in depot paths write `/`")]
    Backslash { path: String },
    #[error("`{path}` climbs with `..`; write the path itself")]
    Climbs { path: String },
    #[error("a depot path is too long (at most {} bytes and {} folders)", BYTES_MAX, DEPTH_MAX)]
    TooLong,
}

const BYTES_MAX: usize = 4096;
const DEPTH_MAX: usize = 128;

impl DepotPath {
    /// The depot itself.
    pub const fn root() -> Self {
        Self(String::new())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// The folder above and the name in it; nothing for the depot itself.
    pub fn parent(&self) -> Option<(Self, &str)> {
        if self.is_root() {
            return None;
        }
        let (above, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        Some((Self(above.to_owned()), name))
    }

    /// `name` in this folder.
    pub fn join(&self, name: &str) -> Result<Self, DepotPathError> {
        let path = if self.is_root() { name.to_owned() } else { format!("{}/{name}", self.0) };
        check_portable_name(name).map_err(|problem| DepotPathError::Name {
            path: path.clone(),
            name: name.to_owned(),
            problem,
        })?;
        let path = Self(path);
        if path.is_too_long() { Err(DepotPathError::TooLong) } else { Ok(path) }
    }

    /// `other`, taken as lying below this folder.
    pub fn join_path(&self, other: &Self) -> Result<Self, DepotPathError> {
        let path = match (self.is_root(), other.is_root()) {
            (_, true) => self.clone(),
            (true, _) => other.clone(),
            _ => Self(format!("{}/{}", self.0, other.0)),
        };
        if path.is_too_long() { Err(DepotPathError::TooLong) } else { Ok(path) }
    }

    /// The same path below `base`, with links refused on the way.
    pub fn under(&self, base: &Path) -> Spot {
        Spot::confined(base, self.names())
    }

    /// Whether `other` is this folder or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        self.below(other).is_some()
    }

    /// What leads from this folder to `other`.
    pub fn below(&self, other: &Self) -> Option<Self> {
        if self.is_root() {
            return Some(other.clone());
        }
        let rest = other.0.strip_prefix(&self.0)?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
        Some(Self(rest.to_owned()))
    }

    fn is_too_long(&self) -> bool {
        self.0.len() > BYTES_MAX || self.names().count() > DEPTH_MAX
    }
}

impl FromStr for DepotPath {
    type Err = DepotPathError;

    /// `.` and doubled or trailing `/` are dropped; `..` is refused, even where it stays inside.
    fn from_str(text: &str) -> Result<Self, DepotPathError> {
        let path = || text.to_owned();
        let drive =
            text.as_bytes().get(1) == Some(&b':') && text.as_bytes()[0].is_ascii_alphabetic();
        if text.starts_with(['/', '\\']) || drive {
            return Err(DepotPathError::Absolute { path: path() });
        }
        if text.contains('\\') {
            return Err(DepotPathError::Backslash { path: path() });
        }
        let mut names = Vec::new();
        for name in text.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if name == ".." {
                return Err(DepotPathError::Climbs { path: path() });
            }
            check_portable_name(name).map_err(|problem| DepotPathError::Name {
                path: path(),
                name: name.to_owned(),
                problem,
            })?;
            names.push(name);
        }
        let path = Self(names.join("/"));
        if path.is_too_long() { Err(DepotPathError::TooLong) } else { Ok(path) }
    }
}

impl fmt::Display for DepotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for DepotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DepotPath({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_taken_or_refused() {
        for (text, expect) in [
            ("deploy/viewer", Some("deploy/viewer")),
            ("./deploy//viewer/.", Some("deploy/viewer")),
            ("", Some("")),
            (".", Some("")),
            ("ä/ö ü.txt", Some("ä/ö ü.txt")),
            ("..", None),
            ("a/../b", None),
            ("a/..", None),
            ("/etc/passwd", None),
            ("//server/share", None),
            (r"\\server\share", None),
            (r"a\..\b", None),
            ("C:/x", None),
            ("c:x", None),
            ("a/C:/x", None),
            ("a\0b", None),
            ("a/CON", None),
            ("NUL.txt", None),
            ("x/COM1", None),
            ("x/file.txt:stream", None),
            ("x/.. ", None),
            ("x/...", None),
            ("x./y", None),
            ("x /y", None),
            ("a\nb", None),
        ] {
            let path = text.parse::<DepotPath>();
            assert_eq!(path.as_ref().ok().map(DepotPath::as_str), expect, "{text:?}");
        }
        assert_eq!("x/".repeat(129).parse::<DepotPath>(), Err(DepotPathError::TooLong));
    }

    #[test]
    fn paths_know_what_is_below() {
        let path = |text: &str| text.parse::<DepotPath>().unwrap();
        for (above, below, expect) in [
            ("a", "a/b", Some("b")),
            ("a", "a", Some("")),
            ("", "a/b", Some("a/b")),
            ("a", "ab", None),
            ("a/b", "a", None),
        ] {
            let found = path(above).below(&path(below));
            assert_eq!(found.as_ref().map(DepotPath::as_str), expect, "{above} {below}");
        }
        assert_eq!(path("a/b").parent(), Some((path("a"), "b")));
        assert!(path("a").join("..").is_err());
    }

    proptest! {
        #[test]
        fn no_path_leaves_its_base(text in r#"[a.c/\\: \x00]{0,12}"#) {
            if let Ok(path) = text.parse::<DepotPath>() {
                let under = path.under(Path::new("base")).path();
                let rest = under.strip_prefix("base").unwrap();
                prop_assert!(rest.components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert_eq!(path.as_str().parse::<DepotPath>(), Ok(path.clone()));
            }
        }
    }
}
