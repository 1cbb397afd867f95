//! What is done now and then: the lease is renewed, objects that nobody needs are removed.

use std::sync::Arc;
use std::time::Duration;

use model::{Digest, Span, Timestamp};
use store::{Page, Write};
use tokio::sync::watch;

use crate::clock::now;
use crate::core::chain;
use crate::hall::{About, Hall, SELF};
use crate::start::LEASE;

const RENEW_EVERY: Duration = Duration::from_secs(20);
/// Turns of renewing between two sweeps.
const SWEEP_EVERY: u32 = 3 * 60;
/// The first sweep comes when the start is over.
const SWEEP_FIRST: u32 = 3;
/// Objects of ended deployments are kept so long: the next one may want the same.
const KEPT_FOR: Span = Span::from_secs(7 * 86_400);
/// What a target has begun to send and not gone on with.
const STAGED_FOR: Span = Span::from_secs(2 * 86_400);

/// Goes on until `stopping`.
pub async fn run(hall: Arc<Hall>, mut stopping: watch::Receiver<bool>) {
    let mut turn = 0u32;
    let mut renewing = tokio::time::interval(RENEW_EVERY);
    renewing.reset();
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => return,
            _ = renewing.tick() => {}
            () = hall.identity.changed() => {
                hall.wanted.look_again();
                continue;
            }
            () = key_ends(&hall) => {
                retire(&hall).await;
                continue;
            }
        }
        turn += 1;
        let row = hall.change_row(|row| row.lease_until = now() + LEASE);
        if let Err(error) = hall.writer.submit(vec![Write::PutServer(row)]).await {
            let error = chain(&error);
            tracing::error!(error, "the lease was not renewed");
            hall.gauges.error(now(), format!("the lease was not renewed: {error}"));
        }
        if hall.row().computer.is_none() {
            crate::reload::bind_computer(&hall).await;
        }
        if turn % SWEEP_EVERY == SWEEP_FIRST {
            sweep(&hall).await;
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without anybody to tell it the server has ended.
    let _ended = stopping.wait_for(|stopping| *stopping).await;
}

/// Ready when the time of a key that is here is over.
async fn key_ends(hall: &Hall) {
    match hall.identity.next_end() {
        // It holds until that very millisecond.
        Some(end) => {
            let wait = end.since(now()).as_duration() + Duration::from_millis(1);
            tokio::time::sleep(wait.min(RENEW_EVERY)).await;
        }
        None => std::future::pending().await,
    }
}

/// Keys whose time is over are removed and prove nothing more; what they permitted goes on under
/// the key of now.
async fn retire(hall: &Arc<Hall>) {
    let gone = match hall.identity.retire() {
        Ok(gone) => gone,
        Err(error) => return tracing::error!(error = %chain(&error), "a key could not be retired"),
    };
    for key in &gone {
        let text = format!("the time of deployment key {key} is over; its secret was removed");
        hall.log("keys", About::NOTHING, SELF, text);
    }
    if !gone.is_empty()
        && let Err(error) = crate::deploy::resign(hall).await
    {
        tracing::error!(error = %chain(&error), "warrants are not signed anew");
    }
}

/// Removes objects that no deployment needs.
pub async fn sweep(hall: &Arc<Hall>) {
    let rows = match hall.store.deployments(Page::all()).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(error = %chain(&error), "nothing was swept");
            return;
        }
    };
    let before = |span: Span| {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(now().as_millis().saturating_sub(span))
    };
    let (young, stale) = (before(KEPT_FOR), before(STAGED_FOR));
    let needed = |row: &store::rows::Deployment| {
        row.status != deployment::Status::Ended.as_str() || row.created_at > young
    };
    let mut live: Vec<Digest> = Vec::new();
    for row in &rows {
        if needed(row) {
            live.extend(row.depot_root);
        }
        let copies = match hall.store.deployment_copies(row.id).await {
            Ok(copies) => copies,
            Err(error) => {
                tracing::error!(error = %chain(&error), "nothing was swept");
                return;
            }
        };
        let copies = copies.iter().filter(|copy| needed(row) || copy.created_at > young);
        live.extend(copies.filter_map(|copy| copy.depot_root));
    }
    match crate::applications::live_trees(hall).await {
        Ok(trees) => live.extend(trees),
        Err(error) => {
            tracing::error!(error = %chain(&error), "nothing was swept");
            return;
        }
    }
    let objects = hall.depot.objects.clone();
    let swept = tokio::task::spawn_blocking(move || {
        objects.sweep_staging(stale)?;
        objects.sweep(live)
    });
    match swept.await {
        Ok(Ok(swept)) => tracing::info!(objects = swept.objects, bytes = swept.bytes, "swept"),
        Ok(Err(error)) => tracing::error!(error = %chain(&error), "the sweep failed"),
        Err(error) => tracing::error!(%error, "the sweep failed"),
    }
}
