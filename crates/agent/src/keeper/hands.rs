//! What an order does on this machine: through [`crate::application`], one at a time.
//!
//! Everything here blocks, and is called where that may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use application::keeper::Restart;
use application::{Application, Outcome, Part, Question};
use machine::survey::FolderSource;
use model::ApplicationId;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::application::{
    Answers, Considered, Document, Done, Driver, Event, Failure, Offered, OpenError, Order,
    PackageStep, Place, Reason, Record, RecoverError, Restarts, SetError, Step, StepError,
    in_order,
};
use crate::effect::sentence;

/// Clones are the same hands.
#[derive(Clone)]
pub(crate) struct Hands {
    shared: Arc<Shared>,
    /// Who uses them sees to the restarts that come of it.
    restarts_by_itself: bool,
}

struct Shared {
    place: Place,
    /// A file with the names of who is logged on, in place of the machine's word.
    logged_on: Option<PathBuf>,
    runtime: Handle,
    busy: Mutex<()>,
}

/// An application with its files, ready to be distributed.
pub(crate) struct Brought {
    pub document: Document,
    pub source: PathBuf,
}

/// What is on record here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnRecord {
    pub application: ApplicationId,
    pub part: Part,
    pub name: String,
    pub version: u16,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    /// To the version that is here now.
    InPlace { version: u16, is_changed: bool, restart: Option<Restart> },
    /// The rules that do not hold, in words.
    Unavailable(String),
}

/// What was found to differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// One line for each thing, in words.
    pub differs: Vec<String>,
    /// Of these, nothing was put right.
    pub remains: bool,
    pub restart: Option<Restart>,
}

/// Why an order came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandsError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("what was cut off earlier cannot be put right")]
    Recover(#[from] RecoverError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("{}", whole(.0))]
    Failed(Box<Failure>),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    #[error("it is not on record here")]
    NotHere,
}

/// With what could not be undone.
fn whole(failure: &Failure) -> String {
    let mut text = failure.sentence();
    for remains in &failure.remains {
        text = format!("{text}; not undone: {remains}");
    }
    text
}

impl Hands {
    /// `logged_on` is a file that says who is logged on, one name on each line, where one is given.
    pub(crate) fn new(place: Place, logged_on: Option<PathBuf>, runtime: Handle) -> Self {
        let shared = Arc::new(Shared { place, logged_on, runtime, busy: Mutex::default() });
        Self { shared, restarts_by_itself: false }
    }

    /// The same hands, of one who restarts the machine where that is needed.
    pub(super) fn restarting(self) -> Self {
        Self { restarts_by_itself: true, ..self }
    }

    /// Who is logged on. Below a root that is nobody, unless a file says who.
    pub(crate) fn users(&self) -> BTreeSet<String> {
        let Shared { place, logged_on, .. } = &*self.shared;
        match (logged_on, place.root()) {
            (Some(file), _) => {
                let names = std::fs::read_to_string(file).unwrap_or_default();
                names.lines().map(str::to_owned).collect()
            }
            (None, Some(_)) => BTreeSet::new(),
            (None, None) => {
                let found = machine::identity::users_logged_on();
                found.unwrap_or_default().into_iter().collect()
            }
        }
    }

    /// Whoever holds it works alone.
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.shared.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> Result<Driver, HandsError> {
        Ok(Driver::look(self.shared.place.clone(), self.shared.runtime.clone())?)
    }

    /// With what was cut off earlier put right.
    fn open(&self) -> Result<Driver, HandsError> {
        let mut driver = Driver::open(self.shared.place.clone(), self.shared.runtime.clone())?;
        if self.restarts_by_itself {
            driver.restart_by_itself();
        }
        if let Some(recovered) = driver.recover(&mut note)? {
            let what = if recovered.is_done { "brought to its end" } else { "undone" };
            tracing::warn!("{}: what was cut off was {what}", recovered.application);
        }
        Ok(driver)
    }

    /// Puts right what was cut off, and tells what is here and what needs a restart.
    pub(crate) fn on_record(&self) -> Result<(Vec<OnRecord>, Restarts), HandsError> {
        let _alone = self.alone();
        let mut driver = self.look()?;
        if driver.is_cut_off() {
            driver = self.open()?;
        }
        let record = |record: &Record| OnRecord {
            application: record.id(),
            part: record.installed.part.clone(),
            name: record.installed.name.clone(),
            version: record.installed.version,
        };
        let records = driver.records().iter().map(record).collect();
        Ok((records, driver.restarts().clone()))
    }

