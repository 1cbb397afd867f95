//! Named actions: started by workflows and by people, once each, and never in a circle.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::house::House;
use crate::listeners::Listener;
use crate::robot::Robot;

/// A workflow of one action and what follows.
fn workflow(name: &str, action: &str) -> String {
    format!(
        "workflow: {name}\nstart: act\nactivities:\n  \
         act: {{ action: {action}, on: {{ ok: done, error: failed, interrupted: cut }} }}\n  \
         done: {{ success: {{}} }}\n  failed: {{ failure: {{}} }}\n  \
         cut: {{ failure: {{ message: cut off }} }}\n"
    )
}

async fn set(house: &House, source: &str) -> Value {
    house.api.post("/api/actions", &json!({"source": source})).await
}

async fn apply(house: &House, source: &str) {
    let applied = house.api.post("/api/workflows", &json!({"source": source})).await;
    assert!(applied["workflow"].is_object(), "{applied}");
}

/// The one run of a deployment, with its path.
async fn run_of(house: &House, deployment: &str) -> Value {
    let run = house.detail(deployment).await["runs"][0]["id"].as_str().unwrap().to_owned();
    house.api.get(&format!("/api/runs/{run}")).await
}

async fn act(house: &House, action: &str) -> Value {
    let deployment = house.deploy(&workflow("act", action), &["pc-1"]).await;
    house.ended(&deployment).await;
    run_of(house, &deployment).await
}

async fn house() -> (House, Agent) {
    let house = House::new().await;
    let agent = house.enrolled("pc-1", 1).await;
    (house, agent)
}

#[tokio::test]
async fn commands_run_on_the_server_with_parameters_as_words() {
    let (house, _) = house().await;
    let kept = set(
        &house,
        "action: say\nparameters: { what:, how: softly }\n\
         command:\n  command: [printf, '%s|%s|%s', '{{ what }}', '{{ how }}', \
         '{{ computer.name }}']\n",
    )
    .await;
    assert_eq!(kept["kind"], "command", "{kept}");
    let run = act(&house, "{ name: say, parameters: { what: \"a; b $(c)\" } }").await;
    assert_eq!(run["run"]["outcome"], "success", "{run}");
    assert_eq!(run["outputs"]["act"]["stdout"], "a; b $(c)|softly|pc-1");
    let run = act(&house, "{ name: say }").await;
    assert!(run["path"][0]["note"].as_str().unwrap().contains("needs a value for `what`"));

    set(&house, "action: fail\ncommand: { command: 'echo no >&2; exit 3' }\n").await;
    let run = act(&house, "{ name: fail }").await;
    assert_eq!(run["path"][0]["event"], "error");
    assert_eq!(run["path"][0]["note"], "exit code 3: no");

    let started = json!({"parameters": {"what": "x"}, "computers": ["pc-1"]});
    let results = house.api.post("/api/actions/say/run", &started).await;
    assert_eq!(results["items"][0]["outputs"]["stdout"], "x|softly|pc-1", "{results}");
    let refused = house.api.post("/api/actions/say/run", &json!({})).await;
    assert_eq!(refused["code"], "DH-A035", "{refused}");
    let refused = house.api.post("/api/actions/none/run", &json!({})).await;
    assert_eq!(refused["code"], "DH-A002");
}

#[tokio::test]
async fn requests_carry_a_secret_that_nobody_is_told() {
    let (house, _) = house().await;
    let listener = Listener::start(&[200, 404]).await;
    let url = format!("http://{}", listener.address);
    let source = format!(
        "action: call\nhttp:\n  method: POST\n  url: \"{url}/x\"\n  \
         query: {{ who: '{{{{ computer.name }}}} & co' }}\n  \
         secret: token\n  body: hello\n"
    );
    assert_eq!(set(&house, &source).await["code"], "DH-A030");
    let put = json!({"base64": STANDARD.encode("s3cr3t-token")});
    house.api.put("/api/secrets/token", &put).await;
    assert_eq!(set(&house, &source).await["kind"], "http");
    let run = act(&house, "{ name: call }").await;
    assert_eq!(run["outputs"]["act"]["status"], "200", "{run}");
    let came = listener.came();
    assert_eq!(came[0].uri, "/x?who=pc-1%20%26%20co");
    assert_eq!(came[0].header("authorization"), "Bearer s3cr3t-token");
    assert_eq!(came[0].body, b"hello");
    let run = act(&house, "{ name: call }").await;
    assert_eq!(run["run"]["outcome"], "failure");
    assert!(run["path"][0]["note"].as_str().unwrap().contains("it answers 404"), "{run}");
    assert!(!run.to_string().contains("s3cr3t"));
}

