//! What all parts of a running server share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use model::{ComputerId, DeploymentId, RunId, ServerId, Timestamp};
use store::rows::{self, Event};
use store::{Store, Write, Writer};

use crate::changes::Changes;
use crate::clock::now;
use crate::core::Core;
use crate::data_dir::DataDir;
use crate::effects::Depot;
use crate::ends::Ends;
use crate::gateway::{Deposits, Gate};
use crate::gauges::Gauges;
use crate::identity::Identity;
use crate::links::Links;
use crate::logs::Logs;
use crate::programs::Programs;
use crate::quiet::{Quiet, Verdict, last_words};
use crate::reach::Reach;
use crate::reload::{LogFilter, Source};
use crate::schedules::Schedules;
use crate::secrets::Vault;
use crate::ssh::Ssh;
use crate::updates::Updates;
use crate::wanted::Wanted;

/// Who an administrator with the token of the data folder is, until there are people with names.
pub const ADMIN: &str = "admin";
/// The server itself, where nobody asked for it.
pub const SELF: &str = "server";

pub struct Hall {
    pub server: ServerId,
    pub store: Arc<dyn Store>,
    /// Group commit for everything but the core; fenced.
    pub writer: Writer,
    pub core: Core,
    pub identity: Identity,
    pub vault: Vault,
    pub links: Arc<Links>,
    pub gate: Gate,
    pub reach: Reach,
    pub changes: Changes,
    pub ends: Arc<Ends>,
    pub depot: Depot,
    pub deposits: Deposits,
    pub logs: Logs,
    pub schedules: Schedules,
    pub installer: wire::tls::Installer,
    pub programs: Programs,
    pub updates: Updates,
    pub wanted: Wanted,
    pub ssh: Ssh,
    pub quiet: Arc<Quiet>,
    pub started_at: Timestamp,
    /// BLAKE3 of the administrator's token.
    pub admin: blake3::Hash,
    /// This server's row, as it was written last.
    pub row: Mutex<rows::Server>,
    pub data: Arc<DataDir>,
    pub gauges: Arc<Gauges>,
    /// Where agents find it.
    pub agent_addr: SocketAddr,
    pub log_filter: Option<LogFilter>,
    pub source: Mutex<Source>,
    /// Only one reload at a time.
    pub reloading: tokio::sync::Mutex<()>,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct About {
    pub computer: Option<ComputerId>,
    pub deployment: Option<DeploymentId>,
    pub run: Option<RunId>,
}

impl About {
    pub const NOTHING: Self = Self { computer: None, deployment: None, run: None };

    pub const fn computer(computer: ComputerId) -> Self {
        Self { computer: Some(computer), ..Self::NOTHING }
    }
}

impl Hall {
    /// This server's row.
    pub fn row(&self) -> rows::Server {
        self.row.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes this server's row, for the caller to write.
    pub fn change_row(&self, change: impl FnOnce(&mut rows::Server)) -> rows::Server {
        let mut row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut row);
        row.clone()
    }

    pub fn source(&self) -> Source {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_source(&self, source: Source) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = source;
    }

    /// A line for the log of events, to be written with what it tells of.
    pub fn event(&self, kind: &str, about: About, who: &str, text: impl Into<String>) -> Write {
        event(self.server, kind, about, who, text)
    }

    /// Logs an event by itself, without waiting for it to be durable.
    pub fn log(&self, kind: &str, about: About, who: &str, text: impl Into<String>) {
        let text = match self.quiet.judge(about.computer, now()) {
            Verdict::Tell => text.into(),
            Verdict::Last => last_words(&text.into()),
            Verdict::Drop => return,
        };
        tracing::warn!(kind, who, "{text}");
        drop(self.writer.submit(vec![self.event(kind, about, who, text)]));
    }
}

pub fn event(
    server: ServerId,
    kind: &str,
    about: About,
    who: &str,
    text: impl Into<String>,
) -> Write {
    Write::AppendEvent(Event {
        at: now(),
        server: Some(server),
        kind: kind.to_owned(),
        computer: about.computer,
        deployment: about.deployment,
        run: about.run,
        who: who.to_owned(),
        text: text.into(),
    })
}
