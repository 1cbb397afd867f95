//! What must hold after every step, whatever goes wrong.
//!
//! Each law looks at what is durable and at what the loops believe, never at how they came to it. A
//! broken law is a fault of Deskhand; the simulation ends there, so that the log ends with its
//! cause.

use std::collections::{BTreeMap, BTreeSet};

use model::{Outcome, RunId};
use travel::Giver;
use workflow::{
    ActivityName, Control, EffectId, Kind, Owner, Phase, Record, Run, Side, State, Visit,
};

use crate::world::World;

/// Fleets up to this size have every run looked at after every step.
const CLOSELY: usize = 64;

#[derive(Debug, Default)]
pub struct Laws {
    pub broken: Vec<String>,
    /// How often each activity that is never redone was carried out.
    acted: BTreeMap<EffectId, u32>,
    /// What ended by itself and told so.
    pub finished: BTreeSet<EffectId>,
    /// Runs an agent has taken, for ever.
    taken: BTreeSet<RunId>,
    /// Runs whose hand-over somebody kept back and repeated later: refused at first, taken then.
    pub given_late: BTreeSet<RunId>,
    /// Runs that had begun when slots were last counted.
    begun: usize,
}

impl Laws {
    pub fn broke(&mut self, what: String) {
        self.broken.push(what);
    }

    /// An activity is carried out now.
    pub fn acts(&mut self, effect: EffectId, kind: &Kind) {
        if kind.can_be_redone() {
            return;
        }
        let count = self.acted.entry(effect).or_default();
        *count += 1;
        if *count > 1 {
            let text = format!("{effect} ({}) was carried out {count} times", kind.name());
            self.broke(text);
        }
    }

    /// The server refuses nothing that honest agents say, and no honest agent diverges.
    pub fn event(&mut self, kind: &str, name: &str, text: &str) {
        if kind == "diverged" || kind == "run" {
            self.broke(format!("{name}: {kind}: {text}"));
        }
    }
}

/// How often the activity was visited in this pass, up to the visit of `effect`.
pub fn nth(state: &State, effect: EffectId, activity: &ActivityName) -> u32 {
    let is_same = |step: &&workflow::Step| {
        step.attempt == effect.attempt && step.visit <= effect.visit && &step.activity == activity
    };
    state.path().iter().filter(is_same).count() as u32
}

fn is_end(record: &Record) -> bool {
    matches!(record, Record::Closed { .. })
}

fn has_begun(records: &[Record], wanted: Visit) -> bool {
    records
        .iter()
        .rev()
        .any(|record| matches!(record, Record::Began { visit, .. } if *visit == wanted))
}

impl World {
    /// Two never act for a run.
    pub fn check_owner(&mut self, agent: usize) {
        let (Some(taker), Some(giver)) = (&self.agents[agent].taker, &self.server.giver) else {
            return;
        };
        let acts = |run: &Run| run.is_acting() && run.state().outcome().is_none();
        for (package, run) in taker.runs() {
            if acts(run) && giver.run(package.run).is_some_and(acts) {
                self.laws.broken.push(format!("two act for run {}", package.run));
            }
        }
    }

    /// A run is taken once; what it begins with is what the server has committed.
    pub fn check_taken(&mut self, agent: usize, run: RunId) {
        let name = self.agents[agent].name.clone();
        if !self.laws.taken.insert(run) {
            return self.laws.broke(format!("{name} took its run a second time"));
        }
        let kept = self.agents[agent].disk.runs.get(&run).map(|(_, ledger)| ledger);
        let known = self.server.db.runs.get(&run).map(|row| &row.ledger);
        let (Some(kept), Some(known)) = (kept, known) else {
            return self.laws.broke(format!("{name} took a run that nobody gave"));
        };
        // The server may have closed the run as lost since it gave it away.
        let given = kept.records.iter().position(|r| matches!(r, Record::Giving { .. }));
        let given = given.map_or(0, |at| at + 1);
        if known.frames.get(..given) != kept.frames.get(..given) {
            self.laws.broke(format!("{name} took what the server had not committed"));
        }
        self.check_appended(agent, run);
    }

    /// What an agent decides continues what the server has.
    pub fn check_appended(&mut self, agent: usize, run: RunId) {
        self.check_prefix(agent, run);
    }

    pub fn check_committed(&mut self, run: RunId) {
        let Some(row) = self.server.db.runs.get(&run) else { return };
        let agent = row.agent;
        let is_end = matches!(row.ledger.records.last(), Some(Record::Closed { .. }));
        if is_end {
            self.server.open_runs -= 1;
        }
        if let Some(last) = row.ledger.records.last() {
            let name = self.agents[agent].name.clone();
            let text = told(last);
            self.tell(&name, || text);
        }
        self.check_prefix(agent, run);
        self.check_held(run);
    }

