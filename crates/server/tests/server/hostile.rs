//! Agents that lie: nothing happens, and the log says what they tried.

use model::{ComputerId, Outcome, RunId};
use tokio_tungstenite::tungstenite::Message;
use travel::ToServer;
use trust::SigningKey;
use wire::{FromAgent, FromServer, Log, Protocols, Stream};
use workflow::journal::Chain;
use workflow::{ActivityName, EffectId, Epoch, Record, Visit};

use crate::agent::{self, Agent};
use crate::deployments::ONE_COMMAND;
use crate::house::House;
use crate::robot::{Robot, now};

fn name(text: &str) -> ActivityName {
    text.parse().unwrap()
}

/// A robot that holds its run in `work`, and the deployment.
async fn held(house: &House) -> (Robot, String) {
    let mut robot = Robot::start(house.enrolled("pc1", 1).await).await;
    robot.holds.push("work".into());
    let deployment = house.deploy(ONE_COMMAND, &["pc1"]).await;
    robot.until_held("work").await;
    (robot, deployment)
}

fn frames(run: RunId, epoch: u32, first: u64, frames: Vec<Vec<u8>>) -> FromAgent {
    FromAgent::Run(ToServer::Frames { run, epoch: Epoch(epoch), first, frames })
}

#[tokio::test]
async fn strangers_and_copies_stay_outside() {
    let house = House::new().await;
    let mut known = house.enrolled("pc1", 1).await;
    let mut stranger = known.clone();
    stranger.key = SigningKey::from_seed(&[99; 32]);
    let refused = stranger.connect(Vec::new()).await.err().unwrap();
    assert_eq!(refused.code, "unknown agent");
    house.told("refused", "unknown agent").await;

    let mut first = known.connect(Vec::new()).await.unwrap();
    let mut copy = known.clone();
    let (clone, ()) = tokio::join!(copy.connect(Vec::new()), async {
        // Reading answers the server's ping.
        let one = tokio::time::timeout(std::time::Duration::from_millis(800), first.next());
        assert!(one.await.is_err(), "the first link stays");
    });
    assert_eq!(clone.err().unwrap().code, "clone");
    house.told("clone", "copy of its disk").await;
    assert_eq!(house.api.get("/api/server").await["agents_connected"], 1);
}

#[tokio::test]
async fn a_dead_link_gives_way() {
    let house = House::new().await;
    let mut known = house.enrolled("pc1", 1).await;
    // Never read, so that no ping is answered.
    let _dead = known.connect(Vec::new()).await.unwrap();
    known.connect(Vec::new()).await.unwrap();
    assert!(house.events("clone").await.is_empty());
}

#[tokio::test]
async fn a_counter_that_goes_back_is_told() {
    let house = House::new().await;
    let mut known = house.enrolled("pc1", 1).await;
    known.counter = 7;
    drop(known.connect(Vec::new()).await.unwrap());
    let is_gone =
        async || (house.api.get("/api/server").await["agents_connected"] == 0).then_some(());
    house.until(is_gone).await;
    known.counter = 2;
    known.connect(Vec::new()).await.unwrap();
    house.told("counter", "went back from 8 to 3").await;
}

#[tokio::test]
async fn protocols_must_meet() {
    let house = House::new().await;
    let mut known = house.enrolled("pc1", 1).await;
    let mut hello = known.hello(Vec::new());
    hello.protocols = Protocols { min: 900, max: 901 };
    assert_eq!(known.greet(hello).await.err().unwrap().code, "protocol");
    let mut old = known.hello(Vec::new());
    old.trust_number = 0;
    let mut link = agent::link(&known.server, known.pin, &known.key).await;
    link.send(FromAgent::Hello(old)).await;
    let welcome = link.next().await.unwrap();
    assert!(matches!(&welcome, FromServer::Welcome { trust, .. } if trust.len() == 1));
}

