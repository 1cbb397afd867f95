//! Queries over the fleet: in listings and as targets.

use serde_json::{Value, json};

use crate::deployments::ONE_COMMAND;
use crate::house::House;
use crate::robot::Robot;

/// For a URI; enough for what stands here.
fn escaped(query: &str) -> String {
    query.replace('%', "%25").replace(' ', "%20").replace('<', "%3C").replace('>', "%3E")
}

async fn names(house: &House, query: &str) -> Value {
    let found = house.api.get(&format!("/api/computers?where={}", escaped(query))).await;
    let items = found["items"].as_array().unwrap_or_else(|| panic!("{query}: {found}")).iter();
    items.map(|item| item["name"].clone()).collect()
}

#[tokio::test]
async fn queries_choose_computers_by_what_is_on_record() {
    let house = House::new().await;
    let _connected = Robot::start(house.enrolled("pc1", 1).await).await;
    house.enrolled("pc2", 2).await;
    house.api.post("/api/computers", &json!({"name": "offices", "is_group": true})).await;
    let berlin = json!({"name": "berlin", "is_group": true, "parent": "offices"});
    house.api.post("/api/computers", &berlin).await;
    let facts = json!({"location": "/Europe/Berlin", "ram_gb": "16"});
    let pc3 = json!({"name": "pc3", "parent": "berlin", "facts": facts});
    house.api.post("/api/computers", &pc3).await;
    for (query, expect) in [
        ("", json!(["pc1", "pc2", "pc3"])),
        ("agent.connected", json!(["pc1"])),
        ("agent.state IS NULL", json!(["pc3"])),
        ("location LIKE '/europe/%' AND facts.ram_gb > 8", json!(["pc3"])),
        ("group IN ('Offices')", json!(["pc3"])),
        ("group = 'berlin' OR name = 'PC2'", json!(["pc2", "pc3"])),
        ("os = 'linux' AND ip = '10.0.0.9' AND last_seen > ago('1h')", json!(["pc1", "pc2"])),
        ("name LIKE 'x%'", json!([])),
    ] {
        assert_eq!(names(&house, query).await, expect, "{query}");
    }
    let page = house.api.get("/api/computers?where=&limit=2").await;
    assert_eq!(page["next"], "pc2", "{page}");
    let page = house.api.get("/api/computers?where=&limit=2&after=pc2").await;
    assert_eq!((&page["items"][0]["name"], &page["next"]), (&json!("pc3"), &Value::Null));
    let wrong = house.api.get("/api/computers?where=oss=1").await;
    assert_eq!(wrong["code"], "DH-A040", "{wrong}");
    assert_eq!(wrong["hint"].as_str().map(|hint| hint.contains("`os`")), Some(true), "{wrong}");
    let both = house.api.get("/api/computers?where=true&q=x").await;
    assert_eq!(both["code"], "DH-A003");
}

#[tokio::test]
async fn a_deployment_is_for_those_that_its_query_chooses_when_it_is_made() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    house.enrolled("pc2", 2).await;
    let deploy = async |targets: Value| {
        let body = json!({"source": ONE_COMMAND, "targets": targets});
        house.api.post("/api/deployments", &body).await
    };
    let made = deploy(json!({"query": "agent.connected"})).await;
    assert_eq!(made["deployment"]["targets"], 1, "{made}");
    robot.until_forgotten().await;
    let detail = house.ended(made["deployment"]["id"].as_str().unwrap()).await;
    assert_eq!(detail["runs"][0]["computer"], "pc1");
    let made = deploy(json!({"query": "name = 'pc1'", "computers": ["pc1", "pc2"]})).await;
    assert_eq!(made["deployment"]["targets"], 2, "{made}");
    assert_eq!(deploy(json!({"query": "name = 'pc9'"})).await["code"], "DH-A006");
    let wrong = deploy(json!({"query": "name = 'pc9' AND"})).await;
    assert_eq!(wrong["code"], "DH-A040");
    assert!(wrong["message"].as_str().unwrap().contains("column 17"), "{wrong}");
    house.api.post("/api/computers", &json!({"name": "pc3"})).await;
    let made = deploy(json!({"query": ""})).await;
    assert_eq!(made["deployment"]["targets"], 2);
    assert_eq!(made["left_out"], json!(["pc3: no agent is enrolled for it"]), "{made}");
}
