//! From one trust document to the next: following a chain of them, and making the one that follows.
//!
//! Owns the rules of a change of keys. Whoever is behind is given every document since its own, in
//! order, and believes each because the one before vouches for it; where they come from does not
//! matter. Signs nothing and keeps nothing.

use model::Timestamp;

use crate::document::DocumentError;
use crate::{Fingerprint, Holder, Refusal, Role, RoleKeys, Signed, TrustDocument, VerifyingKey};

/// How far a chain of documents leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The newest document that can be believed, as it was signed; none if nothing is newer.
    pub newest: Option<(TrustDocument, Signed)>,
    /// Why the rest of the chain cannot be believed.
    pub refused: Option<Refusal>,
}

impl TrustDocument {
    /// Follows `chain`, oldest first, as far as it can be believed. Documents that are not newer
    /// are passed over.
    pub fn follow(&self, chain: &[Signed], now: Timestamp) -> Followed {
        let mut followed = Followed { newest: None, refused: None };
        for signed in chain {
            let known = followed.newest.as_ref().map_or(self, |(document, _)| document);
            match known.succeeds(signed, now) {
                Ok(next) => followed.newest = Some((next, signed.clone())),
                Err(Refusal::OldDocument { .. }) => {}
                Err(refusal) => {
                    followed.refused = Some(refusal);
                    break;
                }
            }
        }
        followed
    }

    /// The newest document of a chain that begins with one that the pinned key vouches for; older
    /// ones in it are passed over.
    pub fn from_pin(
        chain: &[Signed],
        pin: Fingerprint,
        now: Timestamp,
    ) -> Result<(Self, Signed), Refusal> {
        let mut refused = Refusal::NotEnoughSignatures { role: Role::Root, have: 0, need: 1 };
        for (place, signed) in chain.iter().enumerate() {
            match Self::pinned(signed, pin, now) {
                Ok(first) => {
                    let followed = first.follow(&chain[place + 1..], now);
                    return match followed.refused {
                        Some(refusal) => Err(refusal),
                        None => Ok(followed.newest.unwrap_or((first, signed.clone()))),
                    };
                }
                Err(refusal) => refused = refusal,
            }
        }
        Err(refused)
    }

