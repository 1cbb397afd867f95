//! What comes from the other side: read back as it was said, and never a panic whatever comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ApplicationId, ComputerId, DeploymentId, Digest, RunId, Span, Timestamp, TokenId};
use proptest::prelude::*;
use travel::{Give, Holding, Package, ToAgent, ToServer};
use wire::wanted::{Standing, Standings, WantedNews};
use wire::{
    Enroll, FromAgent, FromServer, Hello, Log, Protocols, Stream, Update, UpdateNews, UpdateState,
};
use workflow::{Control, EffectId, Epoch, Event, Remaining, Report, Visit};

fn run() -> RunId {
    RunId::from_bytes([3; 16])
}

fn effect() -> EffectId {
    EffectId::new(run(), 2, Visit(7))
}

fn facts() -> BTreeMap<String, String> {
    BTreeMap::from([("os".into(), "linux".into()), ("name".into(), "rechner ä".into())])
}

fn from_agents() -> Vec<FromAgent> {
    let head = Digest::from_bytes([5; 32]);
    vec![
        FromAgent::Hello(Hello {
            protocols: Protocols { min: 1, max: 3 },
            agent_version: "0.1.0".into(),
            capabilities: vec!["execute".into(), "wait".into()],
            counter: 9,
            boot_id: "boot".into(),
            facts: facts(),
            trust_number: 2,
            holdings: vec![Holding {
                run: run(),
                epoch: Epoch(1),
                frames: 4,
                head,
                is_leaving: true,
            }],
        }),
        FromAgent::Enroll(Enroll {
            protocols: Protocols::OURS,
            agent_version: "0.1.0".into(),
            token: TokenId::from_bytes([1; 16]),
            secret: [2; 32],
            sealing_key: [3; 32],
            name: "pc".into(),
            facts: facts(),
        }),
        FromAgent::Run(ToServer::Frames {
            run: run(),
            epoch: Epoch(1),
            first: 2,
            frames: vec![vec![1, 2, 3], Vec::new()],
        }),
        FromAgent::Run(ToServer::Refused { run: run(), epoch: Epoch(1), reason: "no".into() }),
        FromAgent::Run(ToServer::Ask {
            call: None,
            effect: effect(),
            activity: "copy_it".parse().expect("a name"),
        }),
        FromAgent::Run(ToServer::Cancel { effect: effect() }),
        FromAgent::Neighbours(vec![
            ComputerId::from_bytes([1; 16]),
            ComputerId::from_bytes([9; 16]),
        ]),
        FromAgent::Log(Log {
            effect: effect(),
            stream: Stream::Err,
            offset: 9,
            bytes: vec![0, 255],
        }),
        FromAgent::Update(UpdateNews {
            id: "u".into(),
            state: UpdateState::FellBack,
            reason: "it did not come back".into(),
        }),
        FromAgent::Wanted(WantedNews { serial: 7, refused: Some("older".into()) }),
        FromAgent::Standings(Standings { are_all: true, parts: vec![standing()] }),
    ]
}

fn standing() -> Standing {
    Standing {
        application: ApplicationId::from_bytes([8; 16]),
        user: Some("ada".into()),
        name: "Viewer".into(),
        wanted: Some(u16::MAX),
        installed: None,
        state: "pending".into(),
        drift: 2,
        error: "no space".into(),
        pending: "its turn".into(),
        next_attempt: Some(Timestamp::from_millis(-5)),
        at: Timestamp::from_millis(9),
    }
}

