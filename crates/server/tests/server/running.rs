//! Settings that change under a running server, its records, and how it tells that it is well.

use std::sync::{Arc, Mutex};

use serde_json::json;
use server::{LogFilter, Source};

use crate::house::House;
use crate::robot::Robot;

const ONE: &str =
    "workflow: One\nstart: work\nactivities:\n  work: { execute: { command: \"true\" } }\n";

/// A house whose server has a settings file.
async fn with_settings(text: &str, fixed: Vec<&'static str>) -> (House, Arc<Mutex<Vec<String>>>) {
    let house = House::new().await;
    let file = house.folder.path().join("server.toml");
    std::fs::write(&file, text).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let filter = LogFilter::new("info", move |text: &str| {
        if text.contains("nonsense") {
            return Err("there is no such level".to_owned());
        }
        hears.lock().unwrap().push(text.to_owned());
        Ok(())
    });
    let settings = server::settings::Settings::read(&file).unwrap();
    let house = house
        .restart_after(
            async |_| {},
            |mut config| {
                settings.apply(&mut config);
                config.log_filter = Some(filter);
                config.source = Source { file: Some(file), settings: settings.clone(), fixed };
                config
            },
        )
        .await;
    (house, heard)
}

fn rewrite(house: &House, text: &str) {
    std::fs::write(house.folder.path().join("server.toml"), text).unwrap();
}

#[tokio::test]
async fn settings_are_read_again_while_agents_stay() {
    let (house, heard) = with_settings("max_targets = 5\n", vec!["name"]).await;
    assert_eq!(house.api.get("/api/server").await["max_targets"], 5);
    let mut agent = house.enrolled("pc1", 1).await;
    let mut link = agent.connect(Vec::new()).await.unwrap();
    let text = "max_targets = 7\nname = \"other\"\npresence = [\"here:1\"]\ndepot = \"/nowhere\"\n\
                [log]\nfilter = \"debug\"\n";
    rewrite(&house, text);
    let done = house.api.post("/api/server/reload", &json!(null)).await;
    assert_eq!(done["applied"], json!(["presence", "max_targets", "log.filter"]), "{done}");
    assert_eq!(done["needs_restart"], json!(["depot"]));
    assert_eq!(done["fixed"], json!(["name"]));
    assert_eq!(*heard.lock().unwrap(), ["debug"]);
    let record = house.api.get("/api/servers").await;
    assert_eq!(record["items"][0]["presence"], json!(["here:1"]));
    assert_eq!(record["items"][0]["max_targets"], 7);
    assert_eq!(house.token(1).await.servers, ["here:1"]);

    // Nothing of a file with an error counts.
    rewrite(&house, "max_targets = 9\nmax_target = 1\n");
    let wrong = house.api.post("/api/server/reload", &json!(null)).await;
    assert_eq!(wrong["code"], "DH-A131", "{wrong}");
    assert!(wrong["message"].as_str().unwrap().contains("server.toml:2:1"), "{wrong}");
    rewrite(&house, "max_targets = 9\n[log]\nfilter = \"nonsense\"\n");
    assert_eq!(house.api.post("/api/server/reload", &json!(null)).await["code"], "DH-A131");
    assert_eq!(house.api.get("/api/server").await["max_targets"], 7);

    // What waits for a restart is told until then.
    rewrite(&house, text);
    let again = house.api.post("/api/server/reload", &json!(null)).await;
    assert_eq!((&again["applied"], &again["needs_restart"]), (&json!([]), &json!(["depot"])));
    let refreshed = house.api.post("/api/server/refresh", &json!(null)).await;
    assert!(refreshed["done"].as_array().unwrap().len() >= 3, "{refreshed}");
    // The same link, all the time.
    assert_eq!(house.api.get("/api/server").await["agents_connected"], 1);
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(50), link.next()).await;
    assert!(quiet.is_err(), "the link was disturbed: {quiet:?}");
}

#[tokio::test]
async fn a_server_without_a_file_says_so() {
    let house = House::new().await;
    let none = house.api.post("/api/server/reload", &json!(null)).await;
    assert_eq!(none["code"], "DH-A131");
    let log = house.api.put("/api/server/log", &json!({"filter": "debug"})).await;
    assert_eq!(log["code"], "DH-A008");
}

#[tokio::test]
async fn what_is_logged_is_changed_while_it_runs() {
    let (house, heard) = with_settings("", Vec::new()).await;
    let set = house.api.put("/api/server/log", &json!({"filter": "warn,server=trace"})).await;
    assert_eq!(set["filter"], "warn,server=trace");
    assert_eq!(*heard.lock().unwrap(), ["warn,server=trace"]);
    let wrong = house.api.put("/api/server/log", &json!({"filter": "nonsense"})).await;
    assert_eq!(wrong["code"], "DH-A003");
    let status = house.api.get("/api/server/status").await;
    assert_eq!(status["log_filter"], "warn,server=trace");
}

