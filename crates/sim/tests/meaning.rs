//! "Meaning of a run", sentence by sentence: cases in `meaning/`, each a workflow and what happens.
//!
//! A line that begins with `>` is an input; below it is what the run decided and ordered.
//! `DESKHAND_UPDATE=1` writes them anew, to be read before they are kept.
//!
//! Inputs: `ended ACTIVITY EVENT [NAME=TEXT …]`, `again` (the last report once more), `after SPAN`,
//! `back SPAN` (the clock is set back), `suspend`, `resume`, `abort`, `fail REASON`, `crash`
//! (opened again from its journal), `give`, `take [+SPAN | -SPAN]` (its clock is off).

#![allow(clippy::unwrap_used, reason = "a test ends there")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use model::{RunId, Span, Timestamp};
use workflow::{
    Context, Control, EffectId, Epoch, Input, Order, Owner, Phase, Place, Record, Report, Run,
    Visit, Workflow,
};

struct Player {
    workflow: Arc<Workflow>,
    here: Place,
    run: Run,
    journal: Vec<Record>,
    now: i64,
    orders: u64,
    last: Option<Input>,
    told: String,
}

fn run_id() -> RunId {
    RunId::from_bytes([7; 16])
}

impl Player {
    fn new(text: &str, here: Place) -> Self {
        let parsed = format::parse_workflow(text);
        assert!(
            parsed.problems.iter().all(|p| parsed.workflow.is_some() || p.what.is_empty()),
            "{:#?}",
            parsed.problems
        );
        let workflow = Arc::new(parsed.workflow.unwrap());
        let run = open(&workflow, here, &[]);
        let (journal, told) = (Vec::new(), String::new());
        Self { workflow, here, run, journal, now: 1_000_000, orders: 0, last: None, told }
    }

    fn play(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let span = |text: &str| text.parse::<Span>().unwrap().as_millis() as i64;
        let input = match word {
            "open" => Input::Open,
            "ended" => self.ended(rest),
            "again" => self.last.clone().unwrap(),
            "after" => {
                self.now += span(rest);
                Input::Tick
            }
            "back" => {
                self.now -= span(rest);
                Input::Tick
            }
            "suspend" | "resume" | "abort" => {
                self.orders += 1;
                let all = [Control::Suspend, Control::Resume, Control::Abort];
                let control = all.into_iter().find(|c| c.as_str() == word).unwrap();
                Input::Control { number: self.orders, control }
            }
            "fail" => Input::Fail { reason: rest.to_owned() },
            "give" => Input::Give { epoch: Epoch(1) },
            "take" => {
                let remaining = self.run.remaining(Timestamp::from_millis(self.now));
                match rest.split_at(rest.len().min(1)) {
                    ("+", far) => self.now += span(far),
                    ("-", far) => self.now -= span(far),
                    _ => {}
                }
                self.here = Place::Target;
                self.run = open(&self.workflow, self.here, &self.journal);
                Input::Take { epoch: Epoch(1), remaining, controls: Vec::new() }
            }
            "crash" => {
                self.run = open(&self.workflow, self.here, &self.journal);
                self.drain();
                Input::Tick
            }
            _ => panic!("`{line}` is no input"),
        };
        let result = self.run.handle(input, Timestamp::from_millis(self.now));
        if let Err(error) = result {
            let _ = writeln!(self.told, "    refused: {error}");
        }
        self.drain();
    }

    fn ended(&mut self, rest: &str) -> Input {
        let mut words = rest.split(' ');
        let name = words.next().unwrap();
        let (event, outputs): (Vec<&str>, Vec<&str>) = words.partition(|word| !word.contains('='));
        let mut report = Report::of(event.join(" ").parse().unwrap());
        report.outputs = outputs
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        let state = self.run.state();
        let visit = state.in_progress().iter().find(|(_, p)| p.activity.as_str() == name);
        let visit = visit.map_or(Visit(9_999), |(visit, _)| *visit);
        let effect = EffectId::new(run_id(), state.attempt(), visit);
        let input = Input::Ended { effect, report };
        self.last = Some(input.clone());
        input
    }

