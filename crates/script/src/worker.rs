//! A worker: reads what to run, runs it, asks the agent for all it needs, says how it ended.
//!
//! One thread reads, so that a script that computes can still be stopped; this one runs the script.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use crate::engine::{Engine, Step};
use crate::frame::{FrameError, Frames, encode};
use crate::host::{Asked, Host, Send};
use crate::message::{Answer, Begin, End, FromWorker, How, Stop, ToWorker};

/// Why a worker gave up.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("what the agent says cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("the agent cannot be told: {0}")]
    Write(#[source] io::Error),
    #[error("what the agent says is not understood: {0}")]
    Frame(#[from] FrameError),
    #[error("the agent said nothing that a worker begins with")]
    NoBeginning,
    #[error("this process cannot be confined: {0}")]
    Confine(#[source] io::Error),
    #[error("the script engine cannot be started: {0}")]
    Engine(String),
}

/// Runs the one script that comes in over `input`. `confine` takes from this process what a script
/// has no use for; nothing of the script is looked at before.
pub fn run(
    mut input: impl Read + std::marker::Send + 'static,
    output: impl Write + 'static,
    confine: impl FnOnce(&Begin) -> io::Result<()>,
) -> Result<(), WorkerError> {
    let mut frames = Frames::default();
    let Some(ToWorker::Begin(begin)) = next(&mut frames, &mut input)? else {
        return Err(WorkerError::NoBeginning);
    };
    let asked = Arc::new(Asked::default());
    let (said, answers) = mpsc::channel();
    let reader = Reader { frames, asked: asked.clone(), said };
    // Started before the process may start nothing more.
    std::thread::Builder::new()
        .name("reader".to_owned())
        .stack_size(256 << 10)
        .spawn(move || reader.run(input))
        .map_err(WorkerError::Confine)?;
    let output = Rc::new(RefCell::new(output));
    let host = Host::new(&begin, asked, sender(output.clone()));
    let mut engine = Engine::new(&begin, host.clone())
        .map_err(|error| WorkerError::Engine(error.to_string()))?;
    confine(&begin).map_err(WorkerError::Confine)?;
    let (how, result) = play(&mut engine, &answers);
    // The process ends with it; taking a heap apart that a script has filled is lost time.
    std::mem::forget(engine);
    let variables = host.take_variables();
    let end = FromWorker::End(Box::new(End { how, result, variables }));
    write(&mut *output.borrow_mut(), &encode(&end)?).map_err(WorkerError::Write)
}

fn play(engine: &mut Engine, answers: &Receiver<(u64, Answer)>) -> (How, Option<String>) {
    let mut step = engine.begin();
    loop {
        match step {
            Step::Ended { how, result } => return (how, result),
            Step::Waits => {}
        }
        step = match answers.recv() {
            Ok((call, answer)) => engine.answer(call, &answer),
            // The reader has ended, and said before why the script shall.
            Err(mpsc::RecvError) => engine.doomed().unwrap_or(Step::Waits),
        };
    }
}

fn sender(output: Rc<RefCell<impl Write + 'static>>) -> Send {
    Box::new(move |message| {
        let bytes = encode(message).map_err(|error| error.to_string())?;
        // An empty reason: there is nobody to tell it to.
        write(&mut *output.borrow_mut(), &bytes).map_err(|_| String::new())
    })
}

fn write(output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes)?;
    output.flush()
}

/// The next message; none when the agent has closed the pipe.
fn next(
    frames: &mut Frames<ToWorker>,
    input: &mut impl Read,
) -> Result<Option<ToWorker>, WorkerError> {
    let mut room = [0; 16 << 10];
    loop {
        if let Some(message) = frames.take()? {
            return Ok(Some(message));
        }
        match input.read(&mut room) {
            Ok(0) => {
                frames.finish()?;
                return Ok(None);
            }
            Ok(count) => frames.push(&room[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(WorkerError::Read(error)),
        }
    }
}

struct Reader {
    frames: Frames<ToWorker>,
    asked: Arc<Asked>,
    said: Sender<(u64, Answer)>,
}

impl Reader {
    /// Until the agent says stop, or nothing more. Ending lets the script end as well.
    fn run(mut self, mut input: impl Read) {
        loop {
            match next(&mut self.frames, &mut input) {
                Ok(Some(ToWorker::Answer { call, answer })) => {
                    if self.said.send((call, answer)).is_err() {
                        return;
                    }
                }
                Ok(Some(ToWorker::Stop(why))) => return self.asked.stop(why),
                Ok(Some(ToWorker::Begin(_)) | None) | Err(_) => {
                    return self.asked.stop(Stop::Cancelled);
                }
            }
        }
    }
}
