//! Deployments from the request to the result.

use serde_json::{Value, json};
use server::Config;
use store::{SqliteStore, Store as _};
use travel::ToAgent;
use wire::FromServer;
use workflow::{Event, Report};

use crate::house::House;
use crate::robot::Robot;

pub const ONE_COMMAND: &str = "\
workflow: One command
start: work
activities:
  work: { execute: { command: [\"true\"] }, on: { ok: done, error: failed } }
  done: { success: {} }
  failed: { failure: {} }
";

#[tokio::test]
async fn a_command_on_one_target() {
    let house = House::new().await;
    let agent = house.enrolled("pc1", 1).await;
    assert_eq!(agent.name, "pc1");
    let mut robot = Robot::start(agent).await;
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    robot.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"success": 1}));
    let run = &detail["runs"][0];
    assert_eq!((&run["computer"], &run["outcome"]), (&json!("pc1"), &json!("success")));
    let path = house.api.get(&format!("/api/runs/{}", run["id"].as_str().unwrap())).await;
    let names: Vec<_> = path["path"].as_array().unwrap().iter().map(|s| &s["activity"]).collect();
    assert_eq!(names, ["work", "done"]);
}

#[tokio::test]
async fn nothing_is_lost_when_the_server_restarts() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    robot.until_held("work").await;
    let is_in_progress = async || {
        let detail = house.detail(&deployment).await;
        (detail["runs"][0]["activities"] == json!(["work"])).then_some(())
    };
    house.until(is_in_progress).await;
    let house = house.restart().await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["runs"][0]["waiting"]["code"], "offline", "{detail}");
    robot.end("work", Report::of(Event::Exit(3))).await;
    robot.agent.server = house.running.agent_addr.to_string();
    robot.again().await;
    robot.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"failure": 1}));
}

#[tokio::test]
async fn a_run_whose_journal_is_damaged_is_lost_and_the_others_go_on() {
    let house = House::new().await;
    let mut robots = Vec::new();
    for (name, seed) in [("pc1", 1), ("pc2", 2)] {
        let mut robot = Robot::start(house.enrolled(name, seed).await).await;
        robot.holds.push("work".into());
        robots.push(robot);
    }
    let deployment = house.deploy(ONE_COMMAND, &["pc1", "pc2"]).await;
    for robot in &mut robots {
        robot.until_held("work").await;
    }
    let run = robots[0].run();
    let damage = async |database: std::path::PathBuf| {
        let pool = sqlx::SqlitePool::connect(&database.to_string_lossy()).await.unwrap();
        let sql = "UPDATE journal SET bytes = zeroblob(40) WHERE run = $1 AND seq = 1";
        let altered = sqlx::query(sql).bind(run.as_bytes().to_vec()).execute(&pool).await.unwrap();
        assert_eq!(altered.rows_affected(), 1);
        pool.close().await;
    };
    let house = house.restart_after(damage, |config| config).await;
    house.told("damaged", "record 0 of its journal").await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["runs"][0]["outcome"], "lost", "{detail}");
    assert!(detail["runs"][0]["reason"].as_str().unwrap().contains("record 0"), "{detail}");
    for robot in &mut robots {
        robot.end("work", Report::of(Event::Ok)).await;
        robot.agent.server = house.running.agent_addr.to_string();
        robot.again().await;
    }
    let fenced = FromServer::Run(ToAgent::Fenced { run });
    while robots[0].link.next().await.unwrap() != fenced {}
    robots[1].until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"lost": 1, "success": 1}));
}

