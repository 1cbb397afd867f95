//! Where an activity's path parameter leads.
//!
//! On a target a path is absolute, taken as the machine itself takes it (links in it are followed),
//! and may be put under another root. In the depot it is a list of names below a base folder, none
//! of which may be a link: it cannot leave the base. Nothing else can be built.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf, Prefix};

use crate::folder::Folder;
use crate::name::{NameProblem, check_own_name};

/// A place for a file or a folder, there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    pub(crate) base: PathBuf,
    pub(crate) names: Vec<OsString>,
    /// The base may not be left, and is a root itself.
    pub(crate) confined: bool,
    /// A file system's root, or the folder that stands for it.
    pub(crate) root: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpotError {
    #[error("the path is empty; name an absolute path")]
    Empty,
    #[error("`{path}` is not absolute; write {} on this system", EXAMPLE)]
    NotAbsolute { path: String },
    #[error("`{path}` names a device, not a file or folder")]
    Device { path: String },
    #[error("`{name}` in the path `{path}` {problem}")]
    Name { path: String, name: String, problem: NameProblem },
}

const EXAMPLE: &str =
    if cfg!(windows) { r"a path such as `C:\viewer`" } else { "a path such as `/opt/viewer`" };

impl Spot {
    /// An absolute path of this machine. `..` is resolved by the text alone and cannot climb over
    /// the root. With `root` the path is put under that folder: `/x` is `root/x`, `C:\x` is
    /// `root\C\x`.
    pub fn absolute(text: &str, root: Option<&Path>) -> Result<Self, SpotError> {
        if text.is_empty() {
            return Err(SpotError::Empty);
        }
        let (mut path, steps) = split(text, root)?;
        let mut names: Vec<&str> = Vec::new();
        for step in steps {
            match step {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => {
                    check_own_name(name).map_err(|problem| SpotError::Name {
                        path: text.to_owned(),
                        name: name.to_owned(),
                        problem,
                    })?;
                    names.push(name);
                }
            }
        }
        path.extend(&names);
        Ok(Self { base: path, names: Vec::new(), confined: false, root: names.is_empty() })
    }

