//! What server and agent say about runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use model::{DeploymentId, Digest, RunId};
use workflow::{ActivityName, Control, EffectId, Epoch, Remaining, Report};

/// A run, handed over whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Give {
    pub run: RunId,
    pub deployment: DeploymentId,
    pub epoch: Epoch,
    /// Signed envelope, leaf and proof as [`trust`] encodes them.
    pub warrant: Arc<[u8]>,
    pub leaf: Vec<u8>,
    pub proof: Vec<u8>,
    /// The definition as it was hashed.
    pub definition: Arc<[u8]>,
    pub variables: Arc<BTreeMap<String, String>>,
    /// What the definition needs kept secret, by name, sealed to this agent.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Frames that the agent holds already, of a run that it once gave back.
    pub first: u64,
    /// The journal from there on; its last record is this giving.
    pub frames: Vec<Vec<u8>>,
    /// What is left of the times of what is in progress.
    pub remaining: Vec<Remaining>,
}

/// A run that an agent holds, as it tells on connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    pub run: RunId,
    pub epoch: Epoch,
    pub frames: u64,
    pub head: Digest,
    /// It has given the run back, and its machine is about to go off.
    pub is_leaving: bool,
}

/// What a script asks of the server: a kind of activity, and its parameters as JSON. The server
/// reads it as it reads workflow files, and does what the script's activity lets it ask for.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    pub kind: String,
    pub parameters: String,
}

impl Call {
    pub fn bytes(&self) -> usize {
        self.kind.len() + self.parameters.len()
    }
}

/// Parameters may hold what a script read from its machine.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent {
    Give(Box<Give>),
    /// The server has so many frames of the run, durably.
    Acked {
        run: RunId,
        frames: u64,
    },
    /// The server lacks the frames from here on.
    Resend {
        run: RunId,
        from: u64,
    },
    Control {
        run: RunId,
        number: u64,
        control: Control,
    },
    /// How an activity of the server ended.
    Answer {
        effect: EffectId,
        report: Report,
    },
    /// The server has all of an ended run; the agent may drop it.
    Forget {
        run: RunId,
    },
    /// The run was closed without this agent: it ends what it does for it and drops it.
    Fenced {
        run: RunId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToServer {
    /// Frames of a run that this agent owns, from sequence number `first`.
    Frames { run: RunId, epoch: Epoch, first: u64, frames: Vec<Vec<u8>> },
    /// The run was not taken; nothing was done for it.
    Refused { run: RunId, epoch: Epoch, reason: String },
    /// An activity of the server is due, or the script of one in progress calls for something.
    Ask { effect: EffectId, activity: ActivityName, call: Option<Call> },
    /// The answer is not waited for any more.
    Cancel { effect: EffectId },
}

impl ToServer {
    pub fn run(&self) -> RunId {
        match self {
            Self::Frames { run, .. } | Self::Refused { run, .. } => *run,
            Self::Ask { effect, .. } | Self::Cancel { effect } => effect.run,
        }
    }
}
