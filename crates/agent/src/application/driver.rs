//! The records of one place, and the lock that keeps others out while something is changed.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use application::availability::{self, Context};
use application::keeper::Restart;
use application::macros::Macros;
use application::{Availability, Installed, Part, Survey, SurveyError};
use machine::account::{self, AccountError};
use machine::change::{AfterDeath, Ground, KeptStore, Owner};
use machine::registry::{MemoryRegistry, Registry, RegistryError, SystemRegistry};
use machine::survey::{OpenSurveyError, SystemSurvey};
use model::{ApplicationId, Digest};
use tokio::runtime::Handle;

use super::digests::KnownDigests;
use super::place::Place;
use super::records::{self, Record, RecordError};
use super::recover::RecoverError;
use super::restarts::{self, Restarts};
use super::set;

/// Of prior contents that are kept for undoing, unless it is told otherwise.
const KEPT_BYTES_MAX: u64 = 4 << 30;
/// How long a file that another program holds is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Applications of one machine. Whoever may change them holds its lock.
pub struct Driver {
    pub(super) place: Place,
    pub(super) digests: Arc<KnownDigests>,
    pub(super) records: Vec<Record>,
    pub(super) runtime: Handle,
    pub(super) kept_bytes_max: u64,
    /// Whoever carries steps out restarts the machine where they need it.
    pub(super) restarts_by_itself: bool,
    restarts: Restarts,
    lock: Option<File>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} cannot be made", .path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("another program is changing applications here just now; try again when it has ended")]
    Busy,
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("what was cut off earlier cannot be put right")]
    Recover(#[from] RecoverError),
}

impl OpenError {
    /// Of `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Make { .. } => "DH-U004",
            Self::Busy => "DH-U003",
            Self::Record(_) | Self::Recover(_) => "DH-U005",
        }
    }
}

impl Driver {
    /// To look only: nothing is made, nothing locked.
    pub fn look(place: Place, runtime: Handle) -> Result<Self, OpenError> {
        let records = records::read_all(&place.records())?;
        let digests = Arc::new(KnownDigests::load(&place.digests()));
        let restarts = restarts::read(&place.restarts(), place.boot());
        Ok(Self {
            place,
            digests,
            records,
            runtime,
            kept_bytes_max: KEPT_BYTES_MAX,
            restarts_by_itself: false,
            restarts,
            lock: None,
        })
    }

