//! Packages for Debian and what follows it, made by `dpkg-deb` from a folder.
//!
//! A package starts nothing that is not set up: the agent begins with `deskhand-agent install`, the
//! server with `systemctl enable --now deskhand`. Its scripts also run below another root
//! (`DPKG_ROOT`), where nothing is started at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::place;
use crate::process::{self, note};

const AGENT_UNIT: &str = "apps/agent/src/service/deskhand-agent.service";
const MAINTAINER: &str = "Deskhand contributors <deskhand@example.invalid>";
const UNITS: &str = "usr/lib/systemd/system";

/// What a package says of itself.
struct About {
    name: &'static str,
    short: &'static str,
    /// Lines of the long description, each but the first led by a blank.
    long: &'static str,
    /// Packages that go well with it, as a line of the control file, or nothing.
    recommends: &'static str,
    /// A command for whoever purges it.
    purged: &'static str,
    /// Commands that make the user of the service, or nothing.
    user: &'static str,
}

const AGENT: About = About {
    name: "deskhand-agent",
    short: "agent of the Deskhand deployment server",
    long: "Carries out what a deployment server sends, and reports. Enrol it with\n \
           deskhand-agent install, which starts the service too.",
    recommends: "",
    purged: "rm -rf \"$DPKG_ROOT/var/lib/deskhand-agent\"",
    user: "",
};

