//! Where things are: the checkout, the user's cache, programs on the search path, packages of the
//! workspace.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder that holds the workspace's `Cargo.toml`.
pub fn checkout() -> PathBuf {
    let compiled = || env!("CARGO_MANIFEST_DIR").into();
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(compiled, PathBuf::from);
    here.parent().unwrap_or(&here).to_owned()
}

/// What is built or fetched once and kept between clones: `$XDG_CACHE_HOME/deskhand` or
/// `~/.cache/deskhand`.
pub fn cache() -> PathBuf {
    let xdg = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    xdg.or_else(home).unwrap_or_else(env::temp_dir).join("deskhand")
}

/// Where cargo builds for this machine.
pub fn target() -> PathBuf {
    target_unless_set("target")
}

/// Where cargo builds for Windows; apart, as another compiler may be at work there.
pub fn windows_target() -> PathBuf {
    target_unless_set("windows")
}

fn target_unless_set(name: &str) -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(set) if name == "target" => checkout().join(set),
        Some(set) => checkout().join(set).join(name),
        None => cache().join(name),
    }
}

/// The first program of that name on the search path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The folder of the workspace's package with that name, if there is one.
pub fn package(wanted: &str) -> Option<PathBuf> {
    let mut manifests = manifests(&checkout()).into_iter();
    manifests.find(|(_, manifest)| name(manifest) == Some(wanted)).map(|(folder, _)| folder)
}

/// The name of the package that a manifest describes.
pub fn name(manifest: &str) -> Option<&str> {
    let line = manifest.lines().find_map(|line| line.trim().strip_prefix("name = \""));
    line.and_then(|rest| rest.split('"').next())
}

/// Folder and text of every `Cargo.toml` in the rooms of the workspace.
pub fn manifests(root: &Path) -> Vec<(PathBuf, String)> {
    let rooms = ["apps", "crates", "tests"].iter().flat_map(|room| folders(&root.join(room)));
    let mut found: Vec<_> = rooms
        .chain([root.join("xtask")])
        .filter_map(|folder| {
            Some((folder.clone(), fs::read_to_string(folder.join("Cargo.toml")).ok()?))
        })
        .collect();
    found.sort();
    found
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
