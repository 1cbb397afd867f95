//! What a script asks for, carried out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Span;
use script::{Answer, Call};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use wire::{Log, Stream};
use workflow::{Activity, Event, Kind, Report, RunAs, Side};

use super::super::capture::{Capture, Logged};
use super::super::{Doer, Job, Show, interrupted, sentence};

/// What one script has the server do at the same time; more of it waits.
const TURNS: usize = 8;

/// Everything a script's calls have in common.
pub(super) struct Asked<'a> {
    doer: &'a Doer,
    job: Job,
    /// Who further calls act as.
    run_as: Mutex<Option<RunAs>>,
    /// The output of the script and of all it carries out, as one.
    logs: Arc<Mutex<Logs>>,
    /// Into `logs`.
    show: Show,
    cancel: CancellationToken,
    /// For what the server is asked to do at the same time.
    turns: Semaphore,
}

struct Logs {
    out: Capture,
    err: Capture,
    show: Show,
}

impl Logs {
    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Out => self.out.push(bytes, &*self.show),
            Stream::Err => self.err.push(bytes, &*self.show),
        }
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(doer: &'a Doer, job: Job) -> Self {
        let capture = |stream| Capture::new(job.effect, stream, Logged::AsItComes);
        let logs =
            Logs { out: capture(Stream::Out), err: capture(Stream::Err), show: doer.show.clone() };
        let logs = Arc::new(Mutex::new(logs));
        let into = logs.clone();
        let show = Arc::new(move |log: Log| lock(&into).push(log.stream, &log.bytes));
        let run_as = Mutex::new(job.run_as.clone());
        let turns = Semaphore::new(TURNS);
        Self { doer, job, run_as, logs, show, cancel: CancellationToken::new(), turns }
    }

    pub(super) fn print(&self, stream: Stream, text: &str) {
        lock(&self.logs).push(stream, text.as_bytes());
    }

    /// Nothing more is printed.
    pub(super) fn finish(&self) {
        let Logs { out, err, show } = &mut *lock(&self.logs);
        out.finish(true, &**show);
        err.finish(true, &**show);
    }

    /// Ends everything that was begun.
    pub(super) fn end(&self) {
        self.cancel.cancel();
    }

    /// Does what call number `id` asks for.
    pub(super) async fn answer(&self, id: u64, call: Call) -> Answer {
        let answered = match call {
            Call::Activity { kind, parameters } => self.activity(id, &kind, &parameters).await,
            Call::Sleep(span) => self.sleep(&span).await,
            Call::Wmi(query) => wmi(query).await,
            Call::Depot(path) => self.depot(&path).await,
        };
        answered.unwrap_or_else(Answer::Failed)
    }

    async fn activity(&self, id: u64, kind: &str, text: &str) -> Result<Answer, String> {
        if !script::ACTIVITIES.contains(&kind) {
            return Err(not_here(kind));
        }
        let parameters = serde_json::from_str(text)
            .map_err(|error| format!("the parameters of `{kind}` cannot be read: {error}"))?;
        let activity = format::activity_call(kind, &parameters)?;
        if let Kind::Wait { duration } = &activity.kind {
            self.sleep(duration.source()).await?;
            return Ok(answer_of(Report::of(Event::Ok)));
        }
        if activity.kind.side() == Side::Server {
            let call = travel::Call { kind: kind.to_owned(), parameters: text.to_owned() };
            return Ok(answer_of(self.ask(id, call, activity.timeout).await?));
        }
        let become_who = match &activity.kind {
            Kind::Impersonate(who) => Some(who.clone()),
            _ => None,
        };
        let report = self.carry_out(part(id)?, activity).await;
        if let (Some(who), Event::Ok) = (become_who, &report.event) {
            let output = |name: &str| report.outputs.get(name).cloned().unwrap_or_default();
            *lock(&self.run_as) = who.user.is_some().then(|| RunAs {
                user: output("user"),
                domain: output("domain"),
                secret: who.secret,
            });
        }
        Ok(answer_of(report))
    }

    /// Has the server do it. It takes as long as it takes: the server is asked again when it can be
    /// reached again, and it does not do anything twice.
    async fn ask(
        &self,
        id: u64,
        call: travel::Call,
        timeout: Option<Span>,
    ) -> Result<Report, String> {
        let Some(server) = &self.doer.server else {
            return Err(format!(
                "`{}` is carried out by the server, and here is no agent that could ask it: end \
                 the script with an event that leads to such an activity",
                call.kind
            ));
        };
        let effect = self.job.effect.part(part(id)?);
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let asked = server.ask(effect, call);
        tokio::select! {
            report = asked => Ok(report),
            () = self.cancel.cancelled() => Ok(interrupted()),
            () = after(timeout) => Ok(Report::of(Event::Timeout)),
        }
    }

    async fn carry_out(&self, part: u32, activity: Activity) -> Report {
        let timeout = activity.timeout;
        let job = Job {
            activity,
            effect: self.job.effect.part(part),
            context: self.job.context.clone(),
            depot: self.job.depot,
            // Nothing of a script is carried out again, so no list of it is kept.
            folder: None,
            run_as: lock(&self.run_as).clone(),
            secrets: self.job.secrets.clone(),
        };
        let cancel = self.cancel.child_token();
        let mut work = Box::pin(self.doer.activity(job, &self.show, &cancel));
        tokio::select! {
            report = &mut work => report,
            () = after(timeout) => {
                cancel.cancel();
                Report { event: Event::Timeout, ..work.await }
            }
        }
    }

    async fn sleep(&self, span: &str) -> Result<Answer, String> {
        let span: Span = span.parse().map_err(|error: model::ParseSpanError| error.to_string())?;
        tokio::select! {
            () = tokio::time::sleep(span.as_duration()) => Ok(Answer::Value("null".to_owned())),
            () = self.cancel.cancelled() => Err("the script has ended".to_owned()),
        }
    }

    async fn depot(&self, path: &str) -> Result<Answer, String> {
        let transfers = self.doer.transfers.as_ref().ok_or("there is no depot without a server")?;
        let read = tokio::select! {
            read = transfers.text(self.job.effect, self.job.depot, path) => read,
            () = self.cancel.cancelled() => return Err("the script has ended".to_owned()),
        };
        let text = read.map_err(|error| sentence(&error))?;
        serde_json::to_string(&text).map(Answer::Value).map_err(|error| error.to_string())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer_of(report: Report) -> Answer {
    // Where nothing names it, `exit 0` is `ok`.
    let event = match report.event {
        Event::Exit(0) => Event::Ok,
        event => event,
    };
    Answer::Ended { event: event.to_string(), outputs: report.outputs, note: report.note }
}

/// Why an activity is none that a script can call.
fn not_here(kind: &str) -> String {
    match kind {
        "shutdown" => "DH-A038: `shutdown` would cut the script off: end it with an event that \
                       leads to a `shutdown` activity"
            .to_owned(),
        _ => format!("`{kind}` is no activity that a script can call"),
    }
}

/// The number of a call, which the worker counts from 1, as a part of the script's effect.
fn part(id: u64) -> Result<u32, String> {
    let part = u32::try_from(id).ok().filter(|part| *part > 0);
    part.ok_or_else(|| format!("a call cannot have the number {id}"))
}

/// Never without a time.
async fn after(time: Option<Span>) {
    match time {
        Some(time) => tokio::time::sleep(time.as_duration()).await,
        None => std::future::pending().await,
    }
}

async fn wmi(query: String) -> Result<Answer, String> {
    let asked = tokio::task::spawn_blocking(move || machine::wmi(&query)).await;
    let rows = asked.map_err(|error| format!("the query failed: {error}"))?;
    let rows = rows.map_err(|error| sentence(&error))?;
    let rows: Vec<_> = rows.into_iter().map(json_of_row).collect();
    Ok(Answer::Value(serde_json::Value::from(rows).to_string()))
}

fn json_of_row(row: machine::WmiRow) -> serde_json::Value {
    row.into_iter()
        .map(|(name, value)| (name, json(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn json(value: machine::WmiValue) -> serde_json::Value {
    use machine::WmiValue as From;
    match value {
        From::Nothing => serde_json::Value::Null,
        From::Truth(truth) => truth.into(),
        From::Whole(number) => number.into(),
        From::Natural(number) => number.into(),
        From::Number(number) => number.into(),
        From::Text(text) => text.into(),
        From::Many(all) => all.into_iter().map(json).collect::<Vec<_>>().into(),
    }
}
