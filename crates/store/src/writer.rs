//! Group commit: many callers, one transaction.
//!
//! A [`Writer`] is a queue in front of a store and the task that empties it. All that is queued
//! when a transaction begins goes into it; while it is being made durable the next group gathers.
//! When a group is refused, its submissions are committed one by one, so that only the wrong one
//! is refused. Submissions are carried out in the order in which they were handed in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{mpsc, oneshot};

use crate::{CommitError, Fence, Store, Write};

/// Writes of one transaction, so that the first of a long queue need not wait for the last.
const GROUP_WRITES_MAX: usize = 4_096;

/// The queue. Clones feed the same task; when the last is dropped, the task commits what is left
/// and ends.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::UnboundedSender<Queued>,
}

/// Writes handed in: they are carried out whether this is awaited or not; awaiting tells when
/// they are durable.
#[derive(Debug)]
#[must_use = "what was handed in is durable only once this has been awaited"]
pub struct Submission {
    ended: oneshot::Receiver<Result<(), CommitError>>,
}

#[derive(Debug)]
struct Queued {
    writes: Vec<Write>,
    ended: oneshot::Sender<Result<(), CommitError>>,
}

impl Writer {
    /// Starts the task on the current tokio runtime. With a fence, every transaction proves it.
    pub fn start(store: Arc<dyn Store>, fence: Option<Fence>) -> Self {
        let (queue, queued) = mpsc::unbounded_channel();
        tokio::spawn(run(store, fence, queued));
        Self { queue }
    }

    /// Queues the writes, which stand or fall together.
    pub fn submit(&self, writes: Vec<Write>) -> Submission {
        let (ended, receiver) = oneshot::channel();
        // When the task is gone so is `ended`, and awaiting tells.
        let _gone = self.queue.send(Queued { writes, ended });
        Submission { ended: receiver }
    }
}

impl Future for Submission {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = Pin::new(&mut self.ended).poll(context);
        ended.map(|ended| ended.unwrap_or(Err(CommitError::Stopped)))
    }
}

async fn run(
    store: Arc<dyn Store>,
    fence: Option<Fence>,
    mut queued: mpsc::UnboundedReceiver<Queued>,
) {
    while let Some(first) = queued.recv().await {
        let mut count = first.writes.len();
        let mut group = vec![first];
        while count < GROUP_WRITES_MAX
            && let Ok(next) = queued.try_recv()
        {
            count += next.writes.len();
            group.push(next);
        }
        commit_group(store.as_ref(), fence, group).await;
    }
}

async fn commit_group(store: &dyn Store, fence: Option<Fence>, mut group: Vec<Queued>) {
    if group.len() > 1 {
        let joint = group.iter().flat_map(|queued| queued.writes.iter().cloned()).collect();
        let ended = commit(store, fence, joint).await;
        if may_differ_alone(&ended) {
            for queued in group {
                let ended = commit(store, fence, queued.writes).await;
                let _not_awaited = queued.ended.send(ended);
            }
        } else {
            for queued in group {
                let _not_awaited = queued.ended.send(ended.clone());
            }
        }
    } else if let Some(queued) = group.pop() {
        let ended = commit(store, fence, queued.writes).await;
        let _not_awaited = queued.ended.send(ended);
    }
}

/// Whether one submission's own fault can be why all of them were not committed.
fn may_differ_alone(ended: &Result<(), CommitError>) -> bool {
    matches!(ended, Err(CommitError::Refused { .. } | CommitError::Database(_)))
}

async fn commit(
    store: &dyn Store,
    fence: Option<Fence>,
    writes: Vec<Write>,
) -> Result<(), CommitError> {
    match fence {
        Some(fence) => store.commit_fenced(fence, writes).await,
        None => store.commit(writes).await,
    }
}