/// The parent waits, takes no slot meanwhile, and goes on waiting after the server was restarted;
/// the child is started once.
#[tokio::test]
async fn a_workflow_is_started_once_and_waited_for_through_a_restart() {
    let (house, agent) = house().await;
    let child = "workflow: child\nstart: x\nvariables: { v: '' }\nactivities:\n  \
                 x: { execute: { command: [run, '{{ v }}'] }, on: { ok: done, error: no } }\n  \
                 done: { success: {} }\n  no: { failure: {} }\n";
    apply(&house, child).await;
    house.api.patch("/api/server", &json!({"max_targets": 1})).await;
    let nested = "action: nested\nparameters: { v: }\n\
                  deployment: { workflow: child, variables: { v: '{{ v }}' } }\n";
    set(&house, nested).await;
    let parent = workflow("parent", "{ name: nested, parameters: { v: 7 }, wait: true }");
    let parent = house.deploy(&parent, &["pc-1"]).await;
    let children = async |house: &House| {
        let all = house.api.get("/api/deployments").await;
        let items = all["items"].as_array().cloned().unwrap_or_default();
        let child = |item: &&Value| item["workflow"] == "child";
        items.iter().filter(child).cloned().collect::<Vec<_>>()
    };
    house.until(async || (children(&house).await.len() == 1).then_some(())).await;
    let house = house.restart().await;
    let agent = Agent { server: house.running.agent_addr.to_string(), ..agent };
    let mut robot = Robot::start(agent).await;
    robot.until_forgotten().await;
    house.ended(&parent).await;
    let all = children(&house).await;
    assert_eq!(all.len(), 1, "{all:?}");
    let run = run_of(&house, &parent).await;
    assert_eq!(run["run"]["outcome"], "success", "{run}");
    assert_eq!(run["outputs"]["act"]["deployment"], all[0]["id"]);
    assert_eq!(run["outputs"]["act"]["outcome"], "success");
    assert_eq!(house.detail(all[0]["id"].as_str().unwrap()).await["variables"]["v"], "7");
}

#[tokio::test]
async fn circles_are_refused_beforehand_or_when_it_comes_to_it() {
    let (house, _) = house().await;
    set(&house, "action: to-b\ndeployment: { workflow: b }\n").await;
    apply(&house, &workflow("b", "{ name: to-a }")).await;
    set(&house, "action: to-a\ndeployment: { workflow: a }\n").await;
    apply(&house, &workflow("a", "{ name: to-b }")).await;
    let body = json!({"workflow": "a", "targets": {"computers": ["pc-1"]}});
    let refused = house.api.post("/api/deployments", &body).await;
    assert_eq!(refused["code"], "DH-A036", "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("a > b > a"), "{refused}");

    // A name that is known only when it is rendered.
    set(&house, "action: to\nparameters: { w: }\ndeployment: { workflow: '{{ w }}' }\n").await;
    apply(&house, &workflow("c", "{ name: to, parameters: { w: d }, wait: true }")).await;
    apply(&house, &workflow("d", "{ name: to, parameters: { w: C } }")).await;
    let deployed = house
        .api
        .post("/api/deployments", &json!({"workflow": "c", "targets": {"computers": ["pc-1"]}}))
        .await;
    let parent = deployed["deployment"]["id"].as_str().unwrap().to_owned();
    house.ended(&parent).await;
    let run = run_of(&house, &parent).await;
    assert_eq!(run["path"][0]["event"], "error", "{run}");
    let child = run["outputs"]["act"]["deployment"].as_str().unwrap().to_owned();
    let note = run_of(&house, &child).await["path"][0]["note"].to_string();
    assert!(note.contains("c > d > C"), "{note}");
}

#[tokio::test]
async fn a_missing_action_is_warned_of_and_actions_are_listed_and_removed() {
    let (house, _) = house().await;
    let body =
        json!({"source": workflow("w", "{ name: nope }"), "targets": {"computers": ["pc-1"]}});
    let deployed = house.api.post("/api/deployments", &body).await;
    assert!(deployed["findings"].to_string().contains("there is no action `nope`"), "{deployed}");
    assert_eq!(
        set(&house, "action: a\ncommand: { command: 'x {{ computer.name }}' }\n").await["code"],
        "DH-A035"
    );
    set(&house, "action: One two\ncommand: { command: 'true' }\n").await;
    let listed = house.api.get("/api/actions").await;
    assert_eq!(listed["items"][0]["name"], "One two");
    assert!(
        house.api.get("/api/actions/one%20TWO").await["source"].as_str().unwrap().contains("true")
    );
    assert_eq!(house.api.delete("/api/actions/ONE%20two").await, Value::Null);
    assert_eq!(house.api.delete("/api/actions/one%20two").await["code"], "DH-A002");
}