const SERVER: About = About {
    name: "deskhand",
    short: "fleet software distribution: server and command line",
    long: "Keeps a fleet of desktops and servers in order: workflows, deployments, and the\n \
           command line for them. The server starts with systemctl enable --now deskhand.",
    // The server gives out the agent that lies beside its own program.
    recommends: "Recommends: deskhand-agent\n",
    // Keys that nobody can make again, and what agents are bound to.
    purged: "echo 'the data of the server stays in /var/lib/deskhand'",
    user: "\
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers --root=\"${DPKG_ROOT:-/}\" deskhand.conf
    elif [ -z \"$DPKG_ROOT\" ] && ! getent passwd deskhand >/dev/null; then
        useradd --system --home-dir /var/lib/deskhand --shell /usr/sbin/nologin deskhand
    fi
",
};

/// The agent: its program and the unit that `deskhand-agent install` enables.
pub fn agent(bin: &Path, out: &Path) -> Result<()> {
    let tree = Tree::new(out, &AGENT)?;
    let needs = tree.program(bin)?;
    let unit = fs::read(place::checkout().join(AGENT_UNIT)).context(AGENT_UNIT)?;
    tree.put(&format!("{UNITS}/deskhand-agent.service"), &unit, 0o644)?;
    tree.pack(out, &needs)
}

/// The server: its program, and unit, user and settings as `deskhand server install` writes them.
pub fn server(bin: &Path, out: &Path) -> Result<()> {
    let tree = Tree::new(out, &SERVER)?;
    let needs = tree.program(bin)?;
    let mut install = process::command(std::path::absolute(bin.join("deskhand"))?);
    install.args(["server", "install", "--program", "/usr/bin/deskhand", "--root"]);
    process::run(install.arg(&tree.folder))?;
    // In `/etc` lies what administrators write.
    tree.rename("etc/systemd/system/deskhand.service", &format!("{UNITS}/deskhand.service"))?;
    tree.rename("etc/sysusers.d/deskhand.conf", "usr/lib/sysusers.d/deskhand.conf")?;
    tree.put("DEBIAN/conffiles", b"/etc/deskhand/server.toml\n", 0o644)?;
    tree.pack(out, &needs)
}

/// A folder that becomes a package.
struct Tree {
    folder: PathBuf,
    about: &'static About,
}

impl Tree {
    fn new(out: &Path, about: &'static About) -> Result<Self> {
        let folder = out.join(format!("{}.tree", about.name));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("DEBIAN"))?;
        Ok(Self { folder, about })
    }

    fn put(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let to = self.folder.join(path);
        fs::create_dir_all(to.parent().unwrap_or(&self.folder))?;
        fs::write(&to, bytes)?;
        Ok(fs::set_permissions(&to, PermissionsExt::from_mode(mode))?)
    }

    /// Moves a file; folders that are empty then go.
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let bytes = fs::read(self.folder.join(from)).with_context(|| from.to_owned())?;
        self.put(to, &bytes, 0o644)?;
        fs::remove_file(self.folder.join(from))?;
        for above in Path::new(from).ancestors().skip(1) {
            if fs::remove_dir(self.folder.join(above)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The program of the package's name; says which packages it needs.
    fn program(&self, bin: &Path) -> Result<String> {
        let from = bin.join(self.about.name);
        let bytes =
            fs::read(&from).with_context(|| format!("{}: build it first", from.display()))?;
        self.put(&format!("usr/bin/{}", self.about.name), &bytes, 0o755)?;
        let (major, minor) = newest_glibc(&bytes)
            .with_context(|| format!("{}: no program for glibc", from.display()))?;
        Ok(format!("libc6 (>= {major}.{minor}), libgcc-s1"))
    }

    fn control(&self, needs: &str) -> Result<()> {
        let About { name, short, long, recommends, .. } = self.about;
        let version = env!("CARGO_PKG_VERSION");
        let text = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: {MAINTAINER}\n\
             Section: admin\nPriority: optional\nDepends: {needs}\n{recommends}\
             Description: {short}\n {long}\n"
        );
        self.put("DEBIAN/control", text.as_bytes(), 0o644)
    }

    /// What is done when the package comes and goes.
    fn scripts(&self) -> Result<()> {
        let About { name, purged, user, .. } = self.about;
        let here = "[ -z \"$DPKG_ROOT\" ] && [ -d /run/systemd/system ]";
        let came = format!(
            "if [ \"$1\" = configure ]; then\n{user}    if {here}; then\n        \
             systemctl daemon-reload\n        \
             if [ -n \"$2\" ]; then systemctl try-restart {name}.service; fi\n    fi\nfi\n"
        );
        let goes = format!(
            "if [ \"$1\" = remove ] && {here}; then\n    \
             systemctl disable --now {name}.service || true\nfi\n"
        );
        let gone = format!(
            "if {here}; then\n    systemctl daemon-reload || true\nfi\n\
             if [ \"$1\" = purge ]; then\n    {purged}\nfi\n"
        );
        for (script, text) in [("postinst", came), ("prerm", goes), ("postrm", gone)] {
            let text = format!("#!/bin/sh\nset -e\n{text}");
            self.put(&format!("DEBIAN/{script}"), text.as_bytes(), 0o755)?;
        }
        Ok(())
    }

    /// What Debian wants to be told with every package: whose it is, and what is new.
    fn documents(&self) -> Result<()> {
        let name = self.about.name;
        let mit = place::checkout().join("LICENSE-MIT");
        let mit = fs::read_to_string(&mit).with_context(|| mit.display().to_string())?;
        let copyright = format!(
            "{mit}\nOr, at your choice, under the Apache License, Version 2.0, which on Debian\n\
             systems is found in /usr/share/common-licenses/Apache-2.0.\n"
        );
        let folder = format!("usr/share/doc/{name}");
        self.put(&format!("{folder}/copyright"), copyright.as_bytes(), 0o644)?;
        let mut log = process::command("git");
        log.args(["log", "-1", "--format=%cD"]).current_dir(place::checkout());
        let date = process::output(&mut log).unwrap_or_default();
        let date = if date.trim().is_empty() { "Thu, 01 Jan 1970 00:00:00 +0000" } else { &date };
        let version = env!("CARGO_PKG_VERSION");
        let changes = format!(
            "{name} ({version}) unstable; urgency=medium\n\n  * Version {version}.\n\n -- \
             {MAINTAINER}  {}\n",
            date.trim()
        );
        let path = format!("{folder}/changelog");
        self.put(&path, changes.as_bytes(), 0o644)?;
        process::run(process::command("gzip").args(["-9n"]).arg(self.folder.join(path)))
    }

    fn pack(&self, out: &Path, needs: &str) -> Result<()> {
        self.control(needs)?;
        self.scripts()?;
        self.documents()?;
        let name = self.about.name;
        let file = out.join(format!("{name}_{}_amd64.deb", env!("CARGO_PKG_VERSION")));
        // Folders have the rights that whoever builds gives new ones.
        for folder in folders(&self.folder)? {
            fs::set_permissions(&folder, PermissionsExt::from_mode(0o755))?;
        }
        let mut deb = process::command("dpkg-deb");
        deb.args(["--root-owner-group", "--build"]).arg(&self.folder).arg(&file);
        process::run(&mut deb)?;
        fs::remove_dir_all(&self.folder)?;
        note(&file.display().to_string());
        Ok(())
    }
}

fn folders(top: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut at) = (vec![top.to_owned()], 0);
    while let Some(folder) = found.get(at).cloned() {
        let entries = fs::read_dir(&folder)?.flatten().map(|entry| entry.path());
        found.extend(entries.filter(|path| path.is_dir()));
        at += 1;
    }
    Ok(found)
}

/// The newest version of the C library whose functions a program asks for: such names stand in its
/// table of symbols' versions.
fn newest_glibc(program: &[u8]) -> Result<(u32, u32)> {
    const MARK: &[u8] = b"\0GLIBC_";
    let mut newest = (0, 0);
    let ends = (0..program.len()).filter(|at| program[*at..].starts_with(MARK));
    for at in ends {
        let rest = &program[at + MARK.len()..];
        let text: Vec<u8> = rest.iter().copied().take_while(|byte| *byte != 0).take(16).collect();
        let mut parts = text.split(|byte| *byte == b'.');
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u32>().ok();
        if let (Some(major), Some(minor)) = (number(), number()) {
            newest = newest.max((major, minor));
        }
    }
    ensure!(newest > (0, 0), "it names no version of the C library");
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_of_the_c_library_counts() {
        let names = b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0XGLIBC_9.9\0GLIBC_";
        assert_eq!(newest_glibc(names).unwrap(), (2, 34));
        assert!(newest_glibc(b"\x7fELF and no C library").is_err());
    }
}
