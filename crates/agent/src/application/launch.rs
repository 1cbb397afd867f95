//! Launching an application (AP-16): the script before, the program, the script after, all in the
//! rights of whoever launches it. Which application has an icon, and what is launched, was said by
//! the plan that wrote the user's [`LaunchFile`].

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use application::Family;
use application::launch::{self, LaunchFile, LaunchScript};
use model::ApplicationId;
use tokio_util::sync::CancellationToken;

use super::place::named;
use super::script::{self, Script, ScriptError};

/// Where a user's launch files lie.
#[derive(Debug, Clone)]
pub struct Launcher {
    folder: PathBuf,
}

/// An application that this user can launch.
#[derive(Debug)]
pub struct Launchable {
    pub id: ApplicationId,
    pub file: LaunchFile,
}

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("`{asked}` cannot be launched: {}", known(.names))]
    Unknown { asked: String, names: Vec<String> },
    #[error("{} cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the script {when} failed")]
    Script { when: &'static str, source: ScriptError },
    #[error("`{program}` cannot be started")]
    Start { program: String, source: io::Error },
    #[error("{} cannot be changed, so that it would be launched once more", .path.display())]
    Once { path: PathBuf, source: io::Error },
}

fn known(names: &[String]) -> String {
    match names {
        [] => "this user has no application with an icon of its own".to_owned(),
        names => format!("this user has {}", names.join(", ")),
    }
}

impl Launcher {
    /// Of whoever runs this program; none where they have no folder for their data.
    pub fn own() -> Option<Self> {
        let (family, data) = if cfg!(windows) {
            (Family::Windows, named("LOCALAPPDATA"))
        } else {
            let own = || Some(named("HOME")?.join(".local/share"));
            (Family::Linux, named("XDG_DATA_HOME").or_else(own))
        };
        let folder = launch::folder(family).into_iter().fold(data?, |path, name| path.join(name));
        Some(Self { folder })
    }

    /// All that can be launched, by name.
    pub fn all(&self) -> Result<Vec<Launchable>, LaunchError> {
        let mut all = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            Err(source) => return Err(LaunchError::Read { path: self.folder.clone(), source }),
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let id = name.strip_suffix(".json").and_then(|id| id.parse().ok());
            let Some(id) = id else { continue };
            let file = read(&entry.path())?;
            all.extend(LaunchFile::from_bytes(&file).map(|file| Launchable { id, file }));
        }
        all.sort_by(|one, other| one.file.name.cmp(&other.file.name));
        Ok(all)
    }

    /// By its id, or its name in any case.
    pub fn find(&self, asked: &str) -> Result<Launchable, LaunchError> {
        let all = self.all()?;
        let names = all.iter().map(|one| one.file.name.clone()).collect();
        let id: Option<ApplicationId> = asked.parse().ok();
        let lower = asked.to_lowercase();
        let is_it = |one: &Launchable| match id {
            Some(id) => one.id == id,
            None => one.file.name.to_lowercase() == lower,
        };
        let found = all.into_iter().find(is_it);
        found.ok_or_else(|| LaunchError::Unknown { asked: asked.to_owned(), names })
    }

    /// Launches it and waits for its end. What its scripts say goes to `output`.
    ///
    /// An application that is launched once has been when its program could be started.
    pub async fn launch(
        &self,
        one: &Launchable,
        output: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<ExitStatus, LaunchError> {
        let file = &one.file;
        run_script("before", file.before.as_ref(), one, output).await?;
        let mut program = start(file)
            .map_err(|source| LaunchError::Start { program: file.program.clone(), source })?;
        if file.once {
            self.launched(one).map_err(|(path, source)| LaunchError::Once { path, source })?;
        }
        let ended = program.wait().await;
        let ended =
            ended.map_err(|source| LaunchError::Start { program: file.program.clone(), source })?;
        run_script("after", file.after.as_ref(), one, output).await?;
        Ok(ended)
    }

    /// Noted first: an icon that is gone without a note would come back.
    fn launched(&self, one: &Launchable) -> Result<(), (PathBuf, io::Error)> {
        let ran = self.folder.join(launch::ran_name(one.id));
        let noted = fs::write(&ran, format!("{}\n", one.file.version));
        noted.map_err(|error| (ran, error))?;
        let icon = Path::new(&one.file.icon);
        match fs::remove_file(icon) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err((icon.to_owned(), error)),
            _ => Ok(()),
        }
    }
}

/// As a shell tells it; 1 for what has no such number.
pub fn exit_code(ended: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    let code = ended.code().or(signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn read(path: &Path) -> Result<Vec<u8>, LaunchError> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(path);
    let read = opened.and_then(|file| file.take(launch::BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|source| LaunchError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Its windows, its input and its output are those of the launcher.
fn start(file: &LaunchFile) -> io::Result<tokio::process::Child> {
    let mut command = tokio::process::Command::new(&file.program);
    #[cfg(windows)]
    command.raw_arg(&file.arguments);
    #[cfg(not(windows))]
    command.args(script::split(&file.arguments));
    let home = std::env::var_os(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
    let folder = match file.working_folder.as_str() {
        "" => home.map(PathBuf::from).filter(|home| home.is_dir()),
        folder => Some(PathBuf::from(folder)),
    };
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    command.spawn()
}

async fn run_script(
    when: &'static str,
    script: Option<&LaunchScript>,
    one: &Launchable,
    output: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<(), LaunchError> {
    let Some(script) = script else { return Ok(()) };
    let script = Script {
        text: script.text.clone(),
        engine: script.engine.clone(),
        extension: script.extension.clone(),
        timeout: script.timeout_ms.map_or(script::TIMEOUT, Duration::from_millis),
        environment: BTreeMap::from([
            ("DESKHAND_APPLICATION".to_owned(), one.file.name.clone()),
            ("DESKHAND_VERSION".to_owned(), one.file.version.to_string()),
        ]),
    };
    let cancel = CancellationToken::new();
    let mut heard = |_, bytes: &[u8]| output(bytes);
    let ended = script::run(&script, None, &cancel, &mut heard).await;
    ended.map_err(|source| LaunchError::Script { when, source })
}
