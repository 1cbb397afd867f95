//! `deskhand deploy APPLICATION --plan`: what distributing it would do at each target, asked of the
//! agents by a workflow of one activity that changes nothing.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use api::{Application, NewDeployment, RunDetail, Targets};
use client::Client;
use serde::Serialize;
use serde_json::Value;

use crate::output;
use crate::trouble::FAILED;

/// Nothing would change; something would; something stands in the way or is worth a thought.
const CHANGES: u8 = 3;
const FINDINGS: u8 = 4;
/// How long an agent may take, and how often it is asked after.
const WITHIN: Duration = Duration::from_secs(10 * 60);
const LOOK: Duration = Duration::from_millis(200);

/// One target's answer.
#[derive(Debug, Serialize)]
struct Planned {
    computer: String,
    /// `planned`, `offline` or `failed`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Value>,
}

pub async fn run(
    client: &Client,
    application: &Application,
    targets: Targets,
    json: bool,
) -> Result<ExitCode> {
    let name = &application.name;
    let new = NewDeployment {
        workflow: None,
        revision: None,
        source: Some(workflow(name, &application.id)),
        targets,
        variables: std::collections::BTreeMap::new(),
        start: None,
        stop: None,
    };
    let deployed = client.deploy(&new).await?;
    for left_out in &deployed.left_out {
        output::note(format!("left out: {}", output::clean(left_out)));
    }
    let planned = collect(client, &deployed.deployment.id).await?;
    if json {
        output::json(&planned)?;
    } else {
        output::line(format!("{} version {}", output::clean(name), application.version))?;
        planned.iter().try_for_each(print)?;
        output::note(summary(&planned));
    }
    Ok(exit_code(&planned))
}

fn workflow(name: &str, id: &str) -> String {
    let title = Value::String(format!("Plan of {name}"));
    format!(
        "workflow: {title}\nstart: plan\nactivities:\n  plan:\n    application: {{ application: {id}, \
         do: plan }}\n    timeout: 10m\n    on: {{ ok: done, error: failed, timeout: failed }}\n  \
         done: {{ success: {{}} }}\n  failed: {{ failure: {{ message: no plan was made }} }}\n"
    )
}

