//! Rows to try things on, one write of every kind, and a picture of a whole database.

use std::collections::BTreeMap;

use model::{
    ApplicationId, ComputerId, DeploymentId, Digest, Outcome, RunId, ServerId, Span, Timestamp,
    TokenId,
};
use store::rows::{
    Agent, AgentState, Application, ApplicationState, Assigned, Association, Computer, Deployment,
    DeploymentCopy, Document, Effect, Event, Message, Origin, Reading, Run, Server, Setting, Token,
    WantedSet, Warrant, Workflow,
};
use store::{CommitError, Page, Refusal, Store, Write};

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub fn computer_id(number: u8) -> ComputerId {
    ComputerId::from_bytes([number; 16])
}

pub fn deployment_id(number: u8) -> DeploymentId {
    DeploymentId::from_bytes([number; 16])
}

pub fn run_id(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

pub fn server_id(number: u8) -> ServerId {
    ServerId::from_bytes([number; 16])
}

pub fn token_id(number: u8) -> TokenId {
    TokenId::from_bytes([number; 16])
}

pub fn server(number: u8, fence: u64) -> Server {
    Server {
        id: server_id(number),
        name: format!("Server {number}"),
        computer: Some(computer_id(number)),
        depot: "/srv/depot".into(),
        presence: vec!["10.0.0.1:1739".into(), "deskhand.example:1739".into()],
        agent_listen: "[::]:1739".into(),
        api_listen: "127.0.0.1:1738".into(),
        max_targets: u32::MAX,
        is_default: true,
        lease_until: at(60_000),
        fence,
        created_by: "setup".into(),
        created_at: at(1),
    }
}

pub fn computer(number: u8, name: &str, parent: Option<u8>) -> Computer {
    Computer {
        computer: model::Computer {
            id: computer_id(number),
            name: name.into(),
            host_name: format!("{}.Example", name.to_lowercase()),
            os: "linux".into(),
            parent: parent.map(computer_id),
            is_group: false,
            facts: BTreeMap::from([("site \"ä\"".into(), "Köln\n\\".into())]),
        },
        created_by: "anna".into(),
        created_at: at(-5),
    }
}

pub fn group(number: u8, name: &str, parent: Option<u8>) -> Computer {
    let mut group = computer(number, name, parent);
    group.computer.is_group = true;
    group
}

pub fn agent(number: u8, key: u8) -> Agent {
    Agent {
        computer: computer_id(number),
        signing_key: [key; 32],
        sealing_key: [0xff; 32],
        version: "0.1.0".into(),
        protocol: 3,
        capabilities: vec!["execute".into(), "with, comma \"".into()],
        first_seen: at(10),
        last_seen: at(20),
        counter: 7,
        address: "192.0.2.9:50123".into(),
        state: AgentState::Pending,
        trust_number: 0,
    }
}

pub fn token(number: u8, uses_left: u32) -> Token {
    Token {
        id: token_id(number),
        secret_digest: Digest::from_bytes([number; 32]),
        created_by: "anna".into(),
        created_at: at(1),
        expires_at: at(1_000),
        uses_left,
        note: "for the lab".into(),
        revoked: false,
    }
}

pub fn workflow(name: &str, revision: u64) -> Workflow {
    Workflow {
        name: name.into(),
        revision,
        source: format!("workflow: {name} # {revision}\n"),
        description: String::new(),
        created_by: "anna".into(),
        created_at: at(1),
    }
}

pub fn deployment(number: u8) -> Deployment {
    Deployment {
        id: deployment_id(number),
        name: "Viewer".into(),
        workflow: "Install".into(),
        revision: 1,
        definition: vec![0, 1, 255],
        variables: BTreeMap::from([("prefix".into(), "/opt".into())]),
        depot_root: Some(Digest::from_bytes([9; 32])),
        start: Some(at(5)),
        stop: None,
        status: "running".into(),
        created_by: "anna".into(),
        created_at: at(1),
        server: server_id(1),
        origin: None,
    }
}

pub fn copy(number: u8, copy: u64) -> DeploymentCopy {
    DeploymentCopy {
        deployment: deployment_id(number),
        number: copy,
        definition: vec![7; 40],
        depot_root: Some(Digest::from_bytes([3; 32])),
        created_by: "anna".into(),
        created_at: at(3),
    }
}

/// The activity that started a deployment.
pub fn origin(number: u8) -> Origin {
    Origin { run: run_id(number), attempt: 2, visit: 0x0102_0304, part: 0 }
}

pub fn warrant(number: u8, seq: u64) -> Warrant {
    Warrant {
        deployment: deployment_id(number),
        seq,
        copy: 1,
        envelope: vec![1; 300],
        leaves: Vec::new(),
        created_by: "anna".into(),
        created_at: at(2),
    }
}

pub fn run(number: u8, outcome: Option<Outcome>) -> Run {
    Run {
        run: run_id(number),
        deployment: deployment_id(1),
        computer: computer_id(number),
        warrant: 1,
        copy: 1,
        is_replaced: false,
        target: 200 - u64::from(number),
        phase: "in progress".into(),
        epoch: 2,
        owner: "agent".into(),
        outcome,
        reason: String::new(),
        activity: "setup".into(),
        began_at: Some(at(100)),
        ended_at: outcome.map(|_| at(200)),
        pending_reason: "not connected".into(),
        next_attempt: None,
        updated_at: at(150),
    }
}

pub fn journal(number: u8, seq: u64) -> Write {
    Write::AppendJournal { run: run_id(number), seq, bytes: vec![number, seq.to_le_bytes()[0]] }
}

pub fn effect(number: u8, visit: u64) -> Effect {
    let (call, result) = (Vec::new(), b"ok".to_vec());
    Effect { run: run_id(number), attempt: 1, visit, part: 0, call, result }
}

pub fn event(number: u8, kind: &str) -> Event {
    Event {
        at: at(i64::from(number)),
        server: Some(server_id(1)),
        kind: kind.into(),
        computer: Some(computer_id(number)),
        deployment: None,
        run: Some(run_id(number)),
        who: "anna".into(),
        text: "signed on".into(),
    }
}

pub fn message(number: u8) -> Message {
    Message {
        key: Digest::from_bytes([number; 32]),
        at: at(i64::from(number)),
        to: "admins".into(),
        subject: format!("Message {number}"),
        text: "Look at it.".into(),
        computer: Some(computer_id(number)),
        deployment: None,
        run: Some(run_id(number)),
    }
}

pub fn reading() -> Reading {
    Reading { by: "anna".into(), at: at(99) }
}

pub fn document(kind: &str, name: &str, body: u8) -> Document {
    Document {
        kind: kind.into(),
        name: name.into(),
        body: vec![body, 0, 255],
        updated_by: "anna".into(),
        updated_at: at(i64::from(body)),
    }
}

pub fn application_id(number: u8) -> ApplicationId {
    ApplicationId::from_bytes([number; 16])
}

pub fn application(number: u8, revision: u64, name: &str) -> Application {
    Application {
        id: application_id(number),
        revision,
        name: name.into(),
        version: u16::MAX,
        text: format!("application: {name}\n"),
        digest: Digest::from_bytes([number; 32]),
        source: (number > 1).then(|| Digest::from_bytes([7; 32])),
        source_files: 3,
        source_bytes: 1 << 40,
        published_by: "anna".into(),
        published_at: at(4),
    }
}

pub fn association(number: u8, to: Assigned) -> Association {
    Association {
        application: application_id(number),
        to,
        priority: 100,
        uninstall: (number > 1).then_some(false),
        verify_every: (number == 1).then_some(Span::from_secs(3_600)),
        repair: number == 1,
        created_by: "anna".into(),
        created_at: at(5),
    }
}

pub fn wanted_set(number: u8, serial: u64) -> WantedSet {
    WantedSet {
        computer: computer_id(number),
        serial,
        set: vec![1, number],
        envelope: vec![2; 200],
        leaf: vec![3],
        proof: Vec::new(),
        made_at: at(6),
        taken: 0,
    }
}

pub fn application_state(number: u8, user: &str, told: i64) -> ApplicationState {
    ApplicationState {
        computer: computer_id(number),
        application: application_id(1),
        user: user.into(),
        name: "Viewer".into(),
        wanted: Some(3),
        installed: (told > 1).then_some(2),
        state: "pending".into(),
        drift: 1,
        error: "no space".into(),
        pending: "waits for 22:00".into(),
        next_attempt: Some(at(told + 100)),
        at: at(told),
    }
}

/// One write of every kind that an empty database accepts in this order.
pub fn every_kind() -> Vec<Write> {
    vec![
        Write::PutServer(server(1, 4)),
        Write::PutComputer(group(1, "Lab", None)),
        Write::PutComputer(computer(2, "pc2", Some(1))),
        Write::PutComputer(computer(3, "pc3", None)),
        Write::RemoveComputer(computer_id(3)),
        Write::PutAgent(agent(2, 2)),
        Write::TouchAgent {
            computer: computer_id(2),
            last_seen: at(30),
            counter: 8,
            address: "192.0.2.10:1".into(),
        },
        Write::AgentTrust { computer: computer_id(2), number: 3 },
        Write::PutToken(token(1, 3)),
        Write::PutToken(token(2, 3)),
        Write::UseToken { id: token_id(1), at: at(5) },
        Write::RevokeToken(token_id(2)),
        Write::PutWorkflow(workflow("Install", 1)),
        Write::PutDeployment(deployment(1)),
        Write::AppendDeploymentRecord { deployment: deployment_id(1), seq: 1, bytes: vec![1] },
        Write::PutDeploymentCopy(copy(1, 2)),
        Write::PutWarrant(warrant(1, 1)),
        Write::PutRun(run(2, None)),
        journal(2, 1),
        Write::PutEffect(effect(2, 1)),
        Write::AppendEvent(event(2, "sign-on")),
        Write::PutSetting(Setting { key: "slots".into(), value: vec![5] }),
        Write::PutMessage(message(1)),
        Write::ReadMessage { seq: 1, reading: reading() },
        Write::PutDocument(document("action", "Tell", 1)),
        Write::PutDocument(document("action", "gone", 1)),
        Write::RemoveDocument { kind: "action".into(), name: "Gone".into() },
        Write::PutApplication(application(1, 1, "Viewer")),
        Write::PutApplication(application(2, 1, "Gone")),
        Write::RemoveApplication(application_id(2)),
        Write::PutAssociation(association(1, Assigned::Group(computer_id(1)))),
        Write::PutAssociation(association(1, Assigned::Query("os = 'linux'".into()))),
        Write::RemoveAssociation {
            application: application_id(1),
            to: Assigned::Query("os = 'linux'".into()),
        },
        Write::PutWantedSet(wanted_set(2, 1)),
        Write::WantedSetTaken { computer: computer_id(2), serial: 1 },
        Write::PutApplicationState(application_state(2, "", 1)),
        Write::PutApplicationState(application_state(2, "eva", 2)),
        Write::RemoveApplicationState {
            computer: computer_id(2),
            application: application_id(1),
            user: "eva".into(),
        },
    ]
}

/// Commits what must be accepted.
pub async fn accept(store: &dyn Store, writes: impl IntoIterator<Item = Write>) {
    store.commit(writes.into_iter().collect()).await.unwrap();
}

/// Commits one write that must be refused, and tells why it was.
pub async fn refusal(store: &dyn Store, write: Write) -> Refusal {
    refused(store.commit(vec![write]).await).1
}

/// Which write was refused, and why.
pub fn refused(ended: Result<(), CommitError>) -> (usize, Refusal) {
    match ended {
        Err(CommitError::Refused { index, refusal }) => (index, refusal),
        other => panic!("expected a refusal, not {other:?}"),
    }
}

/// Everything that the database tells, as text.
pub async fn picture(store: &dyn Store) -> String {
    let deployments = store.deployments(Page::all()).await.unwrap();
    let runs = store.runs(Default::default(), Page::all()).await.unwrap();
    let mut parts = vec![
        format!("{:#?}", store.servers().await.unwrap()),
        format!("{:#?}", store.computers(Default::default(), Page::all()).await.unwrap()),
        format!("{:#?}", store.agents(Page::all()).await.unwrap()),
        format!("{:#?}", store.tokens().await.unwrap()),
        format!("{:#?}", store.workflows().await.unwrap()),
        format!("{deployments:#?} {runs:#?}"),
        format!("{:#?}", store.journals(Page::all()).await.unwrap()),
        format!("{:#?}", store.journals_of_open_runs(Page::all()).await.unwrap()),
        format!("{:#?}", store.events(Default::default(), Page::all()).await.unwrap()),
        format!("{:#?}", store.settings().await.unwrap()),
        format!("{:#?}", store.documents("action").await.unwrap()),
        format!("{:#?}", store.messages(false, Page::all()).await.unwrap()),
        format!("{:#?}", store.applications().await.unwrap()),
        format!("{:#?}", store.associations().await.unwrap()),
        format!("{:#?}", store.wanted_sets().await.unwrap()),
        format!("{:#?}", store.application_states(Default::default(), Page::all()).await.unwrap()),
    ];
    for deployment in deployments {
        let id = deployment.id;
        parts.push(format!("{:#?}", store.deployment_records(id, 0).await.unwrap()));
        parts.push(format!("{:#?}", store.warrants(id).await.unwrap()));
        parts.push(format!("{:#?}", store.deployment_copies(id).await.unwrap()));
        parts.push(format!("{:#?}", store.runs_of(id).await.unwrap()));
        parts.push(format!("{:#?}", store.run_counts(id).await.unwrap()));
    }
    for run in runs {
        parts.push(format!("{:#?}", store.effects(run.run).await.unwrap()));
    }
    parts.join("\n")
}
