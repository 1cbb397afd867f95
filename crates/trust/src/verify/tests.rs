//! One deployment to seven computers, and everything that may be wrong with what is presented.

use std::collections::BTreeMap;

use model::{ComputerId, DeploymentId, Digest, Facts, RunId, Span, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{Holder, RoleKeys, Signed, SigningKey, TargetTree};

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const DEFINITION: &[u8] = b"workflow: test";
const ME: u8 = 3;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn deployment_key() -> SigningKey {
    key(200)
}

fn leaf(seed: u8) -> Leaf {
    Leaf {
        computer: ComputerId::from_bytes([seed; 16]),
        key: key(seed).verifying_key(),
        told: Facts::from([("name".into(), format!("pc-{seed}")), ("os".into(), "linux".into())]),
    }
}

fn variables() -> BTreeMap<String, String> {
    BTreeMap::from([("prefix".into(), "/opt".into()), ("empty".into(), String::new())])
}

/// A deployment to seven computers; `ME` is this one.
struct Case {
    warrant: Warrant,
    envelope: Vec<u8>,
    proof: Vec<u8>,
    leaf: Vec<u8>,
    definition: Vec<u8>,
    variables: BTreeMap<String, String>,
    run: RunId,
    trust: TrustDocument,
    spent: Spent,
    now: Timestamp,
}

impl Case {
    fn new() -> Self {
        let tree = TargetTree::new((0..7).map(|seed| leaf(seed).digest()).collect()).unwrap();
        let warrant = Warrant {
            deployment: DeploymentId::from_bytes([1; 16]),
            definition: definition_digest(DEFINITION),
            variables: variables_digest(&variables()),
            depot_root: Some(Digest::from_bytes([8; 32])),
            targets_root: tree.root(),
            targets_count: tree.count(),
            not_before: NOW,
            begin_until: NOW + Span::from_secs(3_600),
            run_limit: Span::from_secs(86_400),
            created_by: "anna".into(),
            key: deployment_key().id(),
        };
        Self {
            envelope: warrant.clone().sign(&deployment_key()).encode(),
            proof: tree.proof(u32::from(ME)).unwrap().encode(),
            leaf: leaf(ME).encode(),
            definition: DEFINITION.to_vec(),
            variables: variables(),
            run: RunId::from_bytes([5; 16]),
            trust: TrustDocument::founding(deployment_key().verifying_key(), NOW),
            spent: Spent::default(),
            now: NOW,
            warrant,
        }
    }

    fn verify(&self) -> Result<Granted, Refusal> {
        self.verify_at(ME)
    }

    fn verify_at(&self, machine: u8) -> Result<Granted, Refusal> {
        let presented = Presented {
            run: self.run,
            warrant: &self.envelope,
            proof: &self.proof,
            leaf: &self.leaf,
            definition: &self.definition,
            variables: &self.variables,
        };
        let Leaf { computer, key, .. } = leaf(machine);
        let me = Recipient { computer, key, trust: &self.trust, spent: &self.spent };
        verify(&presented, &me, self.now)
    }

    fn sign(&mut self, change: impl FnOnce(&mut Warrant)) {
        let mut warrant = self.warrant.clone();
        change(&mut warrant);
        self.envelope = warrant.sign(&deployment_key()).encode();
    }

    fn refused_as(change: impl FnOnce(&mut Self)) -> &'static str {
        let mut case = Self::new();
        change(&mut case);
        case.verify().unwrap_err().code()
    }
}

#[test]
fn a_target_is_granted_its_run() {
    let case = Case::new();
    let granted = case.verify().unwrap();
    assert_eq!(granted.warrant(), &case.warrant);
    assert_eq!(granted.id(), case.warrant.id());
    assert_eq!(granted.told(), &leaf(ME).told);
    assert_eq!(granted.usage(), Use::First);
}

