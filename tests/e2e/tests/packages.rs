//! Debian's packages as `cargo xtask dist` makes them of the programs under test: what Debian's own
//! tools say of them, and what they leave below a root of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use fleet::program;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const NAMES: [&str; 2] = ["deskhand", "deskhand-agent"];
/// Programs under test carry their symbols, and the project has no address for mail.
const NOT_ASKED: &str = "unstripped-binary-or-object,bogus-mail-host,\
                         bogus-mail-host-in-debian-changelog,extended-description-line-too-long";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command that must succeed prints.
fn must(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}\n{}{}", text(&stdout), text(&stderr));
    Ok(text(&stdout))
}

/// Packages of the programs under test; their paths, as in [`NAMES`].
fn packages(out: &Path) -> Result<[PathBuf; 2]> {
    let builder = program("xtask");
    ensure!(builder.is_file(), "{}: `cargo build --workspace --bins`", builder.display());
    let bin = builder.parent().context("a folder of programs")?;
    let mut dist = Command::new(&builder);
    // Else it takes this test's folder for its own.
    dist.env_remove("CARGO_MANIFEST_DIR");
    // Programs under test are large, and nobody keeps these packages.
    dist.env("DPKG_DEB_COMPRESSOR_TYPE", "gzip").env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    dist.args(["dist", "--bin"]).arg(bin).arg("--out").arg(out);
    must(&mut dist)?;
    Ok(NAMES.map(|name| out.join(format!("{name}_{VERSION}_amd64.deb"))))
}

fn deb(option: &str, package: &Path) -> Result<String> {
    must(Command::new("dpkg-deb").arg(option).arg(package))
}

#[test]
fn packages_are_what_debian_takes_and_come_and_go_below_a_root() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let built = packages(folder.path())?;
    check_contents(&built)?;
    judge(&built)?;
    let root = folder.path().join("root");
    empty_system(&root)?;
    must(dpkg(&root).arg("--install").args(&built))?;
    check_installed(&root)?;
    check_upgraded_and_removed(&root, &built)
}

fn check_contents([server, agent]: &[PathBuf; 2]) -> Result<()> {
    for (package, name, files) in [
        (server, "deskhand", &["etc/deskhand/server.toml", "usr/lib/sysusers.d/deskhand.conf"][..]),
        (agent, "deskhand-agent", &[]),
    ] {
        let info = deb("--info", package)?;
        for field in [
            format!(" Package: {name}\n"),
            format!(" Version: {VERSION}\n"),
            " Architecture: amd64\n".to_owned(),
            " Depends: libc6 (>= 2.".to_owned(),
        ] {
            ensure!(info.contains(&field), "{field}: {info}");
        }
        let contents = deb("--contents", package)?;
        let unit = format!("usr/lib/systemd/system/{name}.service");
        let document = format!("usr/share/doc/{name}/copyright");
        let program = format!("usr/bin/{name}");
        for path in files.iter().copied().chain([&*unit, &document, &program]) {
            let line = contents.lines().find(|line| line.ends_with(&format!(" ./{path}")));
            let line = line.with_context(|| format!("no {path}: {contents}"))?;
            let mode = if path == program { "-rwxr-xr-x" } else { "-rw-r--r--" };
            ensure!(line.starts_with(&format!("{mode} root/root ")), "{line}");
        }
        let folders = contents.lines().filter(|line| line.starts_with('d'));
        folders.into_iter().try_for_each(|line| {
            ensure!(line.starts_with("drwxr-xr-x root/root "), "{line}");
            Ok(())
        })?;
        ensure!(!contents.contains("./etc/systemd"), "that is the administrator's: {contents}");
    }
    let kept = must(Command::new("dpkg-deb").arg("--info").arg(server).arg("conffiles"))?;
    ensure!(kept == "/etc/deskhand/server.toml\n", "{kept}");
    Ok(())
}

