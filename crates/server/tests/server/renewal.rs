//! A deployment that is edited, begun anew, and given more time.

use serde_json::{Value, json};
use workflow::{Event, Report};

use crate::deployments::ONE_COMMAND;
use crate::house::House;
use crate::robot::Robot;

const EDITED: &str = "\
workflow: One command
start: work
activities:
  work: { execute: { command: [\"true\"] }, on: { ok: more, error: failed } }
  more: { execute: { command: [\"true\"] }, on: { ok: done } }
  done: { success: {} }
  failed: { failure: {} }
";

async fn edit(house: &House, deployment: &str, source: &str) -> Value {
    let uri = format!("/api/deployments/{deployment}/source");
    house.api.put(&uri, &json!({"source": source})).await
}

async fn restart(house: &House, deployment: &str, asked: Value) -> Value {
    house.api.post(&format!("/api/deployments/{deployment}/restart"), &asked).await
}

/// The activities of a run's way.
async fn path(house: &House, run: &Value) -> Vec<Value> {
    let run = house.api.get(&format!("/api/runs/{}", run["id"].as_str().unwrap())).await;
    let path = run["path"].as_array().unwrap();
    path.iter().map(|step| step["activity"].clone()).collect()
}

/// One target that fails, one that succeeds.
async fn one_failed(house: &House) -> (Robot, Robot, String) {
    let mut one = Robot::start(house.enrolled("pc1", 1).await).await;
    let mut two = Robot::start(house.enrolled("pc2", 2).await).await;
    one.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1", "pc2"]).await;
    one.until_held("work").await;
    one.end("work", Report::of(Event::Exit(3))).await;
    one.until_forgotten().await;
    two.until_forgotten().await;
    one.holds.clear();
    house.ended(&deployment).await;
    (one, two, deployment)
}

#[tokio::test]
async fn an_edited_copy_counts_from_the_next_restart() {
    let house = House::new().await;
    let (mut one, _two, deployment) = one_failed(&house).await;
    let wrong = edit(&house, &deployment, "workflow: x\n").await;
    assert!(wrong["copy"].is_null() && !wrong["findings"].as_array().unwrap().is_empty());
    let edited = edit(&house, &deployment, EDITED).await;
    assert_eq!(edited["copy"]["number"], 2, "{edited}");
    let source = house.api.get(&format!("/api/deployments/{deployment}/source")).await;
    assert_eq!((&source["number"], &source["source"]), (&json!(2), &json!(EDITED)));
    let first = house.api.get(&format!("/api/deployments/{deployment}/source?copy=1")).await;
    assert_eq!(first["source"], ONE_COMMAND);
    let none = house.api.get(&format!("/api/deployments/{deployment}/source?copy=9")).await;
    assert_eq!(none["code"], "DH-A002");
    // Nothing has begun by it.
    assert_eq!(house.detail(&deployment).await["deployment"]["status"], "ended");

    let begun = restart(&house, &deployment, json!({})).await;
    assert_eq!(begun, json!({"copy": 2, "computers": ["pc1"], "left_out": []}));
    one.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"success": 2}), "{detail}");
    assert_eq!(detail["deployment"]["targets"], 2);
    let runs = detail["runs"].as_array().unwrap();
    let pc1 = runs.iter().find(|run| run["computer"] == "pc1").unwrap();
    assert_eq!((&pc1["copy"], &pc1["outcome"]), (&json!(2), &json!("success")));
    assert_eq!(path(&house, pc1).await, ["work", "more", "done"]);
    let earlier = &detail["earlier_runs"][0];
    assert_eq!((&earlier["copy"], &earlier["outcome"]), (&json!(1), &json!("failure")));
    assert_eq!(path(&house, earlier).await, ["work", "failed"]);
    let copies: Vec<_> =
        detail["copies"].as_array().unwrap().iter().map(|copy| &copy["number"]).collect();
    assert_eq!(copies, [1, 2]);
    let nobody = restart(&house, &deployment, json!({})).await;
    assert_eq!(nobody["code"], "DH-A006", "{nobody}");
    house.told("deployment", "1 of its targets begin anew with copy 2").await;
}

#[tokio::test]
async fn a_restart_survives_the_server() {
    let house = House::new().await;
    let (mut one, _two, deployment) = one_failed(&house).await;
    edit(&house, &deployment, EDITED).await;
    // Taken in again from the database, in both senses.
    let house = house.restart().await;
    one.holds.push("more".into());
    restart(&house, &deployment, json!({"which": ["failure"], "computers": ["pc1"]})).await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["deployment"]["status"], "running", "{detail}");
    let house = house.restart().await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"pending": 1, "success": 1}), "{detail}");
    one.agent.server = house.running.agent_addr.to_string();
    one.again().await;
    one.until_held("more").await;
    let house = house.restart().await;
    one.end("more", Report::of(Event::Ok)).await;
    one.agent.server = house.running.agent_addr.to_string();
    one.again().await;
    one.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"success": 2}), "{detail}");
    assert_eq!(detail["earlier_runs"].as_array().unwrap().len(), 1);
    // Listings tell the same when they are written anew.
    let forget = async |database: std::path::PathBuf| {
        let store = store::SqliteStore::open(&database).await.unwrap();
        store::Store::clear_projections(&store).await.unwrap();
    };
    let rebuild = |config| server::Config { rebuild: true, ..config };
    let house = house.restart_after(forget, rebuild).await;
    let again = async || {
        let detail = house.detail(&deployment).await;
        (detail["earlier_runs"].as_array().unwrap().len() == 1).then_some(detail)
    };
    let again = house.until(again).await;
    assert_eq!(again["deployment"]["counts"], json!({"success": 2}), "{again}");
}

