//! What can be told of a folder, to be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Paths below the folder, each with kind, content, mode and owner.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut told = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(now) = waiting.pop() {
        for entry in fs::read_dir(&now).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let what = if found.is_dir() {
                waiting.push(path.clone());
                "folder".to_owned()
            } else if found.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else {
                blake3::hash(&fs::read(&path).unwrap()).to_string()
            };
            let (mode, owner) = (found.mode(), found.uid());
            let name = path.strip_prefix(folder).unwrap().to_owned();
            told.insert(name, format!("{what}, mode {mode:o} of {owner}"));
        }
    }
    told
}