    /// To change something: keeps others out, and puts right what was cut off earlier, which is
    /// told by [`Driver::recover`].
    pub fn open(place: Place, runtime: Handle) -> Result<Self, OpenError> {
        let made = std::fs::create_dir_all(place.records())
            .and_then(|()| machine::protect_folder(place.folder()));
        made.map_err(|source| OpenError::Make { path: place.folder().to_owned(), source })?;
        let failed = |source| OpenError::Make { path: place.lock(), source };
        let lock = File::options().write(true).create(true).truncate(false).open(place.lock());
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Busy),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let mut driver = Self::look(place, runtime)?;
        driver.lock = Some(lock);
        Ok(driver)
    }

    /// What is on record, by names.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    pub fn record(&self, id: ApplicationId, part: &Part) -> Option<&Record> {
        self.records.iter().find(|record| record.installed.is_of(id, part))
    }

    /// Which applications need a restart of the machine.
    pub fn restarts(&self) -> &Restarts {
        &self.restarts
    }

    /// From now on, where a step needs a restart, the caller will see to it as the application
    /// wishes; otherwise people do.
    pub fn restart_by_itself(&mut self) {
        self.restarts_by_itself = true;
    }

    /// Keeps that a restart is needed; what an application needed before, it needs still.
    pub(super) fn note_restart(&mut self, id: ApplicationId, restart: Restart) -> io::Result<()> {
        let known = self.restarts.entry(id).or_insert(restart);
        *known = restart.max(*known);
        restarts::write(&self.place.restarts(), self.place.boot(), &self.restarts)
    }

    /// Something was cut off and waits for [`Driver::recover`].
    pub fn is_cut_off(&self) -> bool {
        self.place.doing().exists()
    }

    /// Hashes of files that have not changed, for sources too.
    pub fn digests(&self) -> Arc<KnownDigests> {
        Arc::clone(&self.digests)
    }

    /// Keeps what was hashed for the next time, where that can be written.
    pub fn remember(&self) {
        self.digests.save();
    }

    /// Names of the applications here that need this one.
    pub fn needed_by(&self, id: ApplicationId) -> Vec<String> {
        set::needed_by(id, &self.records)
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The machine, as a part sees it.
    pub(super) fn survey(&self, part: &Part) -> Result<SystemSurvey<'_>, SurveyPartError> {
        let root = self.place.root();
        let user = match part {
            Part::Machine => None,
            Part::User(name) => Some(account::find(name, root)?),
        };
        Ok(SystemSurvey::open(root, user, &*self.digests)?)
    }

    /// Who has never logged on has no home yet, and none is made for them: it would lack what the
    /// system puts into a new one.
    pub(super) fn must_have_home(&self, part: &Part) -> Result<(), SurveyPartError> {
        let Part::User(name) = part else { return Ok(()) };
        let home = account::find(name, self.place.root())?.home;
        let home = machine::Spot::absolute(&home, self.place.root());
        if home.map_err(OpenSurveyError::from)?.path().is_dir() {
            return Ok(());
        }
        Err(AccountError::NoHome { name: name.clone() }.into())
    }

    /// The registry as a part sees it; one of no consequence where there is none.
    pub(super) fn registry(&self, part: &Part) -> Result<Box<dyn Registry>, SurveyPartError> {
        if self.place.root().is_some() || !cfg!(windows) {
            return Ok(Box::new(MemoryRegistry::default()));
        }
        Ok(match part {
            Part::Machine => Box::new(SystemRegistry::open(None)?),
            Part::User(name) => Box::new(SystemRegistry::open_of(&account::find(name, None)?)?),
        })
    }

    pub(super) fn ground(&self, part: &Part) -> io::Result<Ground> {
        Ok(Ground {
            owner: self.owner(part),
            root: self.place.root().map(ToOwned::to_owned),
            kept: KeptStore::open(&self.place.kept(), self.kept_bytes_max)?,
            patience: PATIENCE,
            after_death: AfterDeath::Undo,
        })
    }

    /// What is new in a user's part is that user's; on Windows folders hand their rights down.
    fn owner(&self, part: &Part) -> Option<Owner> {
        let Part::User(name) = part else { return None };
        let account = account::find(name, self.place.root()).ok()?;
        #[cfg(unix)]
        let (user, group) = (account.uid, account.gid);
        #[cfg(not(unix))]
        let (user, group) = (0, 0);
        (!account.is_own()).then_some(Owner { user, group, home: account.home })
    }

    /// Why an application is not for this machine; nothing where it is.
    pub(super) fn unavailable(
        &self,
        rules: &Availability,
        macros: &Macros<'_>,
        survey: &dyn Survey,
    ) -> Vec<String> {
        let installed = |id: ApplicationId| {
            let versions = self.records.iter().filter(|record| record.id() == id);
            versions.map(|record| record.installed.version).max()
        };
        let zone = jiff::tz::TimeZone::system();
        let context = Context { survey, macros, zone: &zone, installed: &installed };
        availability::reasons(rules, &context)
    }

    /// All other records than this one.
    pub(super) fn others(&self, id: ApplicationId, part: &Part) -> Vec<Installed> {
        let others = self.records.iter().filter(|record| !record.installed.is_of(id, part));
        others.map(|record| record.installed.clone()).collect()
    }

    /// Takes a record's former place.
    pub(super) fn store(&mut self, record: Record) -> Result<(), RecordError> {
        records::write(&self.place.records(), &record)?;
        let (id, part) = (record.id(), record.installed.part.clone());
        self.records.retain(|other| !other.installed.is_of(id, &part));
        self.records.push(record);
        Ok(())
    }

    pub(super) fn strike(&mut self, id: ApplicationId, part: &Part) -> Result<(), RecordError> {
        records::remove(&self.place.records(), id, part)?;
        self.records.retain(|other| !other.installed.is_of(id, part));
        Ok(())
    }

    /// Gives the room of contents back that no record needs.
    pub(super) fn sweep(&self) {
        let kept = self.records.iter().flat_map(|record| record.installed.kept());
        let live: BTreeSet<Digest> = kept.collect();
        let swept = self.ground(&Part::Machine).and_then(|ground| ground.kept.sweep(&live));
        if let Err(error) = swept {
            tracing::warn!("contents that are needed no more are not removed: {error}");
        }
        self.digests.save();
    }
}

/// A part of the machine that cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SurveyPartError {
    #[error(transparent)]
    Account(#[from] account::AccountError),
    #[error(transparent)]
    Open(#[from] OpenSurveyError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Survey(#[from] SurveyError),
}