#[tokio::test]
async fn pending_targets_take_an_edited_copy_only_when_they_begin_anew() {
    let house = House::new().await;
    let (one, two) = (house.enrolled("pc1", 1).await, house.enrolled("pc2", 2).await);
    let deployment = house.deploy(ONE_COMMAND, &["pc1", "pc2"]).await;
    edit(&house, &deployment, EDITED).await;
    let before = house.detail(&deployment).await["runs"][0]["id"].clone();
    let asked = json!({"which": ["pending"], "computers": ["pc1"]});
    assert_eq!(restart(&house, &deployment, asked).await["copy"], 2);
    let (mut one, mut two) = (Robot::start(one).await, Robot::start(two).await);
    one.until_forgotten().await;
    two.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    for run in detail["runs"].as_array().unwrap() {
        let is_first = run["computer"] == "pc1";
        let expect: &[&str] = if is_first { &["work", "more", "done"] } else { &["work", "done"] };
        assert_eq!(path(&house, run).await, expect, "{run}");
        assert_eq!(run["copy"], if is_first { 2 } else { 1 });
    }
    let ids: Vec<_> = detail["runs"].as_array().unwrap().iter().map(|run| &run["id"]).collect();
    assert!(ids.contains(&&before), "what had not begun keeps its run");
    assert_eq!(detail["earlier_runs"], json!([]));
}

#[tokio::test]
async fn an_abort_does_not_reach_runs_that_began_after_it() {
    let house = House::new().await;
    let mut one = Robot::start(house.enrolled("pc1", 1).await).await;
    one.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    one.until_held("work").await;
    let control = format!("/api/deployments/{deployment}/control");
    house.api.post(&control, &json!({"control": "abort"})).await;
    one.until_forgotten().await;
    house.ended(&deployment).await;
    one.held.clear();
    restart(&house, &deployment, json!({})).await;
    one.until_held("work").await;
    // Opened from its records, the abort among them.
    let house = house.restart().await;
    one.agent.server = house.running.agent_addr.to_string();
    one.again().await;
    one.end("work", Report::of(Event::Ok)).await;
    one.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"success": 1}), "{detail}");
}

#[tokio::test]
async fn a_stop_date_can_become_later() {
    let house = House::new().await;
    let mut agent = house.enrolled("pc1", 1).await;
    let soon = crate::robot::now().as_millis() + 3_600_000;
    let body = json!({"source": ONE_COMMAND, "targets": {"computers": ["pc1"]}, "stop": soon});
    let made = house.api.post("/api/deployments", &body).await;
    let deployment = made["deployment"]["id"].as_str().unwrap().to_owned();
    let stop = format!("/api/deployments/{deployment}/stop");
    let moved = house.api.put(&stop, &json!(soon + 3_600_000)).await;
    assert!(moved.is_null(), "{moved}");
    let house = house.restart().await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["deployment"]["stop"], soon + 3_600_000);
    assert_eq!(detail["deployment"]["counts"], json!({"pending": 1}));
    agent.server = house.running.agent_addr.to_string();
    let mut robot = Robot::start(agent).await;
    robot.until_forgotten().await;
    let detail = house.ended(&deployment).await;
    assert_eq!(detail["deployment"]["counts"], json!({"success": 1}), "{detail}");
    let late = restart(&house, &deployment, json!({"which": ["all"], "stop": 5})).await;
    assert_eq!(late["code"], "DH-A012", "{late}");
}