#[tokio::test]
async fn limits_rise_and_fall_with_runs_in_progress() {
    let house = House::new().await;
    let mut robots = Vec::new();
    for number in 1..=4u8 {
        let mut robot = Robot::start(house.enrolled(&format!("pc{number}"), number).await).await;
        robot.holds.push("work".into());
        robots.push(tokio::spawn(async move {
            while let Some(message) = robot.link.next().await {
                robot.take(message).await;
            }
        }));
    }
    let limit = async |max: u32| {
        let name = house.api.get("/api/server").await["id"].as_str().unwrap().to_owned();
        let change = json!({"max_targets": max});
        let set = house.api.patch(&format!("/api/servers/{name}"), &change).await;
        assert_eq!(set["max_targets"], max, "{set}");
    };
    let in_use = async |count: u64| {
        house
            .until(async || {
                let status = house.api.get("/api/server/status").await;
                (status["slots_used"] == count).then_some(status)
            })
            .await
    };
    limit(1).await;
    let deployment = house.deploy(ONE, &["pc1", "pc2", "pc3", "pc4"]).await;
    in_use(1).await;
    limit(3).await;
    let status = in_use(3).await;
    assert_eq!((&status["runs_in_progress"], &status["runs_waiting"]), (&json!(3), &json!(1)));
    // Lowered, it ends nothing that has begun, and begins nothing.
    limit(1).await;
    in_use(3).await;
    assert_eq!(house.detail(&deployment).await["deployment"]["status"], "running");
    robots.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_record_is_changed_and_one_server_is_the_default() {
    let house = House::new().await;
    let name = house.api.get("/api/server").await["name"].as_str().unwrap().to_owned();
    let change = async |change: &serde_json::Value| {
        let id = house.api.get("/api/server").await["id"].as_str().unwrap().to_owned();
        house.api.patch(&format!("/api/servers/{id}"), change).await
    };
    let set =
        change(&json!({"name": "hq", "presence": ["hq.example.com:1739", "10.0.0.1:1739"]})).await;
    assert_eq!(
        (&set["name"], &set["is_this"], &set["is_default"]),
        (&"hq".into(), &true.into(), &true.into())
    );
    assert_eq!(house.token(1).await.servers, ["hq.example.com:1739", "10.0.0.1:1739"]);
    assert_eq!(house.api.get("/api/servers/HQ").await["id"], set["id"]);
    assert_eq!(house.api.get(&format!("/api/servers/{name}")).await["code"], "DH-A002");
    for wrong in [
        json!({}),
        json!({"name": " "}),
        json!({"max_targets": 0}),
        json!({"presence": []}),
        json!({"presence": ["nowhere"]}),
        json!({"depot": "/srv"}),
        json!({"is_default": false}),
    ] {
        assert_eq!(change(&wrong).await["code"], "DH-A003", "{wrong}");
    }
    let house = house.restart().await;
    assert_eq!(house.api.get("/api/server").await["name"], "hq");
}

#[tokio::test]
async fn a_server_finds_the_computer_that_it_runs_on() {
    let house = House::new().await;
    let host = machine::facts().get("host_name").cloned().unwrap();
    house.api.post("/api/computers", &json!({"name": "my own", "host_name": host})).await;
    house.api.post("/api/server/refresh", &json!(null)).await;
    let record = house.api.get("/api/servers").await;
    assert_eq!(record["items"][0]["computer"], "my own");
    // With two of that name nobody can tell.
    let house = House::new().await;
    for name in ["one", "two"] {
        house.api.post("/api/computers", &json!({"name": name, "host_name": host})).await;
    }
    house.api.post("/api/server/refresh", &json!(null)).await;
    assert!(house.api.get("/api/servers").await["items"][0]["computer"].is_null());
}

#[tokio::test]
async fn the_status_counts_what_happens() {
    let house = House::new().await;
    let before = house.api.get("/api/server/status").await;
    assert_eq!((&before["agents_enrolled"], &before["connections"]), (&json!(0), &json!(0)));
    assert!(before["database_bytes"].as_u64().unwrap() > 4_096, "{before}");
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    house.put("deploy/a.txt", b"twelve bytes");
    let deployment = house.deploy(ONE, &["pc1"]).await;
    robot.until_forgotten().await;
    house.ended(&deployment).await;
    // Somebody who speaks no TLS.
    use tokio::io::AsyncWriteExt;
    let mut rude = tokio::net::TcpStream::connect(house.running.agent_addr).await.unwrap();
    rude.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let status = house
        .until(async || {
            let status = house.api.get("/api/server/status").await;
            (status["handshakes_refused"] == 1).then_some(status)
        })
        .await;
    assert_eq!((&status["agents_connected"], &status["agents_enrolled"]), (&json!(1), &json!(1)));
    assert_eq!((&status["depot_files"], &status["depot_bytes"]), (&json!(1), &json!(12)));
    assert!(status["records"].as_u64().unwrap() >= 3 && status["commits"].as_u64().unwrap() >= 3);
    assert!(
        status["commit_ms"].as_f64().unwrap() > 0.0
            && status["memory_bytes"].as_u64().unwrap() > 1 << 20
    );
    assert_eq!((&status["runs_in_progress"], &status["deployments_open"]), (&json!(0), &json!(0)));
    assert!(house.running.is_alive().await);
}
