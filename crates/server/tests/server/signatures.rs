//! What agents take only when operators have signed it: withheld, shown, signed, told.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trust::{
    Holder, Proof, Role, RoleKeys, Signed, SigningKey, TrustDocument, Wanted, WantedLeaf,
    WantedPresented, WantedSet,
};
use wire::wanted::{CAPABILITY, WantedNews};
use wire::{FromAgent, FromServer, Hello};

use crate::agent::{Agent, Link};
use crate::house::House;
use crate::robot::now;

const VIEWER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// From now on so many of these operators must sign.
async fn set_operators(house: &House, seeds: &[u8], threshold: u8) -> TrustDocument {
    let keys = house.api.get("/api/keys").await;
    let last = keys["documents"].as_array().unwrap().last().unwrap();
    let signed = hex::decode(last["signed"].as_str().unwrap()).unwrap();
    let before = TrustDocument::decode(Signed::decode(&signed).unwrap().payload()).unwrap();
    let mut roles: BTreeMap<Role, RoleKeys> =
        Role::ALL.iter().map(|role| (*role, before.role(*role).clone())).collect();
    let holders = seeds.iter().map(|seed| Holder::of(key(*seed).verifying_key())).collect();
    roles.insert(Role::Operator, RoleKeys::new(holders, threshold).unwrap());
    let next = TrustDocument::new(before.number() + 1, before.valid_from(), roles).unwrap();
    let private = house.folder.path().join("data/keypriv.key");
    let text = std::fs::read_to_string(private).unwrap();
    let (_, root) = trust::key_file::decode_private(&text).unwrap();
    let body = json!({ "signed": hex::encode(next.sign(&[&root]).encode()) });
    let taken = house.api.post("/api/keys/submit", &body).await;
    assert_eq!(taken["document"], next.number(), "{taken}");
    next
}

async fn publish(house: &House, version: u16) {
    let text = format!("application: Viewer\nid: {VIEWER}\nversion: {version}\n");
    house.api.post("/api/applications", &json!({ "text": text })).await;
}

async fn associate(house: &House, computer: &str) {
    let new = json!({ "application": "Viewer", "to": { "computer": computer } });
    house.api.post("/api/associations", &new).await;
}

async fn connected(agent: &mut Agent) -> Link {
    let capabilities = vec![CAPABILITY.to_owned()];
    let hello = Hello { capabilities, ..agent.hello(Vec::new()) };
    agent.greet(hello).await.unwrap()
}

async fn told(link: &mut Link) -> WantedPresented {
    loop {
        if let FromServer::Wanted(presented) = link.next().await.expect("a link") {
            return presented;
        }
    }
}

/// Asks until one statement over so many computers waits.
async fn waiting(house: &House, computers: u64) -> Value {
    house
        .until(async || {
            let items = house.api.get("/api/signatures").await["items"].clone();
            let one = items.as_array()?.first().cloned()?;
            (items.as_array()?.len() == 1 && one["computers"] == computers).then_some(one)
        })
        .await
}

async fn sign(house: &House, id: &str, by: &SigningKey) -> Value {
    let shown = house.api.get(&format!("/api/signatures/{id}")).await;
    let bytes = hex::decode(shown["signed"].as_str().unwrap()).unwrap();
    let signed = Signed::decode(&bytes).unwrap().signed_by(by);
    let body = json!({ "signed": hex::encode(signed.encode()) });
    house.api.post(&format!("/api/signatures/{id}"), &body).await
}

