//! What waits for signatures of operators.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that agents do not take before it has more signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unsigned {
    pub id: String,
    /// `applications`: what computers are to have.
    pub kind: String,
    /// Names of what is in it.
    pub what: String,
    pub computers: u64,
    pub made_at: i64,
    /// Ids of keys.
    pub signed_by: Vec<String>,
    /// How many signatures agents would still ask for.
    pub missing: u64,
}

/// The same with all that a signature would cover, so that it can be checked where the operator's
/// key is. Bytes are in hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToSign {
    pub unsigned: Unsigned,
    /// With the signatures so far.
    pub signed: String,
    pub computers: Vec<ComputerToSign>,
    /// Sets of applications.
    pub sets: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComputerToSign {
    /// As the server calls it; its id is in the leaf.
    pub name: String,
    pub leaf: String,
    pub proof: String,
    /// Which of the sets is its.
    pub set: u64,
}

/// An envelope with signatures that were added elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedEnvelope {
    /// In hex digits.
    pub signed: String,
}