#[tokio::test]
async fn folders_of_the_depot_that_come_out_empty_are_an_error() {
    let house = House::new().await;
    let _robot = Robot::start(house.enrolled("pc1", 1).await).await;
    let workflow = "\
workflow: Nothing
start: make
variables: { nowhere: \" ; \" }
activities:
  make: { create_folders: { folders: \"{{ nowhere }}\", on_server: true }, on: { error: failed } }
  failed: { failure: {} }
";
    let deployment = house.deploy(workflow, &["pc1"]).await;
    let detail = house.ended(&deployment).await;
    let reason = detail["runs"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("`folders` is empty"), "{reason}");
}

#[tokio::test]
async fn a_retry_of_nobody_says_so() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    robot.until_forgotten().await;
    house.ended(&deployment).await;
    let detail = house.detail(&deployment).await;
    let asked = json!({
        "workflow": detail["deployment"]["workflow"],
        "targets": {"retry_of": deployment, "retry_which": ["failed"]},
    });
    let answer = house.api.post("/api/deployments", &asked).await;
    assert_eq!(answer["message"], "no target of that deployment is failed", "{answer}");
}

#[tokio::test]
async fn listings_are_written_anew_out_of_the_journals() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    robot.until_forgotten().await;
    let before = house.ended(&deployment).await;
    let forget = async |database: std::path::PathBuf| {
        let store = SqliteStore::open(&database).await.unwrap();
        store.clear_projections().await.unwrap();
    };
    let house = house.restart_after(forget, |config| config).await;
    assert_eq!(house.detail(&deployment).await["runs"], json!([]));
    let house =
        house.restart_after(async |_| {}, |config| Config { rebuild: true, ..config }).await;
    let rebuilt = async || {
        let detail = house.detail(&deployment).await;
        (detail["deployment"]["counts"] == json!({"success": 1})).then_some(detail)
    };
    let after = house.until(rebuilt).await;
    let run = |detail: &serde_json::Value| {
        let run = &detail["runs"][0];
        (
            run["id"].clone(),
            run["outcome"].clone(),
            run["began_at"].clone(),
            run["ended_at"].clone(),
        )
    };
    assert_eq!(run(&before), run(&after));
}

#[tokio::test]
async fn a_target_that_is_away_begins_when_it_comes() {
    let house = House::new().await;
    let agent = house.enrolled("pc1", 1).await;
    let deployment = house.deploy(ONE_COMMAND, &["PC1"]).await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["runs"][0]["waiting"]["code"], "offline");
    let mut robot = Robot::start(agent).await;
    robot.until_forgotten().await;
    assert_eq!(house.ended(&deployment).await["deployment"]["counts"], json!({"success": 1}));
}

#[tokio::test]
async fn orders_reach_runs_and_those_that_have_not_begun() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    house.enrolled("pc2", 2).await;
    robot.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1", "pc2"]).await;
    robot.until_held("work").await;
    let control = format!("/api/deployments/{deployment}/control");
    let suspended = house.api.post(&control, &json!({"control": "suspend"})).await;
    assert!(suspended.is_null(), "{suspended}");
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["deployment"]["status"], "suspended");
    house.api.post(&control, &json!({"control": "abort"})).await;
    robot.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"aborted": 1, "not_begun": 1}));
    let again = house.api.post(&control, &json!({"control": "abort"})).await;
    assert_eq!(again["code"], "DH-A011");

    let retry = json!({"workflow": "one command", "targets": {"retry_of": deployment}});
    let made = house.api.post("/api/deployments", &retry).await;
    assert_eq!(made["deployment"]["targets"], 1, "{made}");
}

#[tokio::test]
async fn a_machine_that_never_returns_is_closed_as_lost() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    robot.until_held("work").await;
    let control = format!("/api/deployments/{deployment}/control");
    house.api.post(&control, &json!({"control": "close"})).await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"lost": 1}));
    while robot.taker.runs().next().is_some() {
        let message = robot.link.next().await.expect("fenced");
        robot.take(message).await;
    }
}

