//! What is wanted of one application at one machine.

use std::collections::BTreeSet;

use model::{ApplicationId, Span};

use crate::{Part, PreInstall};

#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    pub application: ApplicationId,
    pub version: u16,
    pub pre_install: PreInstall,
    pub users: Users,
    /// Something in it is distributed each time: the machine's part when the agent starts, a
    /// user's when they log on.
    pub always: bool,
    /// Those of the set that come first.
    pub needs: Vec<Needs>,
    /// Those whose place it takes: where it is, they do not come.
    pub supersedes: Vec<ApplicationId>,
    pub verify: Option<VerifyPolicy>,
    /// It goes when it is wanted no longer; a user's part when it is not wanted for that user.
    pub uninstall: bool,
    /// Its files are here. While they are not, what is here stays as it is, apart from what goes.
    pub is_ready: bool,
}

impl Wish {
    /// Whether this part is wanted.
    pub fn is_of(&self, part: &Part) -> bool {
        match part {
            Part::Machine => true,
            Part::User(user) => self.users.include(user),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    pub application: ApplicationId,
    pub continue_if_it_fails: bool,
}

/// Whose parts are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Whoever logs on: the application is associated with the machine.
    Everyone,
    /// Those that it is associated with.
    Named(BTreeSet<String>),
}

impl Users {
    pub fn include(&self, user: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Named(names) => names.contains(user),
        }
    }
}

/// How often it is looked whether all is as it was distributed (BX-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyPolicy {
    pub every: Span,
    /// Put right what differs; otherwise it is only told.
    pub repair: bool,
}
