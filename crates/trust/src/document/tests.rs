//! Succession, thresholds, ends and the impossible among trust documents.

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn holders(seeds: &[u8]) -> Vec<Holder> {
    seeds.iter().map(|seed| Holder::of(key(*seed).verifying_key())).collect()
}

fn roles(root: (&[u8], u8), warrant: (&[u8], u8)) -> BTreeMap<Role, RoleKeys> {
    let keys = |(seeds, threshold)| RoleKeys::new(holders(seeds), threshold).unwrap();
    BTreeMap::from([(Role::Root, keys(root)), (Role::Warrant, keys(warrant))])
}

fn document(number: u64, root: (&[u8], u8)) -> TrustDocument {
    TrustDocument::new(number, Timestamp::EPOCH, roles(root, (&[9], 1))).unwrap()
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

#[test]
fn the_first_document_is_pinned() {
    let founding = TrustDocument::founding(key(1).verifying_key(), NOW);
    let signed = founding.sign(&[&key(1)]);
    let pin = key(1).verifying_key().fingerprint();
    assert_eq!(TrustDocument::pinned(&signed, pin, NOW), Ok(founding.clone()));

    let other = key(2).verifying_key().fingerprint();
    let refusal = TrustDocument::pinned(&signed, other, NOW).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownKey { key: key(1).id() });
    let unsigned = founding.sign(&[]);
    let refusal = TrustDocument::pinned(&unsigned, pin, NOW).unwrap_err();
    assert_eq!(refusal.code(), "not_enough_signatures");
    let forged = founding.sign(&[&key(2)]);
    assert_eq!(TrustDocument::pinned(&forged, pin, NOW).unwrap_err().code(), "unknown_key");

    // A document that names the pinned key among others is not its word.
    let mixed = document(1, (&[1, 2], 1));
    let by_other = mixed.sign(&[&key(2)]);
    assert!(TrustDocument::pinned(&by_other, pin, NOW).is_err());
    let by_both = mixed.sign(&[&key(1), &key(2)]);
    assert_eq!(TrustDocument::pinned(&by_both, pin, NOW), Ok(mixed));
}

#[test]
fn a_successor_is_signed_by_the_old_and_the_new() {
    let old = document(1, (&[1], 1));
    let new = document(2, (&[2], 1));
    let both = new.sign(&[&key(1), &key(2)]);
    assert_eq!(old.succeeds(&both, NOW), Ok(new.clone()));
    let code = |signed: &Signed| old.succeeds(signed, NOW).unwrap_err().code();
    assert_eq!(code(&new.sign(&[&key(1)])), "unknown_key");
    assert_eq!(code(&new.sign(&[&key(2)])), "unknown_key");
    assert_eq!(code(&document(1, (&[2], 1)).sign(&[&key(1), &key(2)])), "old_document");
    // The old key is worth nothing afterwards.
    let back = document(3, (&[1], 1)).sign(&[&key(1)]);
    assert_eq!(new.succeeds(&back, NOW).unwrap_err().code(), "unknown_key");
}

#[test]
fn m_of_n_needs_m() {
    let old = document(1, (&[1, 2, 3], 2));
    let new = document(5, (&[1, 2, 3], 2));
    let one = old.succeeds(&new.sign(&[&key(1)]), NOW).unwrap_err();
    assert_eq!(one, Refusal::NotEnoughSignatures { role: Role::Root, have: 1, need: 2 });
    assert_eq!(old.succeeds(&new.sign(&[&key(3), &key(1)]), NOW), Ok(new));
}

#[test]
fn a_key_has_its_role_and_its_time() {
    let until = Timestamp::from_millis(NOW.as_millis() + 10);
    let mut roles = roles((&[1], 1), (&[3], 1));
    let overlap = vec![
        Holder { key: key(2).verifying_key(), until: Some(until) },
        Holder::of(key(3).verifying_key()),
    ];
    roles.insert(Role::Warrant, RoleKeys::new(overlap, 1).unwrap());
    let document = TrustDocument::new(1, NOW, roles).unwrap();
    let signed = |seed: u8| Signed::new("t", vec![1]).signed_by(&key(seed));
    let later = until + model::Span::from_millis(1);
    let check = |seed, now| document.check(&signed(seed), Role::Warrant, now).map(|_| ());
    assert_eq!(check(2, until), Ok(()));
    assert_eq!(check(2, later), Err(Refusal::KeyExpired { key: key(2).id() }));
    assert_eq!(check(3, later), Ok(()));
    let wrong = Refusal::WrongRole { key: key(1).id(), role: Role::Warrant };
    assert_eq!(check(1, NOW), Err(wrong));
    assert_eq!(check(7, NOW), Err(Refusal::UnknownKey { key: key(7).id() }));
    assert_eq!(document.keys(Role::Warrant, later).count(), 1);
    // A role that nobody holds can be satisfied by nobody.
    let empty = document.check(&signed(1), Role::Operator, NOW).unwrap_err();
    assert_eq!(empty.code(), "wrong_role");
}

#[test]
fn a_document_of_the_future_waits() {
    let late = Timestamp::from_millis(NOW.as_millis() + 3_600_000);
    let founding = TrustDocument::founding(key(1).verifying_key(), late);
    let pin = key(1).verifying_key().fingerprint();
    let signed = founding.sign(&[&key(1)]);
    assert_eq!(TrustDocument::pinned(&signed, pin, NOW).unwrap_err().code(), "too_early");
    assert!(TrustDocument::pinned(&signed, pin, late).is_ok());
}

#[test]
fn impossible_documents_are_none() {
    let keys = |seeds: &[u8], threshold| RoleKeys::new(holders(seeds), threshold);
    assert!(keys(&[1], 0).is_err());
    assert!(keys(&[1], 2).is_err());
    assert!(keys(&[], 1).is_err());
    assert!(keys(&[1, 1], 1).is_err());
    let new = |roles| TrustDocument::new(1, NOW, roles);
    assert!(new(BTreeMap::new()).is_err());
    let with = |role, keys| {
        let mut roles = roles((&[1], 1), (&[1], 1));
        roles.insert(role, keys);
        new(roles)
    };
    assert!(with(Role::Server, keys(&[1, 2], 2).unwrap()).is_err());
    let dated = Holder { key: key(1).verifying_key(), until: Some(NOW) };
    assert!(with(Role::Root, RoleKeys::new(vec![dated], 1).unwrap()).is_err());
    assert!(with(Role::Release, RoleKeys::new(vec![dated], 1).unwrap()).is_ok());
}

#[test]
fn documents_read_back_and_no_bit_may_change() {
    let document = TrustDocument::new(7, NOW, roles((&[1, 2], 2), (&[3], 1))).unwrap();
    assert_eq!(TrustDocument::decode(&document.encode()), Ok(document.clone()));
    let pin = key(1).verifying_key().fingerprint();
    let good = document.sign(&[&key(1), &key(2)]).encode();
    let read = |bytes: &[u8]| {
        let signed = Signed::decode(bytes).map_err(Refusal::from)?;
        TrustDocument::pinned(&signed, pin, NOW)
    };
    assert_eq!(read(&good), Ok(document));
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bad).is_err(), "bit {bit}");
    }
}