#[tokio::test]
async fn the_depot_is_changed_by_activities_of_the_server() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    house.put("deploy/a.txt", b"a");
    let source = "\
workflow: On the server
start: make
activities:
  make: { create_folders: { folders: \"in/{{ computer.name }}\", on_server: true }, on: { ok: copy } }
  copy:
    copy: { from: deploy, to: \"in/{{ computer.name }}\", on_server: true }
    on: { ok: work }
  work: { execute: { command: [\"true\"] }, on: { ok: rename } }
  rename: { rename: { current: in/pc1/a.txt, new: b.txt, on_server: true }, on: { ok: gone } }
  gone: { delete_files: { folder: in, filter: \"*.x\", on_server: true }, on: { no_file: done } }
  done: { success: {} }
";
    let deployment = house.deploy(source, &["pc1"]).await;
    robot.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["runs"][0]["outcome"], "success", "{detail}");
    assert_eq!(std::fs::read(house.depot().join("in/pc1/b.txt")).unwrap(), b"a");
    let run = detail["runs"][0]["id"].as_str().unwrap();
    let run = house.api.get(&format!("/api/runs/{run}")).await;
    assert_eq!(run["outputs"]["copy"], json!({"files": "1", "skipped": "0"}));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_reason() {
    let house = House::new().await;
    house.enrolled("pc1", 1).await;
    let deploy = async |body| house.api.post("/api/deployments", &body).await;
    let targets = json!({"computers": ["pc1"]});
    let wrong = deploy(json!({"source": "workflow: x\n", "targets": targets})).await;
    assert_eq!(wrong["code"], "DH-A004");
    assert!(!wrong["findings"].as_array().unwrap().is_empty(), "{wrong}");
    for (body, code) in [
        (json!({"workflow": "nothing", "targets": targets}), "DH-A002"),
        (json!({"targets": targets}), "DH-A003"),
        (json!({"source": ONE_COMMAND, "targets": {"computers": ["pc9"]}}), "DH-A005"),
        (json!({"source": ONE_COMMAND, "targets": {}}), "DH-A006"),
        (json!({"source": ONE_COMMAND, "targets": targets, "variables": {"x": "1"}}), "DH-A013"),
        (json!({"source": ONE_COMMAND, "targets": targets, "stop": 1}), "DH-A012"),
    ] {
        assert_eq!(deploy(body.clone()).await["code"], code, "{body}");
    }
    let group = json!({"name": "desks", "is_group": true});
    house.api.post("/api/computers", &group).await;
    let empty = json!({"source": ONE_COMMAND, "targets": {"groups": ["desks"]}});
    assert_eq!(deploy(empty.clone()).await["code"], "DH-A006");
    house.api.put("/api/computers/pc1", &json!({"name": "pc1", "parent": "desks"})).await;
    assert_eq!(deploy(empty).await["deployment"]["targets"], 1);
    let taken = house.api.post("/api/computers", &json!({"name": "PC1"})).await;
    assert_eq!(taken["code"], "DH-A008");
    let everybody = json!({"source": ONE_COMMAND, "targets": {"everybody": true}});
    assert_eq!(deploy(everybody).await["deployment"]["targets"], 1);
    let kept = house.api.get("/api/workflows/ONE%20COMMAND").await;
    assert_eq!((&kept["revision"], &kept["source"]), (&json!(1), &json!(ONE_COMMAND)));
}

#[tokio::test]
async fn a_depot_that_cannot_be_read_begins_nothing() {
    let house = House::new().await;
    house.enrolled("pc1", 1).await;
    house.put("deploy/nul.txt", b"x");
    let source = "\
workflow: Bring
start: bring
activities:
  bring: { upload: { from: deploy, to: /opt }, on: { ok: done } }
  done: { success: {} }
";
    let body = json!({"source": source, "targets": {"everybody": true}});
    assert_eq!(house.api.post("/api/deployments", &body).await["code"], "DH-A007");
    assert_eq!(house.api.get("/api/deployments").await["items"], json!([]));
    let control = json!({"name": "pc1", "parent": "nowhere"});
    assert_eq!(house.api.put("/api/computers/pc1", &control).await["code"], "DH-A002");
}

#[tokio::test]
async fn only_so_many_at_once() {
    let house = House::new().await;
    let changed = house.api.patch("/api/server", &json!({"max_targets": 1})).await;
    assert_eq!(changed["max_targets"], 1);
    let mut one = Robot::start(house.enrolled("pc1", 1).await).await;
    let mut two = Robot::start(house.enrolled("pc2", 2).await).await;
    one.holds.push("work".into());
    two.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1", "pc2"]).await;
    one.until_held("work").await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["runs"][1]["waiting"]["code"], "slot", "{detail}");
    house.api.patch("/api/server", &json!({"max_targets": 2})).await;
    two.until_held("work").await;
    let server = house.api.get("/api/server").await;
    assert_eq!((&server["slots_used"], &server["agents_connected"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn what_is_unusual_about_the_ways_to_its_targets_is_noted() {
    let house = House::new().await;
    house.enrolled("pc1", 1).await;
    for number in 2..=8 {
        house.api.post("/api/computers", &json!({"name": format!("pc{number}")})).await;
    }
    let made = async |house: &House, source: &str, targets: Value| {
        let body = json!({"source": source, "targets": targets});
        house.api.post("/api/deployments", &body).await["notes"].clone()
    };
    assert_eq!(made(&house, ONE_COMMAND, json!({"computers": ["pc1"]})).await, json!([]));
    let notes = made(&house, ONE_COMMAND, json!({"query": ""})).await;
    let names = ["pc2", "pc3", "pc4", "pc5", "pc6"];
    let named = names.map(|name| format!("{name}: no agent is enrolled for it")).join("; ");
    let note = format!("nothing is deployed where there is no way: {named}; and 2 more");
    assert_eq!(notes, json!([note]));

    let waits = format!("start_on_presence: true\n{}", ONE_COMMAND.trim_start());
    let notes = made(&house, &waits, json!({"computers": ["pc1"]})).await;
    assert_eq!(notes.as_array().unwrap().len(), 1, "{notes}");
    assert!(notes[0].as_str().unwrap().contains("hears signals of presence nowhere"), "{notes}");
    let places = Some(model::Addresses::parse("INET:127.0.0.1:0", 1738).unwrap());
    let change = |config| Config { detection: places, ..config };
    let house = house.restart_after(async |_| {}, change).await;
    assert_eq!(made(&house, &waits, json!({"computers": ["pc1"]})).await, json!([]));
}
