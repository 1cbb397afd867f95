//! What became of a schedule's starts, as it is kept.

use model::{DeploymentId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ReadError, Write, rows};

use super::ScheduleError;
use crate::clock::now;
use crate::hall::{Hall, SELF};

/// The kind of document that holds a state.
const KIND: &str = "schedule_state";
/// Starts that are remembered.
const HISTORY_MAX: usize = 100;

/// One start: times are milliseconds since 1970 UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub due: i64,
    pub at: i64,
    #[serde(default)]
    pub deployment: Option<String>,
    #[serde(default)]
    pub note: String,
}

/// Read by this and later versions: what is added has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When the schedule was made.
    made: i64,
    /// Everything due up to here has been decided about.
    decided: i64,
    #[serde(default)]
    queued: Vec<i64>,
    /// The last deployment that was made.
    #[serde(default)]
    last: Option<String>,
    #[serde(default)]
    history: Vec<Start>,
}

impl State {
    pub fn new(at: Timestamp) -> Self {
        let at = at.as_millis();
        let (queued, history) = (Vec::new(), Vec::new());
        Self { made: at, decided: at, queued, last: None, history }
    }

    /// As it is kept; of a schedule that has none, as if it were made now.
    pub async fn of(hall: &Hall, name: &str) -> Result<Self, ScheduleError> {
        match hall.store.document(KIND, name).await? {
            Some(document) => Ok(serde_json::from_slice(&document.body)?),
            None => Ok(Self::new(now())),
        }
    }

    pub fn write(&self, name: &str) -> Result<Write, ScheduleError> {
        Ok(Write::PutDocument(rows::Document {
            kind: KIND.to_owned(),
            name: name.to_owned(),
            body: serde_json::to_vec(self)?,
            updated_by: SELF.to_owned(),
            updated_at: now(),
        }))
    }

    /// What removes it, if there is one.
    pub async fn removal(hall: &Hall, name: &str) -> Result<Option<Write>, ReadError> {
        let known = hall.store.document(KIND, name).await?;
        Ok(known.map(|known| Write::RemoveDocument { kind: known.kind, name: known.name }))
    }

    pub const fn made(&self) -> Timestamp {
        Timestamp::from_millis(self.made)
    }

    pub const fn decided(&self) -> Timestamp {
        Timestamp::from_millis(self.decided)
    }

    /// Never goes back, whatever the clock does.
    pub fn decide(&mut self, until: Timestamp) {
        self.decided = self.decided.max(until.as_millis());
    }

    pub fn last(&self) -> Option<DeploymentId> {
        self.last.as_ref().and_then(|id| id.parse().ok())
    }

    pub fn queued(&self) -> &[i64] {
        &self.queued
    }

    pub fn first_queued(&self) -> Option<Timestamp> {
        self.queued.first().copied().map(Timestamp::from_millis)
    }

    pub fn queue(&mut self, due: Timestamp) {
        self.queued.push(due.as_millis());
    }

    pub fn unqueue(&mut self) {
        if !self.queued.is_empty() {
            self.queued.remove(0);
        }
    }

    pub fn history(&self) -> &[Start] {
        &self.history
    }

    pub fn newest(&self) -> Option<&Start> {
        self.history.last()
    }

    pub fn started(&mut self, due: Timestamp, at: Timestamp, deployment: DeploymentId) {
        self.last = Some(deployment.to_string());
        let deployment = Some(deployment.to_string());
        let (due, at) = (due.as_millis(), at.as_millis());
        self.push(Start { due, at, deployment, note: String::new() });
    }

    pub fn note(&mut self, due: Timestamp, at: Timestamp, note: String) {
        let (due, at) = (due.as_millis(), at.as_millis());
        self.push(Start { due, at, deployment: None, note });
    }

    fn push(&mut self, start: Start) {
        self.history.push(start);
        let over = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..over);
    }
}
