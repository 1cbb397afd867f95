//! Packages that the system's own installer brings: MSI, deb, rpm (AP-01).
//!
//! An installer keeps its own records and its own idea of undoing. A package that was not here
//! before is removed again when something fails; one that was here in another version stays in the
//! new one, and that is told.

mod ask;
mod install;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use application::macros::{MacroError, Macros};
use application::packages::{self, Format, Tool, Wanted};
use application::{Application, Kind, PackageSystem, Text, msi};
use machine::{Command, ExecuteSpec, Identity, Stream, Visibility, Waiting};

pub use install::Install;

use super::carry_out::Hands;
use super::driver::Driver;
use super::event::{Event, Phase};
use super::provide::Provide;
use super::records::{Installer, Package, Record};
use super::script::{self, ScriptError};

/// Installers may download, and wait for one another.
const TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("{what} is for {}, and this is {}", .family, std::env::consts::OS)]
    OtherSystem { what: &'static str, family: &'static str },
    #[error("this machine has no installer for packages: neither `dpkg` nor `rpm` is here")]
    NoInstaller,
    #[error("below another root only packages from files can be installed; `{name}` names no file")]
    NeedsFile { name: String },
    #[error("below another root no MSI package can be installed")]
    NeedsMachine,
    #[error("`{name}` cannot be asked about: {why}")]
    Ask { name: String, why: String },
    #[error("a macro of the package stands for nothing")]
    Macro(#[from] MacroError),
    #[error(transparent)]
    Line(#[from] packages::CommandError),
    #[error(transparent)]
    MsiLine(#[from] msi::CommandError),
    #[error("the package's file `{file}` is not in the source")]
    NoFile { file: String },
    #[error("the package's file `{file}` is of no use: {why}")]
    File { file: String, why: String },
    #[error("`{name}` cannot be {what}")]
    Run { name: String, what: &'static str, source: ScriptError },
    #[error("`{name}` is {here} after it was installed; {least} or later is wanted")]
    Short { name: String, here: String, least: String },
    #[error("`{name}` cannot be {what}: {why} (exit code {code})")]
    Refused { name: String, what: &'static str, why: &'static str, code: u32 },
}

/// What becomes of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageStep {
    pub installer: Installer,
    /// A package's name, or a product code.
    pub name: String,
    /// The version that is here.
    pub here: Option<String>,
    pub act: Act,
    root: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It is here, in that version or a later one, or has gone already.
    InPlace,
    /// It was here before the application, so it stays.
    Stays,
    Install(Install),
    Remove(Line),
}

/// How an installer is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    command: Command,
    environment: Vec<(&'static str, &'static str)>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Command::List(words) => f.write_str(&words.join(" ")),
            Command::Line { program, arguments } => write!(f, "{program} {arguments}"),
            Command::Shell(text) => f.write_str(text),
        }
    }
}

impl Line {
    /// Of a package tool, whose first word may be which root it works on.
    fn of(command: packages::Command, root: Option<&Path>) -> Self {
        let mut words = vec![command.program.to_owned()];
        words.extend(root.map(|root| format!("--root={}", root.display())));
        words.extend(command.arguments);
        Self { command: Command::List(words), environment: command.environment }
    }

    fn msiexec(arguments: String) -> Self {
        let program = "msiexec.exe".to_owned();
        Self { command: Command::Line { program, arguments }, environment: Vec::new() }
    }

    fn program(&self) -> &str {
        match &self.command {
            Command::List(words) => words.first().map_or("", String::as_str),
            Command::Line { program, .. } | Command::Shell(program) => program,
        }
    }
}

/// What becomes of it, without its command line: what stands there may be a secret.
impl fmt::Display for PackageStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = self.here.as_deref().unwrap_or("absent");
        let after = match &self.act {
            Act::InPlace | Act::Stays => "stays",
            Act::Install(_) => "installed anew",
            Act::Remove(_) => "removed",
        };
        write!(f, "package {}: {here} -> {after}", self.name)
    }
}

