//! Deployments that are made again and again.

use serde_json::{Value, json};
use workflow::{Event, Report};

use crate::deployments::ONE_COMMAND;
use crate::house::House;
use crate::robot::{Robot, now};

/// A schedule that comes in the far future, so that only what a test does makes anything.
fn yearly(name: &str) -> Value {
    json!({"name": name, "workflow": "one command", "cron": "0 0 1 1 *",
           "zone": "Europe/Warsaw", "targets": {"query": "os = 'linux'"}})
}

async fn keep_workflow(house: &House) {
    house.api.post("/api/workflows", &json!({"source": ONE_COMMAND})).await;
}

/// As if the server had looked at the schedule last at that instant.
async fn looked_at(database: &std::path::Path, name: &str, at: i64) {
    let pool = sqlx::SqlitePool::connect(&database.to_string_lossy()).await.unwrap();
    let sql = "UPDATE documents SET body = json_set(body, '$.decided', $1) \
               WHERE kind = 'schedule_state' AND name = $2";
    let altered = sqlx::query(sql).bind(at).bind(name).execute(&pool).await.unwrap();
    assert_eq!(altered.rows_affected(), 1);
    pool.close().await;
}

#[tokio::test]
async fn schedules_are_kept_listed_paused_and_removed() {
    let house = House::new().await;
    keep_workflow(&house).await;
    let made = house.api.post("/api/schedules", &yearly("patches")).await;
    assert_eq!(made["schedule"]["overlap"], "skip", "{made}");
    assert_eq!(made["next"].as_array().unwrap().len(), 5);
    // Midnight in Warsaw in winter.
    let next = made["next"][0].as_i64().unwrap();
    assert_eq!(next / 1_000 % 86_400, 23 * 3_600);
    let again = house.api.post("/api/schedules", &yearly("Patches")).await;
    assert_eq!(again["code"], "DH-A008");
    let paused = house.api.post("/api/schedules/PATCHES/pause", &Value::Null).await;
    assert_eq!((&paused["next"], &paused["schedule"]["is_paused"]), (&json!([]), &json!(true)));
    let house = house.restart().await;
    let resumed = house.api.post("/api/schedules/patches/resume", &Value::Null).await;
    assert_eq!(resumed["next"][0], next);
    let more = house.api.get("/api/schedules/patches?next=7").await;
    assert_eq!(more["next"].as_array().unwrap().len(), 7);
    let listed = house.api.get("/api/schedules").await;
    assert_eq!(listed["items"][0]["schedule"]["name"], "patches");
    house.api.delete("/api/schedules/patches").await;
    assert_eq!(house.api.get("/api/schedules").await["items"], json!([]));
    assert_eq!(house.api.get("/api/schedules/patches").await["code"], "DH-A002");
    house.told("schedule", "patches was removed").await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let house = House::new().await;
    keep_workflow(&house).await;
    for (change, code) in [
        (json!({"cron": "0 25 * * *"}), "DH-A041"),
        (json!({"cron": "0 0 30 2 *"}), "DH-A041"),
        (json!({"cron": "* * * * * *"}), "DH-A041"),
        (json!({"every": "6h"}), "DH-A041"),
        (json!({"cron": null}), "DH-A041"),
        (json!({"cron": null, "every": "1s"}), "DH-A041"),
        (json!({"zone": "Europe/Nowhere"}), "DH-A041"),
        (json!({"overlap": "maybe"}), "DH-A041"),
        (json!({"missed": "maybe"}), "DH-A041"),
        (json!({"until": 5}), "DH-A041"),
        (json!({"stop_after": "soon"}), "DH-A041"),
        (json!({"workflow": "nothing"}), "DH-A002"),
        (json!({"targets": {}}), "DH-A006"),
        (json!({"targets": {"query": "oss = 1"}}), "DH-A040"),
        (json!({"targets": {"computers": ["pc9"]}}), "DH-A005"),
        (json!({"name": "a/b"}), "DH-A003"),
    ] {
        let mut asked = yearly("x");
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = house.api.post("/api/schedules", &asked).await;
        assert_eq!(answer["code"], code, "{change}: {answer}");
    }
    assert_eq!(house.api.get("/api/schedules").await["items"], json!([]));
}

#[tokio::test]
async fn a_schedule_deploys_now_to_those_that_its_query_chooses_now() {
    let house = House::new().await;
    keep_workflow(&house).await;
    house.api.post("/api/schedules", &yearly("patches")).await;
    let nobody = house.api.post("/api/schedules/patches/run", &Value::Null).await;
    assert_eq!(nobody["code"], "DH-A006", "{nobody}");
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    let begun = house.api.post("/api/schedules/patches/run", &Value::Null).await;
    robot.until_forgotten().await;
    let start = &begun["history"][1];
    let detail = house.ended(start["deployment"].as_str().unwrap()).await;
    assert_eq!(detail["deployment"]["created_by"], "admin");
    assert_eq!(detail["deployment"]["counts"], json!({"success": 1}));
    let shown = house.api.get("/api/schedules/patches").await;
    assert_eq!(shown["history"][1]["status"], "ended", "{shown}");
    assert!(shown["history"][0]["note"].as_str().unwrap().contains("nothing was deployed"));
}

