//! Facts that availability rules ask for, beside those that every agent tells.

use std::collections::BTreeMap;
use std::path::Path;

/// Of [`crate::facts`], and `os.family`, `os.name`, `os.version`, `os.arch`, `memory_mb`,
/// `cpu.count`. With a root, what the system is called is read there.
pub(super) fn all(root: Option<&Path>) -> BTreeMap<String, String> {
    let mut all = crate::facts();
    let family = if cfg!(windows) { "windows" } else { "linux" };
    let (name, version) = crate::facts::name_and_version(root);
    let count = std::thread::available_parallelism().ok();
    let known = [
        ("os.family", Some(family.to_owned())),
        ("os.name", name),
        ("os.version", version),
        ("os.arch", Some(std::env::consts::ARCH.to_owned())),
        ("memory_mb", crate::facts::memory_mb().map(|mb| mb.to_string())),
        ("cpu.count", count.map(|count| count.to_string())),
    ];
    all.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    all
}