/// Waits for those that are there; the others are let go.
async fn collect(client: &Client, deployment: &str) -> Result<Vec<Planned>> {
    let begin = std::time::Instant::now();
    loop {
        let detail = client.deployment(deployment).await?;
        let is_waited_for = |run: &&api::Run| run.outcome.is_none() && run.is_connected;
        let waits = detail.runs.iter().filter(is_waited_for).count();
        if waits > 0 && begin.elapsed() < WITHIN {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let is_over = detail.runs.iter().all(|run| run.outcome.is_some());
        if !is_over {
            let abort = api::ControlRequest { control: "abort".to_owned(), computers: Vec::new() };
            client.control(deployment, &abort).await?;
        }
        let mut planned = Vec::with_capacity(detail.runs.len());
        for run in &detail.runs {
            planned.push(answer(client.run(&run.id).await?, run.outcome.is_none()));
        }
        planned.sort_by(|a, b| a.computer.cmp(&b.computer));
        return Ok(planned);
    }
}

fn answer(detail: RunDetail, is_away: bool) -> Planned {
    let computer = detail.run.computer.clone();
    let told = detail.outputs.get("plan").and_then(|outputs| outputs.get("plan"));
    match told.and_then(|text| serde_json::from_str(text).ok()) {
        Some(plan) => Planned { computer, state: "planned", why: None, plan: Some(plan) },
        None if is_away => Planned { computer, state: "offline", why: None, plan: None },
        None => {
            let noted = detail.path.into_iter().find_map(|step| step.note);
            let why = noted.or(detail.run.reason);
            Planned { computer, state: "failed", why, plan: None }
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn print(planned: &Planned) -> std::io::Result<()> {
    let paint = output::paint_stdout();
    let name = paint.strong(&output::clean(&planned.computer));
    let Some(plan) = &planned.plan else {
        let why = planned.why.as_deref().map(|why| format!(": {}", output::clean(why)));
        let state = paint.bad(planned.state);
        return output::line(format!("{name}  {state}{}", why.unwrap_or_default()));
    };
    output::line(format!("{name}  {}", in_short(plan)))?;
    for item in list(plan, "items") {
        let target = output::clean(text(item, "target")).into_owned();
        let line = match text(item, "outcome") {
            "changed" => {
                let (before, after) = (text(item, "before"), text(item, "after"));
                let change = output::clean(before).into_owned() + " -> " + &output::clean(after);
                format!("  {} {target}: {change}", paint.busy("~"))
            }
            "skipped" => {
                format!("  {} {target}: {}", paint.dim("-"), output::clean(text(item, "why")))
            }
            _ => format!("  {} {target}", paint.good("=")),
        };
        output::line(line)?;
    }
    for finding in list(plan, "findings") {
        let (severity, code) = (text(finding, "severity"), text(finding, "code"));
        let message = output::clean(text(finding, "message"));
        output::line(format!("  {}: {message}", paint.bad(&format!("{severity}[{code}]"))))?;
    }
    Ok(())
}

/// One line for one target.
fn in_short(plan: &Value) -> String {
    if let Some(installed) = plan["installed"].as_u64().filter(|_| plan["left_alone"] == true) {
        return format!("left alone: version {installed} is there, which is later");
    }
    let why: Vec<&str> = list(plan, "unavailable").iter().filter_map(Value::as_str).collect();
    if !why.is_empty() {
        return format!("not for this machine: {}", output::clean(&why.join("; ")));
    }
    let (changes, bytes) = (changes(plan), plan["bytes"].as_u64().unwrap_or(0));
    if changes == 0 {
        return "nothing to change".to_owned();
    }
    let restart = if list(plan, "reboot").is_empty() { "" } else { ", then a restart" };
    format!("{changes} changes, {}{restart}", output::bytes(bytes))
}

fn changes(plan: &Value) -> u64 {
    plan["changes"].as_u64().unwrap_or(0)
}

fn summary(planned: &[Planned]) -> String {
    let with = |state: &str| planned.iter().filter(|one| one.state == state).count();
    let changed =
        planned.iter().filter_map(|one| one.plan.as_ref()).filter(|plan| changes(plan) > 0);
    format!(
        "{} targets: {} planned, {} of these with changes, {} offline, {} failed",
        planned.len(),
        with("planned"),
        changed.count(),
        with("offline"),
        with("failed")
    )
}

fn exit_code(planned: &[Planned]) -> ExitCode {
    let plans = || planned.iter().filter_map(|one| one.plan.as_ref());
    if planned.iter().any(|one| one.state == "failed") {
        return ExitCode::from(FAILED);
    }
    if plans().any(|plan| !list(plan, "findings").is_empty()) {
        return ExitCode::from(FINDINGS);
    }
    if plans().any(|plan| changes(plan) > 0) { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_of_all_targets_is_the_exit_code() {
        let of = |state: &'static str, plan: Option<Value>| {
            move || Planned { computer: "pc".into(), state, why: None, plan: plan.clone() }
        };
        let same = of("planned", Some(json!({ "changes": 0, "findings": [] })));
        let changed = of("planned", Some(json!({ "changes": 2 })));
        let found = of("planned", Some(json!({ "changes": 0, "findings": [{ "code": "X" }] })));
        let (offline, failed) = (of("offline", None), of("failed", None));
        for (all, code) in [
            (vec![], 0),
            (vec![same(), offline()], 0),
            (vec![same(), changed()], CHANGES),
            (vec![changed(), found(), same()], FINDINGS),
            (vec![found(), failed(), changed()], FAILED),
        ] {
            assert_eq!(exit_code(&all), ExitCode::from(code), "{all:?}");
        }
    }
}