    /// The next document, in which `new` stands wherever `old` does. Where one signature is enough
    /// the old key holds its role besides until `until`, if that is given; as a root key it is
    /// replaced at once.
    pub fn replacing(
        &self,
        old: &VerifyingKey,
        new: VerifyingKey,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, DocumentError> {
        self.next(now, |role, holders, threshold| {
            let Some(place) = holders.iter().position(|holder| holder.key == *old) else { return };
            let has_overlap = role != Role::Root && threshold <= 1;
            match until.filter(|_| has_overlap) {
                Some(until) => holders[place].until = Some(until),
                None => drop(holders.remove(place)),
            }
            holders.push(Holder::of(new));
        })
    }

    /// The next document, in which `key` stands nowhere.
    pub fn without(&self, key: &VerifyingKey, now: Timestamp) -> Result<Self, DocumentError> {
        self.next(now, |_, holders, _| holders.retain(|holder| holder.key != *key))
    }

    /// Whether the key stands in a role, its time there over or not.
    pub fn names(&self, role: Role, key: Fingerprint) -> bool {
        self.role(role).holders().iter().any(|holder| holder.key.fingerprint() == key)
    }

    /// Every key that stands in any role, without repetition.
    pub fn all_keys(&self) -> Vec<VerifyingKey> {
        let roles = Role::ALL.iter().flat_map(|role| self.role(*role).holders());
        let mut keys: Vec<VerifyingKey> = roles.map(|holder| holder.key).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// A document with the next number; keys whose time is over are left out.
    fn next(
        &self,
        now: Timestamp,
        change: impl Fn(Role, &mut Vec<Holder>, u8),
    ) -> Result<Self, DocumentError> {
        let mut roles = std::collections::BTreeMap::new();
        for role in Role::ALL {
            let keys = self.role(role);
            let is_over = |holder: &Holder| holder.until.is_some_and(|until| until < now);
            let mut holders: Vec<Holder> =
                keys.holders().iter().filter(|holder| !is_over(holder)).copied().collect();
            change(role, &mut holders, keys.threshold());
            let threshold = if holders.is_empty() { 0 } else { keys.threshold() };
            roles.insert(role, RoleKeys::new(holders, threshold)?);
        }
        Self::new(self.number() + 1, self.valid_from(), roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);
    const LATER: Timestamp = Timestamp::from_millis(2_000_000_000);

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn public(seed: u8) -> VerifyingKey {
        key(seed).verifying_key()
    }

    /// Documents 1, 2 … of a deployment whose key was 1, then 2 …
    fn chain(length: u8) -> (Vec<TrustDocument>, Vec<Signed>) {
        let first = TrustDocument::founding(public(1), Timestamp::EPOCH);
        let (mut documents, mut signed) = (vec![first.clone()], vec![first.sign(&[&key(1)])]);
        for seed in 2..=length {
            let last = &documents[documents.len() - 1];
            let next = last.replacing(&public(seed - 1), public(seed), Some(LATER), NOW).unwrap();
            signed.push(next.sign(&[&key(seed - 1), &key(seed)]));
            documents.push(next);
        }
        (documents, signed)
    }

    #[test]
    fn a_key_is_followed_by_another_with_overlap() {
        let (documents, _) = chain(2);
        let next = &documents[1];
        assert_eq!(next.number(), 2);
        for role in [Role::Server, Role::Warrant, Role::Release] {
            assert_eq!(next.keys(role, NOW).count(), 2, "{role}");
            let later: Vec<_> = next.keys(role, LATER + model::Span::from_secs(1)).collect();
            assert_eq!(later, [public(2)], "{role}");
        }
        assert_eq!(next.keys(Role::Root, NOW).collect::<Vec<_>>(), [public(2)]);
        assert_eq!(next.keys(Role::Operator, NOW).count(), 0);
        let over = LATER + model::Span::from_secs(1);
        let third = next.replacing(&public(2), public(3), None, over).unwrap();
        assert_eq!(third.all_keys(), [public(3)]);
    }

    #[test]
    fn whoever_is_behind_follows_the_chain() {
        let (documents, signed) = chain(4);
        let followed = documents[0].follow(&signed, NOW);
        assert_eq!(followed.newest.map(|(d, _)| d), Some(documents[3].clone()));
        assert_eq!(followed.refused, None);
        assert_eq!(documents[3].follow(&signed, NOW).newest, None);
        // A gap breaks it there, and what came before is kept.
        let gap = [signed[1].clone(), signed[3].clone()];
        let followed = documents[0].follow(&gap, NOW);
        assert_eq!(followed.newest.map(|(d, _)| d.number()), Some(2));
        assert_eq!(followed.refused.map(|refusal| refusal.code()), Some("unknown_key"));
    }

    #[test]
    fn a_pin_finds_its_place_in_the_chain() {
        let (documents, signed) = chain(3);
        for seed in 1..=3 {
            let (found, _) = TrustDocument::from_pin(&signed, public(seed).fingerprint(), NOW)
                .unwrap_or_else(|refusal| panic!("{seed}: {refusal}"));
            assert_eq!(found, documents[2]);
        }
        assert!(TrustDocument::from_pin(&signed, public(9).fingerprint(), NOW).is_err());
        assert!(TrustDocument::from_pin(&[], public(1).fingerprint(), NOW).is_err());
        let forged = documents[1].sign(&[&key(8), &key(9)]);
        let broken = [signed[0].clone(), forged];
        assert!(TrustDocument::from_pin(&broken, public(1).fingerprint(), NOW).is_err());
    }

    #[test]
    fn a_lost_key_is_taken_out_of_every_role() {
        let (documents, _) = chain(2);
        let next = documents[1].without(&public(1), NOW).unwrap();
        assert_eq!((next.number(), next.all_keys()), (3, vec![public(2)]));
        assert!(!next.names(Role::Server, public(1).fingerprint()));
        assert!(documents[1].names(Role::Server, public(1).fingerprint()));
        // Without its only key a deployment would have no root.
        assert!(next.without(&public(2), NOW).is_err());
        assert_eq!(documents[0].without(&public(7), NOW).unwrap().all_keys(), [public(1)]);
    }

    #[test]
    fn where_several_sign_there_is_no_overlap() {
        let many = |seeds: &[u8], threshold| {
            RoleKeys::new(seeds.iter().map(|seed| Holder::of(public(*seed))).collect(), threshold)
                .unwrap()
        };
        let roles = [
            (Role::Root, many(&[1, 2, 3], 2)),
            (Role::Server, many(&[1], 1)),
            (Role::Warrant, many(&[1], 1)),
            (Role::Operator, many(&[1, 2], 2)),
        ];
        let document = TrustDocument::new(1, Timestamp::EPOCH, roles.into()).unwrap();
        let next = document.replacing(&public(1), public(9), Some(LATER), NOW).unwrap();
        assert_eq!(next.role(Role::Operator), &many(&[2, 9], 2));
        assert_eq!(next.role(Role::Root), &many(&[2, 3, 9], 2));
        assert_eq!(next.keys(Role::Server, NOW).count(), 2);
        // Two of the three roots sign, one of them the new one.
        let signed = next.sign(&[&key(2), &key(3)]);
        assert_eq!(document.succeeds(&signed, NOW), Ok(next));
    }
}
