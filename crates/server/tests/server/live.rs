//! What is told while it happens, and what happens when the database fails.

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::net::TcpStream;
use wire::{FromAgent, Log, Stream};
use workflow::{Event, Report};

use crate::deployments::ONE_COMMAND;
use crate::house::House;
use crate::robot::Robot;

/// Server-sent events as they come.
struct Watch {
    body: Incoming,
    text: String,
}

impl Watch {
    async fn open(house: &House, uri: &str) -> Self {
        let socket = TcpStream::connect(house.running.api_addr).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let token = format!("Bearer {}", house.running.admin_token);
        let request =
            Request::builder().uri(uri).header(HOST, "server").header(AUTHORIZATION, token);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let body = sender.send_request(request).await.unwrap().into_body();
        Self { body, text: String::new() }
    }

    /// Reads until something was told that has all these parts.
    async fn until(&mut self, parts: &[&str]) {
        loop {
            let is_told = |line: &str| parts.iter().all(|part| line.contains(part));
            if self.text.lines().any(is_told) {
                return;
            }
            let frame = self.body.frame().await.expect("more to come").unwrap();
            self.text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
        }
    }
}

#[tokio::test]
async fn changes_and_output_are_told_live() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.push("work".into());
    let mut watch = Watch::open(&house, "/api/changes").await;
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    let effect = robot.until_held("work").await;
    watch.until(&["\"kind\":\"run\"", "\"activities\":[\"work\"]", "pc1"]).await;
    let output = |offset, bytes: &[u8]| {
        FromAgent::Log(Log { effect, stream: Stream::Out, offset, bytes: bytes.to_vec() })
    };
    robot.link.send(output(0, b"hello ")).await;
    robot.link.send(output(0, b"hello world")).await;
    watch.until(&["\"kind\":\"output\"", "\"text\":\"world\"", "\"activity\":\"work\""]).await;
    robot.end("work", Report::of(Event::Exit(0))).await;
    robot.until_forgotten().await;
    watch.until(&["\"kind\":\"deployment\"", "\"status\":\"ended\"", "\"success\":1"]).await;
    let detail = house.ended(&deployment).await;
    let run = detail["runs"][0]["id"].as_str().unwrap();
    let log = house.api.get(&format!("/api/runs/{run}/log")).await;
    assert_eq!(log[0]["text"], "hello world");
    assert_eq!((&log[0]["activity"], &log[0]["stream"]), (&json!("work"), &json!("out")));
}

#[tokio::test]
async fn what_could_not_be_made_durable_is_asked_for_again() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    robot.until_held("work").await;
    let database = house.folder.path().join("data/deskhand.db");
    let mut other = SqliteConnectOptions::new().filename(database).connect().await.unwrap();
    let broken = "CREATE TRIGGER broken BEFORE INSERT ON journal BEGIN \
                  SELECT RAISE(ABORT, 'no space left'); END";
    sqlx::query(broken).execute(&mut other).await.unwrap();
    robot.end("work", Report::of(Event::Exit(0))).await;
    assert_eq!(robot.link.rejected().await, "", "the link is closed");
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["deployment"]["status"], "running");
    sqlx::query("DROP TRIGGER broken").execute(&mut other).await.unwrap();
    robot.again().await;
    robot.until_forgotten().await;
    assert_eq!(house.ended(&deployment).await["deployment"]["counts"], json!({"success": 1}));
}

#[tokio::test]
async fn a_server_that_was_taken_over_writes_no_more() {
    let house = House::new().await;
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    let database = house.folder.path().join("data/deskhand.db");
    let mut other = SqliteConnectOptions::new().filename(database).connect().await.unwrap();
    sqlx::query("UPDATE servers SET fence = fence + 1").execute(&mut other).await.unwrap();
    let body = json!({"source": ONE_COMMAND, "targets": {"everybody": true}});
    let refused = house.api.post("/api/deployments", &body).await;
    assert_eq!(refused["code"], "DH-A010", "{refused}");
    robot.agent.counter += 1;
    house.api.patch("/api/server", &json!({"max_targets": 5})).await;
    let kept: i64 =
        sqlx::query_scalar("SELECT max_targets FROM servers").fetch_one(&mut other).await.unwrap();
    assert_eq!(kept, i64::from(server::MAX_TARGETS));
}