#[tokio::test]
async fn nobody_is_told_before_enough_operators_have_signed() {
    let house = House::new().await;
    let trust = set_operators(&house, &[71, 72, 73], 2).await;
    publish(&house, 1).await;
    let (mut one, mut two) = (house.enrolled("pc1", 1).await, house.enrolled("pc2", 2).await);
    associate(&house, "pc1").await;
    waiting(&house, 1).await;
    // What comes beside is stated together with what waits already.
    associate(&house, "pc2").await;
    let waits = waiting(&house, 2).await;
    assert_eq!((&waits["what"], &waits["missing"]), (&json!("Viewer"), &json!(2)), "{waits}");
    let state = house.api.get("/api/computers/pc1/applications").await["states"][0].clone();
    let (pending, word) = ("an operator's signature", "pending");
    assert_eq!((&state["state"], &state["pending"]), (&json!(word), &json!(pending)), "{state}");

    let id = waits["id"].as_str().unwrap();
    let shown = house.api.get(&format!("/api/signatures/{id}")).await;
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let signed = Signed::decode(&bytes(&shown["signed"])).unwrap();
    let statement = Wanted::decode(signed.payload()).unwrap();
    assert_eq!(statement.targets_count, 2);
    for computer in shown["computers"].as_array().unwrap() {
        let leaf = WantedLeaf::decode(&bytes(&computer["leaf"])).unwrap();
        let proof = Proof::decode(&bytes(&computer["proof"])).unwrap();
        assert!(proof.holds(leaf.digest(), statement.targets_root, 2));
        let set = &shown["sets"][computer["set"].as_u64().unwrap() as usize];
        assert_eq!(WantedSet::decode(&bytes(set)).unwrap().digest(), leaf.set);
    }

    let mut link = connected(&mut one).await;
    let first = sign(&house, id, &key(72)).await;
    assert_eq!(first["missing"], 1, "{first}");
    for (by, words) in [(72, "nobody has signed it"), (9, "is no operator's")] {
        let refused = sign(&house, id, &key(by)).await;
        assert_eq!(refused["code"], "DH-A132", "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(words), "{refused}");
    }
    assert_eq!(sign(&house, id, &key(73)).await["missing"], 0);
    let presented = told(&mut link).await;
    let me = (one.computer, one.key.verifying_key());
    let granted = Wanted::verify(&presented, me, &trust, 0, now()).unwrap();
    assert_eq!(granted.set().applications[0].version, 1);
    let taken = WantedNews { serial: granted.serial(), refused: None };
    link.send(FromAgent::Wanted(taken)).await;
    // One that was away is told when it comes, and nothing waits any more.
    let mut other = connected(&mut two).await;
    let me = (two.computer, two.key.verifying_key());
    Wanted::verify(&told(&mut other).await, me, &trust, 0, now()).unwrap();
    assert_eq!(house.api.get("/api/signatures").await["items"], json!([]));
    assert_eq!(sign_unknown(&house, id).await["code"], "DH-A002");
}

async fn sign_unknown(house: &House, id: &str) -> Value {
    let body = json!({ "signed": hex::encode(Signed::new("t", Vec::new()).encode()) });
    house.api.post(&format!("/api/signatures/{id}"), &body).await
}

#[tokio::test]
async fn what_was_stated_anew_cannot_be_signed_and_is_told_when_operators_go() {
    let house = House::new().await;
    set_operators(&house, &[71], 1).await;
    publish(&house, 1).await;
    let mut agent = house.enrolled("pc1", 1).await;
    associate(&house, "pc1").await;
    let before = waiting(&house, 1).await;
    let id = before["id"].as_str().unwrap();
    let shown = house.api.get(&format!("/api/signatures/{id}")).await;
    publish(&house, 2).await;
    let after = house
        .until(async || {
            let after = waiting(&house, 1).await;
            (after["id"] != before["id"]).then_some(after)
        })
        .await;
    let bytes = hex::decode(shown["signed"].as_str().unwrap()).unwrap();
    let signed = Signed::decode(&bytes).unwrap().signed_by(&key(71));
    let body = json!({ "signed": hex::encode(signed.encode()) });
    let late = house.api.post(&format!("/api/signatures/{id}"), &body).await;
    assert_eq!(late["code"], "DH-A002", "{late}");
    let uri = format!("/api/signatures/{}", after["id"].as_str().unwrap());
    assert_eq!(house.api.post(&uri, &body).await["code"], "DH-A132");

    // After a restart the agent that comes is told nothing either, until it need not be signed.
    let house = house.restart().await;
    agent.server = house.running.agent_addr.to_string();
    let mut link = connected(&mut agent).await;
    waiting(&house, 1).await;
    let trust = set_operators(&house, &[], 0).await;
    let presented = told(&mut link).await;
    let me = (agent.computer, agent.key.verifying_key());
    let granted = Wanted::verify(&presented, me, &trust, 0, now()).unwrap();
    assert_eq!(granted.set().applications[0].version, 2);
}
