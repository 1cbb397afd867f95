//! The talk with a script's worker, from its beginning to its end.

use std::collections::VecDeque;
use std::pin::{Pin, pin};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use machine::{WorkerInput, WorkerOutput, WorkerPipes};
use model::Span;
use script::{Answer, End, Frames, FromWorker, Stop, ToWorker, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wire::Stream;

use super::asked::Asked;
use super::{PATIENCE, ScriptError};

/// Of what a worker says on its standard error, the end.
const LAST_WORDS_MAX: usize = 4 << 10;
/// Nobody sets an alarm for later than that.
const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);

pub(super) struct Talk<'a> {
    asked: &'a Asked<'a>,
    input: WorkerInput,
    output: WorkerOutput,
    errors: Option<WorkerOutput>,
    frames: Frames<FromWorker>,
    /// Calls in progress.
    open: FuturesUnordered<BoxFuture<'a, (u64, Answer)>>,
    operations_left: u32,
    last_words: VecDeque<u8>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(asked: &'a Asked<'a>, pipes: WorkerPipes, operations: u32) -> Self {
        Self {
            asked,
            input: pipes.input,
            output: pipes.output,
            errors: Some(pipes.errors),
            frames: Frames::default(),
            open: FuturesUnordered::new(),
            operations_left: operations,
            last_words: VecDeque::new(),
        }
    }

    /// How the script says that it ended; none when its worker died before.
    pub(super) async fn until_the_end(
        &mut self,
        begin: &ToWorker,
        time: Span,
        cancel: &CancellationToken,
    ) -> Result<Option<End>, ScriptError> {
        self.tell(begin).await?;
        let mut alarm = pin!(sleep(time.as_duration().min(YEAR)));
        let mut is_stopped = false;
        let (mut room, mut error_room) = (vec![0; 32 << 10], vec![0; 1 << 10]);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled(), if !is_stopped => {
                    is_stopped = true;
                    self.stop(Stop::Cancelled, alarm.as_mut()).await?;
                }
                () = alarm.as_mut() => {
                    if is_stopped {
                        return Err(ScriptError::Deaf);
                    }
                    is_stopped = true;
                    self.stop(Stop::Time, alarm.as_mut()).await?;
                }
                read = self.output.read(&mut room) => {
                    let count = read?;
                    if count == 0 {
                        self.frames.finish()?;
                        return Ok(None);
                    }
                    self.frames.push(&room[..count]);
                    if let Some(end) = self.hear()? {
                        return Ok(Some(end));
                    }
                }
                read = read_errors(&mut self.errors, &mut error_room) => {
                    self.keep_words(read.ok(), &error_room);
                }
                Some((call, answer)) = self.open.next(), if !is_stopped => {
                    let told = self.tell(&ToWorker::Answer { call, answer }).await;
                    // A text that no frame can bear, say; the script can do something else then.
                    if let Err(ScriptError::Frame(error)) = told {
                        let answer = Answer::Failed(format!("the answer is too long: {error}"));
                        self.tell(&ToWorker::Answer { call, answer }).await?;
                    }
                }
            }
        }
    }

    /// Waits for what was begun and is being ended; what the worker said on its standard error.
    pub(super) async fn finish(mut self) -> String {
        while self.open.next().await.is_some() {}
        let mut room = vec![0; LAST_WORDS_MAX];
        let patience = Instant::now() + PATIENCE;
        while self.errors.is_some() {
            let read = tokio::time::timeout_at(patience, read_errors(&mut self.errors, &mut room));
            let Ok(read) = read.await else { break };
            self.keep_words(read.ok(), &room);
        }
        let words: Vec<u8> = self.last_words.into();
        String::from_utf8_lossy(&words).trim().to_owned()
    }

    async fn tell(&mut self, message: &ToWorker) -> Result<(), ScriptError> {
        let bytes = encode(message)?;
        match timeout(PATIENCE * 5, self.input.write_all(&bytes)).await {
            // It has died, and its output will say so.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Ok(written) => Ok(written?),
            Err(_) => Err(ScriptError::Deaf),
        }
    }

    async fn stop(&mut self, why: Stop, alarm: Pin<&mut Sleep>) -> Result<(), ScriptError> {
        alarm.reset(Instant::now() + PATIENCE);
        self.tell(&ToWorker::Stop(why)).await
    }

    fn hear(&mut self) -> Result<Option<End>, ScriptError> {
        while let Some(message) = self.frames.take()? {
            match message {
                FromWorker::End(end) => return Ok(Some(*end)),
                FromWorker::Print(text) => {
                    self.count()?;
                    self.asked.print(Stream::Out, &text);
                }
                FromWorker::Call { id, call } => {
                    self.count()?;
                    let asked = self.asked;
                    self.open.push(Box::pin(async move { (id, asked.answer(id, call).await) }));
                }
            }
        }
        Ok(None)
    }

    /// The worker counts itself; one that does not is none of ours any more.
    fn count(&mut self) -> Result<(), ScriptError> {
        self.operations_left = self.operations_left.checked_sub(1).ok_or(ScriptError::Insolent)?;
        Ok(())
    }

    fn keep_words(&mut self, read: Option<usize>, room: &[u8]) {
        match read {
            Some(count) if count > 0 => {
                self.last_words.extend(&room[..count]);
                let over = self.last_words.len().saturating_sub(LAST_WORDS_MAX);
                self.last_words.drain(..over);
            }
            _ => self.errors = None,
        }
    }
}

async fn read_errors(errors: &mut Option<WorkerOutput>, room: &mut [u8]) -> std::io::Result<usize> {
    match errors {
        Some(errors) => errors.read(room).await,
        None => std::future::pending().await,
    }
}