#[tokio::test]
async fn a_schedule_begins_an_action_for_whom_that_names() {
    let house = House::new().await;
    keep_workflow(&house).await;
    let source = "action: patch\ndeployment: { workflow: one command, query: \"os = 'linux'\" }\n";
    house.api.post("/api/actions", &json!({"source": source})).await;
    let say = json!({"source": "action: say\ncommand: { command: [printf, x] }\n"});
    house.api.post("/api/actions", &say).await;
    let named = |action: &str| json!({"name": "patches", "action": action, "cron": "0 0 1 1 *"});
    let wrong = house.api.post("/api/schedules", &named("say")).await;
    assert!(wrong["message"].as_str().unwrap().contains("starts no deployment"), "{wrong}");
    assert_eq!(house.api.post("/api/schedules", &named("none")).await["code"], "DH-A002");
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    house.api.post("/api/schedules", &named("patch")).await;
    let begun = house.api.post("/api/schedules/patches/run", &Value::Null).await;
    robot.until_forgotten().await;
    let detail = house.ended(begun["history"][0]["deployment"].as_str().unwrap()).await;
    assert_eq!(detail["deployment"]["counts"], json!({"success": 1}), "{begun}");
    let asked = json!({"query": "name = 'pc1'", "wait": false});
    let run = house.api.post("/api/actions/say/run", &asked).await;
    assert_eq!(run["items"][0]["computer"], "pc1", "{run}");
    let nobody = json!({"query": "name = 'pc9'"});
    assert_eq!(house.api.post("/api/actions/say/run", &nobody).await["code"], "DH-A003");
}

#[tokio::test]
async fn intervals_begin_by_themselves_and_skip_while_the_former_goes_on() {
    let house = House::new().await;
    keep_workflow(&house).await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.push("work".into());
    let mut asked = yearly("often");
    let from = now().as_millis() - 9_500;
    let often = json!({"cron": null, "every": "10s", "from": from, "stop_after": "2h"});
    asked.as_object_mut().unwrap().extend(often.as_object().unwrap().clone());
    house.api.post("/api/schedules", &asked).await;
    robot.until_held("work").await;
    let shown = house.api.get("/api/schedules/often").await;
    assert_eq!(shown["history"][0]["due"], from + 10_000, "{shown}");
    let id = shown["history"][0]["deployment"].as_str().unwrap().to_owned();
    let detail = house.detail(&id).await;
    assert_eq!(detail["deployment"]["created_by"], "schedule often");
    assert!(detail["deployment"]["stop"].as_i64().unwrap() > from + 7_200_000);
    let skipped = async || {
        let shown = house.api.get("/api/schedules/often").await;
        (shown["history"].as_array().unwrap().len() > 1).then_some(shown)
    };
    let skipped = house.until(skipped).await;
    assert_eq!(skipped["history"][1]["deployment"], Value::Null, "{skipped}");
    assert!(skipped["history"][1]["note"].as_str().unwrap().contains(&id), "{skipped}");
    robot.end("work", Report::of(Event::Ok)).await;
    robot.until_forgotten().await;
    house.ended(&id).await;
}

#[tokio::test]
async fn starts_that_a_dead_server_missed_are_made_up_for_as_was_asked() {
    let house = House::new().await;
    keep_workflow(&house).await;
    let _robot = Robot::start(house.enrolled("pc1", 1).await).await;
    // Half an hour from now, so that no start is on time while the test runs.
    let (hour, minute) = (3_600_000, 60_000);
    let past = (now().as_millis() / minute + 30) % 60;
    for missed in ["skip", "once", "all"] {
        let mut asked = yearly(missed);
        let hourly =
            json!({"cron": format!("{past} * * * *"), "missed": missed, "overlap": "parallel"});
        asked.as_object_mut().unwrap().extend(hourly.as_object().unwrap().clone());
        let made = house.api.post("/api/schedules", &asked).await;
        assert!(made["next"].is_array(), "{made}");
    }
    let last = (now().as_millis() - past * minute) / hour * hour + past * minute;
    let before = last - 3 * hour;
    let away = async |database: std::path::PathBuf| {
        for missed in ["skip", "once", "all"] {
            looked_at(&database, missed, before).await;
        }
    };
    let house = house.restart_after(away, |config| config).await;
    let history = async |name: &str, count: usize| {
        house
            .until(async || {
                let shown = house.api.get(&format!("/api/schedules/{name}")).await;
                let history = shown["history"].as_array().unwrap().clone();
                (history.len() >= count).then_some(history)
            })
            .await
    };
    let made = |history: &[Value]| -> Vec<i64> {
        let made = history.iter().filter(|start| start["deployment"].is_string());
        made.map(|start| start["due"].as_i64().unwrap()).collect()
    };
    let dues = [before + hour, before + 2 * hour, before + 3 * hour];
    assert_eq!(made(&history("all", 3).await)[..3], dues);
    let once = history("once", 2).await;
    assert_eq!(made(&once), [dues[2]], "{once:?}");
    let skip = history("skip", 1).await;
    assert_eq!(made(&skip), [0; 0], "{skip:?}");
    assert!(skip[0]["note"].as_str().unwrap().contains("was not there"), "{skip:?}");
    // What was decided once is not decided again.
    let house = house.restart().await;
    let shown = house.api.get("/api/schedules/all").await;
    assert_eq!(shown["history"].as_array().unwrap().len(), 3, "{shown}");
    let deployments = house.api.get("/api/deployments").await;
    assert_eq!(deployments["items"].as_array().unwrap().len(), 4);
}
