//! What the commands for this machine's applications share: where, whose part, which documents.

use std::path::{Path, PathBuf};

use agent::application::{Answers, Document, Driver, Event, OpenError, Place, Record};
use anyhow::{Context, Result};
use application::Part;
use machine::survey::{Digests, FolderSource};
use model::ApplicationId;
use tokio::runtime::Handle;

use crate::commands::workflow as files;
use crate::output;
use crate::trouble::Trouble;

/// Nothing differs, or all was done.
pub const IN_PLACE: u8 = 0;
/// Something differs, or would be changed.
pub const CHANGES: u8 = 3;
/// Something forbids it.
pub const FINDINGS: u8 = 4;

pub const EXIT_CODES: &str = "\
Exit codes:
  0  everything is as it should be
  1  something failed; what was begun is undone
  2  wrong usage
  3  there is something to change
  4  findings forbid it, or rules that this machine does not meet";

/// Which machine.
#[derive(Debug, clap::Args)]
pub struct Machine {
    /// Put all paths under this folder; what runs is left alone, there is no registry
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Where records of applications are kept, in place of the agent's state folder
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Machine {
    pub fn place(&self) -> Result<Place> {
        if let Some(root) = self.root.as_deref().filter(|root| !root.is_dir()) {
            let what = format!("`{}` is not a folder", root.display());
            return Err(Trouble::usage(what, "make it first, or name another `--root`").into());
        }
        let place = Place::of(self.root.as_deref(), self.state.as_deref());
        let place = place.context("the folder for records cannot be found")?;
        let own = std::env::current_exe().context("this program cannot find itself")?;
        Ok(place.with_launcher(&own, &["app", "launch"]))
    }

    /// To look only.
    pub fn look(&self) -> Result<Driver> {
        let driver =
            Driver::look(self.place()?, Handle::current()).map_err(|error| trouble(&error))?;
        if driver.is_cut_off() {
            output::note(
                "note: something was cut off earlier; the next command that changes something \
                 puts it right",
            );
        }
        Ok(driver)
    }

    /// To change something; what was cut off earlier is put right and told.
    pub fn open(&self) -> Result<Driver> {
        let mut driver =
            Driver::open(self.place()?, Handle::current()).map_err(|error| trouble(&error))?;
        let mut tell = |event: Event| tell_note(&event);
        let recovered = driver.recover(&mut tell).map_err(|error| trouble(&error.into()))?;
        if let Some(recovered) = recovered {
            let what = if recovered.uninstalling { "uninstalling" } else { "distributing" };
            let came = if recovered.is_done {
                "it had been done and is on record now"
            } else {
                "all of it is undone"
            };
            let (name, part) = (output::clean(&recovered.application), said(&recovered.part));
            output::note(format!("{what} {name} ({part}) was cut off earlier: {came}"));
        }
        Ok(driver)
    }
}

fn tell_note(event: &Event) {
    if let Event::Note(note) = event {
        output::note(output::clean(note));
    }
}

pub fn trouble(error: &OpenError) -> anyhow::Error {
    let hint = match error {
        OpenError::Busy => "look with `deskhand app list` meanwhile",
        OpenError::Make { .. } => "run it as root, or name a folder of your own with `--state`",
        _ => "`deskhand explain` with this code tells what to do",
    };
    let code = error.code();
    Trouble::new(code, sentence(&error), hint).into()
}

/// An error with its causes.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What documents leave open, and whose parts are meant.
#[derive(Debug, clap::Args)]
pub struct Wishes {
    /// Also the part of this user; given several times, of each. Of whoever runs this, unless
    /// that is the system itself
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// The machine's part only
    #[arg(long, conflicts_with = "user")]
    machine_only: bool,
    /// The answer to a prompted macro
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::commands::pair)]
    set: Vec<(String, String)>,
    /// Write files that ask for confirmation; they are left alone otherwise
    #[arg(long)]
    confirm: bool,
    /// The folder that the application draws from, in place of the one that its file names
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,
    /// The file of another application that this one needs
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// All of it anew, whatever version is here
    #[arg(long)]
    force: bool,
}

impl Wishes {
    pub fn answers(&self) -> Answers {
        Answers {
            macros: self.set.iter().cloned().collect(),
            confirm_all: self.confirm,
            ..Answers::default()
        }
    }