    pub(crate) fn distribute(
        &self,
        document: &Document,
        source: &Path,
        part: &Part,
        (reason, answers): (Reason, &Answers),
        cancel: &CancellationToken,
    ) -> Result<Came, HandsError> {
        let _alone = self.alone();
        let mut driver = self.open()?;
        let digests = driver.digests();
        let source = FolderSource::new(source, &*digests);
        let order = Order { document, source: &source, part, reason, force: false, answers };
        match driver.consider(&order)? {
            Considered::Step(step) => {
                let is_making_room = make_room(&mut driver, &step, document, cancel)?;
                let step = match is_making_room {
                    false => step,
                    true => match driver.consider(&order)? {
                        Considered::Step(step) => step,
                        _ => return Err(HandsError::NotHere),
                    },
                };
                let is_changed = !step.changes_nothing();
                let done = carry_out(&mut driver, &step, &source, cancel)?;
                let version = document.application.version;
                Ok(Came::InPlace { version, is_changed, restart: done.restart })
            }
            Considered::LeftAlone { installed } => {
                Ok(Came::InPlace { version: installed, is_changed: false, restart: None })
            }
            Considered::Unavailable { why } => Ok(Came::Unavailable(why.join("; "))),
            Considered::Gone => Err(HandsError::NotHere),
        }
    }

    /// The first of these, with those of the others that it needs before it, for one part.
    pub(crate) fn distribute_all<'b>(
        &self,
        brought: &'b [Brought],
        part: &Part,
        cancel: &CancellationToken,
    ) -> Result<Came, HandsError> {
        let offer = |(at, one): (usize, &'b Brought)| {
            let application = &one.document.application;
            Offered { application, at }
        };
        let offered: Vec<Offered<'b>> = brought.iter().enumerate().map(offer).collect();
        let order = {
            let _alone = self.alone();
            in_order(&offered, self.look()?.records())?
        };
        let mut came = Came::Unavailable("nothing was brought".to_owned());
        let mut anything = false;
        let mut failed: BTreeSet<ApplicationId> = BTreeSet::new();
        for member in order {
            let Brought { document, source } = &brought[member.at];
            let Application { id, name, .. } = &document.application;
            if let Some(needed) = member.needs.iter().find(|id| failed.contains(id)) {
                tracing::warn!("{name} is left out, for it needs {needed}, which failed");
                failed.insert(*id);
                continue;
            }
            let with = (member.reason, &unasked());
            let done = self.distribute(document, source, part, with, cancel);
            came = match done {
                Err(error) if member.may_fail => {
                    tracing::warn!("{name}, which may fail, does: {}", error.in_words());
                    failed.insert(*id);
                    continue;
                }
                Ok(Came::Unavailable(why)) if member.may_fail => {
                    tracing::warn!("{name}, which may fail, is not for this machine: {why}");
                    failed.insert(*id);
                    continue;
                }
                done => done?,
            };
            anything |= matches!(came, Came::InPlace { is_changed: true, .. });
            if let Came::Unavailable(_) = came {
                return Ok(came);
            }
        }
        if let Came::InPlace { is_changed, .. } = &mut came {
            *is_changed = anything;
        }
        Ok(came)
    }

    /// What differs from the record; with `repair` put right.
    pub(crate) fn verify(
        &self,
        application: ApplicationId,
        part: &Part,
        source: &Path,
        repair: bool,
        cancel: &CancellationToken,
    ) -> Result<Found, HandsError> {
        let _alone = self.alone();
        let mut driver = if repair { self.open()? } else { self.look()? };
        let digests = driver.digests();
        let source = FolderSource::new(source, &*digests);
        let record = driver.record(application, part).cloned().ok_or(HandsError::NotHere)?;
        let step = driver.verify(&record, &source)?;
        let differs = differing(&step);
        if differs.is_empty() {
            driver.remember();
            return Ok(Found::default());
        }
        if !repair {
            return Ok(Found { differs, remains: true, restart: None });
        }
        let done = carry_out(&mut driver, &step, &source, cancel)?;
        Ok(Found { differs, remains: false, restart: done.restart })
    }

    pub(crate) fn uninstall(
        &self,
        application: ApplicationId,
        part: &Part,
        cancel: &CancellationToken,
    ) -> Result<Done, HandsError> {
        let _alone = self.alone();
        let mut driver = self.open()?;
        let record = driver.record(application, part).cloned().ok_or(HandsError::NotHere)?;
        let digests = driver.digests();
        let source = record.source.clone().map_or_else(PathBuf::new, PathBuf::from);
        let source = FolderSource::new(&source, &*digests);
        let step = driver.uninstall(&record, false)?;
        carry_out(&mut driver, &step, &source, cancel)
    }

    /// What distributing would do, item by item; nothing is changed.
    pub(crate) fn plan(
        &self,
        document: &Document,
        source: &Path,
        part: &Part,
    ) -> Result<Considered, HandsError> {
        let driver = self.look()?;
        let digests = driver.digests();
        let source = FolderSource::new(source, &*digests);
        let (answers, reason) = (unasked(), Reason::Asked);
        let order =
            Order { document, source: &source, part, reason, force: false, answers: &answers };
        Ok(driver.consider(&order)?)
    }

    /// Files that are only written when somebody agrees, each with its question.
    pub(crate) fn to_confirm(
        &self,
        document: &Document,
        source: &Path,
        part: &Part,
    ) -> Result<Vec<(String, String)>, HandsError> {
        let Considered::Step(step) = self.plan(document, source, part)? else {
            return Ok(Vec::new());
        };
        let asked = step.plan.questions.iter().filter_map(|question| match question {
            Question::Confirm { path, before, after } => {
                Some((path.clone(), format!("Write {path} ({before} -> {after})?")))
            }
            Question::Macro { .. } => None,
        });
        Ok(asked.collect())
    }
}

