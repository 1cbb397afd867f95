//! Computers without agent, reached over SSH.
//!
//! The server logs in, copies the agent's program where it is not, starts it with standard input
//! and output as its only connection, and orders it the activities of runs one by one; the runs
//! stay here. Owns the sessions, one for each computer, which are kept between activities and runs
//! for a while. Invariants: no host is spoken to whose key is not trusted; no secret stands in a
//! command line or a log; when a session ends, what it started and made on the other side goes.

mod commands;
mod connect;
mod hosts;
mod program;
mod session;
mod start;
mod way;
mod work;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use model::ComputerId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::hall::Hall;
pub use connect::{ConnectError, scan};
pub use hosts::{HostError, Hosts, fingerprint, parse_key};
pub use session::Session;
pub use start::StartError;
pub use way::{WayError, Ways, policy, set_policy, set_way, way};
pub use work::{Job, Work, carry_out, power_off};

/// Log-ins at the same time.
const LOGINS_MAX: usize = 64;

/// Why a computer cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error(transparent)]
    Way(#[from] WayError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// All sessions of this server.
#[derive(Debug)]
pub struct Ssh {
    /// Keys of hosts that are trusted.
    pub hosts: Hosts,
    /// Programs that were copied before.
    programs: Arc<program::Programs>,
    slots: Mutex<HashMap<ComputerId, Arc<Slot>>>,
    starting: Semaphore,
    /// Ends every session.
    ending: CancellationToken,
}

/// The session of one computer; the lock is held while one comes about.
#[derive(Debug, Default)]
struct Slot {
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
}

impl Ssh {
    /// `folder` is the server's data folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            hosts: Hosts::new(folder.join("ssh").join("known_hosts")),
            programs: Arc::default(),
            slots: Mutex::default(),
            starting: Semaphore::new(LOGINS_MAX),
            ending: CancellationToken::new(),
        }
    }

    /// Ends all sessions; nothing is begun any more.
    pub fn end(&self) {
        self.ending.cancel();
    }

    /// A session with the computer: the one that is there, or a new one.
    pub async fn session(
        &self,
        hall: &Arc<Hall>,
        computer: ComputerId,
    ) -> Result<Arc<Session>, ReachError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(computer).or_default().clone()
        };
        let mut held = slot.session.lock().await;
        let way = Ways::read(hall).await?.of(computer)?;
        if let Some(session) = held.as_ref().filter(|session| session.is_for(&way)) {
            return Ok(session.clone());
        }
        *held = None;
        let _permit = self.starting.acquire().await;
        let connection = connect::connect(hall, &way).await?;
        let started = start::start(hall, &self.programs, connection, &way).await?;
        let ending = self.ending.child_token();
        let session = Session::begin(hall.clone(), computer, started, way, ending).await?;
        let session = Arc::new(session);
        *held = Some(session.clone());
        Ok(session)
    }
}
