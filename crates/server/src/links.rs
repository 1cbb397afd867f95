//! Which agents are connected, and the way to each.
//!
//! Owns the numbers of sessions. Never waits: what cannot be queued for an agent closes its link,
//! and the agent is told again when it returns.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::ComputerId;
use tokio::sync::{mpsc, oneshot, watch};
use travel::ToAgent;
use trust::WantedPresented;
use wire::wake::Mac;

/// Messages waiting for one agent; more close its link.
pub const QUEUE_MAX: usize = 8_192;

/// What a link is asked to do.
#[derive(Debug)]
pub enum ToLink {
    Send(Box<ToAgent>),
    /// A new version of the agent is there.
    Offer(Box<wire::Update>),
    /// What the machine is to have.
    Want(Box<WantedPresented>),
    /// Ask the agent whether it is there; the answer is its pong.
    Probe(oneshot::Sender<()>),
    /// Tell the agent of trust documents that it does not have.
    TellTrust,
    /// Have the agent send a packet that wakes a machine beside it.
    Wake {
        mac: Mac,
        port: u16,
    },
    Close(Ending),
}

/// Why a link is closed from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The same agent has connected anew, this connection being dead.
    Replaced,
    Revoked,
    /// What was queued is lost; the agent reconciles when it returns.
    Reopened,
    Stopping,
}

impl Ending {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "the agent has connected anew",
            Self::Revoked => "the agent was revoked",
            Self::Reopened => "the server lost its place and begins again",
            Self::Stopping => "the server is stopping",
        }
    }
}

#[derive(Debug, Clone)]
struct Link {
    session: u64,
    queue: mpsc::Sender<ToLink>,
    can_wake: bool,
    keeps_applications: bool,
}

#[derive(Debug, Default)]
pub struct Links {
    all: Mutex<HashMap<ComputerId, Link>>,
    sessions: AtomicU64,
    /// Counts links that were entered.
    arrivals: watch::Sender<u64>,
}

impl Links {
    fn all(&self) -> MutexGuard<'_, HashMap<ComputerId, Link>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no session of this server has had.
    pub fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Enters a link unless the computer has one; then the queue of that one comes back.
    pub fn enter(
        &self,
        computer: ComputerId,
        session: u64,
        queue: &mpsc::Sender<ToLink>,
    ) -> Result<(), (u64, mpsc::Sender<ToLink>)> {
        let mut all = self.all();
        match all.get(&computer) {
            Some(held) if !held.queue.is_closed() => Err((held.session, held.queue.clone())),
            _ => {
                let queue = queue.clone();
                let link = Link { session, queue, can_wake: false, keeps_applications: false };
                all.insert(computer, link);
                drop(all);
                self.arrivals.send_modify(|count| *count += 1);
                Ok(())
            }
        }
    }

    /// Takes a link out, if it still is that session's.
    pub fn leave(&self, computer: ComputerId, session: u64) {
        let mut all = self.all();
        if all.get(&computer).is_some_and(|link| link.session == session) {
            all.remove(&computer);
        }
    }

    pub fn send(&self, computer: ComputerId, session: u64, message: ToAgent) {
        let mut all = self.all();
        let Some(link) = all.get(&computer).filter(|link| link.session == session) else { return };
        if link.queue.try_send(ToLink::Send(Box::new(message))).is_err() {
            // Dropping the last sender ends the link.
            all.remove(&computer);
        }
    }

    /// Offers a new version; one that is not heard is offered again at the next greeting.
    pub fn offer(&self, computer: ComputerId, update: wire::Update) {
        if let Some(link) = self.all().get(&computer) {
            let _full_or_gone = link.queue.try_send(ToLink::Offer(Box::new(update)));
        }
    }

    /// Closes the link of one agent.
    pub fn close(&self, computer: ComputerId, ending: Ending) {
        if let Some(link) = self.all().remove(&computer) {
            let _full_or_gone = link.queue.try_send(ToLink::Close(ending));
        }
    }

    pub fn close_all(&self, ending: Ending) {
        for (_, link) in self.all().drain() {
            let _full_or_gone = link.queue.try_send(ToLink::Close(ending));
        }
    }

    /// Tells every agent of changed keys. One whose queue is full hears of it when it returns.
    pub fn tell_trust(&self) {
        self.all().retain(|_, link| link.queue.try_send(ToLink::TellTrust).is_ok());
    }

    /// Asks an agent to send a packet that wakes a machine; whether it was asked.
    pub fn ask_to_wake(&self, computer: ComputerId, mac: Mac, port: u16) -> bool {
        let all = self.all();
        let link = all.get(&computer).filter(|link| link.can_wake);
        link.is_some_and(|link| link.queue.try_send(ToLink::Wake { mac, port }).is_ok())
    }

    /// Remembers that an agent can send such packets.
    pub fn can_wake(&self, computer: ComputerId, session: u64) {
        let mut all = self.all();
        if let Some(link) = all.get_mut(&computer).filter(|link| link.session == session) {
            link.can_wake = true;
        }
    }

    /// Remembers that an agent keeps applications.
    pub fn keeps_applications(&self, computer: ComputerId, session: u64) {
        let mut all = self.all();
        if let Some(link) = all.get_mut(&computer).filter(|link| link.session == session) {
            link.keeps_applications = true;
        }
    }

    /// Tells an agent what its machine is to have; one that is not heard is told at the next
    /// greeting.
    pub fn want(&self, computer: ComputerId, wanted: WantedPresented) {
        if let Some(link) = self.all().get(&computer).filter(|link| link.keeps_applications) {
            let _full_or_gone = link.queue.try_send(ToLink::Want(Box::new(wanted)));
        }
    }

    pub fn is_online(&self, computer: ComputerId) -> bool {
        self.all().contains_key(&computer)
    }

    /// Tells of links that are entered from now on.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// Ready once the computer is connected.
    pub async fn arrived(&self, computer: ComputerId, mut arrivals: watch::Receiver<u64>) {
        while !self.is_online(computer) {
            if arrivals.changed().await.is_err() {
                // Nobody arrives any more.
                std::future::pending::<()>().await;
            }
        }
    }

    pub fn count(&self) -> usize {
        self.all().len()
    }
}