/// By Debian's own judge, where it is installed.
fn judge(packages: &[PathBuf]) -> Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args(["--no-cfg", "--fail-on", "error", "--suppress-tags", NOT_ASKED]).args(packages);
    match lintian.output() {
        Ok(judged) => ensure!(judged.status.success(), "{}", text(&judged.stdout)),
        Err(error) => eprintln!("not judged by lintian: {error}"),
    }
    Ok(())
}

/// `dpkg` on a system below `root`, which needs no rights of root and starts nothing.
fn dpkg(root: &Path) -> Command {
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display()));
    // Other packages are not there, and the scripts run with the tools of this machine.
    dpkg.args(["--force-not-root", "--force-depends", "--force-script-chrootless"]);
    dpkg.arg(format!("--log={}", root.join("dpkg.log").display()));
    dpkg.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    dpkg
}

fn empty_system(root: &Path) -> Result<()> {
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "usr/lib/systemd/system"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::write(root.join("var/lib/dpkg/status"), "")?;
    // Units name it; only whether it is a program counts here.
    std::fs::create_dir_all(root.join("bin"))?;
    std::fs::copy("/bin/sh", root.join("bin/kill"))?;
    // What every system with systemd has and units lean on.
    for entry in std::fs::read_dir("/usr/lib/systemd/system").or_else(|_| {
        let older = "/lib/systemd/system";
        std::fs::read_dir(older).context(older).map_err(std::io::Error::other)
    })? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "target" || end == "slice") && path.is_file() {
            let name = path.file_name().context("a name")?;
            std::fs::copy(&path, root.join("usr/lib/systemd/system").join(name))?;
        }
    }
    Ok(())
}

fn check_installed(root: &Path) -> Result<()> {
    for name in NAMES {
        let status = must(dpkg(root).args(["--status", name]))?;
        ensure!(status.contains("Status: install ok installed"), "{status}");
        let said = must(Command::new(root.join("usr/bin").join(name)).arg("--version"))?;
        ensure!(said.contains(VERSION), "{said}");
        let unit = format!("{name}.service");
        let mut verify = Command::new("systemd-analyze");
        verify.arg(format!("--root={}", root.display())).args(["--man=no", "verify", &unit]);
        let judged = verify.output().context("systemd-analyze, which judges units")?;
        let said = text(&judged.stderr);
        ensure!(judged.status.success() && !said.contains("deskhand"), "{unit}: {said}");
        // Nothing starts with the machine that nobody has set up.
        let wanted = root.join("etc/systemd/system/multi-user.target.wants").join(&unit);
        ensure!(!wanted.exists(), "{}", wanted.display());
    }
    let users = std::fs::read_to_string(root.join("etc/passwd"))?;
    let user = users.lines().find(|line| line.starts_with("deskhand:")).context(users.clone())?;
    ensure!(user.ends_with(":/var/lib/deskhand:/usr/sbin/nologin"), "{user}");
    Ok(())
}

fn check_upgraded_and_removed(root: &Path, built: &[PathBuf; 2]) -> Result<()> {
    let settings = root.join("etc/deskhand/server.toml");
    std::fs::write(&settings, "name = \"hq\"\n")?;
    must(dpkg(root).arg("--install").arg(&built[0]))?;
    let kept = std::fs::read_to_string(&settings)?;
    ensure!(kept == "name = \"hq\"\n", "what an administrator wrote is another: {kept}");

    let [data, state] = NAMES.map(|name| root.join("var/lib").join(name));
    std::fs::create_dir_all(&data)?;
    std::fs::create_dir_all(&state)?;
    must(dpkg(root).arg("--remove").args(NAMES))?;
    ensure!(settings.exists() && state.exists(), "removed, not purged");
    must(dpkg(root).arg("--purge").args(NAMES))?;
    ensure!(!settings.exists() && !state.exists(), "purged");
    ensure!(data.exists(), "the server's keys and database are nobody's to delete but people's");
    Ok(())
}
