//! How activities end, decided beforehand: by seed, computer, activity, pass, and how often it was
//! visited in that pass. Whoever carries it out, and however often, it ends the same.

use model::Span;
use workflow::{ActivityName, Context, Event, Kind, Outputs, Report, Workflow};

use crate::Doing;
use crate::chance::{Chance, hash};

/// One stay in an activity, named so that every way of going through the workflow agrees on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stay {
    pub attempt: u32,
    pub activity: ActivityName,
    /// From 1 within the pass.
    pub nth: u32,
}

#[derive(Debug, Clone, Copy)]
pub struct Oracle {
    pub seed: u64,
    pub doing: Doing,
}

impl Oracle {
    /// What a doer will say, and after how long.
    pub fn fate(&self, workflow: &Workflow, computer: u32, stay: &Stay) -> (Event, Span) {
        let numbers = [computer.to_le_bytes(), stay.attempt.to_le_bytes(), stay.nth.to_le_bytes()];
        let seed = hash(self.seed, &[stay.activity.as_str().as_bytes(), &numbers.concat()]);
        let mut chance = Chance::new(seed);
        let (least, most) = self.doing.lasts;
        let lasts = Span::from_millis(chance.between(least.as_millis(), most.as_millis()));
        let Some(activity) = workflow.activities.get(&stay.activity) else {
            return (Event::Error, lasts);
        };
        let is_execute = matches!(activity.kind, Kind::Execute(_));
        let exits: Vec<u32> = activity
            .on
            .keys()
            .filter_map(|event| if let Event::Exit(code) = event { Some(*code) } else { None })
            .collect();
        let named: Vec<&Event> =
            activity.on.keys().filter(|event| matches!(event, Event::Named(_))).collect();
        let event = if chance.happens(self.doing.error) {
            if is_execute { Event::Exit(chance.between(1, 5) as u32) } else { Event::Error }
        } else if activity.kind.emits(&Event::NoFile) && chance.happens(self.doing.no_file) {
            Event::NoFile
        } else if is_execute && !exits.is_empty() && chance.happens(self.doing.named_exit) {
            Event::Exit(chance.pick(&exits).copied().unwrap_or(0))
        } else if !named.is_empty() && chance.happens(500_000) {
            chance.pick(&named).map_or(Event::Ok, |event| (*event).clone())
        } else if is_execute {
            Event::Exit(0)
        } else {
            Event::Ok
        };
        (event, lasts)
    }
}

/// The report of an activity that ended by itself.
pub fn report(kind: &Kind, event: &Event) -> Report {
    let code = if let Event::Exit(code) = event { *code } else { 0 };
    let outputs: Outputs = kind
        .outputs()
        .iter()
        .map(|name| {
            let value = match *name {
                "exit_code" => code.to_string(),
                "truncated" => "false".to_owned(),
                "stdout" => "simulated".to_owned(),
                "stderr" => String::new(),
                _ => "1".to_owned(),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    // An Execution that ends well says `ok`, unless the workflow names its code.
    Report { outputs, ..Report::of(event.clone()) }
}

/// Renders what the activity is given, as its doer would; the error ends it.
pub fn rendered(kind: &Kind, context: &Context) -> Result<(), String> {
    kind.templates()
        .into_iter()
        .try_for_each(|(_, template)| template.render(context).map(drop))
        .map_err(|error| error.to_string())
}