#[test]
fn everything_else_is_refused() {
    let wrong = |change: fn(&mut Case), code| assert_eq!(Case::refused_as(change), code);
    wrong(|case| case.definition.push(b' '), "definition_altered");
    wrong(|case| drop(case.variables.insert("prefix".into(), "/".into())), "variables_altered");
    wrong(|case| drop(case.variables.remove("empty")), "variables_altered");
    wrong(|case| case.envelope = case.warrant.clone().sign(&key(9)).encode(), "unknown_key");
    wrong(|case| case.leaf = leaf(4).encode(), "not_addressed_to_me");
    wrong(
        |case| {
            let told = Facts::from([("name".into(), "other".into())]);
            case.leaf = Leaf { told, ..leaf(ME) }.encode();
        },
        "bad_proof",
    );
    wrong(
        |case| {
            let tree = TargetTree::new(vec![leaf(ME).digest()]).unwrap();
            case.proof = tree.proof(0).unwrap().encode();
        },
        "bad_proof",
    );
    wrong(|case| case.sign(|warrant| warrant.targets_count = 3), "bad_proof");
    wrong(|case| case.now = NOW + Span::from_secs(3_600 + 301), "too_late");
    wrong(|case| case.now = Timestamp::from_millis(NOW.as_millis() - 300_001), "too_early");
    wrong(|case| case.envelope.push(0), "malformed");
    wrong(|case| case.envelope.clear(), "malformed");
    wrong(|case| case.envelope[0] = 2, "version_unknown");
    wrong(|case| case.proof[0] = 9, "version_unknown");
}

#[test]
fn another_machine_or_key_is_refused() {
    let case = Case::new();
    let refusal = case.verify_at(4).unwrap_err();
    assert_eq!(refusal, Refusal::NotAddressedToMe { what: "computer" });
    let mut copied = Case::new();
    copied.leaf = Leaf { computer: leaf(4).computer, ..leaf(ME) }.encode();
    assert_eq!(copied.verify_at(4).unwrap_err(), Refusal::NotAddressedToMe { what: "key" });
}

#[test]
fn a_trust_document_is_no_warrant() {
    let code = Case::refused_as(|case| {
        let payload = case.warrant.encode();
        let signed = Signed::new(TrustDocument::PAYLOAD_TYPE, payload);
        case.envelope = signed.signed_by(&deployment_key()).encode();
    });
    assert_eq!(code, "malformed");
}

#[test]
fn a_second_run_is_refused_and_the_first_may_come_again() {
    let mut case = Case::new();
    let granted = case.verify().unwrap();
    case.spent.spend(&granted.spending());
    case.now = NOW + Span::from_secs(7_200);
    assert_eq!(case.verify().map(|granted| granted.usage()), Ok(Use::Repeated));
    case.run = RunId::from_bytes([6; 16]);
    assert_eq!(case.verify().unwrap_err().code(), "another_run");
}

#[test]
fn with_operators_the_servers_key_alone_commands_nothing() {
    let mut case = Case::new();
    let only = |seeds: &[u8], threshold| {
        let holders = seeds.iter().map(|seed| Holder::of(key(*seed).verifying_key())).collect();
        RoleKeys::new(holders, threshold).unwrap()
    };
    let roles = BTreeMap::from([
        (Role::Root, only(&[200], 1)),
        (Role::Warrant, only(&[200], 1)),
        (Role::Operator, only(&[101, 102, 103], 2)),
    ]);
    case.trust = TrustDocument::new(2, NOW, roles).unwrap();
    assert_eq!(case.verify().unwrap_err().code(), "wrong_role");
    let signed = case.warrant.clone().sign(&deployment_key()).signed_by(&key(102));
    case.envelope = signed.encode();
    let refusal = case.verify().unwrap_err();
    assert_eq!(refusal, Refusal::NotEnoughSignatures { role: Role::Operator, have: 1, need: 2 });
    case.envelope = signed.signed_by(&key(101)).encode();
    assert!(case.verify().is_ok());
    let operators = Signed::new(Warrant::PAYLOAD_TYPE, case.warrant.encode());
    case.envelope = operators.signed_by(&key(101)).signed_by(&key(102)).encode();
    assert_eq!(case.verify().unwrap_err().code(), "wrong_role");
}

