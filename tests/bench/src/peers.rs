//! Other tools that run a command over SSH, told of the same hosts.
//!
//! Each is set to its fastest: many at once, no facts, no copying where it can be helped. They and
//! what they keep live in a folder of the bench's own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet::Sshd;

/// Targets that a peer works on at the same time.
const AT_ONCE: usize = 50;

/// One way of one tool.
#[derive(Debug)]
pub struct Peer {
    pub name: String,
    /// Its first run opens connections that the others use.
    pub is_warm: bool,
    line: String,
    folder: PathBuf,
}

impl Peer {
    /// Runs it on all hosts; it must succeed on each.
    pub fn run(&self) -> Result<()> {
        let log = fs::File::create(self.folder.join("log"))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.line]).current_dir(&self.folder).stdin(Stdio::null());
        shell.env("HOME", self.folder.join("home")).env("LC_ALL", "C.UTF-8");
        // Connections that are kept would hold a pipe open.
        let status = shell.stdout(log.try_clone()?).stderr(log).status()?;
        let said = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        ensure!(status.success(), "{}: {status}\n{}", self.name, said());
        Ok(())
    }
}

/// The peers of this machine, set up for these hosts.
pub fn installed(folder: &Path, hosts: &[Sshd]) -> Result<Vec<Peer>> {
    fs::create_dir_all(folder.join("home"))?;
    fs::create_dir_all(folder.join("cp"))?;
    write_ssh(folder, hosts)?;
    write_ansible(folder, hosts)?;
    write_pyinfra(folder, hosts)?;
    let keep = "-o ControlMaster=auto -o ControlPersist=600 -o ControlPath=cp/%C";
    let fan =
        |options: &str| format!("xargs -a hosts -P {AT_ONCE} -I@ ssh -F ssh {options} @ true");
    let ansible = "ANSIBLE_CONFIG=ansible.cfg ansible all -i inventory.ini -o -m command -a true";
    let pyinfra = format!("pyinfra -y --parallel {AT_ONCE} inventory.py exec -- true");
    let all = [
        ("ssh", "a new connection", false, fan("")),
        ("ssh", "a connection that stands", true, fan(keep)),
        ("pyinfra", "a new connection", false, pyinfra),
        ("ansible", "a connection that stands", true, ansible.to_owned()),
    ];
    let mut found = Vec::new();
    for (program, how, is_warm, line) in all {
        if let Some(version) = version(program) {
            let name = format!("{version}, {how}");
            found.push(Peer { name, is_warm, line, folder: folder.to_owned() });
        } else {
            eprintln!("{program} is not installed here");
        }
    }
    Ok(found)
}

/// Sockets of connections that are kept.
pub fn sockets(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder.join("cp"))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// What a program says of itself, in one line.
fn version(program: &str) -> Option<String> {
    let option = if program == "ssh" { "-V" } else { "--version" };
    let output = Command::new(program).arg(option).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    said.lines().next().map(|line| line.split(',').next().unwrap_or(line).trim().to_owned())
}

fn write_ssh(folder: &Path, hosts: &[Sshd]) -> Result<()> {
    let (mut config, mut known, mut list) = (String::new(), String::new(), String::new());
    for host in hosts {
        let (address, port, key) = (&host.host, host.port, host.user_key());
        writeln!(config, "Host {address}\n  Port {port}\n  IdentityFile {key}")?;
        writeln!(known, "[{address}]:{port} {}", public_key(host)?)?;
        writeln!(list, "{address}")?;
    }
    let path = folder.join("known_hosts");
    write!(
        config,
        "Host *\n  User root\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
         GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  LogLevel ERROR\n",
        path.display()
    )?;
    fs::write(&path, known)?;
    fs::write(folder.join("ssh"), config)?;
    Ok(fs::write(folder.join("hosts"), list)?)
}

/// Kind and key, without the comment.
fn public_key(host: &Sshd) -> Result<String> {
    let text = fs::read_to_string(host.file("host_key.pub"))?;
    let mut words = text.split_whitespace();
    let (kind, key) = words.next().zip(words.next()).context("a public key")?;
    Ok(format!("{kind} {key}"))
}

fn write_ansible(folder: &Path, hosts: &[Sshd]) -> Result<()> {
    let list: String = hosts.iter().map(|host| format!("{}\n", host.host)).collect();
    fs::write(folder.join("inventory.ini"), list)?;
    let (at, python) = (folder.display(), "interpreter_python = /usr/bin/python3");
    let text = format!(
        "[defaults]\nforks = {AT_ONCE}\ngathering = explicit\n{python}\nretry_files_enabled = False\n\
         timeout = 120\n[ssh_connection]\npipelining = True\ncontrol_path_dir = {at}/cp\n\
         ssh_args = -F {at}/ssh -o ControlMaster=auto -o ControlPersist=600s\n"
    );
    Ok(fs::write(folder.join("ansible.cfg"), text)?)
}

fn write_pyinfra(folder: &Path, hosts: &[Sshd]) -> Result<()> {
    let mut text = "targets = [\n".to_owned();
    let known = folder.join("known_hosts");
    for host in hosts {
        writeln!(
            text,
            "  (\"{}\", {{\"ssh_port\": {}, \"ssh_user\": \"root\", \"ssh_key\": \"{}\", \
             \"ssh_known_hosts_file\": \"{}\"}}),",
            host.host,
            host.port,
            host.user_key(),
            known.display()
        )?;
    }
    Ok(fs::write(folder.join("inventory.py"), text + "]\n")?)
}
