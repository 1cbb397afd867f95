//! Secrets: encrypted where they lie, sealed to one agent, told to nobody.

use std::path::Path;

use serde_json::{Value, json};
use trust::SealingKey;

use crate::agent::SEALING_SEED;
use crate::house::House;
use crate::robot::Robot;

const PASSWORD: &str = "correct-horse-battery-staple-1739";
/// The same as it goes over the API.
const BASE64: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZS0xNzM5";
const WORKFLOW: &str = "
workflow: as-bob
start: bob
activities:
  bob: { impersonate: { user: bob, secret: bobs-password }, on: { ok: done, error: failed } }
  done: { success: {} }
  failed: { failure: {} }
";

async fn set(house: &House, name: &str) -> Value {
    house.api.put(&format!("/api/secrets/{name}"), &json!({"base64": BASE64})).await
}

/// Whether a file below the folder holds the password in the clear or as Base64.
fn holds_password(folder: &Path) -> bool {
    let has = |bytes: &[u8], part: &str| bytes.windows(part.len()).any(|w| w == part.as_bytes());
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds_password(&path);
        }
        let bytes = std::fs::read(&path).unwrap();
        has(&bytes, PASSWORD) || has(&bytes, BASE64)
    })
}

#[tokio::test]
async fn a_secret_goes_sealed_to_its_agent_and_nowhere_else() {
    let house = House::new().await;
    let agent = house.enrolled("pc-1", 1).await;
    let refused = house
        .api
        .post("/api/deployments", &json!({"source": WORKFLOW, "targets": {"everybody": true}}))
        .await;
    assert_eq!(refused["code"], "DH-A030", "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("bobs-password"), "{refused}");

    assert_eq!(set(&house, "Bobs-Password").await, Value::Null);
    let house = house.restart().await;
    let agent = crate::agent::Agent { server: house.running.agent_addr.to_string(), ..agent };
    let mut robot = Robot::start(agent).await;
    robot.holds = vec!["bob".into()];
    let deployment = house.deploy(WORKFLOW, &["pc-1"]).await;
    robot.until_held("bob").await;
    let run = robot.run();
    let sealed = robot.taker.sealed_secrets(run);
    let key = SealingKey::from_seed(&SEALING_SEED);
    let opened = key.open(run, "bobs-password", &sealed["bobs-password"]).unwrap();
    assert_eq!(opened.as_slice(), PASSWORD.as_bytes());

    for uri in ["/api/secrets", "/api/events", &format!("/api/deployments/{deployment}")] {
        let told = house.api.get(uri).await.to_string();
        assert!(!told.contains(PASSWORD) && !told.contains(BASE64), "{uri}: {told}");
    }
    assert!(!holds_password(house.folder.path()));
    robot.end("bob", workflow::Report::of(workflow::Event::Ok)).await;
    robot.until_forgotten().await;
    house.ended(&deployment).await;
    assert!(!holds_password(house.folder.path()));
}

#[tokio::test]
async fn secrets_are_listed_by_name_and_removed() {
    let house = House::new().await;
    for name in ["zeta", "Alpha", "alpha"] {
        assert_eq!(set(&house, name).await, Value::Null);
    }
    let listed = house.api.get("/api/secrets").await;
    let names: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alpha", "zeta"]);
    assert_eq!(listed["items"][0]["is_readable"], true);
    assert_eq!(house.api.delete("/api/secrets/ZETA").await, Value::Null);
    assert_eq!(house.api.delete("/api/secrets/zeta").await["code"], "DH-A030");
    assert_eq!(set(&house, "a%20b").await["code"], "DH-A003");
    for wrong in ["", "no base64!"] {
        let refused = house.api.put("/api/secrets/x", &json!({"base64": wrong})).await;
        assert_eq!(refused["code"], "DH-A003", "{refused}");
    }
    house.told("secret", "zeta was removed").await;
}

/// A database that was restored without its key opens nothing; what needs a secret says why.
#[tokio::test]
async fn without_its_key_a_secret_must_be_set_again() {
    let house = House::new().await;
    let agent = house.enrolled("pc-1", 1).await;
    set(&house, "bobs-password").await;
    let lose = async |database: std::path::PathBuf| {
        std::fs::remove_file(database.with_file_name("secrets.key")).unwrap();
    };
    let house = house.restart_after(lose, |config| config).await;
    let listed = house.api.get("/api/secrets").await;
    assert_eq!(listed["items"][0]["is_readable"], false);
    let agent = crate::agent::Agent { server: house.running.agent_addr.to_string(), ..agent };
    let mut robot = Robot::start(agent).await;
    robot.holds = vec!["bob".into()];
    house.deploy(WORKFLOW, &["pc-1"]).await;
    robot.until_held("bob").await;
    assert!(robot.taker.sealed_secrets(robot.run()).is_empty());
    house.told("secret", "cannot be opened; set it again").await;
}
