//! What server and agent say about the applications that a machine is to have.
//!
//! A set is presented as it was signed; the agent checks it against its own trust document. It is
//! sent only to agents that name [`CAPABILITY`], and an agent tells where its applications stand
//! only to a server that has sent it a set.

use model::{ApplicationId, Timestamp};
use trust::WantedPresented;

use crate::MessageError;
use crate::message::pb::{PbStanding, PbStandings, PbWanted, PbWantedNews};

/// What agents that keep applications name among their capabilities.
pub const CAPABILITY: &str = "applications";
/// No machine tells of more parts of applications at once.
pub const STANDINGS_MAX: usize = 10_000;

/// What became of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedNews {
    pub serial: u64,
    /// Why it was not taken.
    pub refused: Option<String>,
}

/// Where parts of applications stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standings {
    /// These are all there are; what was told of others before is over.
    pub are_all: bool,
    pub parts: Vec<Standing>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub application: ApplicationId,
    /// None for the machine's part.
    pub user: Option<String>,
    pub name: String,
    pub wanted: Option<u16>,
    pub installed: Option<u16>,
    /// A word.
    pub state: String,
    pub drift: u64,
    pub error: String,
    pub pending: String,
    pub next_attempt: Option<Timestamp>,
    pub at: Timestamp,
}

pub(crate) fn put(presented: WantedPresented) -> PbWanted {
    let WantedPresented { envelope, leaf, proof, set } = presented;
    PbWanted { envelope, leaf, proof, set }
}

pub(crate) fn read(wanted: PbWanted) -> WantedPresented {
    let PbWanted { envelope, leaf, proof, set } = wanted;
    WantedPresented { envelope, leaf, proof, set }
}

pub(crate) fn put_news(news: WantedNews) -> PbWantedNews {
    PbWantedNews { serial: news.serial, refused: news.refused }
}

pub(crate) fn read_news(news: PbWantedNews) -> WantedNews {
    WantedNews { serial: news.serial, refused: news.refused }
}

pub(crate) fn put_standings(standings: Standings) -> PbStandings {
    let parts = standings.parts.into_iter().map(put_standing).collect();
    PbStandings { are_all: standings.are_all, parts }
}

pub(crate) fn read_standings(standings: PbStandings) -> Result<Standings, MessageError> {
    if standings.parts.len() > STANDINGS_MAX {
        return Err(MessageError::Field("parts"));
    }
    let parts = standings.parts.into_iter().map(read_standing).collect::<Result<_, _>>()?;
    Ok(Standings { are_all: standings.are_all, parts })
}

fn put_standing(standing: Standing) -> PbStanding {
    PbStanding {
        application: standing.application.as_bytes().to_vec(),
        user: standing.user,
        name: standing.name,
        wanted: standing.wanted.map(u32::from),
        installed: standing.installed.map(u32::from),
        state: standing.state,
        drift: standing.drift,
        error: standing.error,
        pending: standing.pending,
        next_attempt_ms: standing.next_attempt.map(Timestamp::as_millis),
        at_ms: standing.at.as_millis(),
    }
}

fn read_standing(standing: PbStanding) -> Result<Standing, MessageError> {
    let version = |version: Option<u32>, field| {
        version.map(u16::try_from).transpose().map_err(|_| MessageError::Field(field))
    };
    let application: [u8; 16] = standing
        .application
        .as_slice()
        .try_into()
        .map_err(|_| MessageError::Field("application"))?;
    Ok(Standing {
        application: ApplicationId::from_bytes(application),
        user: standing.user,
        name: standing.name,
        wanted: version(standing.wanted, "wanted")?,
        installed: version(standing.installed, "installed")?,
        state: standing.state,
        drift: standing.drift,
        error: standing.error,
        pending: standing.pending,
        next_attempt: standing.next_attempt_ms.map(Timestamp::from_millis),
        at: Timestamp::from_millis(standing.at_ms),
    })
}