    /// A place below `base` that cannot leave it. Names are expected to be checked; one that is no
    /// name is refused by every later call.
    pub fn confined<'a>(base: &Path, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<OsString> = names.into_iter().map(OsString::from).collect();
        Self { base: base.to_owned(), root: names.is_empty(), names, confined: true }
    }

    /// For messages, and for programs that need a path.
    pub fn path(&self) -> PathBuf {
        self.names.iter().fold(self.base.clone(), |path, name| path.join(name))
    }

    /// The folder that is there.
    pub fn open(&self) -> io::Result<Folder> {
        Folder::open(&self.base)?.open_below(&self.names)
    }

    /// The folder, made with those above it where missing.
    pub fn create(&self) -> io::Result<Folder> {
        if !self.confined {
            std::fs::create_dir_all(&self.base)?;
        }
        Folder::open(&self.base)?.create_below(&self.names)
    }

    /// The folder above and the name in it; nothing for a root.
    pub fn parent(&self) -> Option<(Self, OsString)> {
        if self.root {
            return None;
        }
        let mut above = self.clone();
        if let Some(name) = above.names.pop() {
            above.root = above.confined && above.names.is_empty();
            return Some((above, name));
        }
        let name = self.base.file_name().map(OsStr::to_owned)?;
        above.base = self.base.parent()?.to_owned();
        above.root = above.base.parent().is_none();
        Some((above, name))
    }

    /// Whether this is a file system's root or the base of the depot, by whatever name.
    pub fn is_root(&self) -> bool {
        let real = || std::fs::canonicalize(&self.base).is_ok_and(|path| path.parent().is_none());
        self.root || !self.confined && real()
    }

    /// Whether `other` is this folder or lies below it, links resolved as far as they are there.
    pub(crate) fn contains(&self, other: &Spot) -> Containment {
        let (outer, inner) = (resolved(&self.path()), resolved(&other.path()));
        if outer == inner {
            Containment::Same
        } else if inner.starts_with(&outer) {
            Containment::Below
        } else {
            Containment::Apart
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Containment {
    Same,
    Below,
    Apart,
}

/// The path with links resolved as far as it exists, and the rest as written.
fn resolved(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    for above in path.ancestors() {
        if let Ok(real) = std::fs::canonicalize(above) {
            return rest.iter().rev().fold(real, |path, name: &&OsStr| path.join(name));
        }
        rest.extend(above.file_name());
    }
    path.to_owned()
}

/// What a path begins with, put under `root`, and the steps after it.
fn split<'a>(text: &'a str, root: Option<&Path>) -> Result<(PathBuf, Vec<&'a str>), SpotError> {
    if !cfg!(windows) {
        let not_absolute = || SpotError::NotAbsolute { path: text.to_owned() };
        let below = text.strip_prefix('/').ok_or_else(not_absolute)?;
        return Ok((root.unwrap_or(Path::new("/")).to_owned(), below.split('/').collect()));
    }
    split_windows(text, root)
}

fn split_windows<'a>(
    text: &'a str,
    root: Option<&Path>,
) -> Result<(PathBuf, Vec<&'a str>), SpotError> {
    let path = Path::new(text);
    let not_absolute = || SpotError::NotAbsolute { path: text.to_owned() };
    let Some(Component::Prefix(prefix)) = path.components().next() else {
        return Err(not_absolute());
    };
    let start = match prefix.kind() {
        Prefix::Disk(letter) | Prefix::VerbatimDisk(letter) => {
            let letter = char::from(letter.to_ascii_uppercase());
            root.map_or_else(
                || PathBuf::from(format!("{letter}:\\")),
                |root| root.join(letter.to_string()),
            )
        }
        Prefix::UNC(server, share) | Prefix::VerbatimUNC(server, share) => root.map_or_else(
            || {
                PathBuf::from(format!(
                    r"\\{}\{}\",
                    server.to_string_lossy(),
                    share.to_string_lossy()
                ))
            },
            |root| root.join("UNC").join(server).join(share),
        ),
        _ => return Err(SpotError::Device { path: text.to_owned() }),
    };
    if !path.has_root() {
        return Err(not_absolute());
    }
    let rest = &text[prefix.as_os_str().len()..];
    Ok((start, rest.split(['\\', '/']).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn absolute_paths_are_taken_or_refused() {
        let root = Path::new("/image");
        for (text, root, expect) in [
            ("/opt/viewer", None, Ok("/opt/viewer")),
            ("/opt//./viewer/", None, Ok("/opt/viewer")),
            ("/opt/../../etc", None, Ok("/etc")),
            ("/opt/viewer", Some(root), Ok("/image/opt/viewer")),
            ("/../../etc", Some(root), Ok("/image/etc")),
            ("/", Some(root), Ok("/image")),
            ("opt", None, Err("not absolute")),
            (r"C:\x", None, Err("not absolute")),
            ("", None, Err("empty")),
            ("/a\0b", None, Err("control")),
        ] {
            let spot = Spot::absolute(text, root);
            match expect {
                Ok(path) => assert_eq!(spot.unwrap().path(), Path::new(path), "{text}"),
                Err(part) => assert!(spot.unwrap_err().to_string().contains(part), "{text}"),
            }
        }
    }

    #[cfg(windows)]
    #[test]
    fn absolute_paths_are_taken_or_refused() {
        let root = Path::new(r"D:\image");
        for (text, root, expect) in [
            (r"c:\temp\x", None, Ok(r"C:\temp\x")),
            (r"C:/temp/x/", None, Ok(r"C:\temp\x")),
            (r"C:\..\..\x", None, Ok(r"C:\x")),
            (r"C:\temp", Some(root), Ok(r"D:\image\C\temp")),
            (r"\\server\share\x", None, Ok(r"\\server\share\x")),
            (r"\\server\share\x", Some(root), Ok(r"D:\image\UNC\server\share\x")),
            (r"C:temp", None, Err("not absolute")),
            (r"\temp", None, Err("not absolute")),
            ("temp", None, Err("not absolute")),
            (r"\\.\PhysicalDrive0", None, Err("device")),
            (r"C:\temp\NUL.txt", None, Err("device")),
            (r"C:\temp\x:stream", None, Err("stream")),
            (r"C:\temp\x.", None, Err("dot")),
        ] {
            let spot = Spot::absolute(text, root);
            match expect {
                Ok(path) => assert_eq!(spot.unwrap().path(), Path::new(path), "{text}"),
                Err(part) => assert!(spot.unwrap_err().to_string().contains(part), "{text}"),
            }
        }
    }

    #[test]
    fn roots_are_known_by_any_name() {
        let root = if cfg!(windows) { r"C:\" } else { "/" };
        assert!(Spot::absolute(root, None).unwrap().is_root());
        assert!(Spot::absolute(&format!("{root}x/../."), None).unwrap().is_root());
        assert!(Spot::confined(Path::new("depot"), []).is_root());
        assert!(!Spot::confined(Path::new("depot"), ["x"]).is_root());
        assert!(Spot::absolute(root, None).unwrap().parent().is_none());
    }
}