impl PackageStep {
    pub fn is_in_place(&self) -> bool {
        matches!(self.act, Act::InPlace | Act::Stays)
    }

    /// What is on record once it has been carried out.
    pub(super) fn installs(&self) -> Option<Package> {
        let is_installed = matches!(self.act, Act::Install(_));
        let of_record =
            |was_there| Package { installer: self.installer, name: self.name.clone(), was_there };
        is_installed.then(|| of_record(self.here.is_some()))
    }

    /// Answers why a restart is needed.
    pub(super) async fn carry_out(
        &self,
        identity: Option<&Identity>,
        hands: &mut Hands<'_>,
    ) -> Result<Option<String>, PackageError> {
        match &self.act {
            Act::InPlace | Act::Stays => Ok(None),
            Act::Install(install) => self.install(install, identity, hands).await,
            Act::Remove(line) => self.run(line, "removed", identity, hands).await,
        }
    }

    /// Takes an installation back; what was removed or replaced stays so.
    pub(super) async fn undo(&self, hands: &mut Hands<'_>) -> Result<(), PackageError> {
        match (&self.act, &self.here) {
            (Act::InPlace | Act::Stays, _) => Ok(()),
            (Act::Install(_), None) => {
                let package = Package {
                    installer: self.installer,
                    name: self.name.clone(),
                    was_there: false,
                };
                take_back(&package, self.root.as_deref(), hands).await
            }
            (Act::Install(_), Some(before)) => {
                let name = &self.name;
                let note = format!("`{name}` stays: version {before} cannot be brought back");
                (hands.tell)(Event::Note(note));
                Ok(())
            }
            (Act::Remove(_), _) => {
                (hands.tell)(Event::Note(format!("`{}` is not brought back", self.name)));
                Ok(())
            }
        }
    }

    async fn run(
        &self,
        line: &Line,
        what: &'static str,
        identity: Option<&Identity>,
        hands: &mut Hands<'_>,
    ) -> Result<Option<String>, PackageError> {
        let (name, installer) = (self.name.clone(), self.installer);
        let spec = spec(line, TIMEOUT);
        let tell = &mut *hands.tell;
        let mut output = |stream: Stream, bytes: &[u8]| {
            tell(Event::Output { phase: Phase::Packages, stream, bytes: bytes.to_vec() });
        };
        let ran = script::execute(&spec, identity, hands.cancel, &mut output).await;
        let code = match ran {
            Ok(code) => code,
            Err(ScriptError::Exit { code, .. }) if installer == Installer::Msi => code,
            Err(ScriptError::Exit { code, .. }) if Tool::is_done(line.program(), code) => code,
            Err(source) => return Err(PackageError::Run { name, what, source }),
        };
        if installer != Installer::Msi {
            let restart = Tool::needs_restart(line.program(), code);
            return Ok(restart.then(|| format!("`{name}` ({})", line.program())));
        }
        match msi::ended(code.cast_signed()) {
            msi::Ended::Done => Ok(None),
            msi::Ended::NeedsRestart | msi::Ended::IsRestarting => {
                Ok(Some(format!("`{name}` (Windows Installer)")))
            }
            msi::Ended::NotInstalled if what == "removed" => Ok(None),
            msi::Ended::NotInstalled => {
                let why = "it is not installed";
                Err(PackageError::Refused { name, what, why, code })
            }
            msi::Ended::Busy => {
                let why = "another installation is at work";
                Err(PackageError::Refused { name, what, why, code })
            }
            msi::Ended::Failed(why) => Err(PackageError::Refused { name, what, why, code }),
        }
    }
}

