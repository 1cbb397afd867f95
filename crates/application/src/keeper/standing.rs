//! Where a part stands, for the agent's records and for people.

use std::fmt;

use model::{ApplicationId, Timestamp};

use super::Order;
use crate::Part;

/// A part that is on record at the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub application: ApplicationId,
    pub part: Part,
    pub version: u16,
    /// When it was distributed or last looked at.
    pub verified_at: Timestamp,
    /// Items that differed then.
    pub drift: u32,
    pub uninstall_when_unassociated: bool,
}

/// A restart of the machine without which not all is in place (AP-11); of two the larger counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restart {
    /// When somebody restarts it: the application says that the agent never does.
    Awaited,
    /// The agent restarts it; where `ask` says so, those who are logged on are asked before.
    Due { ask: bool },
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    InPlace {
        version: u16,
        restart: Option<Restart>,
    },
    /// Items that differ still.
    Verified {
        drift: u32,
        restart: Option<Restart>,
    },
    Uninstalled {
        restart: Option<Restart>,
    },
    /// The machine is about to go down.
    Restarting,
    /// The rules that do not hold, in words.
    Unavailable {
        why: String,
    },
    /// By the user who was asked.
    Declined,
    Failed {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub application: ApplicationId,
    pub part: Part,
    pub wanted: Option<u16>,
    pub installed: Option<u16>,
    pub drift: u32,
    pub restart_pending: bool,
    pub last_error: Option<String>,
    pub state: State,
}

#[derive(Debug, Clone, PartialEq)]
pub enum State {
    InProgress(Order),
    /// Until then nothing is done by itself.
    InPlace {
        until: Option<Timestamp>,
    },
    Waiting(Why, Option<Timestamp>),
}

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Others are ahead.
    Turn(Box<Order>),
    Schedule,
    ScheduleOver,
    FirstUse,
    LogOn,
    MachinePart,
    Files,
    Dependency(ApplicationId),
    Superseded(ApplicationId),
    NextVerify,
    Unavailable(String),
    Declined,
    RestartDeclined,
    Failed(String),
}

impl Why {
    /// What went wrong, where something did.
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Failed(why) => Some(why.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn(_) => f.write_str("its turn: another application is being worked on"),
            Self::Schedule => f.write_str("its pre-install schedule"),
            Self::ScheduleOver => {
                f.write_str("the first log-on of a user, as its pre-install schedule is over")
            }
            Self::FirstUse => {
                f.write_str("the first log-on of a user, as it is not installed ahead")
            }
            Self::LogOn => f.write_str("the log-on of this user"),
            Self::MachinePart => f.write_str("the machine's part"),
            Self::Files => f.write_str("its files, or those of what it needs"),
            Self::Dependency(id) => write!(f, "the application {id}, which it needs"),
            Self::Superseded(id) => {
                write!(f, "the end of the application {id}, which has taken its place")
            }
            Self::NextVerify => f.write_str("the next look whether all is in place"),
            Self::Unavailable(why) => write!(f, "a machine that fits: {why}"),
            Self::Declined => f.write_str("another answer: the user declined it"),
            Self::RestartDeclined => f.write_str("a restart, which was put off"),
            Self::Failed(why) => write!(f, "the next attempt: {why}"),
        }
    }
}