#[test]
fn the_named_key_must_have_signed() {
    let mut case = Case::new();
    let holders = [200, 201].map(|seed| Holder::of(key(seed).verifying_key()));
    let both = RoleKeys::new(holders.to_vec(), 1).unwrap();
    let roles = BTreeMap::from([(Role::Root, both.clone()), (Role::Warrant, both)]);
    case.trust = TrustDocument::new(2, NOW, roles).unwrap();
    assert!(case.verify().is_ok());
    let payload = case.warrant.encode();
    case.envelope = Signed::new(Warrant::PAYLOAD_TYPE, payload).signed_by(&key(201)).encode();
    let named = deployment_key().id();
    assert_eq!(case.verify().unwrap_err(), Refusal::NotByNamedKey { key: named });
}

#[test]
fn every_flipped_bit_is_refused() {
    type Part = fn(&mut Case) -> &mut Vec<u8>;
    let parts: [Part; 4] = [
        |case| &mut case.envelope,
        |case| &mut case.proof,
        |case| &mut case.leaf,
        |case| &mut case.definition,
    ];
    for (number, part) in parts.into_iter().enumerate() {
        let mut case = Case::new();
        for bit in 0..part(&mut case).len() * 8 {
            part(&mut case)[bit / 8] ^= 1 << (bit % 8);
            assert!(case.verify().is_err(), "part {number}, bit {bit}");
            part(&mut case)[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(case.verify().is_ok());
    }
}

#[test]
fn one_signature_serves_a_hundred_thousand() {
    let digests: Vec<_> = (0u32..100_000)
        .map(|n| Leaf { told: Facts::from([("n".into(), n.to_string())]), ..leaf(ME) }.digest())
        .collect();
    let tree = TargetTree::new(digests.clone()).unwrap();
    for index in [0, 1, 65_535, 65_536, 99_998, 99_999] {
        let proof = tree.proof(index).unwrap();
        assert!(proof.holds(digests[index as usize], tree.root(), tree.count()));
        assert!(proof.encode().len() < 600);
    }
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let versioned = [vec![1], bytes.clone()].concat();
        for bytes in [&bytes, &versioned] {
            let _ = Signed::decode(bytes);
            let _ = Warrant::decode(bytes);
            let _ = Leaf::decode(bytes);
            let _ = Proof::decode(bytes);
            let _ = TrustDocument::decode(bytes);
            let _ = Spending::decode(bytes);
            let _ = crate::Token::parse(&String::from_utf8_lossy(bytes));
            let _ = crate::key_file::decode_private(&String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_decodes_has_that_one_encoding(
        part in 0usize..3, cut in 0usize..400, place in 0usize..400, byte: u8,
    ) {
        let case = Case::new();
        let mut bytes = vec![case.warrant.encode(), case.proof, case.leaf].swap_remove(part);
        bytes.truncate(cut.max(20));
        let place = place % bytes.len();
        bytes[place] = byte;
        let again = match part {
            0 => Warrant::decode(&bytes).map(|warrant| warrant.encode()),
            1 => Proof::decode(&bytes).map(|proof| proof.encode()),
            _ => Leaf::decode(&bytes).map(|leaf| leaf.encode()),
        };
        prop_assert!(again.is_err() || again == Ok(bytes));
    }

    #[test]
    fn leaves_and_warrants_read_back(
        told in prop::collection::btree_map(".{0,9}", ".{0,200}", 0..8),
        created_by in ".{0,40}", begin: i64, limit: u64, depot: Option<[u8; 32]>,
    ) {
        let leaf = Leaf { told, ..leaf(1) };
        prop_assert_eq!(Leaf::decode(&leaf.encode()), Ok(leaf));
        let warrant = Warrant {
            created_by,
            begin_until: Timestamp::from_millis(begin),
            run_limit: Span::from_millis(limit),
            depot_root: depot.map(Digest::from_bytes),
            ..Case::new().warrant
        };
        prop_assert_eq!(Warrant::decode(&warrant.encode()), Ok(warrant));
    }
}
