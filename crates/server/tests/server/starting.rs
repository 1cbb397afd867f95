//! Starting, stopping, enrolling.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::json;
use server::{Config, Server, StartError};
use trust::SigningKey;

use crate::agent::Agent;
use crate::house::House;

#[tokio::test]
async fn one_folder_one_server_and_nobody_else_reads_it() {
    let house = House::new().await;
    let data = house.folder.path().join("data");
    let second = Server::start(Config::local(data.clone())).await.unwrap_err();
    assert!(matches!(second, StartError::DataDir(_)), "{second}");
    assert!(second.to_string().contains("another deskhand server"), "{second}");
    let mode = |name: &str| data.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    for name in ["admin.token", "keypriv.key", "server.json", "deskhand.db"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    let told = server::runtime(&data).unwrap();
    assert_eq!(told.api, format!("http://{}", house.running.api_addr));
    assert_eq!(server::read_admin_token(&data).unwrap(), house.running.admin_token);
    for folder in ["deploy", "idd", "pdi", "wallpaper"] {
        assert!(house.depot().join(folder).is_dir());
    }
}

#[tokio::test]
async fn a_restart_keeps_keys_token_and_fleet_and_is_quick() {
    let house = House::new().await;
    let before = house.api.get("/api/server").await;
    let token = house.running.admin_token.clone();
    let mut agent = house.enrolled("pc1", 1).await;
    let begin = Instant::now();
    let house = house.restart().await;
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let after = house.api.get("/api/server").await;
    assert_eq!(before["key_fingerprint"], after["key_fingerprint"]);
    assert_eq!((&before["id"], token), (&after["id"], house.running.admin_token.clone()));
    agent.server = house.running.agent_addr.to_string();
    agent.connect(Vec::new()).await.unwrap();
}

#[tokio::test]
async fn the_api_is_not_spoken_in_the_clear_beyond_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::local(folder.path().join("data"));
    config.api_listen = ([0, 0, 0, 0], 0).into();
    let error = Server::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::ApiInsecure(_)), "{error}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn tokens_are_used_up_expire_and_are_revoked() {
    let house = House::new().await;
    let key = |seed| SigningKey::from_seed(&[seed; 32]);
    let token = house.token(1).await;
    let first = Agent::enroll(&token, key(1), "pc").await.unwrap();
    let again = Agent::enroll(&token, key(1), "pc").await.unwrap();
    assert_eq!((first.computer, first.name), (again.computer, again.name));
    let spent = Agent::enroll(&token, key(2), "pc").await.err().unwrap();
    assert_eq!(spent.code, "token");
    house.told("refused", "no uses left").await;

    let other = house.token(5).await;
    let named = Agent::enroll(&other, key(3), "PC").await.unwrap();
    assert_eq!(named.name, "PC-2");
    house.told("enrolled", "it asked for the name PC, which another computer has").await;
    house.api.delete(&format!("/api/tokens/{}", other.id)).await;
    let revoked = Agent::enroll(&other, key(4), "pc").await.err().unwrap();
    assert!(revoked.reason.contains("revoked"), "{revoked:?}");

    let mut forged = house.token(5).await;
    forged.secret = trust::TokenSecret::from_bytes([9; 32]);
    let forged = Agent::enroll(&forged, key(5), "pc").await.err().unwrap();
    assert!(forged.reason.contains("not known"), "{forged:?}");

    let agents = house.api.get("/api/agents").await;
    assert_eq!(agents["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn agents_are_revoked_and_approved_again() {
    let house = House::new().await;
    let mut agent = house.enrolled("pc1", 1).await;
    let mut link = agent.connect(Vec::new()).await.unwrap();
    house.api.post("/api/agents/pc1/revoke", &json!(null)).await;
    assert_eq!(link.rejected().await, "");
    assert_eq!(agent.connect(Vec::new()).await.err().unwrap().code, "revoked");
    house.api.post("/api/agents/pc1/approve", &json!(null)).await;
    agent.connect(Vec::new()).await.unwrap();
}

#[tokio::test]
async fn of_two_machines_that_ask_at_once_for_a_computer_on_record_one_becomes_it() {
    let house = House::new().await;
    let added = house.api.post("/api/computers", &json!({ "name": "desk" })).await;
    let token = house.token(3).await;
    let enroll = |seed| Agent::enroll(&token, SigningKey::from_seed(&[seed; 32]), "desk");
    let (one, two, three) = tokio::join!(enroll(1), enroll(2), enroll(3));
    let all = [one, two, three].map(Result::unwrap);
    let names: BTreeSet<&str> = all.iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["desk", "desk-2", "desk-3"]));
    let is_it = |agent: &&Agent| added["id"] == agent.computer.to_string();
    assert_eq!(all.iter().filter(is_it).map(|agent| agent.name.as_str()).next(), Some("desk"));
    let agents = house.api.get("/api/agents").await;
    assert_eq!(agents["items"].as_array().unwrap().len(), 3);
}
