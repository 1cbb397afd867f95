//! The one door through which a warrant becomes permission.
//!
//! Takes what came over the wire as bytes, compares all of it with what this machine knows, and
//! gives a [`Granted`] or the reason why not. Changes nothing: the taker persists
//! [`Granted::spending`] before it acts.

use std::collections::BTreeMap;

use model::{ComputerId, Facts, RunId, Span, Timestamp};

use crate::codec::DecodeError;
use crate::{
    KeyId, Leaf, Proof, Refusal, Role, Signed, Spending, Spent, TrustDocument, Use, VerifyingKey,
    Warrant, WarrantId, definition_digest, variables_digest,
};

/// How far the clocks of the signer and of this machine may be apart.
pub const CLOCK_TOLERANCE: Span = Span::from_secs(300);

/// What a giver presents for a run; none of it is believed.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    pub run: RunId,
    /// A [`Signed`] envelope holding a [`Warrant`].
    pub warrant: &'a [u8],
    /// A [`Proof`] for the leaf.
    pub proof: &'a [u8],
    /// A [`Leaf`].
    pub leaf: &'a [u8],
    /// The definition as it travels.
    pub definition: &'a [u8],
    /// The values the run begins with.
    pub variables: &'a BTreeMap<String, String>,
}

/// Who is asked, and what it knows.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    pub computer: ComputerId,
    pub key: VerifyingKey,
    pub trust: &'a TrustDocument,
    pub spent: &'a Spent,
}

/// Permission for one run on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    id: WarrantId,
    warrant: Warrant,
    told: Facts,
    run: RunId,
    usage: Use,
}

impl Granted {
    pub const fn id(&self) -> WarrantId {
        self.id
    }

    pub const fn warrant(&self) -> &Warrant {
        &self.warrant
    }

    /// What templates are told of this computer.
    pub const fn told(&self) -> &Facts {
        &self.told
    }

    pub const fn run(&self) -> RunId {
        self.run
    }

    /// Whether this run begins now or was begun before under the same warrant.
    pub const fn usage(&self) -> Use {
        self.usage
    }

    /// What must be durable before anything is done for the run.
    pub const fn spending(&self) -> Spending {
        Spending { warrant: self.id, run: self.run, begin_until: self.warrant.begin_until }
    }
}

/// Permission for `presented.run` on this machine, or why there is none.
///
/// A run that was begun under its warrant may be handed over again after the time to begin.
pub fn verify(
    presented: &Presented<'_>,
    me: &Recipient<'_>,
    now: Timestamp,
) -> Result<Granted, Refusal> {
    let signed = Signed::decode(presented.warrant)?;
    let signers = check_signatures(&signed, me.trust, now)?;
    let warrant = Warrant::decode(signed.payload())?;
    if !signers.contains(&warrant.key) {
        return Err(Refusal::NotByNamedKey { key: warrant.key });
    }
    let leaf = check_addressed(presented, me, &warrant)?;
    if definition_digest(presented.definition) != warrant.definition {
        return Err(Refusal::DefinitionAltered);
    }
    if variables_digest(presented.variables) != warrant.variables {
        return Err(Refusal::VariablesAltered);
    }
    let id = Warrant::id_of(signed.payload());
    let usage = me.spent.check(id, warrant.begin_until, presented.run)?;
    if usage == Use::First {
        check_time(&warrant, now)?;
    }
    Ok(Granted { id, warrant, told: leaf.told, run: presented.run, usage })
}

/// The keys that signed it as warrant keys; where there are operators, enough of them did so too.
fn check_signatures(
    signed: &Signed,
    trust: &TrustDocument,
    now: Timestamp,
) -> Result<Vec<KeyId>, Refusal> {
    if signed.payload_type() != Warrant::PAYLOAD_TYPE {
        let (what, why) = ("warrant", "the envelope holds something else");
        return Err(DecodeError::Invalid { what, why }.into());
    }
    let signers = trust.check(signed, Role::Warrant, now)?;
    if trust.role(Role::Operator).threshold() > 0 {
        trust.check(signed, Role::Operator, now)?;
    }
    Ok(signers)
}

fn check_addressed(
    presented: &Presented<'_>,
    me: &Recipient<'_>,
    warrant: &Warrant,
) -> Result<Leaf, Refusal> {
    let leaf = Leaf::decode(presented.leaf)?;
    if leaf.computer != me.computer {
        return Err(Refusal::NotAddressedToMe { what: "computer" });
    }
    if leaf.key != me.key {
        return Err(Refusal::NotAddressedToMe { what: "key" });
    }
    let digest = Leaf::digest_of(presented.leaf);
    let proof = Proof::decode(presented.proof)?;
    if !proof.holds(digest, warrant.targets_root, warrant.targets_count) {
        return Err(Refusal::BadProof);
    }
    Ok(leaf)
}

fn check_time(warrant: &Warrant, now: Timestamp) -> Result<(), Refusal> {
    if now + CLOCK_TOLERANCE < warrant.not_before {
        return Err(Refusal::TooEarly { wait: warrant.not_before.since(now) });
    }
    if warrant.begin_until + CLOCK_TOLERANCE < now {
        return Err(Refusal::TooLate { late: now.since(warrant.begin_until) });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
