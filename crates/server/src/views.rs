//! From rows and views to what the API tells.

use std::collections::BTreeMap;

use model::Timestamp;
use store::rows;
use travel::RunView;
use workflow::Run;

use crate::reach::Reach;

fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

/// A run as the loop has it.
pub fn live_run(view: &RunView, computer: &str) -> api::Run {
    api::Run {
        id: view.run.to_string(),
        deployment: view.deployment.to_string(),
        computer_id: view.computer.to_string(),
        computer: computer.to_owned(),
        copy: view.copy,
        is_replaced: view.is_replaced,
        phase: view.phase.to_owned(),
        owner: view.owner.to_owned(),
        is_connected: view.is_connected,
        outcome: view.outcome.map(|outcome| outcome.to_string()),
        reason: view.reason.clone(),
        activities: view.activities.iter().map(ToString::to_string).collect(),
        began_at: millis(view.began),
        ended_at: millis(view.ended),
        waiting: view.waiting.as_ref().map(|waiting| api::Waiting {
            code: waiting.code.to_owned(),
            text: waiting.text.clone(),
            next: millis(waiting.next),
        }),
    }
}

/// Adds what was tried to reach the run's machine, while it is not connected.
pub fn add_reach(run: &mut api::Run, view: &RunView, reach: &Reach) {
    if let Some(waiting) = run.waiting.as_mut().filter(|_| !view.is_connected)
        && let Some(told) = reach.told(view.computer)
    {
        waiting.text = format!("{}; {told}", waiting.text);
    }
}

/// A run as the database has it: one that has ended, or that was set aside.
pub fn kept_run(row: &rows::Run, computer: &str, is_connected: bool) -> api::Run {
    let waiting = (row.outcome.is_none()).then(|| api::Waiting {
        code: "set_aside".into(),
        text: "its journal is damaged; see the log of events".into(),
        next: None,
    });
    let activities = row.activity.split(',').filter(|name| !name.is_empty());
    api::Run {
        id: row.run.to_string(),
        deployment: row.deployment.to_string(),
        computer_id: row.computer.to_string(),
        computer: computer.to_owned(),
        copy: row.copy,
        is_replaced: row.is_replaced,
        phase: row.phase.clone(),
        owner: row.owner.clone(),
        is_connected,
        outcome: row.outcome.map(|outcome| outcome.to_string()),
        reason: Some(row.reason.clone()).filter(|reason| !reason.is_empty()),
        activities: activities.map(str::to_owned).collect(),
        began_at: millis(row.began_at),
        ended_at: millis(row.ended_at),
        waiting,
    }
}

pub fn deployment(row: &rows::Deployment, counts: BTreeMap<String, u64>) -> api::Deployment {
    api::Deployment {
        id: row.id.to_string(),
        name: row.name.clone(),
        workflow: row.workflow.clone(),
        revision: row.revision,
        status: row.status.clone(),
        start: millis(row.start),
        stop: millis(row.stop),
        created_by: row.created_by.clone(),
        created_at: row.created_at.as_millis(),
        targets: counts.values().sum(),
        counts,
    }
}

pub fn deployment_copy(row: &rows::DeploymentCopy, source: String) -> api::DeploymentCopy {
    api::DeploymentCopy {
        number: row.number,
        created_by: row.created_by.clone(),
        created_at: row.created_at.as_millis(),
        source,
    }
}

/// Runs by phase and, once ended, by outcome.
pub fn counts(rows: &[rows::RunCount]) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let place = match row.outcome {
            Some(outcome) => outcome.as_str(),
            None => &row.phase,
        };
        *counts.entry(place.to_owned()).or_default() += row.runs;
    }
    counts
}

/// The path a run took, its unhandled errors, its outputs.
pub fn run_detail(run: api::Run, kept: Option<&Run>) -> api::RunDetail {
    let Some(kept) = kept else {
        let (path, unhandled, outputs) = (Vec::new(), Vec::new(), BTreeMap::new());
        return api::RunDetail { run, path, unhandled, outputs };
    };
    let state = kept.state();
    let outputs = state.outputs().iter().map(|(name, outputs)| (name.to_string(), outputs.clone()));
    api::RunDetail {
        run,
        path: path(kept),
        unhandled: state.unhandled().iter().map(ToString::to_string).collect(),
        outputs: outputs.collect(),
    }
}

