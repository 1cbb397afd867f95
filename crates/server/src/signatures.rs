//! Signatures of others than this server: of operators, and of further keys where warrants need
//! several. Says whether they are enough, and takes them.

use model::Timestamp;
use trust::{KeyId, Role, Signed, TrustDocument, VerifyingKey};

/// The roles that sign what agents do.
const ROLES: [Role; 2] = [Role::Warrant, Role::Operator];

/// Why signatures were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("what was signed is not what waits; it was stated anew meanwhile")]
    Other,
    #[error("key {0} is no operator's")]
    NoOperator(KeyId),
    #[error("the signature of key {0} does not fit")]
    BadSignature(KeyId),
    #[error("nobody has signed it whom it waited for")]
    NothingNew,
}

/// Whether this server's signature alone is not enough.
pub fn wants_others(document: &TrustDocument) -> bool {
    document.role(Role::Operator).threshold() > 0 || document.role(Role::Warrant).threshold() > 1
}

/// How many signatures agents would still ask for.
pub fn missing(document: &TrustDocument, signed: &Signed, now: Timestamp) -> usize {
    let of_role = |role| {
        let have = document.keys(role, now).filter(|key| has_signed(signed, key)).count();
        usize::from(document.role(role).threshold()).saturating_sub(have)
    };
    ROLES.into_iter().map(of_role).sum()
}

fn has_signed(signed: &Signed, key: &VerifyingKey) -> bool {
    let id = key.id();
    signed.signatures().iter().any(|(signer, of)| *signer == id && signed.is_signed_by(key, of))
}

/// What is held with the signatures that came for it.
pub fn merged(
    document: &TrustDocument,
    held: &Signed,
    given: &Signed,
    now: Timestamp,
) -> Result<Signed, SignError> {
    let what = |signed: &Signed| (signed.payload_type().to_owned(), signed.payload().to_vec());
    if what(held) != what(given) {
        return Err(SignError::Other);
    }
    let mut merged = held.clone();
    for (id, signature) in given.signatures() {
        if held.signatures().iter().any(|(known, _)| known == id) {
            continue;
        }
        let mut keys = ROLES.into_iter().flat_map(|role| document.keys(role, now));
        let key = keys.find(|key| key.id() == *id).ok_or(SignError::NoOperator(*id))?;
        merged = merged.with(&key, *signature).ok_or(SignError::BadSignature(*id))?;
    }
    if merged == *held { Err(SignError::NothingNew) } else { Ok(merged) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trust::{Holder, RoleKeys, SigningKey};

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    /// Key 1 is the server's; of operators 2, 3 and 4 two must sign.
    fn document(operators: &[u8]) -> TrustDocument {
        let all = |seeds: &[u8], threshold| {
            let holders = seeds.iter().map(|seed| Holder::of(key(*seed).verifying_key()));
            RoleKeys::new(holders.collect(), threshold).unwrap()
        };
        let mut roles: BTreeMap<Role, RoleKeys> =
            [Role::Root, Role::Server, Role::Warrant].map(|role| (role, all(&[1], 1))).into();
        roles.insert(Role::Operator, all(operators, if operators.is_empty() { 0 } else { 2 }));
        TrustDocument::new(1, Timestamp::EPOCH, roles).unwrap()
    }

    fn signed(by: &[u8]) -> Signed {
        by.iter().fold(Signed::new("t", vec![1]), |signed, seed| signed.signed_by(&key(*seed)))
    }

    #[test]
    fn signatures_of_whoever_counts_are_counted() {
        for (by, missing_with, missing_without) in
            [(&[][..], 3, 1), (&[1], 2, 0), (&[1, 2], 1, 0), (&[1, 2, 9], 1, 0), (&[1, 2, 4], 0, 0)]
        {
            let count = |operators| missing(&document(operators), &signed(by), Timestamp::EPOCH);
            assert_eq!((count(&[2, 3, 4]), count(&[])), (missing_with, missing_without), "{by:?}");
        }
        assert!(wants_others(&document(&[2, 3, 4])) && !wants_others(&document(&[])));
    }

    #[test]
    fn only_signatures_that_were_waited_for_are_taken() {
        let merge = |given: &Signed| {
            merged(&document(&[2, 3, 4]), &signed(&[1, 2]), given, Timestamp::EPOCH)
        };
        assert_eq!(merge(&signed(&[1, 3])), Ok(signed(&[1, 2, 3])));
        assert_eq!(merge(&signed(&[3, 4])), Ok(signed(&[1, 2, 3, 4])));
        assert_eq!(merge(&signed(&[2])), Err(SignError::NothingNew));
        assert_eq!(merge(&signed(&[9])), Err(SignError::NoOperator(key(9).id())));
        assert_eq!(merge(&Signed::new("t", vec![2]).signed_by(&key(3))), Err(SignError::Other));
        let mut forged = signed(&[3]).encode();
        *forged.last_mut().unwrap() ^= 1;
        let forged = merge(&Signed::decode(&forged).unwrap());
        assert_eq!(forged, Err(SignError::BadSignature(key(3).id())));
    }
}
