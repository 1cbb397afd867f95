//! A step is carried out: whole, or not at all.

use std::error::Error;
use std::time::Duration;

use application::keeper::Restart;
use application::{Part, Reboot};
use machine::change::{self, ChangeError, Transaction};
use machine::{EndError, Identity, Stream, identity};
use tokio_util::sync::CancellationToken;

use super::doing::{Doing, NoteError};
use super::driver::{Driver, SurveyPartError};
use super::event::{Event, Phase};
use super::packages::{PackageError, PackageStep};
use super::provide::Provide;
use super::records::RecordError;
use super::script::{self, Script, ScriptError};
use super::step::{Ending, Step, What};
use crate::clock::now;

/// How long a program may take over its end.
const END_WAIT: Duration = Duration::from_secs(30);

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Changes that were made.
    pub changes: usize,
    /// Why the machine has to be restarted; empty when it has not.
    pub reboot: Vec<String>,
    /// What that means; also where the application says that nobody restarts for it.
    pub restart: Option<Restart>,
    /// Folders that stay because somebody put something into them.
    pub left: Vec<String>,
}

/// Why a step was not carried out, and what became of the machine.
#[derive(Debug, thiserror::Error)]
#[error("{}", .phase.as_str())]
pub struct Failure {
    pub phase: Phase,
    pub source: Box<FailureKind>,
    /// What could not be undone, each in a sentence; empty when the machine is as before.
    pub remains: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum FailureKind {
    #[error("the plan has findings that forbid it")]
    Refused,
    #[error(transparent)]
    Part(#[from] SurveyPartError),
    #[error(transparent)]
    End(#[from] EndError),
    #[error("nobody can be found to run it as")]
    Identity(#[from] identity::IdentityError),
    #[error("the script failed")]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the state folder cannot be used")]
    State(#[from] std::io::Error),
    #[error(
        "the changes stay, but what they replaced cannot be tidied away; the next `deskhand app` \
         command tries again"
    )]
    Unsettled,
    #[error("it was interrupted")]
    Interrupted,
}

impl FailureKind {
    /// Of `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused => "DH-U007",
            Self::Change(error) => error.code(),
            Self::Script(_) | Self::Identity(_) => "DH-U008",
            Self::End(_) => "DH-U009",
            Self::Package(_) => "DH-U010",
            Self::Interrupted => "DH-U011",
            Self::Note(error) => error.code(),
            Self::Record(_) | Self::Unsettled => "DH-U005",
            Self::Part(_) | Self::State(_) => "DH-U004",
        }
    }
}

impl Failure {
    pub(super) fn at(phase: Phase) -> impl Fn(FailureKind) -> Self {
        move |source| Self { phase, source: Box::new(source), remains: Vec::new() }
    }

    /// The whole of it in one line.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.phase.as_str(), sentence(&*self.source))
    }
}

/// What a step is carried out with.
pub(super) struct Hands<'h> {
    pub(super) tell: &'h mut dyn FnMut(Event),
    pub(super) cancel: &'h CancellationToken,
}

