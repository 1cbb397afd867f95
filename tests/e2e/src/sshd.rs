//! An SSH server of the test's own: its configuration, its keys, its addresses, its users.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{Child, until};

const PROGRAM: &str = "/usr/sbin/sshd";

/// An SSH server on a loopback address, ended when dropped.
#[derive(Debug)]
pub struct Sshd {
    folder: PathBuf,
    pub host: String,
    pub port: u16,
    /// Whoever logs in has the folder `home` for a home, as on a machine of its own.
    has_home: bool,
    /// What is asked of the machine's power goes into this file.
    power: Option<PathBuf>,
    process: Option<Child>,
}

impl Sshd {
    /// Listens on `host`, which may be any of `127.0.0.0/8`. Whoever logs in may use the folder
    /// [`Sshd::temp`] and no other for temporary files.
    pub fn start(folder: &Path, host: &str) -> Result<Self> {
        Self::make(folder, host, false, None)
    }

    /// The same as a machine of its own: who logs in finds no home of another address.
    pub fn start_with_home(folder: &Path, host: &str) -> Result<Self> {
        Self::make(folder, host, true, None)
    }

    /// The same as a machine whose power only takes notes, in the file `power`.
    pub fn start_with_power(folder: &Path, host: &str, power: &Path) -> Result<Self> {
        Self::make(folder, host, false, Some(power.to_owned()))
    }

    fn make(folder: &Path, host: &str, has_home: bool, power: Option<PathBuf>) -> Result<Self> {
        let folder = folder.join(format!("sshd-{host}"));
        std::fs::create_dir_all(folder.join("tmp"))?;
        let port = std::net::TcpListener::bind((host, 0))?.local_addr()?.port();
        let host = host.to_owned();
        let mut sshd = Self { folder, host, port, has_home, power, process: None };
        open(&sshd.folder, 0o755)?;
        open(&sshd.temp(), 0o1777)?;
        if has_home {
            std::fs::create_dir_all(sshd.file("home"))?;
        }
        sshd.make_key("host_key", "")?;
        sshd.make_key("user_key", "")?;
        sshd.make_key("locked_key", "opensesame")?;
        let mut allowed = std::fs::read_to_string(sshd.file("user_key.pub"))?;
        allowed.push_str(&std::fs::read_to_string(sshd.file("locked_key.pub"))?);
        std::fs::write(sshd.file("authorized_keys"), allowed)?;
        sshd.run()?;
        Ok(sshd)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn temp(&self) -> PathBuf {
        self.file("tmp")
    }

    /// `host:port`
    pub fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub fn user_key(&self) -> String {
        self.file("user_key").display().to_string()
    }

    fn make_key(&self, name: &str, passphrase: &str) -> Result<()> {
        let path = self.file(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", passphrase, "-f"])
            .arg(&path)
            .stdin(Stdio::null())
            .status()
            .context("ssh-keygen; `cargo xtask test` installs it")?;
        if made.success() { Ok(()) } else { bail!("ssh-keygen: {made}") }
    }

    /// Another key than the one that is known.
    pub fn change_host_key(&mut self) -> Result<()> {
        self.process = None;
        std::fs::remove_file(self.file("host_key"))?;
        std::fs::remove_file(self.file("host_key.pub"))?;
        self.make_key("host_key", "")?;
        self.run()
    }

    fn run(&mut self) -> Result<()> {
        // Where it drops its rights; Debian makes it when the service starts.
        std::fs::create_dir_all("/run/sshd")?;
        let file = |name: &str| self.file(name).display().to_string();
        let mut given = format!("TMPDIR={}", file("tmp"));
        if self.has_home {
            given.push_str(&format!(" HOME={}", file("home")));
        }
        if let Some(power) = &self.power {
            given.push_str(&format!(" DESKHAND_POWER_DRIVER={}", power.display()));
        }
        let config = format!(
            "Port {}\nListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nUseDNS no\nPasswordAuthentication yes\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 500\n\
             MaxSessions 500\nPermitUserEnvironment no\nSetEnv {given}\n",
            self.port,
            self.host,
            file("host_key"),
            file("authorized_keys"),
        );
        std::fs::write(self.file("config"), config)?;
        let mut command = Command::new(PROGRAM);
        command.args(["-D", "-e", "-f"]).arg(self.file("config"));
        self.process = Some(Child::start(command, &self.file("log"))?);
        let (host, port) = (self.host.clone(), self.port);
        until("the SSH server to listen", || {
            std::net::TcpStream::connect((host.as_str(), port)).ok().map(drop)
        })
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Cuts every connection, as a power cut of the line would; says how many there were.
    pub fn cut(&self) -> Result<usize> {
        let mut cut = 0;
        for process in self.connections()? {
            let killed = Command::new("kill").args(["-9", &process.to_string()]).status()?;
            cut += usize::from(killed.success());
        }
        Ok(cut)
    }

    /// The processes that serve connections.
    pub fn connections(&self) -> Result<Vec<u32>> {
        let own = self.process.as_ref().map(Child::id).context("an SSH server that runs")?;
        let (mut below, mut found) = (vec![own], Vec::new());
        while let Some(parent) = below.pop() {
            let path = format!("/proc/{parent}/task/{parent}/children");
            let text = std::fs::read_to_string(path).unwrap_or_default();
            for child in text.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()) {
                let name = std::fs::read_to_string(format!("/proc/{child}/comm"));
                if name.is_ok_and(|name| name.starts_with("sshd")) {
                    below.push(child);
                    found.push(child);
                }
            }
        }
        Ok(found)
    }

    /// What lies in the folder for temporary files.
    pub fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.temp()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

fn open(folder: &Path, mode: u32) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    Ok(std::fs::set_permissions(folder, mode)?)
}

/// A user of this machine, gone when dropped.
#[derive(Debug)]
pub struct User {
    pub name: String,
    pub password: String,
    sudoers: PathBuf,
}

impl User {
    /// May become root: asked for the password, or not.
    pub fn make(what: &str, is_asked: bool) -> Result<Self> {
        let name = format!("dh{what}{}", std::process::id());
        let sudoers = PathBuf::from(format!("/etc/sudoers.d/{name}"));
        let user = Self { name: name.clone(), password: format!("pw-{name}"), sudoers };
        let made = Command::new("useradd").args(["-m", "-s", "/bin/sh", &name]).status()?;
        if !made.success() {
            bail!("useradd: {made}");
        }
        let mut child = Command::new("chpasswd").stdin(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("an input")?;
        std::io::Write::write_all(&mut input, format!("{name}:{}\n", user.password).as_bytes())?;
        drop(input);
        child.wait()?;
        let how = if is_asked { "ALL" } else { "NOPASSWD: ALL" };
        std::fs::write(&user.sudoers, format!("{name} ALL=(ALL) {how}\n"))?;
        Ok(user)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.sudoers);
        let _gone =
            Command::new("userdel").args(["-f", "-r", &self.name]).stderr(Stdio::null()).status();
    }
}
