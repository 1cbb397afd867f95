//! Downloads: what a target offers is taken into the depot.
//!
//! Where it goes is rendered here, from the definition and the replica of the run; the agent says
//! only what it has. Where a script asks for it, the agent says where it is to go as well, and that
//! is held against what the script's activity permits. Takes offers for a Download or a script that
//! is in progress and for nothing else. What is under way is kept in memory: after a restart the
//! agent offers again and goes on where it was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use content::{Deposit, DepositError, DepositOptions, Limits, Offer};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use model::ComputerId;
use tokio::sync::mpsc;
use travel::Giver;
use wire::content::{ContentRequest, PieceHead, Placed, Wanted, Wish};
use workflow::{Context, EffectId, Kind, Owner, Run, Transfer};

use super::bulk::{Caller, Denied, blocking, body, computer_of};
use super::{Answer, bytes_body};
use crate::clock::now;
use crate::core::chain;
use crate::effects;
use crate::hall::{About, Hall};

/// Chunks of a large file that may wait to be written.
const CHUNKS_MAX: usize = 4;

/// Downloads under way.
#[derive(Debug, Default)]
pub struct Deposits {
    all: Mutex<HashMap<EffectId, Arc<Deposit>>>,
}

impl Deposits {
    fn all(&self) -> MutexGuard<'_, HashMap<EffectId, Arc<Deposit>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, effect: EffectId) -> Result<Arc<Deposit>, Denied> {
        let again = || Denied::new(StatusCode::CONFLICT, "nothing was offered yet; offer again");
        self.all().get(&effect).cloned().ok_or_else(again)
    }

    /// An offer that is made again takes the place of the one before.
    fn keep(&self, effect: EffectId, deposit: Deposit) -> Arc<Deposit> {
        let deposit = Arc::new(deposit);
        self.all().insert(effect, deposit.clone());
        deposit
    }

    /// Lets go of those whose activity is not in progress any more.
    fn sweep(&self, is_open: impl Fn(EffectId) -> bool) {
        self.all().retain(|effect, _| is_open(*effect));
    }
}

impl From<DepositError> for Denied {
    fn from(error: DepositError) -> Self {
        let status = match &error {
            DepositError::Busy { .. } => StatusCode::CONFLICT,
            DepositError::NoRoom { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, chain(&error))
    }
}

pub async fn answer(
    hall: &Arc<Hall>,
    asked: ContentRequest,
    request: Request<Incoming>,
    caller: Caller,
) -> Result<Answer, Denied> {
    let computer = computer_of(hall, caller).await?;
    match asked {
        ContentRequest::Offer { effect, wish } => {
            offer(hall, computer, (effect, wish), request).await
        }
        ContentRequest::Pieces { effect } => {
            permit(hall, computer, effect, |_, _| ()).await?;
            pieces(hall.deposits.get(effect)?, request).await
        }
        ContentRequest::Bytes { effect, index, offset } => {
            permit(hall, computer, effect, |_, _| ()).await?;
            large(hall.deposits.get(effect)?, index, offset, request).await
        }
        ContentRequest::Finish { effect } => {
            permit(hall, computer, effect, |_, _| ()).await?;
            finish(hall.deposits.get(effect)?).await
        }
        ContentRequest::List { .. }
        | ContentRequest::File { .. }
        | ContentRequest::Files { .. }
        | ContentRequest::Document { .. }
        | ContentRequest::Release { .. } => {
            Err(Denied::new(StatusCode::NOT_FOUND, "there is nothing of that name"))
        }
    }
}

/// The Download, or the script that downloads, if that visit of it is in progress on this agent;
/// with its run.
fn due(giver: &Giver, computer: ComputerId, effect: EffectId) -> Result<(&Run, &Kind), String> {
    let not_due = || "no such download is in progress".to_owned();
    let run = giver.run(effect.run).ok_or_else(not_due)?;
    if giver.run_of(effect.run).is_none_or(|(owner, _)| owner != computer) {
        return Err("the run is another agent's".into());
    }
    let state = run.state();
    let is_due = matches!(state.owner(), Owner::Target(_)) && state.attempt() == effect.attempt;
    let progress = state.in_progress().get(&effect.visit).filter(|_| is_due);
    let activity = &progress.ok_or_else(not_due)?.activity;
    let kind = run.workflow().activities.get(activity).map(|found| &found.kind);
    match kind {
        Some(Kind::Download(_)) if effect.part == 0 => {}
        Some(Kind::Script(script)) if (1..=script.operations).contains(&effect.part) => {}
        _ => return Err(not_due()),
    }
    kind.map(|kind| (run, kind)).ok_or_else(not_due)
}

/// Where it is to go and how.
fn options(
    (kind, context): &(Kind, Context),
    by: ComputerId,
    wish: Option<Wish>,
) -> Result<DepositOptions, String> {
    match (kind, wish) {
        (Kind::Download(transfer), None) => {
            let to = effects::files::path(&transfer.to, context)?;
            let Transfer { replace, force, resume, .. } = *transfer;
            Ok(DepositOptions { to, by, replace, force, resume })
        }
        (Kind::Script(script), Some(Wish { to, replace, force, resume })) => {
            let to = effects::files::read_path(&to)?;
            let may = effects::called::may_deposit(script, &to, context);
            may.map_err(|why| format!("DH-A037: {why}"))?;
            Ok(DepositOptions { to, by, replace, force, resume })
        }
        _ => Err("no such download is in progress".to_owned()),
    }
}

/// What is read of a download that is in progress.
async fn permit<T: Send + 'static>(
    hall: &Hall,
    computer: ComputerId,
    effect: EffectId,
    read: impl FnOnce(&Run, &Kind) -> T + Send + 'static,
) -> Result<T, Denied> {
    let asked = hall.core.ask(move |giver, _| {
        let found = due(giver, computer, effect);
        found.map(|(run, kind)| read(run, kind))
    });
    let asked = asked.await;
    let found = asked.map_err(|_| Denied::busy())?;
    found.map_err(|why| refused(hall, computer, effect, StatusCode::FORBIDDEN, why))
}

