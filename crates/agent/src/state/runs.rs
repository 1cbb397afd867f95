//! The runs this machine holds, as folders.
//!
//! A folder is made beside and renamed, so a run is held whole or not at all. What one batch of
//! [`TakerWrite`]s says becomes durable together: when a part of it fails, the rest is taken back,
//! as if the batch had never been.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::{RunId, Timestamp};
use travel::{Kept, Package, TakerWrite};
use trust::Spent;
use workflow::journal::recover;

use super::durable::{is_full, sync_folder, write_new};
use super::journal::Journal;
use super::spent::SpentFile;

const NEW: &str = ".new-";
const GONE: &str = ".gone-";
const ASIDE: &str = "set-aside-";

/// A run that made no sense and was put where nothing touches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAsideRun {
    pub run: RunId,
    pub why: String,
    pub folder: PathBuf,
}

/// Why writes did not become durable. Nothing of the batch is there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    #[error("no space left on the disk for {}; free some", .path.display())]
    Full { path: PathBuf },
    #[error("{} cannot be written: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the run {run} is not there any more; somebody removed its folder")]
    Missing { run: RunId },
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Why the runs on disk could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {source}", .path.display())]
pub struct LoadError {
    path: PathBuf,
    source: io::Error,
}

/// What was found on disk.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub runs: Runs,
    pub kept: Vec<Kept>,
    pub spent: Spent,
    pub aside: Vec<SetAsideRun>,
    /// Entries of the list of used warrants that cannot be read.
    pub spent_damaged: usize,
}

#[derive(Debug)]
pub(crate) struct Runs {
    folder: PathBuf,
    journals: BTreeMap<RunId, Journal>,
    spent: SpentFile,
}

/// What a batch has done so far, to be taken back when the rest of it fails.
#[derive(Debug, Default)]
struct Undo {
    taken: Vec<RunId>,
    /// Runs appended to and how long their journals were.
    appended: Vec<(RunId, u64)>,
    spent: Option<u64>,
}

impl Runs {
    /// Reads everything below `state`; what is damaged is set aside and told.
    pub(crate) fn load(state: &Path, now: Timestamp) -> Result<Loaded, LoadError> {
        let folder = state.join("runs");
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| LoadError { path, source }
        };
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        // Whoever made the names that are there may have died before it synced them.
        sync_folder(&folder).and_then(|()| sync_folder(state)).map_err(failed(&folder))?;
        let spent_path = state.join("spent");
        let (mut spent_file, mut spent, spent_damaged) =
            SpentFile::open(&spent_path).map_err(failed(&spent_path))?;
        let mut journals = BTreeMap::new();
        let (mut kept, mut aside) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let path = entry.map_err(failed(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(NEW) || name.starts_with(GONE) {
                // Half made or half removed; removed at the next start at the latest.
                let _ = fs::remove_dir_all(&path);
                continue;
            }
            let Ok(run) = name.parse::<RunId>() else { continue };
            match open_run(run, &path) {
                Ok((found, journal)) => {
                    journals.insert(run, journal);
                    kept.push(found);
                }
                Err(Unusable::Damaged(why)) => {
                    aside.push(set_aside(&folder, run, why).map_err(failed(&path))?);
                }
                Err(Unusable::Unreadable(source)) => return Err(LoadError { path, source }),
            }
        }
        let is_open = |run| journals.contains_key(&run);
        spent_file.tidy(&mut spent, now, is_open).map_err(failed(&spent_path))?;
        let runs = Self { folder, journals, spent: spent_file };
        Ok(Loaded { runs, kept, spent, aside, spent_damaged })
    }

    /// Sets aside a run that the taker could not make sense of.
    pub(crate) fn set_aside(&mut self, run: RunId, why: String) -> Result<SetAsideRun, LoadError> {
        self.journals.remove(&run);
        set_aside(&self.folder, run, why)
            .map_err(|source| LoadError { path: self.folder_of(run), source })
    }

    /// Where a run's files lie.
    pub(crate) fn folder_of(&self, run: RunId) -> PathBuf {
        self.folder.join(run.to_string())
    }

    /// Whether an activity of `run` that begins now can be recorded to its end.
    pub(crate) fn has_room(&mut self, run: RunId) -> bool {
        self.journals.get_mut(&run).is_none_or(Journal::has_room)
    }

    /// Makes everything durable, or nothing.
    pub(crate) fn commit(&mut self, writes: Vec<TakerWrite>) -> Result<(), CommitError> {
        let mut undo = Undo::default();
        let done = self.try_commit(writes, &mut undo);
        if done.is_err() {
            self.take_back(undo);
        }
        done
    }

    fn try_commit(&mut self, writes: Vec<TakerWrite>, undo: &mut Undo) -> Result<(), CommitError> {
        let mut appends: BTreeMap<RunId, Vec<u8>> = BTreeMap::new();
        let mut gone = Vec::new();
        for write in writes {
            match write {
                TakerWrite::Take { package, frames } => {
                    undo.taken.push(package.run);
                    self.take(&package, &frames)?;
                }
                TakerWrite::Append { run, frame } => appends.entry(run).or_default().extend(frame),
                TakerWrite::Spend(spending) => {
                    undo.spent.get_or_insert(self.spent.length());
                    self.spent.push(&spending).map_err(failed(self.spent.path()))?;
                }
                TakerWrite::Forget { run } => gone.push(run),
            }
        }
        for (run, bytes) in &appends {
            let path = self.folder_of(*run).join("journal");
            let journal = self.journals.get_mut(run).ok_or(CommitError::Missing { run: *run })?;
            undo.appended.push((*run, journal.length()));
            journal.write(bytes).map_err(failed(&path))?;
        }
        for run in appends.keys() {
            let path = self.folder_of(*run).join("journal");
            let journal = self.journals.get(run).ok_or(CommitError::Missing { run: *run })?;
            journal.sync().map_err(failed(&path))?;
        }
        if !gone.is_empty() {
            self.spent.sync().map_err(failed(self.spent.path()))?;
        }
        gone.into_iter().for_each(|run| self.forget(run));
        Ok(())
    }