    /// The machine's part first.
    pub fn parts(&self, has_root: bool) -> Vec<Part> {
        let mut parts = vec![Part::Machine];
        if self.machine_only {
            return parts;
        }
        parts.extend(self.user.iter().cloned().map(Part::User));
        if self.user.is_empty() && !has_root && !machine::identity::is_system() {
            let (user, _) = machine::identity::own_user();
            parts.push(Part::User(user));
        }
        parts
    }

    pub fn is_forced(&self) -> bool {
        self.force
    }

    /// The file itself, then those that it may need; nothing when one has errors.
    pub fn documents(&self, file: &Path) -> Result<Option<Vec<Loaded>>> {
        let mut all = Vec::new();
        let first = (file, self.source.as_deref());
        let others = self.with.iter().map(|file| (file.as_path(), None));
        for (file, source) in [first].into_iter().chain(others) {
            let Some(loaded) = Loaded::read(file, source)? else { return Ok(None) };
            all.push(loaded);
        }
        Ok(Some(all))
    }
}

/// A document and the folder that it draws from.
pub struct Loaded {
    pub document: Document,
    pub source: PathBuf,
}

impl Loaded {
    fn read(file: &Path, source: Option<&Path>) -> Result<Option<Self>> {
        let text = files::read(file)?;
        let parsed = format::parse_application(&text);
        for problem in &parsed.problems {
            output::note(problem.render(&files::shown(file)));
        }
        let Some(application) = parsed.application else { return Ok(None) };
        // A bare name has an empty folder, which is no path.
        let beside = Path::new(".").join(file.parent().unwrap_or(Path::new("")));
        let named = application.source.as_ref().map(application::Text::as_str).unwrap_or_default();
        let source = source.map_or_else(|| beside.join(named), Path::to_owned);
        let source = std::path::absolute(&source)
            .with_context(|| format!("`{}` is no folder", source.display()))?;
        Ok(Some(Self { document: Document { text, application }, source }))
    }
}

/// What a record was distributed from, as far as it is still there.
pub fn source_of<'d>(record: &Record, digests: &'d dyn Digests) -> FolderSource<'d> {
    let folder = record.source.as_deref().unwrap_or("");
    FolderSource::new(Path::new(folder), digests)
}

/// Records by names, ids or files of applications; all where nothing is named.
pub fn chosen(driver: &Driver, wanted: &[String]) -> Result<Vec<Record>> {
    if wanted.is_empty() {
        return Ok(driver.records().to_vec());
    }
    let mut all = Vec::new();
    for wanted in wanted {
        let id = id_of(wanted);
        let is_it = |record: &&Record| {
            let by_name = record.installed.name.to_lowercase() == wanted.to_lowercase();
            id.map_or(by_name, |id| record.id() == id)
        };
        let found: Vec<Record> = driver.records().iter().filter(is_it).cloned().collect();
        if found.is_empty() {
            let what = format!("no application `{wanted}` is on record here");
            let hint = "`deskhand app list` shows what is";
            return Err(Trouble::new("DH-U013", what, hint).into());
        }
        let ids = found.iter().map(Record::id);
        let ids: std::collections::BTreeSet<ApplicationId> = ids.collect();
        if ids.len() > 1 {
            let what = format!("{} applications are called `{wanted}`", ids.len());
            return Err(Trouble::usage(what, "name one by its id").into());
        }
        all.extend(found);
    }
    Ok(all)
}

/// Of an id as it is written, or of the application in a file.
fn id_of(text: &str) -> Option<ApplicationId> {
    text.parse().ok().or_else(|| {
        let path = Path::new(text);
        let text = path.is_file().then(|| std::fs::read_to_string(path).ok()).flatten()?;
        Some(format::parse_application(&text).application?.id)
    })
}

/// Whose part it is; nobody's when it is the machine's.
pub fn user_of(part: &Part) -> Option<String> {
    match part {
        Part::Machine => None,
        Part::User(user) => Some(user.clone()),
    }
}

pub fn said(part: &Part) -> String {
    match part {
        Part::Machine => "this machine".to_owned(),
        Part::User(user) => format!("user {}", output::clean(user)),
    }
}