fn from_servers() -> Vec<FromServer> {
    let report =
        Report { outputs: facts(), note: Some("why".into()), ..Report::of(Event::Exit(3)) };
    let remaining = Remaining { visit: Visit(1), until: Some(Span::from_secs(2)), deadline: None };
    vec![
        FromServer::Welcome { protocol: 1, server: "s".into(), trust: vec![vec![1]] },
        FromServer::Trust(vec![vec![3], vec![4, 5]]),
        FromServer::Enrolled {
            computer: ComputerId::from_bytes([4; 16]),
            name: "pc".into(),
            trust: vec![vec![1, 2]],
        },
        FromServer::Wake { mac: "00:16:3e:5d:0a:01".parse().expect("an address"), port: 9 },
        FromServer::Rejected { code: "clone".into(), reason: "another one".into() },
        FromServer::Run(ToAgent::Give(Box::new(Give {
            run: run(),
            deployment: DeploymentId::from_bytes([6; 16]),
            epoch: Epoch(1),
            warrant: Arc::from([1u8, 2].as_slice()),
            leaf: vec![3],
            proof: vec![4],
            definition: Arc::from([5u8].as_slice()),
            variables: Arc::new(facts()),
            secrets: BTreeMap::from([("password".into(), vec![9])]),
            first: 7,
            frames: vec![vec![6]],
            remaining: vec![remaining],
        }))),
        FromServer::Run(ToAgent::Acked { run: run(), frames: 3 }),
        FromServer::Run(ToAgent::Resend { run: run(), from: 0 }),
        FromServer::Run(ToAgent::Control { run: run(), number: 1, control: Control::Abort }),
        FromServer::Run(ToAgent::Answer { effect: effect(), report }),
        FromServer::Run(ToAgent::Forget { run: run() }),
        FromServer::Run(ToAgent::Fenced { run: run() }),
        FromServer::Update(Update {
            id: "u".into(),
            release: vec![1, 2],
            within: Span::from_secs(600),
        }),
        FromServer::Wanted(trust::WantedPresented {
            envelope: vec![1],
            leaf: vec![2, 3],
            proof: Vec::new(),
            set: vec![4],
        }),
    ]
}

fn package() -> Package {
    Package {
        run: run(),
        deployment: DeploymentId::from_bytes([6; 16]),
        epoch: Epoch(1),
        warrant: Arc::from([1u8, 2].as_slice()),
        leaf: vec![3],
        definition: Arc::from([5u8].as_slice()),
        variables: Arc::new(facts()),
        secrets: BTreeMap::from([("password".into(), vec![9])]),
    }
}

#[test]
fn messages_read_back_as_they_were_said() {
    for message in from_agents() {
        assert_eq!(FromAgent::decode(&message.clone().encode()), Ok(message));
    }
    for message in from_servers() {
        assert_eq!(FromServer::decode(&message.clone().encode()), Ok(message));
    }
}

#[test]
fn packages_read_back_and_show_damage() {
    let bytes = wire::package::encode(&package());
    assert_eq!(wire::package::decode(&bytes), Ok(package()));
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(wire::package::decode(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn ids_of_another_length_are_refused() {
    let good = FromServer::Run(ToAgent::Forget { run: run() }).encode();
    assert!(FromServer::decode(&good[..good.len() - 1]).is_err());
}

#[test]
fn definitions_name_what_an_old_agent_lacks() {
    let source = "workflow: W\nstart: a\nactivities:\n  a: { execute: { command: [ls] } }\n";
    let workflow = format::parse_workflow(source).workflow.unwrap();
    let bytes = wire::definition::encode(&workflow, source);
    assert_eq!(wire::definition::decode(&bytes), Ok(workflow));
    assert_eq!(wire::definition::source(&bytes).as_deref(), Ok(source));
    let at = bytes.windows(7).position(|name| name == b"execute").unwrap();
    let mut newer = bytes;
    newer[at..at + 7].copy_from_slice(b"teleprt");
    let error = wire::definition::decode(&newer).unwrap_err().to_string();
    assert_eq!(error, "agent too old: it cannot do teleprt");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        _ = FromAgent::decode(&bytes);
        _ = FromServer::decode(&bytes);
        _ = wire::package::decode(&bytes);
        _ = wire::definition::decode(&bytes);
    }

    #[test]
    fn no_change_of_a_message_makes_it_panic(
        which in 0usize..24,
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let agents: Vec<Vec<u8>> = from_agents().into_iter().map(FromAgent::encode).collect();
        let servers = from_servers().into_iter().map(FromServer::encode);
        let all: Vec<Vec<u8>> = agents.into_iter().chain(servers).collect();
        let mut bytes = all[which].clone();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        _ = FromAgent::decode(&bytes);
        _ = FromServer::decode(&bytes);
    }
}
