//! Copying the agent's program to a computer where it is not, and starting it.
//!
//! What was copied in part, or never started, removes itself there (see `commands`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::time::timeout;
use wire::temporary;
use zeroize::Zeroizing;

use super::commands::{self, Become, Packing};
use super::connect::Connection;
use super::program::{NoProgram, Program, Programs};
use super::way::Allowed;
use crate::core::chain;
use crate::hall::Hall;
use crate::secrets;

/// For a command that answers at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// For copying the program over a slow line.
const COPY_WITHIN: Duration = Duration::from_secs(600);
/// Of what a command says, what is kept: answers are read whole, the last words of errors.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const WORDS_BYTES_MAX: usize = 4 << 10;
const PIPE_BYTES: usize = 256 << 10;

/// Why no agent was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("DH-S005: {name}: the connection was lost: {why}")]
    Lost { name: String, why: String },
    #[error("DH-S007: {name} is `{system}`, which there is no agent for")]
    System { name: String, system: String },
    #[error(transparent)]
    Program(#[from] NoProgram),
    #[error("DH-S008: the agent's program could not be copied to {name}: {why}")]
    Copy { name: String, why: String },
    #[error("DH-S009: the agent did not start at {name}: {why}")]
    Start { name: String, why: String },
    #[error("DH-S010: {with} at {name} did not accept the password, or wants one: {why}")]
    Become { name: String, with: &'static str, why: String },
}

/// An agent that runs and has greeted.
pub struct Started {
    pub connection: Connection,
    pub stream: AgentStream,
    /// Turns true when the agent's process has ended.
    pub ended: watch::Receiver<bool>,
}

pub type AgentStream = tokio::io::Join<DuplexStream, Box<dyn AsyncWrite + Send + Unpin>>;

/// What a system said of itself.
struct System {
    platform: String,
    packing: Packing,
    /// Hashes of programs that were kept there.
    kept: Vec<String>,
}

/// Starts the agent; a connection on which that fails is closed.
pub async fn start(
    hall: &Hall,
    programs: &Arc<Programs>,
    connection: Connection,
    allowed: &Allowed,
) -> Result<Started, StartError> {
    let started = async {
        let command = prepare(hall, programs, &connection, allowed).await?;
        let password = password(hall, allowed, &connection.name).await?;
        greet(&connection, &command, password).await
    };
    match started.await {
        Ok((stream, ended)) => Ok(Started { connection, stream, ended }),
        Err(error) => {
            connection.close().await;
            Err(error)
        }
    }
}

/// Copies the program where it is not; the command that starts it.
async fn prepare(
    hall: &Hall,
    programs: &Arc<Programs>,
    connection: &Connection,
    allowed: &Allowed,
) -> Result<String, StartError> {
    let system = look(connection).await?;
    let (programs, held) = (programs.clone(), hall.programs.clone());
    let platform = system.platform.clone();
    let read = tokio::task::spawn_blocking(move || programs.get(&held, &platform)).await;
    let program = read.map_err(|error| lost(connection, error))??;
    let becoming = becoming(allowed);
    if system.platform.starts_with("windows") {
        let command = commands::windows_copy(size(&program));
        let folder = copy(connection, &program, system.packing, &command).await?;
        return commands::windows_start(&folder, &program.hash).ok_or_else(|| StartError::Start {
            name: connection.name.clone(),
            why: format!("the folder for temporary files, {folder}, has no short name"),
        });
    }
    if allowed.way.keep {
        if !system.kept.contains(&program.hash) {
            let (size, packing) = (size(&program), system.packing);
            let command = commands::copy_to_keep(size, &program.hash, packing);
            copy(connection, &program, packing, &command).await?;
        }
        return Ok(commands::start(None, &program.hash, becoming));
    }
    let command = commands::copy(size(&program), system.packing);
    let folder = copy(connection, &program, system.packing, &command).await?;
    Ok(commands::start(Some(&folder), &program.hash, becoming))
}

fn size(program: &Program) -> u64 {
    program.bytes.len() as u64
}

fn becoming(allowed: &Allowed) -> Become {
    match allowed.way.become_with.as_deref() {
        Some("sudo") => Become::Sudo { asks: allowed.way.become_secret.is_some() },
        Some("doas") => Become::Doas,
        _ => Become::Nobody,
    }
}

async fn password(
    hall: &Hall,
    allowed: &Allowed,
    name: &str,
) -> Result<Option<Zeroizing<String>>, StartError> {
    let Some(secret) = &allowed.way.become_secret else { return Ok(None) };
    let (name, with) = (name.to_owned(), "sudo");
    match secrets::open(hall, secret).await {
        Ok(bytes) => Ok(Some(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))),
        Err(error) => Err(StartError::Become { name, with, why: chain(&error) }),
    }
}