impl Driver {
    /// Carries a step out. On a failure everything is undone; what could not be is told. `cancel`
    /// ends it before its changes are made to last, with everything undone.
    pub fn carry_out(
        &mut self,
        step: &Step,
        source: &dyn Provide,
        tell: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<Done, Failure> {
        let mut hands = Hands { tell, cancel };
        let failed = Failure::at;
        if step.is_refused() {
            return Err(failed(Phase::Prepare)(FailureKind::Refused));
        }
        if self.is_cut_off() {
            // Its note is all that is known of it.
            let unfinished = ChangeError::Unfinished { folder: self.place.folder().to_owned() };
            return Err(failed(Phase::Prepare)(unfinished.into()));
        }
        self.end_programs(step, &mut hands).map_err(failed(Phase::EndPrograms))?;
        if let Some(script) = &step.before {
            self.run_script(script, step, Phase::ScriptBefore, &mut hands)
                .map_err(failed(Phase::ScriptBefore))?;
        }
        let mut doing = match step.what {
            What::Uninstall => Doing::uninstall(step.record.clone()),
            _ => Doing::distribute(&step.plan, step.record.clone()),
        };
        doing.record.installed.at = now();
        doing.add_packages(&step.packages);
        doing.write(&self.place.doing()).map_err(|error| failed(Phase::Prepare)(error.into()))?;
        let mut under_way = UnderWay { transaction: None, packages: Vec::new() };
        match self.act(step, &mut doing, source, &mut under_way, &mut hands) {
            Ok(done) => Ok(done),
            Err(failure) => Err(self.roll_back(step, under_way, failure, &mut hands)),
        }
    }

    /// What can be undone.
    fn act(
        &mut self,
        step: &Step,
        doing: &mut Doing,
        source: &dyn Provide,
        under_way: &mut UnderWay,
        hands: &mut Hands<'_>,
    ) -> Result<Done, Failure> {
        let at = Failure::at;
        let applied = self.change(step, source, under_way, hands)?;
        let mut done = Done { changes: step.plan.changes.len(), ..Done::default() };
        let mut reboot = step.plan.reboot.clone();
        reboot.extend(applied);
        let leaves = step.what == What::Uninstall;
        if !leaves {
            reboot.extend(self.work_on_packages(step, under_way, hands)?);
        }
        if let Some(script) = &step.after {
            self.run_script(script, step, Phase::ScriptAfter, hands)
                .map_err(at(Phase::ScriptAfter))?;
        }
        if leaves {
            // Last, for these cannot be brought back.
            reboot.extend(self.work_on_packages(step, under_way, hands)?);
        }
        check(hands).map_err(at(Phase::Settle))?;
        (hands.tell)(Event::Began(Phase::Settle));
        done.restart = self.restart(step, &reboot);
        if done.restart.is_some() {
            doing.restart = done.restart;
            let written = doing.write(&self.place.doing());
            written.map_err(|error| at(Phase::Settle)(error.into()))?;
        }
        let kept = self.settle(step, under_way, &mut done).map_err(at(Phase::Settle))?;
        match self.finish(doing, &kept) {
            Ok(()) => self.sweep(),
            // The changes stay; the next start writes the record by the note, and what that names
            // has to be kept until then.
            Err(error) => {
                let error = sentence(&error);
                (hands.tell)(Event::Note(format!("{error}; it is written at the next start")));
            }
        }
        done.reboot = needed(step.reboot, reboot, hands);
        Ok(done)
    }

    /// The changes, in their places; answers why a restart is needed.
    fn change(
        &self,
        step: &Step,
        source: &dyn Provide,
        under_way: &mut UnderWay,
        hands: &mut Hands<'_>,
    ) -> Result<Vec<String>, Failure> {
        check(hands).map_err(Failure::at(Phase::Prepare))?;
        if step.plan.changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut prepare = || -> Result<_, FailureKind> {
            (hands.tell)(Event::Began(Phase::Prepare));
            let ground = self.ground(step.part())?;
            let mut registry = self.registry(step.part())?;
            let changes = &step.plan.changes;
            let folder = self.place.change();
            let transaction =
                Transaction::prepare(&folder, changes, &[], &ground, &mut *registry, source)?;
            Ok((transaction, registry))
        };
        let (transaction, mut registry) = prepare().map_err(Failure::at(Phase::Prepare))?;
        let transaction = under_way.transaction.insert(transaction);
        check(hands).map_err(Failure::at(Phase::Change))?;
        (hands.tell)(Event::Began(Phase::Change));
        let applied = transaction.apply(&mut *registry);
        Ok(applied.map_err(|error| Failure::at(Phase::Change)(error.into()))?.reboot)
    }

    fn work_on_packages(
        &self,
        step: &Step,
        under_way: &mut UnderWay,
        hands: &mut Hands<'_>,
    ) -> Result<Vec<String>, Failure> {
        let mut reboot = Vec::new();
        for package in step.packages.iter().filter(|package| !package.is_in_place()) {
            let failed = Failure::at(Phase::Packages);
            check(hands).map_err(&failed)?;
            (hands.tell)(Event::Began(Phase::Packages));
            under_way.packages.push(package.clone());
            let run_as = self.identity(step).map_err(|error| failed(error.into()))?;
            let ran = self.runtime.block_on(package.carry_out(run_as.as_ref(), hands));
            reboot.extend(ran.map_err(|error| failed(error.into()))?);
        }
        Ok(reboot)
    }

    /// After this the changes stay.
    fn settle(
        &self,
        step: &Step,
        under_way: &mut UnderWay,
        done: &mut Done,
    ) -> Result<Vec<(usize, application::Kept)>, FailureKind> {
        let Some(transaction) = &mut under_way.transaction else { return Ok(Vec::new()) };
        let mut registry = self.registry(step.part())?;
        let settled = match transaction.commit(&mut *registry) {
            Err(ChangeError::Unsettled { .. }) => {
                under_way.transaction = None;
                let ground = self.ground(step.part()).map_err(|_| FailureKind::Unsettled)?;
                match change::recover(&self.place.change(), &ground, &mut *registry) {
                    Ok(Some(change::Recovered::Done { done, .. })) => done,
                    _ => return Err(FailureKind::Unsettled),
                }
            }
            settled => settled?,
        };
        under_way.transaction = None;
        done.left = settled.left;
        Ok(settled.kept)
    }

    /// By the application's own word on restarts.
    pub(super) fn restart(&self, step: &Step, why: &[String]) -> Option<Restart> {
        let is_needed = match step.reboot {
            // What is done each time would otherwise restart it without end.
            Reboot::Always if step.what == What::Again => step.is_a_change(),
            Reboot::Always => !step.changes_nothing(),
            Reboot::IfNeeded | Reboot::Never => !why.is_empty(),
        };
        let is_due = self.restarts_by_itself && step.reboot != Reboot::Never;
        let ask = step.prompt_reboot;
        is_needed.then_some(if is_due { Restart::Due { ask } } else { Restart::Awaited })
    }

    /// Once nothing is undone any more: the record, then the notes go.
    pub(super) fn finish(
        &mut self,
        doing: &Doing,
        kept: &[(usize, application::Kept)],
    ) -> Result<(), FailureKind> {
        let record = doing.record(kept).map_err(std::io::Error::other)?;
        match doing.what {
            super::doing::What::Distribute => self.store(record)?,
            super::doing::What::Uninstall => {
                self.strike(record.id(), &record.installed.part)?;
            }
        }
        if let Some(restart) = doing.restart {
            self.note_restart(doing.record.id(), restart)?;
        }
        Doing::remove(&self.place.doing())?;
        Ok(change::forget(&self.place.change()).map_err(std::io::Error::other)?)
    }

    fn roll_back(
        &self,
        step: &Step,
        under_way: UnderWay,
        mut failure: Failure,
        hands: &mut Hands<'_>,
    ) -> Failure {
        if matches!(*failure.source, FailureKind::Unsettled) {
            return failure;
        }
        (hands.tell)(Event::Began(Phase::RollBack));
        let remains = &mut failure.remains;
        let calm = CancellationToken::new();
        for package in under_way.packages.iter().rev() {
            let mut hands = Hands { tell: &mut *hands.tell, cancel: &calm };
            let undone = self.runtime.block_on(package.undo(&mut hands));
            remains.extend(undone.err().map(|error| sentence(&error)));
        }
        if let FailureKind::Change(ChangeError::NotUndone { .. }) = *failure.source {
            remains.push("the next `deskhand app` command tries again to undo it".to_owned());
            return failure;
        }
        if let Some(transaction) = under_way.transaction {
            let undone = match self.registry(step.part()) {
                Ok(mut registry) => transaction.undo(&mut *registry).map_err(|e| sentence(&e)),
                Err(error) => Err(sentence(&error)),
            };
            match undone {
                Ok(undone) => remains.extend(undone.left.iter().map(|path| {
                    format!("`{path}` stays, for somebody put something into it meanwhile")
                })),
                Err(error) => {
                    remains.push(format!("{error}; the next `deskhand app` command tries again"));
                    return failure;
                }
            }
        }
        if let Err(error) = Doing::remove(&self.place.doing()) {
            remains.push(sentence(&error));
        }
        if step.before.is_some() {
            (hands.tell)(Event::Note("what the script before did is not undone".to_owned()));
        }
        failure
    }

    fn end_programs(&self, step: &Step, hands: &mut Hands<'_>) -> Result<(), FailureKind> {
        if step.ends.is_empty() {
            return Ok(());
        }
        (hands.tell)(Event::Began(Phase::EndPrograms));
        if self.place.root().is_some() {
            let note =
                "nothing is ended: what runs here does not belong to the machine below the root";
            (hands.tell)(Event::Note(note.to_owned()));
            return Ok(());
        }
        for end in &step.ends {
            check(hands)?;
            match end {
                Ending::Process(name) => {
                    let count = self.runtime.block_on(machine::end_processes(name, END_WAIT))?;
                    (hands.tell)(Event::Ended { name: name.clone(), count });
                }
                Ending::Service(name) => {
                    let how = self.runtime.block_on(machine::stop_service(name, END_WAIT))?;
                    (hands.tell)(Event::Service { name: name.clone(), how });
                }
            }
        }
        Ok(())
    }

    fn run_script(
        &self,
        script: &Script,
        step: &Step,
        phase: Phase,
        hands: &mut Hands<'_>,
    ) -> Result<(), FailureKind> {
        check(hands)?;
        (hands.tell)(Event::Began(phase));
        let identity = self.identity(step)?;
        let mut script = script.clone();
        if let Some(root) = self.place.root() {
            let root = root.to_string_lossy().into_owned();
            script.environment.insert("DESKHAND_ROOT".to_owned(), root);
        }
        let tell = &mut *hands.tell;
        let mut output = |stream: Stream, bytes: &[u8]| {
            tell(Event::Output { phase, stream, bytes: bytes.to_vec() });
        };
        let ran = script::run(&script, identity.as_ref(), hands.cancel, &mut output);
        match self.runtime.block_on(ran) {
            Err(ScriptError::Interrupted) => Err(FailureKind::Interrupted),
            ran => Ok(ran?),
        }
    }

    /// Whose rights are used; nobody's but this program's for the machine's part.
    fn identity(&self, step: &Step) -> Result<Option<Identity>, identity::IdentityError> {
        let (Some(user), Part::User(_)) = (&step.run_as, step.part()) else { return Ok(None) };
        identity::resolve(user, "", None).map(Some)
    }
}

/// What has to be undone on a failure.
struct UnderWay {
    transaction: Option<Transaction>,
    packages: Vec<PackageStep>,
}

fn check(hands: &Hands<'_>) -> Result<(), FailureKind> {
    if hands.cancel.is_cancelled() { Err(FailureKind::Interrupted) } else { Ok(()) }
}

/// By the application's own word on restarts.
fn needed(wish: Reboot, mut why: Vec<String>, hands: &mut Hands<'_>) -> Vec<String> {
    why.dedup();
    match wish {
        Reboot::Always if why.is_empty() => vec!["the application asks for it".to_owned()],
        Reboot::Never if !why.is_empty() => {
            let note = format!("not before the next restart is all in place: {}", why.join(", "));
            (hands.tell)(Event::Note(note));
            Vec::new()
        }
        _ => why,
    }
}

pub(super) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