/// Takes away what a step's application takes the place of, users' parts first; whether there was
/// any.
fn make_room(
    driver: &mut Driver,
    step: &Step,
    document: &Document,
    cancel: &CancellationToken,
) -> Result<bool, HandsError> {
    let superseded = &document.application.supersedes;
    if superseded.is_empty() || step.is_refused() || *step.part() != Part::Machine {
        return Ok(false);
    }
    let gone = driver.records().iter().filter(|record| superseded.contains(&record.id()));
    let mut gone: Vec<Record> = gone.cloned().collect();
    gone.sort_by(|one, other| other.installed.part.cmp(&one.installed.part));
    for record in &gone {
        let leaving = driver.uninstall(record, true)?;
        let digests = driver.digests();
        let nothing = FolderSource::new(Path::new(""), &*digests);
        carry_out(driver, &leaving, &nothing, cancel)?;
        let (name, by) = (&record.installed.name, &document.application.name);
        tracing::info!("{name} was taken away, for {by} takes its place");
    }
    Ok(!gone.is_empty())
}

/// What nobody was asked about is written.
pub(super) fn unasked() -> Answers {
    Answers { confirm_all: true, ..Answers::default() }
}

fn carry_out(
    driver: &mut Driver,
    step: &Step,
    source: &FolderSource<'_>,
    cancel: &CancellationToken,
) -> Result<Done, HandsError> {
    if step.is_refused() {
        let errors = step.plan.findings.iter();
        let errors = errors.filter(|found| found.severity == application::Severity::Error);
        return Err(HandsError::Refused(errors.map(|found| found.message.clone()).collect()));
    }
    let done = driver.carry_out(step, source, &mut note, cancel);
    done.map_err(|failure| HandsError::Failed(Box::new(failure)))
}

/// What is not as it is on record, one line for each.
pub(crate) fn differing(step: &Step) -> Vec<String> {
    let items = step.plan.items.iter().filter_map(|item| match &item.outcome {
        Outcome::Changed { before, after } => Some(format!("{}: {before} -> {after}", item.target)),
        Outcome::InPlace | Outcome::Skipped { .. } => None,
    });
    let packages = step.packages.iter().filter(|package| !package.is_in_place());
    items.chain(packages.map(PackageStep::to_string)).collect()
}

/// What a step says goes to the log of the agent.
fn note(event: Event) {
    match event {
        Event::Began(phase) => tracing::debug!("{}", phase.as_str()),
        Event::Note(text) => tracing::warn!("{text}"),
        Event::Output { phase, bytes, .. } => {
            tracing::info!("{}: {}", phase.as_str(), String::from_utf8_lossy(&bytes).trim_end());
        }
        Event::Ended { name, count } => tracing::info!("{count} processes of {name} were ended"),
        Event::Service { name, how } => tracing::info!("service {name}: {how:?}"),
    }
}

impl HandsError {
    pub(crate) fn in_words(&self) -> String {
        sentence(self)
    }
}