    fn drain(&mut self) {
        while let Some(record) = self.run.poll_record() {
            let _ = writeln!(self.told, "    {}", self.show(&record));
            self.journal.push(record);
        }
        while let Some(order) = self.run.poll_order() {
            let text = match order {
                Order::Begin { activity, side, .. } => format!("begin {activity} ({side:?})"),
                Order::Recover { activity, .. } => format!("recover {activity}"),
                Order::Interrupt { effect, .. } => format!("interrupt {}", effect.visit),
                Order::PowerOff { effect } => format!("power off {}", effect.visit),
            };
            let _ = writeln!(self.told, "      -> {text}");
        }
        let again = open(&self.workflow, self.here, &self.journal);
        assert_eq!(again.state(), self.run.state(), "replay gives another state");
    }

    fn show(&self, record: &Record) -> String {
        let since = |at: Timestamp| Span::from_millis((at.as_millis() - 1_000_000) as u64);
        let mut text = match record {
            Record::Began { visit, activity, by, until, deadline, .. } => {
                let by = by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
                let until = until.map_or(String::new(), |at| format!(", until {}", since(at)));
                let by_then =
                    deadline.map_or(String::new(), |at| format!(", at most {}", since(at)));
                format!("{visit} began {activity}{by}{until}{by_then}")
            }
            Record::Passed { visit, activity, by, .. } => {
                let by = by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
                format!("{visit} passed {activity}{by}")
            }
            Record::Stopping { visit, event, .. } => format!("{visit} stopping, {event}"),
            Record::Ended { visit, report, .. } => {
                let note = report.note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
                format!("{visit} ended {}{note}", report.event)
            }
            Record::Concluding { outcome, reason, by, .. } => {
                let by = by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
                format!("concluding {outcome}{by}: {}", reason.as_deref().unwrap_or("-"))
            }
            Record::Retrying { activity, not_before, .. } => {
                format!("retrying by {activity}, not before {}", since(*not_before))
            }
            Record::Restarted { attempt, .. } => format!("pass {attempt}"),
            Record::Controlled { number, control, .. } => {
                format!("order {number} {}", control.as_str())
            }
            Record::Closed { outcome, reason, .. } => {
                format!("closed {outcome}: {}", reason.as_deref().unwrap_or("-"))
            }
            other => other.kind().to_owned(),
        };
        if let Record::Closed { .. } = record {
            let unhandled: Vec<String> =
                self.run.state().unhandled().iter().map(ToString::to_string).collect();
            if !unhandled.is_empty() {
                let _ = write!(text, " [unhandled: {}]", unhandled.join(", "));
            }
        }
        text
    }
}

fn open(workflow: &Arc<Workflow>, here: Place, journal: &[Record]) -> Run {
    let base = Context { variables: workflow.variables.clone(), ..Context::default() };
    Run::open(run_id(), here, workflow.clone(), base, journal.iter().cloned()).unwrap()
}

/// Thousands of lines as the first and the last of them.
fn folded(told: &str) -> String {
    let lines: Vec<&str> = told.lines().collect();
    if lines.len() <= 40 {
        return told.to_owned();
    }
    let (first, last) = (lines[..4].join("\n"), lines[lines.len() - 4..].join("\n"));
    format!("{first}\n    … {} more\n{last}\n", lines.len() - 8)
}

fn play(text: &str) -> String {
    let (definition, script) = text.split_once("---\n").unwrap();
    let is_server = definition.lines().any(|line| line.trim() == "# at the server");
    let mut player = Player::new(definition, if is_server { Place::Server } else { Place::Target });
    for line in script.lines().filter_map(|line| line.strip_prefix("> ")) {
        let _ = writeln!(player.told, "> {line}");
        let before = std::mem::take(&mut player.told);
        player.play(line.trim());
        player.told = before + &folded(&player.told);
    }
    let state = player.run.state();
    if !matches!(state.phase(), Phase::Closed { .. }) {
        let wait =
            player.run.poll_timeout().map_or("nothing".into(), |(_, why)| format!("{why:?}"));
        let is_away = matches!(state.owner(), Owner::Giving(_));
        let _ =
            writeln!(player.told, "open{}, waits for {wait}", if is_away { ", given" } else { "" });
    }
    format!("{definition}---\n{}", player.told)
}

#[test]
fn every_sentence_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/meaning");
    let mut wrong = Vec::new();
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let found = play(&text);
        if std::env::var_os("DESKHAND_UPDATE").is_some() {
            std::fs::write(&case, &found).unwrap();
        } else if found != text {
            wrong.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
