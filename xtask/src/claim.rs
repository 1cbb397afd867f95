//! One build folder, several checkouts: who builds there now.
//!
//! Cargo tells a changed file by its time alone and a package by its place within the workspace;
//! what one checkout built can pass for another's. Whoever comes from another checkout than the
//! last one has our own packages built anew; dependencies stay. While a command holds a [`Claim`],
//! other checkouts wait, and other commands of the same one do not.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};

use crate::place;
use crate::process::{self, cargo, note};

const PROFILES: [&str; 2] = ["dev", "quick"];
const LOCK: &str = "deskhand-checkout.lock";
const HOLDER: &str = "deskhand-checkout";

/// The right to build in a folder, until dropped.
pub struct Claim {
    _lock: File,
}

/// Waits for other checkouts. `triple` names the target where it is not this machine.
pub fn claim(folder: &Path, triple: Option<&str>) -> Result<Claim> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let checkout = place::checkout().to_string_lossy().into_owned();
    let holder = folder.join(HOLDER);
    loop {
        let lock = File::create(folder.join(LOCK))?;
        lock.lock_shared()?;
        let held = fs::read_to_string(&holder).ok();
        if held.as_ref() == Some(&checkout) {
            return Ok(Claim { _lock: lock });
        }
        lock.unlock()?;
        if lock.try_lock().is_err() {
            note("waiting for a build of another checkout");
            lock.lock()?;
        }
        // Somebody may have been faster; then there is nothing left to forget.
        if fs::read_to_string(&holder).ok().as_ref() != Some(&checkout) {
            forget(folder, triple)?;
            fs::write(&holder, &checkout)?;
        }
    }
}

/// Takes away what was built of our own packages.
fn forget(folder: &Path, triple: Option<&str>) -> Result<()> {
    let packages = place::manifests(&place::checkout());
    let names = packages.iter().filter_map(|(_, manifest)| place::name(manifest));
    let names: Vec<&str> = names.flat_map(|name| ["-p", name]).collect();
    for profile in PROFILES {
        let mut clean = cargo(["clean", "--quiet", "--profile", profile]);
        clean.args(triple.iter().flat_map(|triple| ["--target", triple])).args(&names);
        process::run(clean.env("CARGO_TARGET_DIR", folder))?;
    }
    Ok(())
}