    /// The server's journal is a prefix of the agent's, but for an end that the server gave.
    fn check_prefix(&mut self, agent: usize, run: RunId) {
        let Some(row) = self.server.db.runs.get(&run) else { return };
        let ours = &row.ledger;
        let hands = |r: &&Record| matches!(r, Record::Taken { .. } | Record::Regained { .. });
        let last = ours.records.iter().rfind(hands);
        let is_away = matches!(last, Some(Record::Taken { .. }));
        let is_back = matches!(last, Some(Record::Regained { .. }));
        let is_closed_here = matches!(
            ours.records.last(),
            Some(Record::Closed { outcome: Outcome::Lost | Outcome::Refused, .. })
        );
        if !(is_away || is_back) || is_closed_here {
            return;
        }
        let name = &self.agents[agent].name;
        let text = match self.agents[agent].disk.runs.get(&run) {
            None if is_back && ours.records.last().is_some_and(is_end) => return,
            None => format!("{name}: the server has records of a run that its agent does not keep"),
            Some((_, theirs)) if is_away && theirs.frames.len() < ours.frames.len() => {
                format!("{name}: the server has records that its agent does not have")
            }
            Some((_, theirs)) => {
                let both = theirs.frames.len().min(ours.frames.len());
                if theirs.frames[..both].last() == ours.frames[..both].last() {
                    return;
                }
                format!("{name}: the server's journal is not the agent's")
            }
        };
        self.laws.broke(text);
    }

    /// A Shutdown begins when nothing else is in progress on its machine for this run.
    pub fn check_alone(&mut self, agent: usize, effect: EffectId) {
        let held = self.agents[agent].taker.as_ref();
        let run = held.and_then(|taker| taker.runs().find(|(p, _)| p.run == effect.run));
        let others = run.map_or(0, |(_, run)| {
            let of_target = |name: &ActivityName| {
                let found = self.workflow.activities.get(name);
                found.is_some_and(|found| found.kind.side() == Side::Target)
            };
            let others =
                run.state().in_progress().iter().filter(|(visit, _)| **visit != effect.visit);
            others.filter(|(_, progress)| of_target(&progress.activity)).count()
        });
        if others > 0 {
            self.laws.broke(format!("{effect} shuts down while {others} activities go on there"));
        }
    }

    /// The machine goes off only when its agent does nothing more for the run.
    pub fn check_left(&mut self, agent: usize, effect: EffectId) {
        let held = self.agents[agent].taker.as_ref();
        let run = held.and_then(|taker| taker.runs().find(|(p, _)| p.run == effect.run));
        if run.is_some_and(|(_, run)| run.is_acting()) {
            self.laws.broke(format!("{effect} switches off, but the run was not given back"));
        }
    }

    /// A suspended deployment begins nothing.
    fn check_held(&mut self, run: RunId) {
        let Some(row) = self.server.db.runs.get(&run) else { return };
        if !matches!(row.ledger.records.last(), Some(Record::Opened { .. })) {
            return;
        }
        let computer = self.agents[row.agent].computer;
        let mut is_held = false;
        for record in &self.server.db.records {
            match record {
                deployment::Record::Controlled { scope, control, .. } if scope.holds(computer) => {
                    is_held = match control {
                        Control::Suspend => true,
                        Control::Resume => false,
                        Control::Abort => is_held,
                    };
                }
                _ => {}
            }
        }
        if is_held {
            let name = self.agents[row.agent].name.clone();
            self.laws.broke(format!("{name} began while it was suspended"));
        }
    }

    /// Nothing is done before it is durable that it begins.
    pub fn check_begin_on_agent(&mut self, agent: usize, effect: EffectId, name: &ActivityName) {
        let kept = self.agents[agent].disk.runs.get(&effect.run);
        if !kept.is_some_and(|(_, ledger)| has_begun(&ledger.records, effect.visit)) {
            self.laws.broke(format!("`{name}` ({effect}) begins before that is durable"));
        }
    }

    pub fn check_begin_on_server(&mut self, effect: EffectId, name: &ActivityName) {
        let row = self.server.db.runs.get(&effect.run);
        if !row.is_some_and(|row| has_begun(&row.ledger.records, effect.visit)) {
            self.laws.broke(format!("`{name}` ({effect}) begins at the server too early"));
        }
        if !self.server.db.effects.contains_key(&effect) {
            self.laws.broke(format!("`{name}` ({effect}) begins at the server unremembered"));
        }
    }

    /// Slots are counted rightly, and nothing begins beyond them.
    pub fn check_slots(&mut self) {
        let Some(giver) = &self.server.giver else { return };
        if self.agents.len() > CLOSELY {
            return;
        }
        let runs =
            || self.server.db.runs.iter().filter_map(|(id, row)| Some((row, giver.run(*id)?)));
        let begun = runs().filter(|(_, run)| *run.state().phase() != Phase::NotOpened).count();
        let taken = runs().filter(|(row, run)| self.takes_slot(giver, row.agent, run)).count();
        let (used, max) = giver.slots();
        if taken != used {
            self.laws.broken.push(format!("{taken} runs take slots, {used} are counted"));
        }
        if begun > self.laws.begun && used > max {
            self.laws.broken.push(format!("a run began in slot {used} of {max}"));
        }
        self.laws.begun = begun;
    }

