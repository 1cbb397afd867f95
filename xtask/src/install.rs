//! What the steps need besides Rust: installed on Debian and Ubuntu when we may, named everywhere
//! else.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::place;
use crate::process::{self, note};

/// Debian's packages for the Windows lane.
pub const WINDOWS: &[&str] =
    &["rustc-web", "cargo-web", "rust-web-src", "gcc-mingw-w64-x86-64", "wine", "wine64", "wixl"];

/// Servers that tests talk to: a mail server; networks of their own, with judges; disks and users.
pub const TESTS: &[&str] = &[
    "python3",
    "python3-aiosmtpd",
    "iproute2",
    "tcpdump",
    "wakeonlan",
    "mount",
    "util-linux",
    "e2fsprogs",
    "passwd",
];
/// Programs of other systems that install packages, and what makes them sources.
pub const PACKAGES: &[&str] = &["rpm", "dnf", "zypper", "createrepo-c"];
/// What judges shortcuts that we write, and orders versions as we do.
pub const JUDGES: &[&str] = &["liblnk-utils", "desktop-file-utils", "rpm"];
/// What makes packages, and what tests of installing need.
pub const DIST: &[&str] = &["dpkg", "wixl", "msitools", "curl", "wget", "systemd"];
/// An SSH server of their own, for the tests of computers without agent.
pub const SSH: &[&str] = &["openssh-server", "openssh-client", "sudo", "passwd"];

/// The compiler that crates with C in them need.
pub const BUILD: &[&str] = &["gcc", "libc6-dev"];

/// What judges the service: systemd's own tools, and somebody who can lock a database.
pub const SERVICE: &[&str] = &["systemd", "python3"];

const CARGO_DENY: &str = "0.20.2";

/// Makes sure that Debian's packages are there. `why` completes "needed for …".
pub fn packages(wanted: &[&str], why: &str) -> Result<()> {
    if place::program("dpkg-query").is_none() || place::program("apt-get").is_none() {
        note(&format!("needed for {why}, under Debian's names: {}", wanted.join(" ")));
        return Ok(());
    }
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install {}", missing.join(" "));
    let Some(before) = rights() else {
        bail!("{why} needs packages; as root: {by_hand}");
    };
    note(&format!("installing for {why}: {}", missing.join(" ")));
    let apt = |words: &[&str]| {
        let mut line: Vec<&str> = before.to_vec();
        line.extend([
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-qq",
            "-oDpkg::Use-Pty=0",
        ]);
        line.extend(words);
        process::run(process::command(line[0]).args(&line[1..]))
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    apt(&["update"]).and_then(|()| apt(&install)).with_context(|| format!("try by hand: {by_hand}"))
}

/// `cargo fmt` and `cargo clippy`, which a minimal toolchain lacks.
pub fn component(name: &str, subcommand: &str) -> Result<()> {
    if process::succeeds(&mut process::cargo([subcommand, "--version"])) {
        return Ok(());
    }
    note(&format!("installing the toolchain's {name}"));
    process::run(process::command("rustup").args(["component", "add", name]))
        .with_context(|| format!("cargo {subcommand} is missing"))
}

/// The path of cargo-deny, built into the cache if the user has none.
pub fn cargo_deny() -> Result<PathBuf> {
    let root = place::cache().join("tools");
    let built = root.join("bin/cargo-deny");
    if let Some(found) =
        place::program("cargo-deny").or_else(|| built.is_file().then(|| built.clone()))
    {
        return Ok(found);
    }
    note("building cargo-deny, once; this takes some minutes");
    let mut install = process::cargo(["install", "--quiet", "--locked", "cargo-deny"]);
    install.args(["--version", CARGO_DENY, "--root"]).arg(&root).env_remove("CARGO_TARGET_DIR");
    process::run(&mut install)?;
    Ok(built)
}

fn installed(package: &str) -> bool {
    let mut query = process::command("dpkg-query");
    process::output(query.args(["-W", "-f=${db:Status-Status}", package]))
        .is_some_and(|status| status == "installed")
}

/// What to put before a command that needs root, if there is a way that asks nothing.
fn rights() -> Option<&'static [&'static str]> {
    let root = process::output(process::command("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    if root {
        return Some(&[]);
    }
    let sudo = Path::new("sudo");
    process::succeeds(process::command(sudo).args(["-n", "true"])).then_some(&["sudo", "-n"])
}
