//! What server and agent say about new versions of the agent.
//!
//! An offer is only that: the agent checks the release against its own trust document and decides.
//! It is sent only to agents that name `self-update` among their capabilities.

use model::Span;

use crate::MessageError;
use crate::message::pb::{PbUpdate, PbUpdateNews};

/// A version that an agent shall try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Repeated offers of one rollout have one id.
    pub id: String,
    /// A signed `trust::Release`.
    pub release: Vec<u8>,
    /// How long the new version may take to come back.
    pub within: Span,
}

/// How far an agent is with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateState {
    /// Fetched and verified; it waits for a moment when nothing would be interrupted.
    Staged,
    /// The new version is in use.
    Done,
    /// The new version was tried and did not come back; the one before is in use.
    FellBack,
    /// It was not tried.
    Refused,
}

impl UpdateState {
    const ALL: [Self; 4] = [Self::Staged, Self::Done, Self::FellBack, Self::Refused];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Done => "done",
            Self::FellBack => "fell_back",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateNews {
    pub id: String,
    pub state: UpdateState,
    /// For people; empty where there is nothing to say.
    pub reason: String,
}

pub(crate) fn put(update: Update) -> PbUpdate {
    let Update { id, release, within } = update;
    PbUpdate { id, release, within_ms: within.as_millis() }
}

pub(crate) fn read(update: PbUpdate) -> Update {
    let PbUpdate { id, release, within_ms } = update;
    Update { id, release, within: Span::from_millis(within_ms) }
}

pub(crate) fn put_news(news: UpdateNews) -> PbUpdateNews {
    let UpdateNews { id, state, reason } = news;
    PbUpdateNews { id, state: state.as_str().to_owned(), reason }
}

pub(crate) fn read_news(news: PbUpdateNews) -> Result<UpdateNews, MessageError> {
    let PbUpdateNews { id, state, reason } = news;
    let state = UpdateState::ALL.into_iter().find(|known| known.as_str() == state);
    Ok(UpdateNews { id, state: state.ok_or(MessageError::Field("state"))?, reason })
}