#[tokio::test]
async fn runs_of_others_are_out_of_reach() {
    let house = House::new().await;
    let (robot, deployment) = held(&house).await;
    let mut other = house.enrolled("pc2", 2).await;
    let mut link = other.connect(Vec::new()).await.unwrap();
    let closed = Record::Closed { outcome: Outcome::Failure, reason: None, at: now() };
    let frame = Chain::new(robot.run()).push(&closed);
    link.send(frames(robot.run(), 1, 0, vec![frame])).await;
    house.told("refused", "not its own").await;
    let effect = EffectId::new(robot.run(), 1, Visit(1));
    let output = Log { effect, stream: Stream::Out, offset: 0, bytes: b"mine".to_vec() };
    link.send(FromAgent::Log(output)).await;
    link.send(FromAgent::Run(ToServer::Cancel { effect })).await;
    let log = house.api.get(&format!("/api/runs/{}/log", robot.run())).await;
    assert_eq!(log.as_array().unwrap().len(), 0);
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["runs"][0]["phase"], "running");
}

#[tokio::test]
async fn journals_that_cannot_be_are_set_aside() {
    let house = House::new().await;
    let (mut robot, deployment) = held(&house).await;
    let run = robot.run();
    let holding = robot.taker.holdings()[0];
    let wrong_epoch = frames(run, 9, holding.frames, vec![b"x".to_vec()]);
    robot.link.send(wrong_epoch).await;
    house.told("refused", "epoch").await;
    let ask = ToServer::Ask {
        call: None,
        effect: EffectId::new(run, 1, Visit(1)),
        activity: name("work"),
    };
    robot.link.send(FromAgent::Run(ask)).await;
    house.told("refused", "not due").await;
    // A frame of another chain, in the right place.
    let at = now();
    let forged =
        Chain::new(run).push(&Record::Closed { outcome: Outcome::Success, reason: None, at });
    robot.link.send(frames(run, 1, holding.frames, vec![forged])).await;
    house.told("diverged", "does not follow").await;
    let detail = house.detail(&deployment).await;
    assert_eq!(detail["runs"][0]["outcome"], serde_json::Value::Null);
    assert_eq!(detail["runs"][0]["waiting"]["code"], "diverged");
}

#[tokio::test]
async fn runs_that_never_were_are_logged() {
    let house = House::new().await;
    let mut known = house.enrolled("pc1", 1).await;
    let mut link = known.connect(Vec::new()).await.unwrap();
    link.send(frames(RunId::from_bytes([7; 16]), 1, 0, Vec::new())).await;
    house.told("diverged", "never gave it").await;
}

#[tokio::test]
async fn noise_closes_the_link() {
    let house = House::new().await;
    let mut known = house.enrolled("pc1", 1).await;
    let noises = [
        Message::Binary(vec![0xff; 64].into()),
        Message::Text("hello".into()),
        Message::Binary(FromAgent::Hello(known.hello(Vec::new())).encode().into()),
    ];
    for noise in noises {
        let mut link = known.connect(Vec::new()).await.unwrap();
        futures_util::SinkExt::send(&mut link.socket, noise.clone()).await.unwrap();
        assert_eq!(link.rejected().await, "message", "{noise:?}");
    }
    house.until(async || (house.events("refused").await.len() >= 3).then_some(())).await;
    let mut link = known.connect(Vec::new()).await.unwrap();
    let huge = Message::Binary(vec![0; wire::MESSAGE_BYTES_MAX + 1].into());
    // The server may close the link before all of it was sent.
    let _closed = futures_util::SinkExt::send(&mut link.socket, huge).await;
    link.rejected().await;
    house.told("refused", "too long").await;
    let unknown = Agent { computer: ComputerId::from_bytes([0; 16]), ..known.clone() };
    let mut link = agent::link(&unknown.server, unknown.pin, &unknown.key).await;
    let effect = EffectId::new(RunId::from_bytes([7; 16]), 1, Visit(1));
    link.send(FromAgent::Run(ToServer::Cancel { effect })).await;
    assert_eq!(link.rejected().await, "message");
}
