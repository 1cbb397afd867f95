//! Where a file comes from: a place below the application's source, or one of the machine itself.

use std::fmt;

use model::Digest;

use crate::macros::Macros;
use crate::plan::ground::Ground;
use crate::plan::make::{Planner, Refusal};
use crate::plan::place;
use crate::wildcard::{self, Pattern};
use crate::{Content, Family, FileNode, Node, SurveyError, Text, pe};

/// Stands for the folder of the source while macros are expanded: no text of a document has it.
const SOURCE: &str = "\u{1}";
/// Folders below one another in a source.
const DEPTH_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Below the source, with `/`.
    Source(String),
    /// A path of the machine.
    Machine(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(path) if path.is_empty() => f.write_str("%SOURCE_PATH%"),
            Self::Source(path) => write!(f, "%SOURCE_PATH%/{path}"),
            Self::Machine(path) => f.write_str(path),
        }
    }
}

/// What is in a folder. Parts are names below it.
#[derive(Debug, Default)]
pub struct Tree {
    /// The folder itself, without parts, is the first; each stands before those in it.
    pub folders: Vec<Vec<String>>,
    pub files: Vec<(Origin, Vec<String>)>,
}

impl Planner<'_> {
    pub fn origin(&self, source: &Text) -> Result<Origin, Refusal> {
        origin_of(self.ground.family, &expanded(&self.macros, source)?)
    }

    /// With what its last name must be like, where that has wildcards: the origin is then the
    /// folder.
    pub fn origin_with_wildcards(
        &self,
        source: &Text,
    ) -> Result<(Origin, Option<String>), Refusal> {
        let family = self.ground.family;
        let whole = expanded(&self.macros, source)?;
        let name = whole.rfind(['/', '\\']).map_or(0, |at| at + 1);
        if !wildcard::is_pattern(&whole[name..]) {
            return Ok((origin_of(family, &whole)?, None));
        }
        let folder = if name == 0 { SOURCE } else { &whole[..name] };
        Ok((origin_of(family, folder)?, Some(whole[name..].to_owned())))
    }
}

fn expanded(macros: &Macros<'_>, source: &Text) -> Result<String, Refusal> {
    Ok(macros.expand_with(source, Some(SOURCE))?)
}

fn origin_of(family: Family, text: &str) -> Result<Origin, Refusal> {
    let refuse = |why: &str| {
        let shown = text.replace(SOURCE, "%SOURCE_PATH%");
        Err(Refusal::new("DH-P004", format!("`{shown}` is no source: {why}")))
    };
    let is_absolute = text.starts_with(['/', '\\']) || text.get(1..2) == Some(":");
    if is_absolute {
        return match place::target(family, text) {
            Ok(target) => Ok(Origin::Machine(target.path)),
            Err(why) => refuse(&why),
        };
    }
    let below = text.strip_prefix(SOURCE).unwrap_or(text).replace('\\', "/");
    let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return refuse("`..` and `.` are not followed");
    }
    if below.contains(|c: char| c.is_control()) {
        return refuse("it has control characters in it");
    }
    Ok(Origin::Source(parts.join("/")))
}

impl Origin {
    pub fn name(&self, family: Family) -> &str {
        match self {
            Self::Source(path) => path.rsplit('/').next().unwrap_or(path),
            Self::Machine(path) => place::split(family, path).map_or("", |(_, name)| name),
        }
    }

    pub fn child(&self, family: Family, name: &str) -> Self {
        match self {
            Self::Source(path) if path.is_empty() => Self::Source(name.to_owned()),
            Self::Source(path) => Self::Source(format!("{path}/{name}")),
            Self::Machine(path) => Self::Machine(place::join(family, path, name)),
        }
    }

    fn node(&self, ground: &Ground<'_>) -> Result<Option<Node>, SurveyError> {
        match self {
            Self::Source(path) => ground.source.node(path),
            Self::Machine(path) => ground.survey.node(path),
        }
    }

    fn names(&self, ground: &Ground<'_>) -> Result<Vec<String>, SurveyError> {
        match self {
            Self::Source(path) => ground.source.names(path),
            Self::Machine(path) => ground.survey.names(path),
        }
    }

    /// That it is a file, and which.
    pub fn file(&self, ground: &Ground<'_>) -> Result<FileNode, Refusal> {
        let why = match self.node(ground)? {
            Some(Node::File(file)) => return Ok(file),
            None => "is not there",
            Some(Node::Folder) => "is a folder: copy it with `copy_folder`",
            Some(Node::Link { .. }) => "is a link: a source has files and folders only",
            Some(Node::Other) => "is neither a file nor a folder",
        };
        Err(Refusal::new("DH-P004", format!("`{self}` {why}")))
    }

    pub fn digest(&self, ground: &Ground<'_>) -> Result<Digest, SurveyError> {
        match self {
            Self::Source(path) => ground.source.digest(path),
            Self::Machine(path) => ground.survey.digest(path),
        }
    }

    pub fn content(&self, digest: Digest, size: u64) -> Content {
        match self.clone() {
            Self::Source(path) => Content::Source { path, digest, size },
            Self::Machine(path) => Content::Machine { path, digest, size },
        }
    }

    pub fn version(&self, ground: &Ground<'_>) -> Result<Option<pe::Version>, SurveyError> {
        pe::version(|offset, length| match self {
            Self::Source(path) => ground.source.read_part(path, offset, length),
            Self::Machine(path) => ground.survey.read_part(path, offset, length),
        })
    }

    fn folder(&self, ground: &Ground<'_>) -> Result<Vec<String>, Refusal> {
        match self.node(ground)? {
            Some(Node::Folder) => Ok(self.names(ground)?),
            None => Err(Refusal::new("DH-P004", format!("the folder `{self}` is not there"))),
            Some(_) => Err(Refusal::new("DH-P004", format!("`{self}` is no folder"))),
        }
    }

    /// Files of a folder whose names are like the pattern, sorted.
    pub fn matching(&self, ground: &Ground<'_>, pattern: &str) -> Result<Vec<String>, Refusal> {
        let pattern = Pattern::new(pattern, ground.family);
        let mut names = Vec::new();
        for name in self.folder(ground)? {
            let node = self.child(ground.family, &name).node(ground)?;
            let is_file = matches!(node, Some(Node::File(_)));
            if is_file && pattern.matches(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    pub fn tree(&self, ground: &Ground<'_>, subfolders: bool) -> Result<Tree, Refusal> {
        let mut tree = Tree::default();
        let mut open = vec![(self.clone(), Vec::new())];
        while let Some((folder, parts)) = open.pop() {
            if parts.len() > DEPTH_MAX {
                let message = format!("`{folder}` lies more than {DEPTH_MAX} folders deep");
                return Err(Refusal::new("DH-P004", message));
            }
            let mut inner = Vec::new();
            for name in folder.folder(ground)? {
                let child = folder.child(ground.family, &name);
                let below: Vec<String> = parts.iter().cloned().chain([name]).collect();
                match child.node(ground)? {
                    Some(Node::Folder) if subfolders => inner.push((child, below)),
                    Some(Node::Folder) => {}
                    // A link or a device is refused in words when the file is looked at.
                    _ => tree.files.push((child, below)),
                }
            }
            tree.folders.push(parts);
            open.extend(inner.into_iter().rev());
        }
        Ok(tree)
    }
}

/// Of a file of the machine.
pub fn version_at(ground: &Ground<'_>, path: &str) -> Result<Option<pe::Version>, SurveyError> {
    pe::version(|offset, length| ground.read_part(path, offset, length))
}