/// Asks what system there is.
async fn look(connection: &Connection) -> Result<System, StartError> {
    let said = ask(connection, &commands::look()).await?;
    let mut lines = said.out.lines().map(str::trim);
    if said.code == Some(0) || said.out.starts_with("Linux") {
        let first = lines.next().unwrap_or_default();
        let has_gzip = lines.next().is_some_and(|line| line.ends_with("gzip"));
        let packing = if has_gzip { Packing::Gzip } else { Packing::Plain };
        let kept = lines.map(str::to_owned).collect();
        return match platform(first) {
            Some(platform) => Ok(System { platform, packing, kept }),
            None => {
                Err(StartError::System { name: connection.name.clone(), system: first.to_owned() })
            }
        };
    }
    let windows = ask(connection, commands::WINDOWS_LOOK).await?;
    match windows_platform(&windows.out) {
        Some(platform) => Ok(System { platform, packing: Packing::Plain, kept: Vec::new() }),
        None => {
            let why = format!("{} {}", said.last_words(), windows.last_words());
            let (name, system) = (connection.name.clone(), why.trim().to_owned());
            Err(StartError::System { name, system })
        }
    }
}

/// The platform of `uname -s -m`.
fn platform(said: &str) -> Option<String> {
    let (system, machine) = said.split_once(' ')?;
    let machine = match machine {
        "x86_64" | "amd64" => "x86_64",
        "aarch64" | "arm64" => "aarch64",
        _ => return None,
    };
    (system == "Linux").then(|| format!("linux-{machine}"))
}

/// The platform of what `ver` and the architecture said.
fn windows_platform(said: &str) -> Option<String> {
    if !said.contains("Windows") {
        return None;
    }
    let machine = if said.contains("ARM64") { "aarch64" } else { "x86_64" };
    Some(format!("windows-{machine}"))
}

/// What a command answered.
struct Said {
    out: String,
    err: String,
    code: Option<u32>,
}

impl Said {
    fn last_words(&self) -> String {
        let line = |text: &str| {
            text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
        };
        let words = line(&self.err).or_else(|| line(&self.out)).unwrap_or_default();
        words.chars().filter(|c| !c.is_control()).take(300).collect()
    }
}

fn lost(connection: &Connection, why: impl std::fmt::Display) -> StartError {
    StartError::Lost { name: connection.name.clone(), why: why.to_string() }
}

/// A channel on which a command runs.
async fn execute(connection: &Connection, command: &str) -> Result<Channel<Msg>, StartError> {
    let opening = async {
        let channel = connection.handle.channel_open_session().await?;
        channel.exec(true, command).await?;
        Ok::<_, russh::Error>(channel)
    };
    let opened = timeout(ANSWER_WITHIN, opening).await;
    let opened = opened.map_err(|_| lost(connection, "it does not answer"))?;
    opened.map_err(|error| lost(connection, error))
}

async fn ask(connection: &Connection, command: &str) -> Result<Said, StartError> {
    let mut channel = execute(connection, command).await?;
    let reading = async {
        let mut said = Said { out: String::new(), err: String::new(), code: None };
        while let Some(message) = channel.wait().await {
            take(&mut said, message);
        }
        said
    };
    let said = timeout(ANSWER_WITHIN, reading).await;
    said.map_err(|_| lost(connection, "it does not answer"))
}

