//! Progress on standard error: a block that is painted over on a terminal, else plain lines.

use std::io::{self, IsTerminal};
use std::time::Instant;

use api::Run;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Board;
use crate::output::{self, Paint};
use crate::results;

pub struct Screen {
    began: Instant,
    paint: Paint,
    shape: Shape,
}

enum Shape {
    /// One bar for each line.
    Block { all: MultiProgress, lines: Vec<ProgressBar> },
    /// How many tenths of a large deployment have been told.
    Lines { tenths: usize },
}

impl Screen {
    pub fn new() -> Self {
        let shape = match io::stderr().is_terminal() {
            true => Shape::Block { all: MultiProgress::new(), lines: Vec::new() },
            false => Shape::Lines { tenths: 0 },
        };
        Self { began: Instant::now(), paint: output::paint_stderr(), shape }
    }

    pub fn begin(&mut self, board: &Board) {
        match self.shape {
            Shape::Block { .. } => self.paint(board, output::now()),
            Shape::Lines { .. } => self.say(&board.sentence()),
        }
    }

    /// A run changed in a way that people notice.
    pub fn changed(&mut self, board: &Board, run: &Run) {
        let Shape::Lines { tenths } = &mut self.shape else { return };
        let outcome = run.outcome.as_deref();
        let is_bad = outcome.is_some_and(|outcome| outcome != "success");
        let mut said = Vec::new();
        if is_bad || !board.is_large() {
            said.push(sentence(run));
        }
        let reached = board.ended() * 10 / board.targets().max(1);
        if board.is_large() && reached > *tenths {
            *tenths = reached;
            said.push(board.sentence());
        }
        said.iter().for_each(|text| self.say(text));
    }

    pub fn paint(&mut self, board: &Board, now: i64) {
        let Shape::Block { all, lines } = &mut self.shape else { return };
        let texts = board.lines(now, self.paint);
        while lines.len() < texts.len() {
            let bar = all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            lines.push(bar);
        }
        while lines.len() > texts.len() {
            let Some(bar) = lines.pop() else { break };
            all.remove(&bar);
        }
        lines.iter().zip(texts).for_each(|(bar, text)| bar.set_message(text));
    }

    /// The server is not there any more.
    pub fn away(&mut self, board: &Board) {
        self.say(&format!("{}; the server is away, waiting for it", board.sentence()));
    }

    pub fn back(&mut self) {
        self.say("the server is back");
    }

    /// Leaves nothing of the block behind.
    pub fn end(&mut self) {
        if let Shape::Block { all, lines } = &mut self.shape {
            lines.drain(..).for_each(|bar| bar.finish_and_clear());
            // A terminal that cannot be written to any more needs no clearing.
            let _ = all.clear();
        }
    }

    fn say(&self, text: &str) {
        let since = self.began.elapsed().as_secs_f64();
        let line = format!("{since:7.2} s  {}", output::clean(text));
        match &self.shape {
            Shape::Block { all, .. } => _ = all.println(line),
            Shape::Lines { .. } => eprintln!("{line}"),
        }
    }
}

fn sentence(run: &Run) -> String {
    let (computer, state) = (&run.computer, results::state(run).replace('_', " "));
    let why = results::why(run, output::now());
    match (run.activities.as_slice(), why.as_str()) {
        ([], "") => format!("{computer}: {state}"),
        ([], why) => format!("{computer}: {state} ({why})"),
        (activities, _) => format!("{computer}: {state} {}", activities.join(", ")),
    }
}
