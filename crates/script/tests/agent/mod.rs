//! An agent for one worker, with whatever answers a test wants.
#![allow(clippy::unwrap_used)] // A test ends where it cannot go on.

use std::io::{self, Read, Write, pipe};
use std::sync::mpsc;
use std::time::Duration;

use script::{Answer, Begin, Call, End, Frames, FromWorker, How, Limit, Place, Stop, ToWorker};

type Answering = Box<dyn Fn(&Call) -> Answer>;

pub struct Asked;

impl Asked {
    /// Long enough for a script to be in the middle of what it does.
    pub const A_WHILE: Duration = Duration::from_millis(300);
    pub const LONG: Duration = Duration::from_secs(20);
}

pub struct Agent {
    pub begin: Begin,
    answering: Option<Answering>,
    stop: Option<Duration>,
    is_gone: bool,
}

#[derive(Debug)]
pub struct Done {
    pub end: End,
    pub printed: String,
    pub calls: Vec<Call>,
}

impl Default for Agent {
    fn default() -> Self {
        Self::answering(|call| Answer::Failed(format!("nobody expected {call:?}")))
    }
}

impl Agent {
    pub fn answering(answering: impl Fn(&Call) -> Answer + 'static) -> Self {
        Self { answering: Some(Box::new(answering)), ..Self::silent() }
    }

    pub fn silent() -> Self {
        let begin = Begin {
            code: String::new(),
            memory_bytes: 64 << 20,
            operations: 10_000,
            processor_seconds: 60,
            context: [].into(),
            facts: [].into(),
        };
        Self { begin, answering: None, stop: None, is_gone: false }
    }

    pub fn stopped_after(self, time: Duration) -> Self {
        Self { stop: Some(time), ..self }
    }

    /// Dies at the first call.
    pub fn gone(self) -> Self {
        Self { is_gone: true, ..self }
    }

    pub fn run(mut self, code: &str) -> Done {
        self.begin.code = code.to_owned();
        let (their_input, mut input) = pipe().unwrap();
        let (mut output, their_output) = pipe().unwrap();
        let worker = std::thread::Builder::new()
            .stack_size(8 << 20)
            .spawn(move || script::run(their_input, their_output, |_| Ok(())))
            .unwrap();
        send(&mut input, &ToWorker::Begin(Box::new(self.begin.clone())));
        let mut input = Some(input);
        let (done, is_done) = mpsc::channel::<()>();
        if let Some(time) = self.stop {
            let mut input = input.as_ref().unwrap().try_clone().unwrap();
            std::thread::spawn(move || {
                if is_done.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout) {
                    send(&mut input, &ToWorker::Stop(Stop::Time));
                }
            });
        }
        let mut frames = Frames::default();
        let (mut printed, mut calls) = (String::new(), Vec::new());
        let end = loop {
            match next(&mut frames, &mut output).expect("the worker says how it ended") {
                FromWorker::Print(text) => printed.push_str(&text),
                FromWorker::Call { id, call } => {
                    if self.is_gone {
                        input = None;
                    }
                    if let (Some(answering), Some(input)) = (&self.answering, &mut input) {
                        let answer = answering(&call);
                        send(input, &ToWorker::Answer { call: id, answer });
                    }
                    calls.push(call);
                }
                FromWorker::End(end) => break *end,
            }
        };
        drop(done);
        worker.join().unwrap().unwrap();
        Done { end, printed, calls }
    }
}

fn send(input: &mut impl Write, message: &ToWorker) {
    // A worker that has ended hears nothing more.
    let _ = input.write_all(&script::encode(message).unwrap());
}

fn next(frames: &mut Frames<FromWorker>, output: &mut impl Read) -> Option<FromWorker> {
    let mut room = [0; 4096];
    loop {
        if let Some(message) = frames.take().unwrap() {
            return Some(message);
        }
        match output.read(&mut room) {
            Ok(0) => return None,
            Ok(count) => frames.push(&room[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn threw(how: &How) -> (&str, Option<Place>, &str) {
    match how {
        How::Threw { message, place, stack } => (message, *place, stack),
        other => panic!("{other:?}"),
    }
}

pub fn ended(how: &How) -> (Limit, Option<Place>) {
    match how {
        How::Ended { limit, place, .. } => (*limit, *place),
        other => panic!("{other:?}"),
    }
}
