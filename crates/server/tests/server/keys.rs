//! Changing the deployment key: what the server shows, tells and keeps, wherever it is cut.

use serde_json::{Value, json};
use trust::{Fingerprint, Signed, SigningKey, TrustDocument};
use wire::{FromAgent, FromServer};

use crate::agent::{self, Agent};
use crate::house::House;
use crate::robot::now;

fn fingerprint(value: &Value) -> Fingerprint {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

async fn rotate(house: &House, overlap_s: u64) -> Value {
    house.api.post("/api/keys/rotate", &json!({"overlap_s": overlap_s})).await
}

/// Whether a server that `pin` vouches for can be met, when that key is asked for.
async fn is_met(house: &House, pin: Fingerprint) -> bool {
    let key = SigningKey::from_seed(&[50; 32]);
    let name = wire::tls::server_name_for(pin.key_id());
    agent::connect_as(&house.running.agent_addr.to_string(), name, pin, &key).await.is_ok()
}

fn read(documents: &[Vec<u8>]) -> Vec<Signed> {
    documents.iter().map(|bytes| Signed::decode(bytes).unwrap()).collect()
}

fn key_files(house: &House) -> usize {
    let folder = house.folder.path().join("data/keys");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn connected_agents_hear_of_a_new_key_at_once() {
    let house = House::new().await;
    let before = house.running_key().await;
    let mut agent = house.enrolled("pc1", 1).await;
    let mut link = agent.connect_trusting(1).await;
    let changed = rotate(&house, 3_600).await;
    assert_eq!(changed["document"], 2);
    let after = fingerprint(&changed["current"]);
    assert_ne!(after, before);
    let Some(FromServer::Trust(documents)) = link.next().await else { panic!("no documents") };
    let followed = agent.trust.follow(&read(&documents), now());
    let (document, _) = followed.newest.unwrap();
    assert_eq!(document.number(), 2);
    link.send(FromAgent::TrustHeld(2)).await;
    house
        .until(async || {
            let keys = house.api.get("/api/keys").await;
            (keys["documents"][1]["agents"] == 1).then_some(())
        })
        .await;
    // While both are good, either can be asked for.
    assert!(is_met(&house, before).await && is_met(&house, after).await);
    assert!(!is_met(&house, Fingerprint::from_bytes([7; 32])).await);
    let keys = house.api.get("/api/keys").await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&keys["keys"][0]["is_current"], &keys["keys"][1]["is_here"]),
        (&true.into(), &true.into())
    );
}

#[tokio::test]
async fn whoever_was_away_is_given_every_document_in_order() {
    let house = House::new().await;
    let mut agent = house.enrolled("pc1", 1).await;
    for _ in 0..3 {
        rotate(&house, 3_600).await;
    }
    let keys = house.api.get("/api/keys").await;
    assert_eq!((&keys["document"], &keys["behind"][0]["computer"]), (&4.into(), &"pc1".into()));
    let name = wire::tls::server_name_for(agent.pin.key_id());
    let documents = agent.documents_in_welcome(name).await;
    assert_eq!(documents.len(), 3);
    let followed = agent.trust.follow(&read(&documents), now());
    assert_eq!(followed.newest.unwrap().0.number(), 4);
    // A stranger may ask as well; each document proves itself.
    let (status, body) = agent.raw_as_stranger("GET", "/trust?after=0").await;
    assert_eq!(status, 200);
    let FromServer::Trust(all) = FromServer::decode(&body).unwrap() else { panic!("{body:?}") };
    let (found, _) = TrustDocument::from_pin(&read(&all), agent.pin, now()).unwrap();
    assert_eq!((all.len(), found.number()), (4, 4));
    assert_eq!(agent.raw_as_stranger("GET", "/trust?after=x").await.0, 400);
}

#[tokio::test]
async fn a_key_retires_by_its_date() {
    let house = House::new().await;
    let before = house.running_key().await;
    rotate(&house, 1).await;
    assert_eq!(key_files(&house), 2);
    house.told("keys", "its secret was removed").await;
    assert!(!is_met(&house, before).await);
    assert_eq!(key_files(&house), 1);
    let house = house.restart().await;
    assert!(!is_met(&house, before).await && is_met(&house, house.running_key().await).await);
}

