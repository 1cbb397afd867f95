//! Statements as a server shows them, honest and not.

use model::{ApplicationId, Digest, Timestamp};
use trust::TargetTree;

use super::*;

fn set(version: u16) -> WantedSet {
    let application = WantedApplication {
        application: ApplicationId::from_bytes([1; 16]),
        name: "Viewer".into(),
        revision: 1,
        version,
        document: Digest::from_bytes([2; 32]),
        source: None,
        users: None,
        uninstall: true,
        verify_every: None,
        repair: true,
    };
    WantedSet { applications: vec![application] }
}

/// Two computers are to have version 1, one version 2.
fn shown() -> ToSign {
    let (key, sets) = (SigningKey::from_seed(&[1; 32]), [set(1), set(2)]);
    let leaf = |(number, place): (u8, usize)| WantedLeaf {
        computer: ComputerId::from_bytes([number; 16]),
        key: key.verifying_key(),
        set: sets[place].digest(),
    };
    let places = [0, 0, 1];
    let leaves: Vec<WantedLeaf> = (1..).zip(places).map(leaf).collect();
    let tree = TargetTree::new(leaves.iter().map(WantedLeaf::digest).collect()).unwrap();
    let statement = Wanted {
        serial: 7,
        issued_at: Timestamp::EPOCH,
        targets_root: tree.root(),
        targets_count: tree.count(),
        key: key.id(),
    };
    let computer = |((index, leaf), place): ((u32, &WantedLeaf), usize)| ComputerToSign {
        name: format!("pc-{index}"),
        leaf: hex::encode(leaf.encode()),
        proof: hex::encode(tree.proof(index).unwrap().encode()),
        set: place as u64,
    };
    ToSign {
        unsigned: Unsigned {
            id: "applications-7".into(),
            kind: "applications".into(),
            what: "Viewer".into(),
            computers: 3,
            made_at: 0,
            signed_by: Vec::new(),
            missing: 1,
        },
        signed: hex::encode(statement.sign(&key).encode()),
        computers: (0..).zip(&leaves).zip(places).map(computer).collect(),
        sets: sets.iter().map(|set| hex::encode(set.encode())).collect(),
    }
}

#[test]
fn what_is_shown_is_all_that_would_be_signed() {
    let statement = Statement::read(&shown()).unwrap();
    let count = |set| statement.computers[&set].len();
    assert_eq!((count(0), count(1)), (2, 1));
    assert_eq!(statement.sets, [set(1), set(2)]);
}

#[test]
fn what_differs_from_what_would_be_signed_is_refused() {
    let refused = |change: &dyn Fn(&mut ToSign), words: &str| {
        let mut shown = shown();
        change(&mut shown);
        let error = format!("{:#}", Statement::read(&shown).unwrap_err());
        assert!(error.contains(words), "{words}: {error}");
    };
    refused(&|shown| drop(shown.computers.pop()), "2 of its 3 computers are shown");
    refused(&|shown| shown.computers[2] = shown.computers[1].clone(), "2 of its 3");
    refused(&|shown| shown.computers[0].set = 1, "is not what it says");
    refused(&|shown| shown.computers[0].set = 9, "is not what it says");
    refused(&|shown| shown.sets[0] = hex::encode(set(9).encode()), "is not what it says");
    let proof = shown().computers[1].proof.clone();
    refused(&move |shown| shown.computers[0].proof.clone_from(&proof), "none of its computers");
    refused(&|shown| shown.sets[0] = "x".into(), "no hex digits");
    let document = Signed::new("application/vnd.deskhand.trust", vec![1]);
    refused(&move |shown| shown.signed = hex::encode(document.encode()), "something else");
}