    fn take(&mut self, package: &Package, frames: &[Vec<u8>]) -> Result<(), CommitError> {
        let run = package.run;
        let (beside, place) = (self.folder.join(format!("{NEW}{run}")), self.folder_of(run));
        let made = (|| {
            // Left by a death or a failure; what is in it was never acted on.
            let _ = fs::remove_dir_all(&beside);
            fs::create_dir(&beside)?;
            let kept = write_new(&beside.join("package"), &wire::package::encode(package))?;
            let created = Journal::create(&beside.join("journal"), frames, &kept)?;
            drop(kept);
            sync_folder(&beside)?;
            fs::rename(&beside, &place)?;
            sync_folder(&self.folder)?;
            Journal::opened_at(&place.join("journal"), created)
        })();
        let journal = made.map_err(failed(&place))?;
        self.journals.insert(run, journal);
        Ok(())
    }

    /// What cannot be removed now is removed at the next start.
    fn forget(&mut self, run: RunId) {
        self.journals.remove(&run);
        let gone = self.folder.join(format!("{GONE}{run}"));
        if fs::rename(self.folder_of(run), &gone).is_ok() {
            let _ = fs::remove_dir_all(&gone);
        }
    }

    /// The list of used warrants first: an entry without its run would refuse the run for ever.
    fn take_back(&mut self, undo: Undo) {
        if let Some(length) = undo.spent {
            self.spent.take_back(length);
        }
        for (run, length) in undo.appended {
            if let Some(journal) = self.journals.get_mut(&run) {
                let end = journal.length();
                journal.take_back(length, end);
            }
        }
        for run in undo.taken {
            let _ = fs::remove_dir_all(self.folder.join(format!("{NEW}{run}")));
            self.forget(run);
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> CommitError {
    let path = path.to_owned();
    |source| {
        if is_full(&source) {
            CommitError::Full { path }
        } else {
            CommitError::Write { path, source }
        }
    }
}

enum Unusable {
    Damaged(String),
    Unreadable(io::Error),
}

/// A file that is not there is damage; one that cannot be read may be readable later.
fn read(folder: &Path, name: &str) -> Result<Vec<u8>, Unusable> {
    fs::read(folder.join(name)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Damaged(format!("its file `{name}` is missing")),
        _ => Unusable::Unreadable(error),
    })
}

fn read_run(run: RunId, folder: &Path) -> Result<(Kept, Vec<u8>), Unusable> {
    let package = wire::package::decode(&read(folder, "package")?)
        .map_err(|error| Unusable::Damaged(format!("its package: {error}")))?;
    if package.run != run {
        return Err(Unusable::Damaged(format!("its package is that of run {}", package.run)));
    }
    let bytes = read(folder, "journal")?;
    let journal =
        recover(run, &bytes).map_err(|error| Unusable::Damaged(format!("its journal: {error}")))?;
    if journal.records.is_empty() {
        return Err(Unusable::Damaged("its journal is empty".into()));
    }
    Ok((Kept { package, journal }, bytes))
}

fn open_run(run: RunId, folder: &Path) -> Result<(Kept, Journal), Unusable> {
    let (kept, bytes) = read_run(run, folder)?;
    let sound = kept.journal.sound_bytes as u64;
    let torn = bytes[kept.journal.sound_bytes..].iter().rposition(|byte| *byte != 0);
    if let Some(last) = torn {
        // A death while writing leaves the same; what a record had told before it went is lost.
        tracing::warn!("run {run}: {} bytes of a torn record of its journal are cut off", last + 1);
    }
    let journal =
        Journal::open(&folder.join("journal"), sound, &bytes).map_err(Unusable::Unreadable)?;
    Ok((kept, journal))
}

/// The runs as they lie on disk, for a look from outside; nothing is changed, nothing set aside.
pub(crate) fn read_runs(state: &Path) -> io::Result<Vec<Result<Kept, (RunId, String)>>> {
    let mut all = Vec::new();
    let entries = match fs::read_dir(state.join("runs")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(run) = name.parse::<RunId>() else { continue };
        all.push(match read_run(run, &path) {
            Ok((kept, _)) => Ok(kept),
            Err(Unusable::Damaged(why)) => Err((run, why)),
            Err(Unusable::Unreadable(error)) => Err((run, error.to_string())),
        });
    }
    Ok(all)
}

fn set_aside(folder: &Path, run: RunId, why: String) -> io::Result<SetAsideRun> {
    let place = (0u32..)
        .map(|number| match number {
            0 => folder.join(format!("{ASIDE}{run}")),
            _ => folder.join(format!("{ASIDE}{run}-{number}")),
        })
        .find(|place| !place.exists())
        .unwrap_or_else(|| folder.join(format!("{ASIDE}{run}")));
    fs::rename(folder.join(run.to_string()), &place)?;
    sync_folder(folder)?;
    Ok(SetAsideRun { run, why, folder: place })
}