    fn takes_slot(&self, giver: &Giver, agent: usize, run: &Run) -> bool {
        let state = run.state();
        let is_open = state.outcome().is_none() && *state.phase() != Phase::NotOpened;
        let is_there = giver.is_connected(self.agents[agent].computer)
            || (state.owner() == Owner::Server && !run.wants_target());
        is_open && is_there && !state.only_waits()
    }

    /// Why a run is not further always has an answer, and the deployment's state fits its runs.
    pub fn check_views(&mut self) {
        let now = self.server_clock();
        let Some(giver) = &mut self.server.giver else { return };
        for run in giver.take_changed() {
            let Some(view) = giver.view(run, now) else { continue };
            if view.outcome.is_none() && view.waiting.is_none() {
                self.laws.broken.push(format!(
                    "nothing says why run {run} is not further: {} at {}, in {:?}",
                    view.phase, view.owner, view.activities
                ));
            }
        }
        let is_ended = giver.status(self.deployment) == Some(deployment::Status::Ended);
        if is_ended != (self.server.open_runs == 0) {
            let open = self.server.open_runs;
            self.laws.broken.push(format!("ended: {is_ended}, but {open} runs are open"));
        }
    }

    /// At the end: every journal lawful, every witness right, nothing left behind.
    pub fn judge(&mut self) {
        let is_cut = !self.laws.broken.is_empty();
        let mut broken = Vec::new();
        for (run, row) in &self.server.db.runs {
            let name = &self.agents[row.agent].name;
            if let Err(why) = crate::lawful::check(&self.workflow, &row.ledger.records) {
                broken.push(format!("{name}: its journal is not lawful: {why}"));
            }
            broken.extend(self.witness(*run, &row.ledger.records).map(|w| format!("{name}: {w}")));
            let predicted = crate::predict::compare(
                &self.workflow,
                &self.oracle,
                row.agent as u32,
                &row.ledger.records,
            );
            if let Err(why) = predicted {
                broken.push(format!("{name}: not as the reference model says: {why}"));
            }
        }
        if !is_cut && self.server.open_runs == 0 {
            let left = self.agents.iter().filter(|agent| !agent.disk.runs.is_empty());
            broken.extend(left.map(|agent| format!("{} never forgot its run", agent.name)));
        }
        self.laws.broken.extend(broken);
    }

    /// What says that it ended by itself was carried out, once; of what was refused nothing was.
    fn witness(&self, run: RunId, records: &[Record]) -> Option<String> {
        let is_refused = matches!(
            records.last(),
            Some(Record::Closed { outcome: Outcome::Refused | Outcome::NotBegun, .. })
        );
        let has_acted = self.laws.acted.keys().any(|effect| effect.run == run);
        if is_refused && has_acted && !self.laws.given_late.contains(&run) {
            return Some("something was done for a run that was refused".into());
        }
        let mut state = State::default();
        for record in records {
            if let Record::Ended { visit, report, .. } = record {
                let progress = state.in_progress().get(visit)?;
                let kind = &self.workflow.activities.get(&progress.activity)?.kind;
                let is_own = progress.stopping.is_none()
                    && report.note.is_none()
                    && report.event != workflow::Event::Interrupted;
                let effect = EffectId::new(run, state.attempt(), *visit);
                let count = self.laws.acted.get(&effect).copied().unwrap_or(0);
                let is_once = count == 1 && self.laws.finished.contains(&effect);
                if kind.side() == Side::Target && !kind.can_be_redone() && is_own && !is_once {
                    return Some(format!(
                        "`{}` ended, carried out {count} times",
                        progress.activity
                    ));
                }
            }
            state.apply(&self.workflow, record).ok()?;
        }
        None
    }
}

/// A record, for the log of events.
fn told(record: &Record) -> String {
    match record {
        Record::Began { visit, activity, .. } => format!("{visit} `{activity}` begins"),
        Record::Passed { visit, activity, .. } => format!("{visit} `{activity}` passed"),
        Record::Stopping { visit, event, .. } => format!("{visit} is being ended with {event}"),
        Record::Ended { visit, report, .. } => match &report.note {
            Some(note) => format!("{visit} ends with {}: {note}", report.event),
            None => format!("{visit} ends with {}", report.event),
        },
        Record::Concluding { outcome, reason, .. } => {
            format!("will end with {outcome} ({})", reason.as_deref().unwrap_or("-"))
        }
        Record::Controlled { number, control, .. } => {
            format!("order {number}: {}", control.as_str())
        }
        Record::Closed { outcome, reason, .. } => {
            format!("ended with {outcome} ({})", reason.as_deref().unwrap_or("-"))
        }
        other => other.kind().to_owned(),
    }
}