fn take(said: &mut Said, message: ChannelMsg) {
    let add = |text: &mut String, bytes: &[u8]| {
        if text.len() < ANSWER_BYTES_MAX {
            text.push_str(&String::from_utf8_lossy(bytes));
        }
    };
    match message {
        ChannelMsg::Data { data } => add(&mut said.out, &data),
        ChannelMsg::ExtendedData { data, .. } => add(&mut said.err, &data),
        ChannelMsg::ExitStatus { exit_status } => said.code = Some(exit_status),
        _ => {}
    }
}

/// Copies the program by a command that takes it from its input; says where it lies.
async fn copy(
    connection: &Connection,
    program: &Program,
    packing: Packing,
    command: &str,
) -> Result<String, StartError> {
    let failed = |why: String| StartError::Copy { name: connection.name.clone(), why };
    let channel = execute(connection, command).await?;
    let (mut from, to) = channel.split();
    let bytes = match packing {
        Packing::Plain => &program.bytes,
        Packing::Gzip => &program.packed,
    };
    let sending = async {
        to.data_bytes(bytes.clone()).await?;
        to.eof().await
    };
    let answering = async {
        let mut said = Said { out: String::new(), err: String::new(), code: None };
        // The command goes on until the program has been started.
        while !said.out.ends_with('\n') {
            let Some(message) = from.wait().await else { break };
            take(&mut said, message);
        }
        said
    };
    let copying = async { tokio::join!(sending, answering) };
    let (sent, said) =
        timeout(COPY_WITHIN, copying).await.map_err(|_| failed("it takes too long".to_owned()))?;
    let folder = said.out.lines().next().map(str::trim).filter(|line| !line.is_empty());
    let Some(folder) = folder else {
        let words = said.last_words();
        let why = match (said.code, sent) {
            (Some(73), _) => "it arrived in part; is the disk full?".to_owned(),
            (_, Err(error)) if words.is_empty() => error.to_string(),
            _ => words,
        };
        return Err(failed(why));
    };
    Ok(folder.to_owned())
}

/// The last words on the error channel of a command.
type Words = Arc<Mutex<String>>;

fn last_words(words: &Words) -> String {
    let words = words.lock().unwrap_or_else(PoisonError::into_inner);
    let said = Said { out: String::new(), err: words.clone(), code: None };
    said.last_words()
}

/// Starts the agent and exchanges greetings; a password goes where one is asked for and nowhere
/// else.
async fn greet(
    connection: &Connection,
    command: &str,
    password: Option<Zeroizing<String>>,
) -> Result<(AgentStream, watch::Receiver<bool>), StartError> {
    let channel = execute(connection, command).await?;
    let name = connection.name.clone();
    let (from, to) = channel.split();
    let mut input: Box<dyn AsyncWrite + Send + Unpin> = Box::new(to.make_writer());
    let (mut out, pipe) = tokio::io::duplex(PIPE_BYTES);
    let (words, (over, ended)) = (Words::default(), watch::channel(false));
    let (asked, mut is_asked) = watch::channel(0u32);
    let heard = words.clone();
    tokio::spawn(async move {
        pump(from, pipe, &heard, &asked).await;
        over.send_replace(true);
        // The writing half lives as long as the reading one.
        drop(to);
    });
    let greeting = temporary::await_greeting(&mut out, temporary::AGENT_GREETING);
    let answering = async {
        let (mut answered, mut is_open) = (0, true);
        while is_open {
            is_open = is_asked.changed().await.is_ok();
            let times = *is_asked.borrow();
            match (&password, times > answered) {
                (Some(password), true) if times == 1 => {
                    answered = times;
                    let line = Zeroizing::new(format!("{}\n", password.as_str()));
                    if input.write_all(line.as_bytes()).await.is_err() {
                        break;
                    }
                    let _gone = input.flush().await;
                }
                (_, true) => return,
                _ => {}
            }
        }
        std::future::pending::<()>().await;
    };
    let greeted = tokio::select! {
        greeted = timeout(ANSWER_WITHIN, greeting) => {
            greeted.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        }
        () = answering => Err(std::io::ErrorKind::PermissionDenied.into()),
    };
    if let Err(error) = greeted {
        let mut ended = ended;
        // Its last words may still be on their way.
        let _late = timeout(Duration::from_secs(1), ended.wait_for(|over| *over)).await;
        return Err(not_started(name, command, &error, &last_words(&words)));
    }
    let said = async {
        input.write_all(temporary::SERVER_GREETING).await?;
        input.flush().await
    };
    said.await.map_err(|error| lost(connection, error))?;
    Ok((tokio::io::join(out, input), ended))
}

