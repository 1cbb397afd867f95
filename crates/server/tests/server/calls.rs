//! What scripts ask the server for: done once, and nothing that their activity does not permit.

use serde_json::{Value, json};
use travel::ToServer;
use wire::FromAgent;
use wire::content::{ContentRequest, Wish};
use workflow::{EffectId, Event, Report};

use crate::house::House;
use crate::robot::Robot;

const WORKFLOW: &str = "
workflow: Calls
start: work
activities:
  work:
    script:
      code: return
      messages: true
      actions: [count, wait]
      deposit: \"in/{{ computer.name }}\"
      operations: 20
    on: { ok: done, error: failed, interrupted: failed }
  done: { success: {} }
  failed: { failure: {} }
";

/// A robot that holds its run in a script.
async fn held(house: &House) -> (Robot, String, EffectId) {
    held_in(house, WORKFLOW).await
}

async fn held_in(house: &House, workflow: &str) -> (Robot, String, EffectId) {
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.push("work".into());
    let deployment = house.deploy(workflow, &["pc1"]).await;
    let script = robot.until_held("work").await;
    let is_known = async || {
        let detail = house.detail(&deployment).await;
        (detail["runs"][0]["activities"] == json!(["work"])).then_some(())
    };
    house.until(is_known).await;
    (robot, deployment, script)
}

async fn set_action(house: &House, source: &str) {
    let set = house.api.post("/api/actions", &json!({ "source": source })).await;
    assert!(set["name"].is_string(), "{set}");
}

async fn messages(house: &House) -> usize {
    house.api.get("/api/messages").await["items"].as_array().unwrap().len()
}

fn message() -> Value {
    json!({ "subject": "It is {{ not a template }}", "to": "ops" })
}

#[tokio::test]
async fn a_call_is_carried_out_once_however_often_it_is_asked() {
    let house = House::new().await;
    let (mut robot, deployment, script) = held(&house).await;
    let first = robot.call(script.part(1), "message", &message()).await;
    assert_eq!((&first.event, first.outputs["id"].as_str()), (&Event::Ok, "1"));
    let again = robot.call(script.part(1), "message", &message()).await;
    assert_eq!((first, messages(&house).await), (again, 1));
    robot.again().await;
    let second = robot.call(script.part(2), "message", &message()).await;
    assert_eq!((second.outputs["id"].as_str(), messages(&house).await), ("2", 2));
    let kept = house.api.get("/api/messages").await;
    assert_eq!(kept["items"][0]["subject"], "It is {{ not a template }}");

    // The server remembers what it has done for a script that goes on.
    let house = house.restart().await;
    robot.agent.server = house.running.agent_addr.to_string();
    robot.again().await;
    let again = robot.call(script.part(2), "message", &message()).await;
    assert_eq!((again.outputs["id"].as_str(), messages(&house).await), ("2", 2));
    robot.end("work", Report::of(Event::Ok)).await;
    robot.until_forgotten().await;
    assert_eq!(house.ended(&deployment).await["runs"][0]["outcome"], "success");
}

#[tokio::test]
async fn what_the_activity_does_not_permit_is_refused_and_told() {
    let house = House::new().await;
    let (mut robot, _, script) = held(&house).await;
    let command = "action: other\ncommand: { command: [touch, /tmp/never] }\n";
    set_action(&house, command).await;
    let into = json!({ "folder": "in/pc2", "on_server": true });
    let cases = [("action", json!({ "name": "other" })), ("delete_files", into)];
    for (part, (kind, parameters)) in (1..).zip(cases) {
        let report = robot.call(script.part(part), kind, &parameters).await;
        assert_eq!(report.event, Event::Error);
        assert!(report.note.is_some_and(|note| note.starts_with("DH-A037: ")), "{kind}");
    }
    house.told("refused", "may not start the action `other`").await;
    // More than its operations, and an activity that is no script's.
    robot.ask(script.part(21), "message", &message()).await;
    house.told("refused", "not due at the server").await;
    robot.end("work", Report::of(Event::Ok)).await;
    robot.until_forgotten().await;
    let call = travel::Call { kind: "message".into(), parameters: message().to_string() };
    let (effect, activity) = (script.part(3), "work".parse().unwrap());
    let ask = ToServer::Ask { effect, activity, call: Some(call) };
    robot.link.send(FromAgent::Run(ask)).await;
    house.api.get("/api/server").await;
    assert_eq!(messages(&house).await, 0);
}

#[tokio::test]
async fn what_goes_on_for_a_script_ends_with_it() {
    let house = House::new().await;
    let (mut robot, _, script) = held(&house).await;
    let marks = house.folder.path().join("marks");
    let path = marks.display();
    let command = format!(
        "action: wait\ncommand: {{ command: 'echo begun >> {path}; sleep 600; echo no >> {path}' }}\n"
    );
    set_action(&house, &command).await;
    let begun = || std::fs::read_to_string(&marks).map_or(0, |text| text.lines().count());
    for part in [1, 2] {
        robot.ask(script.part(part), "action", &json!({ "name": "wait" })).await;
        house.until(async || (begun() == part as usize).then_some(())).await;
    }
    // Cut off by the server's death, the command is not carried out again.
    let house = house.restart().await;
    robot.agent.server = house.running.agent_addr.to_string();
    robot.again().await;
    for _ in 0..2 {
        assert_eq!(robot.until_answered().await.event, Event::Interrupted);
    }
    robot.ask(script.part(3), "action", &json!({ "name": "wait" })).await;
    house.until(async || (begun() == 3).then_some(())).await;
    robot.end("work", Report::of(Event::Ok)).await;
    robot.until_forgotten().await;
    assert_eq!(std::fs::read_to_string(&marks).unwrap(), "begun\n".repeat(3));
}

#[tokio::test]
async fn a_script_downloads_only_where_it_may() {
    let house = House::new().await;
    let (robot, _, script) = held(&house).await;
    let offer = |part, to: &str| {
        let (replace, force, resume) = (false, false, true);
        let wish = Some(Wish { to: to.to_owned(), replace, force, resume });
        ContentRequest::Offer { effect: script.part(part), wish }
    };
    for (request, status, words) in [
        (offer(1, "in/pc10"), 422, "DH-A037"),
        (offer(1, "in/pc1/../x"), 422, ""),
        (offer(21, "in/pc1"), 403, "no such download"),
        (ContentRequest::Offer { effect: script, wish: None }, 403, "no such download"),
        (offer(1, "in/pc1"), 200, ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "a").unwrap();
        let body = crate::content::offer(folder.path()).to_bytes();
        let (got, bytes) = robot.agent.fetch(&request, None, body).await;
        let said = String::from_utf8_lossy(&bytes);
        assert!(got == status && said.contains(words), "{request:?}: {got} {said}");
    }
}

#[tokio::test]
async fn there_is_an_end_to_how_often_a_script_may_call() {
    let house = House::new().await;
    let many = WORKFLOW.replace("operations: 20", "operations: 200000");
    let (mut robot, _, script) = held_in(&house, &many).await;
    // What has ended does not stand in the way of the next.
    for part in (1..=70).chain([100_000]) {
        let report = robot.call(script.part(part), "message", &message()).await;
        assert_eq!(report.event, Event::Ok, "{part}: {report:?}");
    }
    let report = robot.call(script.part(100_001), "message", &message()).await;
    assert_eq!(report.event, Event::Error);
    assert!(report.note.unwrap().contains("only the first 100000 calls"));
}
