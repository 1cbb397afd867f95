//! Where every target of a deployment stands, and the lines that say so.

use std::collections::BTreeMap;

use api::{Deployment, DeploymentDetail, Run};

use crate::output::{self, Paint};
use crate::results;

/// With more targets than this, only those in trouble get a line.
pub const LINES_MAX: usize = 20;
const TROUBLED_MAX: usize = 10;
const BAR: usize = 30;

pub struct Board {
    deployment: Deployment,
    runs: BTreeMap<String, Run>,
    /// How many of them have ended, so that no change costs a look at all.
    ended: usize,
}

impl Board {
    pub fn new(detail: DeploymentDetail) -> Self {
        let deployment = detail.deployment.clone();
        let mut board = Self { deployment, runs: BTreeMap::new(), ended: 0 };
        board.replace(detail);
        board
    }

    pub fn replace(&mut self, detail: DeploymentDetail) {
        self.deployment = detail.deployment;
        self.runs = detail.runs.into_iter().map(|run| (run.id.clone(), run)).collect();
        self.ended = self.runs.values().filter(|run| run.outcome.is_some()).count();
    }

    pub fn deployment(&mut self, deployment: Deployment) {
        if deployment.id == self.deployment.id {
            self.deployment = deployment;
        }
    }

    /// The run as it is now, if people would notice the difference.
    pub fn update(&mut self, run: Run) -> Option<Run> {
        if run.deployment != self.deployment.id {
            return None;
        }
        if run.is_replaced {
            let before = self.runs.remove(&run.id);
            self.ended -= usize::from(before.is_some_and(|before| before.outcome.is_some()));
            return None;
        }
        let before = self.runs.insert(run.id.clone(), run.clone());
        let was_over = before.as_ref().is_some_and(|before| before.outcome.is_some());
        self.ended += usize::from(run.outcome.is_some());
        self.ended -= usize::from(was_over);
        let seen = |run: &Run| (results::state(run).to_owned(), run.activities.clone());
        (before.as_ref().map(seen) != Some(seen(&run))).then_some(run)
    }

    pub fn is_over(&self) -> bool {
        self.ended == self.runs.len()
    }

    pub fn is_large(&self) -> bool {
        self.runs.len() > LINES_MAX
    }

    pub fn targets(&self) -> usize {
        self.runs.len()
    }

    pub fn ended(&self) -> usize {
        self.ended
    }

    /// In the order of the computers' names.
    pub fn into_runs(self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.runs.into_values().collect();
        runs.sort_by_cached_key(|run| natural(&run.computer));
        runs
    }

    /// One sentence: `12 of 50: 11 success, 1 failure, 38 running`.
    pub fn sentence(&self) -> String {
        let counted = results::counted(self.runs.values());
        format!("{} of {}: {counted}", self.ended(), self.targets())
    }

    /// What a terminal shows just now.
    pub fn lines(&self, now: i64, paint: Paint) -> Vec<String> {
        let is_troubled = |run: &&Run| match run.outcome.as_deref() {
            Some(outcome) => outcome != "success",
            None => run.phase != "pending" && !run.is_connected,
        };
        let mut shown: Vec<&Run> = match self.is_large() {
            true => self.runs.values().filter(is_troubled).collect(),
            false => self.runs.values().collect(),
        };
        shown.sort_by_cached_key(|run| natural(&run.computer));
        let more = match self.is_large() {
            true => shown.len().saturating_sub(TROUBLED_MAX),
            false => 0,
        };
        shown.truncate(shown.len() - more);
        let mut lines = match shown.is_empty() {
            true => Vec::new(),
            false => results::table(shown, now).lines(paint),
        };
        if more > 0 {
            lines.push(paint.dim(&format!("and {more} more in trouble")));
        }
        let time = output::spell(now.saturating_sub(self.deployment.created_at));
        lines.push(format!("{} {}  {time}", self.bar(paint), self.sentence()));
        lines
    }

    fn bar(&self, paint: Paint) -> String {
        let done = self.ended() * BAR / self.targets().max(1);
        format!("{}{}", paint.good(&"━".repeat(done)), paint.dim(&"━".repeat(BAR - done)))
    }
}

/// So that `pc-10` comes after `pc-9`: numbers are compared as numbers.
pub fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, after) = tail.split_at(end);
        parts.push((text.to_lowercase(), number.parse().unwrap_or(0)));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, outcome: Option<&str>, activity: &str) -> Run {
        Run {
            id: format!("run-{name}"),
            deployment: "d".into(),
            computer_id: format!("id-{name}"),
            computer: name.into(),
            copy: 1,
            is_replaced: false,
            phase: if outcome.is_some() { "ended" } else { "running" }.into(),
            owner: "agent".into(),
            is_connected: true,
            outcome: outcome.map(str::to_owned),
            reason: (outcome == Some("failure")).then(|| "setup failed".to_owned()),
            activities: [activity].into_iter().filter(|a| !a.is_empty()).map(Into::into).collect(),
            began_at: Some(1_000),
            ended_at: outcome.map(|_| 2_500),
            waiting: None,
        }
    }

    fn board(runs: Vec<Run>) -> Board {
        let deployment = Deployment {
            id: "d".into(),
            name: "Install".into(),
            workflow: "Install".into(),
            revision: 1,
            status: "running".into(),
            start: None,
            stop: None,
            created_by: "administrator".into(),
            created_at: 0,
            targets: runs.len() as u64,
            counts: BTreeMap::new(),
        };
        let variables = Default::default();
        let (earlier_runs, copies) = (Vec::new(), Vec::new());
        Board::new(DeploymentDetail { deployment, variables, runs, earlier_runs, copies })
    }

    #[test]
    fn few_targets_have_a_line_each() {
        let board = board(vec![
            run("pc-10", Some("failure"), ""),
            run("pc-2", None, "setup"),
            run("pc-1", Some("success"), ""),
        ]);
        let lines = board.lines(4_000, Paint::PLAIN);
        assert_eq!(
            lines[..4],
            [
                "COMPUTER  STATE    ACTIVITY  TIME   WHY",
                "pc-1      success            1.5 s",
                "pc-2      running  setup     3.0 s",
                "pc-10     failure            1.5 s  setup failed",
            ]
        );
        assert!(lines[4].ends_with("2 of 3: 1 success, 1 failure, 1 running  4.0 s"), "{lines:?}");
        assert!(!board.is_over());
    }

    #[test]
    fn of_many_targets_only_those_in_trouble_are_shown() {
        let mut runs: Vec<Run> =
            (0..30).map(|n| run(&format!("pc-{n}"), Some("success"), "")).collect();
        runs.extend((30..45).map(|n| run(&format!("pc-{n}"), Some("failure"), "")));
        let board = board(runs);
        let lines = board.lines(4_000, Paint::PLAIN);
        assert_eq!(lines.len(), 1 + TROUBLED_MAX + 2);
        assert!(lines[1].starts_with("pc-30"));
        assert_eq!(lines[TROUBLED_MAX + 1], "and 5 more in trouble");
        assert!(board.is_over());
    }

    #[test]
    fn only_what_people_notice_is_told() {
        let mut board = board(vec![run("pc", None, "setup")]);
        assert_eq!(board.update(run("pc", None, "setup")), None);
        assert!(board.update(run("pc", None, "clean")).is_some());
        assert!(board.update(run("pc", Some("success"), "")).is_some());
        let mut other = run("pc", None, "setup");
        other.deployment = "another".into();
        assert_eq!(board.update(other), None);
        assert!(board.is_over());
    }
}