#[tokio::test]
async fn a_lost_key_is_replaced_or_taken_out_at_once() {
    let house = House::new().await;
    let (first, token) = (house.running_key().await, house.token(5).await);
    let lost = house.api.post("/api/keys/revoke", &json!({"key": first.to_string()})).await;
    assert_eq!((&lost["document"], fingerprint(&lost["gone"][0])), (&2.into(), first));
    let second = fingerprint(&lost["current"]);
    assert!(is_met(&house, second).await && !is_met(&house, first).await);
    // A token that pins the lost key leads to whoever has it.
    let tokens = house.api.get("/api/tokens").await;
    assert_eq!(
        (&tokens["items"][0]["id"], &tokens["items"][0]["revoked"]),
        (&token.id.to_string().into(), &true.into())
    );
    let fresh = house.token(1).await;
    assert_eq!(fresh.deployment_key, second);

    // One of an overlap that goes on.
    rotate(&house, 3_600).await;
    let lost =
        house.api.post("/api/keys/revoke", &json!({"key": second.key_id().to_string()})).await;
    assert_eq!((&lost["document"], fingerprint(&lost["gone"][0])), (&4.into(), second));
    assert!(!is_met(&house, second).await && is_met(&house, house.running_key().await).await);
    let again = house.api.post("/api/keys/revoke", &json!({"key": second.to_string()})).await;
    assert_eq!(again["code"], "DH-A002");
    let tokens = house.api.get("/api/tokens").await;
    let is_revoked = |token: &Value| token["revoked"] == true;
    assert!(tokens["items"].as_array().unwrap().iter().all(is_revoked), "{tokens}");
    assert_eq!(key_files(&house), 1);
}

#[tokio::test]
async fn a_change_that_was_cut_off_is_ended_by_the_next_start() {
    let house = House::new().await;
    let data = house.folder.path().join("data");
    let before = house.running_key().await;
    let private = std::fs::read(data.join("keypriv.key")).unwrap();
    rotate(&house, 3_600).await;
    let after = house.running_key().await;
    // Cut between the document and the files.
    let house = house
        .restart_after(async |_| std::fs::write(data.join("keypriv.key"), &private).unwrap(), |c| c)
        .await;
    assert_eq!(house.running_key().await, after);
    assert_ne!(std::fs::read(data.join("keypriv.key")).unwrap(), private);
    assert!(is_met(&house, before).await && is_met(&house, after).await);

    // Cut between the new key's file and the document: a key that nothing names changes nothing.
    let stray = SigningKey::from_seed(&[77; 32]);
    let label = trust::key_file::Label::new("stray").unwrap();
    let text = trust::key_file::encode_private(&label, &stray);
    let file = data.join(format!("keys/{}.key", stray.id()));
    let house =
        house.restart_after(async |_| std::fs::write(&file, text.as_bytes()).unwrap(), |c| c).await;
    assert_eq!(house.running_key().await, after);
    assert!(!is_met(&house, stray.verifying_key().fingerprint()).await);

    // Cut before a revoked key's file was removed: the next start removes it.
    let old = std::fs::read_dir(data.join("keys")).unwrap().map(|entry| entry.unwrap().path());
    let old = old.clone_files(before.key_id().to_string());
    house.api.post("/api/keys/revoke", &json!({"key": before.to_string()})).await;
    let (path, bytes) = old;
    assert!(!path.exists());
    let house = house.restart_after(async |_| std::fs::write(&path, &bytes).unwrap(), |c| c).await;
    assert!(!path.exists() && !is_met(&house, before).await);
}

/// Reading one of several files.
trait CloneFiles {
    fn clone_files(self, part: String) -> (std::path::PathBuf, Vec<u8>);
}

