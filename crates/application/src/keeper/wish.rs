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
    /// While the files of a version are still on their way, what is here is left as it is, and does
    /// for others that need it. `version` is that of what is here, else the one that is wanted.
    pub fn on_its_way(
        application: ApplicationId,
        version: u16,
        users: Users,
        uninstall: bool,
    ) -> Self {
        Self {
            application,
            version,
            pre_install: PreInstall::No,
            users,
            always: false,
            needs: Vec::new(),
            supersedes: Vec::new(),
            verify: None,
            uninstall,
            is_ready: false,
        }
    }

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
    /// Of a set's names; everyone where it has none.
    pub fn of(names: Option<&[String]>) -> Self {
        names.map_or(Self::Everyone, |names| Self::Named(names.iter().cloned().collect()))
    }

    /// What is a user's comes with that user, not ahead, whatever the document says.
    pub fn pre_install(&self, said: PreInstall) -> PreInstall {
        match self {
            Self::Everyone => said,
            Self::Named(_) => PreInstall::No,
        }
    }

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
