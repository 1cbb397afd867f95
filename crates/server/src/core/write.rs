//! From what the loop decided to rows: journals, projections, events; and what watchers are told.

use std::collections::BTreeMap;

use model::{DeploymentId, Outcome, RunId, Timestamp};
use store::{Write, rows};
use travel::{Call, GiverWrite, RunView};

use super::Task;
use crate::clock::now;
use crate::hall::{About, SELF, event};
use crate::quiet::{Verdict, last_words};
use crate::views;

/// How many runs of a deployment are where: `pending`, `running` … and, once ended, outcomes.
#[derive(Debug, Default)]
pub struct Tally {
    at: BTreeMap<RunId, &'static str>,
    counts: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn put(&mut self, run: RunId, place: &'static str) {
        self.remove(run);
        self.at.insert(run, place);
        *self.counts.entry(place).or_default() += 1;
    }

    fn remove(&mut self, run: RunId) {
        if let Some(before) = self.at.remove(&run)
            && let Some(count) = self.counts.get_mut(before)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(before);
            }
        }
    }

    /// How many there are at each place.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.iter().map(|(place, count)| ((*place).to_owned(), *count)).collect()
    }
}

/// What one turn of the loop leaves to be written and told.
pub struct Collected {
    pub writes: Vec<Write>,
    pub changes: Vec<(DeploymentId, api::Change)>,
    pub ended: Vec<DeploymentId>,
}

impl Task {
    pub(super) fn collect(&mut self) -> Collected {
        let instant = now();
        let decided = self.giver.take_writes();
        let mut writes: Vec<Write> =
            decided.into_iter().filter_map(|write| self.row(write, instant)).collect();
        let is_watched = self.parts.changes.is_watched();
        let (mut changes, mut ended) = (Vec::new(), Vec::new());
        for run in self.giver.take_changed() {
            let Some(view) = self.giver.view(run, instant) else { continue };
            let Some(known) = self.known.get_mut(&view.deployment) else { continue };
            match view.is_replaced {
                true => known.tally.remove(run),
                false => known.tally.put(run, place(&view)),
            }
            if is_watched {
                let name = known.names.get(&view.computer).map_or("", String::as_str);
                let run = views::live_run(&view, name);
                changes.push((view.deployment, api::Change::Run { run }));
            }
            writes.push(Write::PutRun(run_row(view)));
        }
        for id in self.giver.take_changed_deployments() {
            let Some(status) = self.giver.status(id) else { continue };
            let Some(known) = self.known.get_mut(&id) else { continue };
            let is_ended = status == deployment::Status::Ended;
            ended.extend(is_ended.then_some(id));
            known.ended_at = is_ended.then(|| known.ended_at.unwrap_or(instant));
            if known.row.status != status.as_str() || known.is_altered {
                known.is_altered = false;
                status.as_str().clone_into(&mut known.row.status);
                writes.push(Write::PutDeployment(known.row.clone()));
            }
            if is_watched {
                let deployment = views::deployment(&known.row, known.tally.counts());
                changes.push((id, api::Change::Deployment { deployment }));
            }
        }
        Collected { writes, changes, ended }
    }

    fn row(&self, write: GiverWrite, at: Timestamp) -> Option<Write> {
        Some(match write {
            GiverWrite::DeploymentRecord { deployment, seq, bytes } => {
                Write::AppendDeploymentRecord { deployment, seq: seq + 1, bytes }
            }
            GiverWrite::Journal { run, seq, frame } => {
                Write::AppendJournal { run, seq: seq + 1, bytes: frame }
            }
            GiverWrite::Effect { effect, call, report } => Write::PutEffect(rows::Effect {
                run: effect.run,
                attempt: effect.attempt.into(),
                visit: effect.visit.0.into(),
                part: effect.part.into(),
                call: call.map_or_else(Vec::new, |Call { kind, parameters }| {
                    let mut out = model::codec::Writer::new();
                    out.text(&kind).text(&parameters);
                    out.finish()
                }),
                result: report.map_or_else(Vec::new, |report| {
                    let mut out = model::codec::Writer::new();
                    workflow::journal::put_report(&mut out, &report);
                    out.finish()
                }),
            }),
            GiverWrite::Event { kind, computer, run, text } => {
                let deployment = run.and_then(|run| self.giver.run_of(run)).map(|(_, id)| id);
                let about = About { computer, deployment, run };
                let text = match self.parts.quiet.judge(computer, at) {
                    Verdict::Tell => text,
                    Verdict::Last => last_words(&text),
                    Verdict::Drop => return None,
                };
                tracing::warn!(kind, ?computer, ?run, "{text}");
                event(self.parts.server, kind, about, SELF, text)
            }
        })
    }
}

/// Where a run is counted: its outcome once it has one, else its phase.
fn place(view: &RunView) -> &'static str {
    view.outcome.map_or(view.phase, Outcome::as_str)
}

fn run_row(view: RunView) -> rows::Run {
    let activities: Vec<&str> =
        view.activities.iter().map(workflow::ActivityName::as_str).collect();
    let (pending_reason, next_attempt) =
        view.waiting.map_or((String::new(), None), |waiting| (waiting.text, waiting.next));
    rows::Run {
        run: view.run,
        deployment: view.deployment,
        computer: view.computer,
        warrant: view.warrant as u64 + 1,
        copy: view.copy,
        is_replaced: view.is_replaced,
        target: view.index.into(),
        phase: view.phase.to_owned(),
        epoch: view.epoch.into(),
        owner: view.owner.to_owned(),
        outcome: view.outcome,
        reason: view.reason.unwrap_or_default(),
        activity: activities.join(","),
        began_at: view.began,
        ended_at: view.ended,
        pending_reason,
        next_attempt,
        updated_at: view.changed,
    }
}
