//! Deployments from the request to the result.

use serde_json::json;
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