/// Removes a package that was installed and not here before.
pub(super) async fn take_back(
    package: &Package,
    root: Option<&Path>,
    hands: &mut Hands<'_>,
) -> Result<(), PackageError> {
    if package.was_there || ask::version(package.installer, &package.name, root).await?.is_none() {
        return Ok(());
    }
    let line = removing(package.installer, &package.name, None, root)?;
    let step = PackageStep {
        installer: package.installer,
        name: package.name.clone(),
        here: None,
        act: Act::Remove(line),
        root: root.map(Path::to_owned),
    };
    step.carry_out(None, hands).await.map(drop)
}

/// What has to be done so that an application's packages are here.
pub(super) fn plan(
    driver: &Driver,
    application: &Application,
    source: &dyn Provide,
    macros: &Macros<'_>,
) -> Result<Vec<PackageStep>, PackageError> {
    let planning = Planning { driver, source, macros };
    match &application.kind {
        Kind::Msi(msi) => Ok(vec![planning.msi(msi)?]),
        Kind::Packages(wanted) => {
            let tool = planning.tool(wanted.system)?;
            wanted.packages.iter().map(|one| planning.package(tool, one)).collect()
        }
        Kind::Simple | Kind::Web { .. } | Kind::TerminalServer(_) => Ok(Vec::new()),
    }
}

struct Planning<'p> {
    driver: &'p Driver,
    source: &'p dyn Provide,
    macros: &'p Macros<'p>,
}

impl Planning<'_> {
    fn root(&self) -> Option<&Path> {
        self.driver.place.root()
    }

    fn tool(&self, system: PackageSystem) -> Result<Tool, PackageError> {
        if cfg!(windows) {
            let what = "a package of a Linux distribution";
            return Err(PackageError::OtherSystem { what, family: "Linux" });
        }
        ask::tool(system, self.root()).ok_or(PackageError::NoInstaller)
    }

    fn package(
        &self,
        tool: Tool,
        wanted: &application::Package,
    ) -> Result<PackageStep, PackageError> {
        let (name, root) = (&wanted.name, self.root());
        let format = tool.format();
        let installer = match format {
            Format::Deb => Installer::Deb,
            Format::Rpm => Installer::Rpm,
        };
        let here = self.driver.runtime.block_on(ask::version(installer, name, root))?;
        let is_enough = match (&here, &wanted.version) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(here), Some(least)) => format.compare(here, least).is_ge(),
        };
        let act = if is_enough {
            Act::InPlace
        } else {
            let file = wanted.file.as_ref().map(|file| self.file(file)).transpose()?;
            if root.is_some() && file.is_none() {
                return Err(PackageError::NeedsFile { name: name.clone() });
            }
            let wanted = Wanted {
                name: name.clone(),
                is_here: here.is_some(),
                version: wanted.version.clone(),
                file: file.map(|file| file.to_string_lossy().into_owned()),
            };
            let refresh = tool.refresh().filter(|_| wanted.file.is_none());
            let refresh = refresh.map(|command| Line::of(command, root));
            let least = wanted.version.clone();
            Act::Install(Install { line: Line::of(tool.install(&[wanted])?, root), refresh, least })
        };
        Ok(PackageStep { installer, name: name.clone(), here, act, root: root.map(Path::to_owned) })
    }

    fn msi(&self, wanted: &application::Msi) -> Result<PackageStep, PackageError> {
        if !cfg!(windows) {
            let what = "a package of the Windows Installer";
            return Err(PackageError::OtherSystem { what, family: "Windows" });
        }
        if self.root().is_some() {
            return Err(PackageError::NeedsMachine);
        }
        let file = self.file(&wanted.file)?;
        let installer = Installer::Msi;
        let facts = facts(&file)?;
        let product = wanted.product_code.clone().unwrap_or(facts.product_code);
        let here = self.driver.runtime.block_on(ask::version(installer, &product, None))?;
        let is_here = here.as_ref().is_some_and(|here| *here == facts.product_version);
        let act = if is_here {
            Act::InPlace
        } else {
            let text = |path: PathBuf| path.to_string_lossy().into_owned();
            let transforms = wanted.transforms.iter().map(|one| self.file(one).map(text));
            let transforms = transforms.collect::<Result<Vec<String>, _>>()?;
            let properties = wanted
                .properties
                .iter()
                .map(|(name, value)| Ok((name.clone(), self.macros.expand(value)?)))
                .collect::<Result<Vec<(String, String)>, MacroError>>()?;
            let arguments = wanted.arguments.as_ref().map(|text| self.macros.expand(text));
            let arguments = arguments.transpose()?;
            let line = Line::msiexec(msi::install_line(msi::Install {
                file: &text(file),
                transforms: &transforms,
                properties: &properties,
                arguments: arguments.as_deref(),
                log: None,
            })?);
            Act::Install(Install { line, refresh: None, least: None })
        };
        Ok(PackageStep { installer, name: product, here, act, root: None })
    }

    /// Where the installer finds it: below the source, or wherever an absolute path leads.
    fn file(&self, file: &Text) -> Result<PathBuf, PackageError> {
        let text = self.macros.expand(file)?;
        let path = PathBuf::from(&text);
        let path = if path.is_absolute() {
            path
        } else {
            let missing = || PackageError::NoFile { file: text.clone() };
            let folder = self.source.folder().ok_or_else(missing)?;
            folder.join(text.replace('\\', "/"))
        };
        if path.is_file() { Ok(path) } else { Err(PackageError::NoFile { file: text }) }
    }
}