/// The way a run took through its graph.
pub fn path(run: &Run) -> Vec<api::Step> {
    let step = |step: &workflow::Step| {
        let (event, note) = step.told(run.workflow());
        api::Step {
            attempt: step.attempt,
            visit: step.visit.0,
            activity: step.activity.to_string(),
            event: event.as_ref().map(ToString::to_string),
            note,
            begin: step.begin.as_millis(),
            end: millis(step.end),
        }
    };
    run.state().path().iter().map(step).collect()
}

pub fn workflow(row: &rows::Workflow, source: String) -> api::Workflow {
    api::Workflow {
        name: row.name.clone(),
        revision: row.revision,
        description: row.description.clone(),
        source,
        created_by: row.created_by.clone(),
        created_at: row.created_at.as_millis(),
    }
}

pub fn finding(problem: &format::Problem) -> api::Finding {
    let severity = match problem.severity {
        workflow::Severity::Error => "error",
        workflow::Severity::Warning => "warning",
    };
    api::Finding {
        severity: severity.into(),
        code: problem.code.into(),
        line: problem.line,
        column: problem.column,
        message: problem.what.clone(),
        hint: problem.hint.clone(),
    }
}

pub fn agent(row: &rows::Agent, name: &str, is_online: bool) -> api::Agent {
    let key = trust::VerifyingKey::from_bytes(&row.signing_key);
    api::Agent {
        computer: row.computer.to_string(),
        name: name.to_owned(),
        version: row.version.clone(),
        protocol: row.protocol,
        capabilities: row.capabilities.clone(),
        key: key.map_or(String::new(), |key| key.fingerprint().to_string()),
        state: row.state.as_str().to_owned(),
        is_online,
        address: row.address.clone(),
        first_seen: row.first_seen.as_millis(),
        last_seen: row.last_seen.as_millis(),
    }
}

pub fn computer(
    row: &rows::Computer,
    parent: Option<String>,
    agent: Option<api::Agent>,
) -> api::Computer {
    let computer = &row.computer;
    api::Computer {
        id: computer.id.to_string(),
        name: computer.name.clone(),
        host_name: computer.host_name.clone(),
        os: computer.os.clone(),
        parent,
        is_group: computer.is_group,
        facts: computer.facts.clone(),
        agent,
        created_by: row.created_by.clone(),
        created_at: row.created_at.as_millis(),
    }
}

pub fn token(row: &rows::Token) -> api::Token {
    api::Token {
        id: row.id.to_string(),
        note: row.note.clone(),
        uses_left: row.uses_left,
        expires_at: row.expires_at.as_millis(),
        revoked: row.revoked,
        created_by: row.created_by.clone(),
        created_at: row.created_at.as_millis(),
    }
}

pub fn event(row: &rows::LoggedEvent) -> api::Event {
    let event = &row.event;
    api::Event {
        seq: row.seq,
        at: event.at.as_millis(),
        kind: event.kind.clone(),
        computer: event.computer.map(|id| id.to_string()),
        deployment: event.deployment.map(|id| id.to_string()),
        run: event.run.map(|id| id.to_string()),
        who: event.who.clone(),
        text: event.text.clone(),
    }
}

pub fn message(row: &rows::KeptMessage) -> api::Message {
    let message = &row.message;
    api::Message {
        number: row.seq,
        at: message.at.as_millis(),
        to: message.to.clone(),
        subject: message.subject.clone(),
        text: message.text.clone(),
        computer: message.computer.map(|id| id.to_string()),
        deployment: message.deployment.map(|id| id.to_string()),
        run: message.run.map(|id| id.to_string()),
        read_by: row.read.as_ref().map(|read| read.by.clone()),
        read_at: row.read.as_ref().map(|read| read.at.as_millis()),
    }
}
