//! One statement to five machines, and everything that may be wrong with what is presented.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Holder, RoleKeys, TargetTree};

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const ME: u8 = 3;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn computer(seed: u8) -> ComputerId {
    ComputerId::from_bytes([seed; 16])
}

fn set(seed: u8) -> WantedSet {
    let wanted = |number: u8, users| WantedApplication {
        application: ApplicationId::from_bytes([number; 16]),
        name: format!("Application {number}"),
        revision: 4,
        version: 65_535,
        document: Digest::from_bytes([seed; 32]),
        source: (number == 1).then(|| Digest::from_bytes([9; 32])),
        users,
        uninstall: number == 1,
        verify_every: (number == 2).then(|| Span::from_secs(3_600)),
        repair: true,
    };
    let named = Some(vec!["ada".to_owned(), "eva".to_owned()]);
    WantedSet { applications: vec![wanted(1, None), wanted(2, named), wanted(3, Some(Vec::new()))] }
}

fn presented_by(signer: &SigningKey, serial: u64) -> WantedPresented {
    let leaf = |seed: u8| WantedLeaf {
        computer: computer(seed),
        key: key(seed).verifying_key(),
        set: set(seed).digest(),
    };
    let tree = TargetTree::new((0..5).map(|seed| leaf(seed).digest()).collect()).unwrap();
    let wanted = Wanted {
        serial,
        issued_at: NOW,
        targets_root: tree.root(),
        targets_count: tree.count(),
        key: signer.id(),
    };
    WantedPresented {
        envelope: wanted.sign(signer).encode(),
        leaf: leaf(ME).encode(),
        proof: tree.proof(u32::from(ME)).unwrap().encode(),
        set: set(ME).encode(),
    }
}

fn trust() -> TrustDocument {
    TrustDocument::founding(key(200).verifying_key(), Timestamp::EPOCH)
}

fn verify(presented: &WantedPresented, held: u64) -> Result<WantedGranted, Refusal> {
    let me = (computer(ME), key(ME).verifying_key());
    Wanted::verify(presented, me, &trust(), held, NOW)
}

#[test]
fn a_set_reaches_its_machine() {
    let presented = presented_by(&key(200), 7);
    for held in [0, 6, 7] {
        let granted = verify(&presented, held).unwrap();
        assert_eq!((granted.serial(), granted.set()), (7, &set(ME)));
    }
    assert_eq!(verify(&presented, 8), Err(Refusal::OldSet { have: 8, offered: 7 }));
}

#[test]
fn nobody_else_takes_it() {
    let presented = presented_by(&key(200), 7);
    let other =
        Wanted::verify(&presented, (computer(2), key(ME).verifying_key()), &trust(), 0, NOW);
    assert_eq!(other, Err(Refusal::NotAddressedToMe { what: "computer" }));
    let other =
        Wanted::verify(&presented, (computer(ME), key(2).verifying_key()), &trust(), 0, NOW);
    assert_eq!(other, Err(Refusal::NotAddressedToMe { what: "key" }));
}

#[test]
fn another_key_another_set_and_another_envelope_are_refused() {
    let stranger = key(77);
    let refused = verify(&presented_by(&stranger, 7), 0);
    assert_eq!(refused, Err(Refusal::UnknownKey { key: stranger.id() }));
    let exchanged = WantedPresented { set: set(1).encode(), ..presented_by(&key(200), 7) };
    assert_eq!(verify(&exchanged, 0), Err(Refusal::SetAltered));
    let other = Signed::new("application/vnd.deskhand.warrant", vec![1]).signed_by(&key(200));
    let other = WantedPresented { envelope: other.encode(), ..presented_by(&key(200), 7) };
    assert!(matches!(verify(&other, 0), Err(Refusal::Malformed(_))));
}

#[test]
fn where_there_are_operators_they_sign_too() {
    let one = |seed| {
        RoleKeys::new(vec![Holder::of(key(seed).verifying_key())], 1).expect("possible keys")
    };
    let roles = BTreeMap::from([
        (Role::Root, one(200)),
        (Role::Warrant, one(200)),
        (Role::Operator, one(50)),
    ]);
    let trust = TrustDocument::new(2, Timestamp::EPOCH, roles).unwrap();
    let me = (computer(ME), key(ME).verifying_key());
    let mut presented = presented_by(&key(200), 7);
    assert!(Wanted::verify(&presented, me, &trust, 0, NOW).is_err());
    let signed = Signed::decode(&presented.envelope).unwrap().signed_by(&key(50));
    presented.envelope = signed.encode();
    assert!(Wanted::verify(&presented, me, &trust, 0, NOW).is_ok());
}

#[test]
fn an_application_stands_once() {
    let mut twice = set(1);
    twice.applications.push(twice.applications[0].clone());
    assert!(WantedSet::decode(&twice.encode()).is_err());
}

proptest! {
    #[test]
    fn no_changed_bit_is_taken(
        part in 0usize..4,
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut presented = presented_by(&key(200), 7);
        let bytes = [
            &mut presented.envelope,
            &mut presented.leaf,
            &mut presented.proof,
            &mut presented.set,
        ];
        let bytes = bytes.into_iter().nth(part).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(verify(&presented, 0).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(set) = WantedSet::decode(&bytes) {
            prop_assert_eq!(set.encode(), bytes.clone());
        }
        if let Ok(leaf) = WantedLeaf::decode(&bytes) {
            prop_assert_eq!(leaf.encode(), bytes.clone());
        }
        if let Ok(wanted) = Wanted::decode(&bytes) {
            prop_assert_eq!(wanted.encode(), bytes);
        }
    }
}