/// What has to be done so that an application's packages go; those that were here before stay.
pub(super) fn removal(
    driver: &Driver,
    record: &Record,
    application: &Application,
    macros: &Macros<'_>,
) -> Result<Vec<PackageStep>, PackageError> {
    let root = driver.place.root();
    let mut steps = Vec::new();
    for package in record.packages.iter().rev() {
        let (installer, name) = (package.installer, &package.name);
        let here = driver.runtime.block_on(ask::version(installer, name, root))?;
        let arguments = match &application.kind {
            Kind::Msi(msi) => msi.uninstall_arguments.as_ref(),
            _ => None,
        };
        let act = match &here {
            None => Act::InPlace,
            Some(_) if package.was_there => Act::Stays,
            Some(_) => {
                let arguments = arguments.map(|text| macros.expand(text)).transpose()?;
                Act::Remove(removing(installer, name, arguments.as_deref(), root)?)
            }
        };
        let root = root.map(Path::to_owned);
        steps.push(PackageStep { installer, name: name.clone(), here, act, root });
    }
    Ok(steps)
}

/// What a package of the Windows Installer says of itself.
fn facts(file: &Path) -> Result<msi::Facts, PackageError> {
    let failed = |why: String| PackageError::File { file: file.display().to_string(), why };
    let open = std::fs::File::open(file).map_err(|error| failed(error.to_string()))?;
    msi::read(open).map_err(|error| failed(error.to_string()))
}

/// By the program that needs no package sources.
fn removing(
    installer: Installer,
    name: &str,
    arguments: Option<&str>,
    root: Option<&Path>,
) -> Result<Line, PackageError> {
    let tool = match installer {
        Installer::Msi => return Ok(Line::msiexec(msi::uninstall_line(name, arguments, None)?)),
        Installer::Deb => Tool::Dpkg,
        Installer::Rpm => Tool::Rpm,
    };
    Ok(Line::of(tool.remove(&[name])?, root))
}

/// A program that asks nobody and is not shown.
fn spec(line: &Line, timeout: Duration) -> ExecuteSpec {
    let environment = line.environment.iter();
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ExecuteSpec {
        command: line.command.clone(),
        folder: None,
        environment: environment.collect::<BTreeMap<_, _>>(),
        visibility: Visibility::Hidden,
        waiting: Waiting::ForTheEnd,
        timeout: Some(timeout),
        effect: String::new(),
    }
}