fn not_started(name: String, command: &str, error: &std::io::Error, words: &str) -> StartError {
    let why = if words.is_empty() { error.to_string() } else { words.to_owned() };
    let is_denied = error.kind() == std::io::ErrorKind::PermissionDenied
        || ["sudo:", "doas:", commands::SUDO_PROMPT].iter().any(|word| why.contains(word));
    for (with, mark) in [("sudo", "exec sudo "), ("doas", "exec doas ")] {
        if is_denied && command.contains(mark) {
            let why = why.replace(commands::SUDO_PROMPT, "").trim().to_owned();
            let why = if why.is_empty() { "it asked again".to_owned() } else { why };
            return StartError::Become { name, with, why };
        }
    }
    StartError::Start { name, why }
}

/// Passes output on until the command has ended; keeps the last of its errors and counts how often
/// it asks for a password.
async fn pump(
    mut from: ChannelReadHalf,
    mut pipe: DuplexStream,
    words: &Words,
    asked: &watch::Sender<u32>,
) {
    let mut rest = String::new();
    while let Some(message) = from.wait().await {
        match message {
            ChannelMsg::Data { data } if pipe.write_all(&data).await.is_err() => {
                return;
            }
            ChannelMsg::ExtendedData { data, .. } => {
                let text = String::from_utf8_lossy(&data);
                tracing::debug!("an agent over SSH says: {}", text.trim_end());
                rest.push_str(&text);
                while let Some(at) = rest.find(commands::SUDO_PROMPT) {
                    rest.drain(..at + commands::SUDO_PROMPT.len());
                    asked.send_modify(|times| *times += 1);
                }
                keep_end(&mut rest, commands::SUDO_PROMPT.len());
                let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
                words.push_str(&text);
                keep_end(&mut words, WORDS_BYTES_MAX);
            }
            _ => {}
        }
    }
}

fn keep_end(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let at = text.ceil_char_boundary(text.len() - bytes_max);
        text.drain(..at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_told_apart() {
        for (said, expect) in [
            ("Linux x86_64", Some("linux-x86_64")),
            ("Linux aarch64", Some("linux-aarch64")),
            ("Linux mips", None),
            ("Darwin arm64", None),
            ("nonsense", None),
        ] {
            assert_eq!(platform(said).as_deref(), expect, "{said}");
        }
        let ver = "\r\nMicrosoft Windows [Version 10.0.20348.2]\r\nAMD64\r\n";
        assert_eq!(windows_platform(ver).as_deref(), Some("windows-x86_64"));
        assert_eq!(windows_platform("sh: uname: not found"), None);
    }

    #[test]
    fn a_refused_password_is_told_from_a_program_that_does_not_start() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let sudo = commands::start(Some("/tmp/x"), "00", Become::Sudo { asks: true });
        let plain = commands::start(Some("/tmp/x"), "00", Become::Nobody);
        let is_become = |error| matches!(error, StartError::Become { with: "sudo", .. });
        let name = || "bob@pc".to_owned();
        assert!(is_become(not_started(name(), &sudo, &denied, commands::SUDO_PROMPT)));
        assert!(is_become(not_started(name(), &sudo, &ended, "sudo: a password is required")));
        let other = not_started(name(), &plain, &ended, "sh: 1: Permission denied");
        assert!(matches!(other, StartError::Start { .. }), "{other}");
    }
}
