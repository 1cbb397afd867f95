//! Signals of presence: believed when their agent has signed them and they are news, else counted.

use std::net::UdpSocket;

use model::{Addresses, Timestamp};
use serde_json::Value;
use server::Config;
use trust::SigningKey;
use wire::signal::{SIGNAL_BYTES, Signal};

use crate::agent::Agent;
use crate::house::House;
use crate::robot::now;

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

struct Ear {
    house: House,
    socket: UdpSocket,
    port: u16,
}

impl Ear {
    async fn new() -> Self {
        let port = free_port();
        let places = Addresses::parse(&format!("INET:127.0.0.1:{port}"), port).unwrap();
        let change = |config| Config { detection: Some(places), ..config };
        let house = House::new().await.restart_after(async |_| {}, change).await;
        Self { house, socket: UdpSocket::bind("127.0.0.1:0").unwrap(), port }
    }

    fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, ("127.0.0.1", self.port)).unwrap();
    }

    async fn counts(&self) -> Value {
        self.house.api.get("/api/server").await["signals"].clone()
    }

    /// Asks until a count is so high.
    async fn until(&self, name: &str, count: u64) {
        let ask = async || (self.counts().await[name] == count).then_some(());
        self.house.until(ask).await;
    }
}

fn signal(agent: &Agent, sequence: u64, at: Timestamp) -> Signal {
    let key = agent.key.id();
    Signal { computer: agent.computer, key, start: 1, sequence, at, port: 0 }
}

#[tokio::test]
async fn only_signals_that_are_proved_and_new_are_believed() {
    let ear = Ear::new().await;
    let agent = ear.house.enrolled("pc-1", 1).await;
    let real = signal(&agent, 5, now()).sign(&agent.key);
    ear.send(&real);
    ear.until("believed", 1).await;
    // A neighbour records it and says it again.
    ear.send(&real);
    ear.until("stale", 1).await;
    ear.send(&signal(&agent, 4, now()).sign(&agent.key));
    ear.until("stale", 2).await;
    let old = Timestamp::from_millis(now().as_millis() - 3_600_000);
    ear.send(&signal(&agent, 6, old).sign(&agent.key));
    ear.until("stale", 3).await;
    // Somebody else's key, said to be the agent's and as what it is.
    let stranger = SigningKey::from_seed(&[9; 32]);
    ear.send(&signal(&agent, 7, now()).sign(&stranger));
    let named = Signal { key: stranger.id(), ..signal(&agent, 7, now()) };
    ear.send(&named.sign(&stranger));
    ear.until("forged", 2).await;
    let nobody = Signal { computer: model::ComputerId::from_bytes([3; 16]), ..named };
    ear.send(&nobody.sign(&stranger));
    ear.until("unknown", 1).await;
    // What is no signal at all is not even counted.
    for length in [0, 1, SIGNAL_BYTES - 1, SIGNAL_BYTES, SIGNAL_BYTES + 1, 1_400] {
        ear.send(&vec![0x44; length]);
    }
    ear.send(&signal(&agent, 8, now()).sign(&agent.key));
    ear.until("believed", 2).await;
    let counts = ear.counts().await;
    assert_eq!((&counts["stale"], &counts["forged"]), (&3.into(), &2.into()), "{counts}");
}

#[tokio::test]
async fn a_revoked_agent_is_unknown_and_a_recording_is_old_after_a_restart() {
    let ear = Ear::new().await;
    let agent = ear.house.enrolled("pc-1", 1).await;
    let recorded = signal(&agent, 5, now()).sign(&agent.key);
    ear.send(&recorded);
    ear.until("believed", 1).await;
    let Ear { house, socket, port } = ear;
    let places = Addresses::parse(&format!("INET:127.0.0.1:{port}"), port).unwrap();
    let change = |config| Config { detection: Some(places), ..config };
    let ear = Ear { house: house.restart_after(async |_| {}, change).await, socket, port };
    // Said until it is heard: the server may not listen yet.
    let ask = async || {
        ear.send(&recorded);
        (ear.counts().await["stale"] != 0).then_some(())
    };
    ear.house.until(ask).await;
    assert_eq!(ear.counts().await["believed"], 0);
    let agent = ear.house.enrolled("pc-2", 2).await;
    ear.house.api.post("/api/agents/pc-2/revoke", &Value::Null).await;
    ear.send(&signal(&agent, 6, now()).sign(&agent.key));
    ear.until("unknown", 1).await;
}

#[tokio::test]
async fn where_signals_are_heard_is_changed_while_the_server_runs() {
    let ear = Ear::new().await;
    let agent = ear.house.enrolled("pc-1", 1).await;
    let port = free_port();
    let wish = serde_json::json!({"detection": format!("inet:127.0.0.1:{port}")});
    let now_set = ear.house.api.patch("/api/server", &wish).await;
    assert_eq!(now_set["detection"], format!("INET:127.0.0.1:{port}"));
    let ear = Ear { port, ..ear };
    let mut sequence = 0;
    let ask = async || {
        sequence += 1;
        ear.send(&signal(&agent, sequence, now()).sign(&agent.key));
        (ear.counts().await["believed"] != 0).then_some(())
    };
    ear.house.until(ask).await;
}
