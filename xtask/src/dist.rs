//! `cargo xtask dist`: packages of what is built, for Debian and for Windows.
//!
//! Packages hold the programs, the units and nothing that is made on the machine. The programs are
//! built here, or taken from a folder that `--bin` names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{self, cargo, heading, note};
use crate::{install, place};

const HELP: &str =
    "cargo xtask dist [--profile release|quick|dev] [--bin DIR] [--out DIR] [--msi EXE]";
const UNIT: &str = "apps/agent/src/service/deskhand-agent.service";
const MAINTAINER: &str = "Deskhand <deskhand@example.invalid>";

struct Wish {
    profile: String,
    bin: Option<PathBuf>,
    out: PathBuf,
    msi: Option<PathBuf>,
}

pub fn run(words: &[String]) -> Result<ExitCode> {
    let wish = read(words)?;
    install::packages(install::DIST, "packages")?;
    fs::create_dir_all(&wish.out).with_context(|| wish.out.display().to_string())?;
    let bin = match &wish.bin {
        Some(bin) => bin.clone(),
        None => build(&wish.profile)?,
    };
    agent_deb(&bin, &wish.out)?;
    server_deb(&bin, &wish.out)?;
    if let Some(program) = &wish.msi {
        msi(program, &wish.out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(words: &[String]) -> Result<Wish> {
    let out = place::target().join("dist");
    let mut wish = Wish { profile: "release".to_owned(), bin: None, out, msi: None };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let value = rest.next().with_context(|| format!("`{word}` needs a value; {HELP}"))?;
        match word.as_str() {
            "--profile" => wish.profile.clone_from(value),
            "--bin" => wish.bin = Some(value.into()),
            "--out" => wish.out = value.into(),
            "--msi" => wish.msi = Some(value.into()),
            other => bail!("`{other}` is not known; {HELP}"),
        }
    }
    Ok(wish)
}

fn build(profile: &str) -> Result<PathBuf> {
    heading(&format!("building for {profile}"));
    let words = ["build", "--profile", profile, "-p", "deskhand", "-p", "deskhand-agent"];
    process::run(&mut cargo(words))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(place::target().join(folder))
}

/// A folder that becomes a package.
struct Tree {
    folder: PathBuf,
}

impl Tree {
    fn new(out: &Path, name: &str) -> Result<Self> {
        let folder = out.join(format!("{name}.tree"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("DEBIAN"))?;
        Ok(Self { folder })
    }

    fn put(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let to = self.folder.join(path);
        fs::create_dir_all(to.parent().unwrap_or(&self.folder))?;
        fs::write(&to, bytes)?;
        Ok(fs::set_permissions(&to, PermissionsExt::from_mode(mode))?)
    }

    fn program(&self, from: &Path, path: &str) -> Result<()> {
        let bytes =
            fs::read(from).with_context(|| format!("{}: build it first", from.display()))?;
        self.put(path, &bytes, 0o755)
    }

    fn control(&self, name: &str, depends: &str, short: &str, long: &str) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let text = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: {MAINTAINER}\n\
             Section: admin\nPriority: optional\nDepends: {depends}\nDescription: {short}\n {long}\n"
        );
        self.put("DEBIAN/control", text.as_bytes(), 0o644)
    }

    /// What is done when a package with a service comes and goes. Without systemd, as in an image,
    /// nothing is started.
    fn scripts(&self, unit: &str, purged: &str) -> Result<()> {
        let came = "#!/bin/sh\nset -e\nif [ \"$1\" = configure ] && [ -n \"$2\" ] \\\n    \
                    && [ -d /run/systemd/system ]; then\n    systemctl daemon-reload\n    \
                    systemctl try-restart UNIT\nfi\n";
        let goes = "#!/bin/sh\nset -e\nif [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then\n    \
                    systemctl disable --now UNIT || true\nfi\n";
        let gone = format!(
            "#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then\n    systemctl daemon-reload || \
             true\nfi\nif [ \"$1\" = purge ]; then\n    rm -rf {purged}\nfi\n"
        );
        for (name, text) in [("postinst", came), ("prerm", goes), ("postrm", &gone)] {
            self.put(&format!("DEBIAN/{name}"), text.replace("UNIT", unit).as_bytes(), 0o755)?;
        }
        Ok(())
    }

    fn pack(&self, out: &Path, name: &str) -> Result<()> {
        let file = out.join(format!("{name}_{}_amd64.deb", env!("CARGO_PKG_VERSION")));
        let mut deb = process::command("dpkg-deb");
        deb.args(["--root-owner-group", "--build"]).arg(&self.folder).arg(&file);
        process::run(&mut deb)?;
        fs::remove_dir_all(&self.folder)?;
        note(&file.display().to_string());
        Ok(())
    }
}

fn agent_deb(bin: &Path, out: &Path) -> Result<()> {
    let tree = Tree::new(out, "deskhand-agent")?;
    tree.program(&bin.join("deskhand-agent"), "usr/bin/deskhand-agent")?;
    let unit = fs::read(place::checkout().join(UNIT)).context(UNIT)?;
    tree.put("usr/lib/systemd/system/deskhand-agent.service", &unit, 0o644)?;
    let long = "Carries out what a deployment server sends, and reports. Enrol it with\n \
                `deskhand-agent install`, which starts the service too.";
    tree.control("deskhand-agent", "libc6", "agent of the Deskhand deployment server", long)?;
    // It starts once it is enrolled, by `deskhand-agent install`.
    tree.scripts("deskhand-agent.service", "/var/lib/deskhand-agent")?;
    tree.pack(out, "deskhand-agent")
}

fn server_deb(bin: &Path, out: &Path) -> Result<()> {
    let tree = Tree::new(out, "deskhand")?;
    tree.program(&bin.join("deskhand"), "usr/bin/deskhand")?;
    // Its unit depends on where the administrator wants data and settings.
    let long = "Keeps a fleet of desktops and servers in order: workflows, deployments, and the\n \
                command line for them. `deskhand server install` makes the service.";
    tree.control(
        "deskhand",
        "libc6",
        "fleet software distribution: server and command line",
        long,
    )?;
    tree.pack(out, "deskhand")
}

/// The agent for Windows as an installer package; the service is made by the agent itself.
fn msi(program: &Path, out: &Path) -> Result<()> {
    ensure!(
        program.is_file(),
        "{} is not there: `cargo xtask windows` builds it",
        program.display()
    );
    let template = place::checkout().join("xtask/src/dist/agent.wxs");
    let text = fs::read_to_string(&template).with_context(|| template.display().to_string())?;
    let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    // wixl finds files only below the folder it runs in.
    let beside = out.join("deskhand-agent.exe");
    fs::copy(program, &beside).with_context(|| beside.display().to_string())?;
    let wxs = out.join("agent.wxs");
    fs::write(&wxs, text)?;
    let file = out.join(format!("deskhand-agent_{}_x64.msi", env!("CARGO_PKG_VERSION")));
    let mut wixl = process::command("wixl");
    wixl.args(["--arch", "x64", "-o"]).arg(std::path::absolute(&file)?).arg("agent.wxs");
    process::run(wixl.current_dir(out))?;
    fs::remove_file(&wxs)?;
    fs::remove_file(&beside)?;
    note(&file.display().to_string());
    Ok(())
}