impl<I: Iterator<Item = std::path::PathBuf>> CloneFiles for I {
    fn clone_files(mut self, part: String) -> (std::path::PathBuf, Vec<u8>) {
        let path = self.find(|path| path.to_string_lossy().contains(&part)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    }
}

#[tokio::test]
async fn root_keys_may_be_elsewhere_and_several() {
    use trust::{Holder, Role, RoleKeys};
    let house = House::new().await;
    let server = house.running_key().await;
    let keys = house.api.get("/api/keys").await;
    let signed = hex::decode(keys["documents"][0]["signed"].as_str().unwrap()).unwrap();
    let first = TrustDocument::decode(Signed::decode(&signed).unwrap().payload()).unwrap();
    let roots: Vec<SigningKey> = (61..64).map(|seed| SigningKey::from_seed(&[seed; 32])).collect();
    let holders = roots.iter().map(|root| Holder::of(root.verifying_key())).collect();
    let mut roles: std::collections::BTreeMap<Role, RoleKeys> =
        Role::ALL.iter().map(|role| (*role, first.role(*role).clone())).collect();
    roles.insert(Role::Root, RoleKeys::new(holders, 2).unwrap());
    let next = TrustDocument::new(2, first.valid_from(), roles).unwrap();
    let data = house.folder.path().join("data");
    let text = std::fs::read_to_string(data.join("keypriv.key")).unwrap();
    let (_, current) = trust::key_file::decode_private(&text).unwrap();
    let submit = async |signed: &Signed| {
        let body = json!({"signed": hex::encode(signed.encode())});
        house.api.post("/api/keys/submit", &body).await
    };
    let short = submit(&next.sign(&[&roots[0], &current])).await;
    assert_eq!(short["code"], "DH-A130", "{short}");
    let taken = submit(&next.sign(&[&roots[0], &roots[2], &current])).await;
    assert_eq!((&taken["document"], fingerprint(&taken["current"])), (&2.into(), server));

    // From now on the server alone cannot change what counts.
    let alone = rotate(&house, 60).await;
    assert_eq!(alone["code"], "DH-A130", "{alone}");
    assert!(alone["message"].as_str().unwrap().contains("keys prepare"), "{alone}");
    let prepared = house.api.post("/api/keys/prepare", &json!({"overlap_s": 60})).await;
    let bytes = hex::decode(prepared["signed"].as_str().unwrap()).unwrap();
    let prepared = Signed::decode(&bytes).unwrap().signed_by(&roots[1]).signed_by(&roots[2]);
    let taken = submit(&prepared).await;
    let new = fingerprint(&taken["current"]);
    assert_ne!(new, server);
    assert!(is_met(&house, new).await && is_met(&house, server).await);
    assert_eq!(submit(&prepared).await["code"], "DH-A130", "only once");
    let house = house.restart().await;
    assert_eq!(house.running_key().await, new);
}

#[tokio::test]
async fn a_former_key_that_is_put_back_does_not_sign() {
    let house = House::new().await;
    let mut agent: Agent = house.enrolled("pc1", 1).await;
    let data = house.folder.path().join("data");
    let private = std::fs::read(data.join("keypriv.key")).unwrap();
    let first = house.running_key().await;
    house.api.post("/api/keys/revoke", &json!({"key": first.to_string()})).await;
    let second = house.running_key().await;
    let house = house
        .restart_after(async |_| std::fs::write(data.join("keypriv.key"), &private).unwrap(), |c| c)
        .await;
    assert_eq!(house.running_key().await, second);
    agent.server = house.running.agent_addr.to_string();
    assert!(agent::connect(&agent.server, agent.pin, &agent.key).await.is_err());
    agent.pin = second;
    agent.connect(Vec::new()).await.unwrap();
}

#[tokio::test]
async fn what_machines_are_to_have_comes_after_the_key_that_signs_it() {
    let house = House::new().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let text = format!("application: Viewer\nid: {id}\nversion: 1\n");
    house.api.post("/api/applications", &json!({ "text": text })).await;
    let mut agent = house.enrolled("pc1", 1).await;
    let capabilities = vec![wire::wanted::CAPABILITY.to_owned()];
    let hello = wire::Hello { capabilities, ..agent.hello(Vec::new()) };
    let mut link = agent.greet(hello).await.unwrap();
    let new = json!({ "application": "Viewer", "to": { "computer": "pc1" } });
    house.api.post("/api/associations", &new).await;
    let me = (agent.computer, agent.key.verifying_key());
    let (mut trust, mut serial) = (agent.trust.clone(), 0);
    for round in 0..3 {
        loop {
            match link.next().await.expect("a link") {
                FromServer::Trust(documents) => {
                    let followed = trust.follow(&read(&documents), now());
                    if let Some((newest, _)) = followed.newest {
                        trust = newest;
                    }
                }
                FromServer::Wanted(presented) => {
                    let granted = trust::Wanted::verify(&presented, me, &trust, serial, now());
                    serial = granted.unwrap_or_else(|why| panic!("{round}: {why}")).serial();
                    break;
                }
                _ => {}
            }
        }
        let lost = house.running_key().await.to_string();
        house.api.post("/api/keys/revoke", &json!({ "key": lost })).await;
    }
}