fn refused(
    hall: &Hall,
    computer: ComputerId,
    effect: EffectId,
    status: StatusCode,
    why: String,
) -> Denied {
    let about = About { computer: Some(computer), run: Some(effect.run), deployment: None };
    hall.log("refused", about, "agent", format!("a deposit was refused: {why}"));
    Denied::new(status, why)
}

async fn offer(
    hall: &Arc<Hall>,
    computer: ComputerId,
    (effect, wish): (EffectId, Option<Wish>),
    request: Request<Incoming>,
) -> Result<Answer, Denied> {
    let due = permit(hall, computer, effect, |run, kind| (kind.clone(), run.context())).await?;
    // Not one that may be asked for again, as what was not heard of yet.
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let options = options(&due, computer, wish)
        .map_err(|why| refused(hall, computer, effect, status, why))?;
    let bytes = body(request).await?;
    let depot = hall.depot.clone();
    let deposit = blocking(move || {
        let offer = Offer::from_bytes(&bytes, &Limits::default())
            .map_err(|error| Denied::new(StatusCode::UNPROCESSABLE_ENTITY, chain(&error)))?;
        Ok(depot.objects.deposit(&depot.path, offer, options, now())?)
    })
    .await?;
    let files = deposit
        .missing()
        .iter()
        .map(|missing| (u32::try_from(missing.index).unwrap_or(u32::MAX), missing.offset));
    let wanted = Wanted { files: files.collect() };
    hall.deposits.keep(effect, deposit);
    sweep(hall);
    Ok(Response::new(bytes_body(wanted.encode())))
}

/// Ended downloads go when a new one comes.
fn sweep(hall: &Arc<Hall>) {
    let hall = hall.clone();
    tokio::spawn(async move {
        let kept: Vec<EffectId> = hall.deposits.all().keys().copied().collect();
        let open = hall.core.ask(move |giver, _| {
            let is_open = |effect: &EffectId| {
                let state = giver.run(effect.run).map(Run::state);
                state.is_some_and(|state| state.in_progress().contains_key(&effect.visit))
            };
            kept.iter().map(|effect| (*effect, is_open(effect))).collect::<HashMap<_, _>>()
        });
        if let Ok(open) = open.await {
            // What came meanwhile is not known to have ended.
            hall.deposits.sweep(|effect| open.get(&effect).copied().unwrap_or(true));
        }
    });
}

async fn pieces(deposit: Arc<Deposit>, request: Request<Incoming>) -> Result<Answer, Denied> {
    let batch = body(request).await?;
    blocking(move || {
        let mut rest = batch.as_ref();
        let damaged = |error: model::codec::CodecError| {
            Denied::new(StatusCode::BAD_REQUEST, error.to_string())
        };
        while let Some((head, piece, after)) = PieceHead::split(rest).map_err(damaged)? {
            let mut incoming = deposit.receive(head.index as usize)?;
            check_offset(incoming.offset(), head.offset)?;
            incoming.write(piece)?;
            incoming.finish()?;
            rest = after;
        }
        Ok(())
    })
    .await?;
    Ok(nothing())
}

async fn large(
    deposit: Arc<Deposit>,
    index: u32,
    offset: u64,
    request: Request<Incoming>,
) -> Result<Answer, Denied> {
    let (chunks, mut received) = mpsc::channel::<bytes::Bytes>(CHUNKS_MAX);
    let writing = tokio::task::spawn_blocking(move || -> Result<(), Denied> {
        let mut incoming = deposit.receive(index as usize)?;
        check_offset(incoming.offset(), offset)?;
        while let Some(chunk) = received.blocking_recv() {
            incoming.write(&chunk)?;
        }
        Ok(incoming.finish()?)
    });
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        // A connection that is cut ends the file; what has come is kept.
        let Ok(frame) = frame else { break };
        let Ok(chunk) = frame.into_data() else { continue };
        if chunks.send(chunk).await.is_err() {
            break;
        }
    }
    drop(chunks);
    writing.await.map_err(|_| Denied::busy())??;
    Ok(nothing())
}

fn check_offset(ours: u64, theirs: u64) -> Result<(), Denied> {
    if ours == theirs {
        return Ok(());
    }
    let why = format!("the file goes on at {ours}, not at {theirs}; offer again");
    Err(Denied::new(StatusCode::CONFLICT, why))
}

async fn finish(deposit: Arc<Deposit>) -> Result<Answer, Denied> {
    let counts = blocking(move || Ok(deposit.finish()?)).await?;
    let placed = Placed { files: counts.files, bytes: counts.bytes, skipped: counts.skipped };
    Ok(Response::new(bytes_body(placed.encode())))
}

fn nothing() -> Answer {
    let mut response = Response::new(bytes_body(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
