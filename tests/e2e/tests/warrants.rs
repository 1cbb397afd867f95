//! A hostile server: it has a channel that the agent trusts and hands out what it must not.
//!
//! Each altered hand-over must be refused with its reason, in the answer and in the agent's log,
//! and nothing may happen on the machine. The unaltered one is taken, which shows that the test
//! could.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use fleet::{Child, program};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{ComputerId, DeploymentId, RunId, Span, Timestamp, TokenId};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use travel::{Give, ToAgent, ToServer};
use trust::{
    Leaf, SigningKey, TargetTree, Token, TokenSecret, TrustDocument, VerifyingKey, Warrant,
};
use wire::{FromAgent, FromServer};
use workflow::journal::Chain;
use workflow::{Context, Epoch, Input, Place, Run};

const HARM: &str = "\
workflow: Harm
start: harm
activities:
  harm: { execute: { command: 'touch \"$DESKHAND_ROOT/{{ target }}\"' } }
variables: { target: harm }
";

type Socket = WebSocketStream<TlsStream<TcpStream>>;

#[expect(clippy::disallowed_methods, reason = "this is the hostile server's clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// Everything a hand-over is made of, before it is sealed.
struct Parts {
    run: RunId,
    source: String,
    sent_source: String,
    variables: BTreeMap<String, String>,
    sent_variables: BTreeMap<String, String>,
    signer: SigningKey,
    leaf: Leaf,
    others: Vec<Leaf>,
    sent_proof_of: u32,
    not_before: Timestamp,
    begin_until: Timestamp,
    deployment: DeploymentId,
}

impl Parts {
    fn honest(n: u8, computer: ComputerId, agent: VerifyingKey) -> Self {
        let told = BTreeMap::from([("name".to_owned(), "pc".to_owned())]);
        let other = Leaf {
            computer: ComputerId::from_bytes([9; 16]),
            key: key(99).verifying_key(),
            told: told.clone(),
        };
        Self {
            run: RunId::from_bytes([n; 16]),
            source: HARM.to_owned(),
            sent_source: HARM.to_owned(),
            variables: BTreeMap::new(),
            sent_variables: BTreeMap::new(),
            signer: key(1),
            leaf: Leaf { computer, key: agent, told },
            others: vec![other],
            sent_proof_of: 0,
            not_before: now(),
            begin_until: now() + Span::from_secs(3600),
            deployment: DeploymentId::from_bytes([n; 16]),
        }
    }

    fn seal(&self) -> Result<Give> {
        let definition = definition_of(&self.source)?;
        let leaves = std::iter::once(&self.leaf).chain(&self.others).map(Leaf::digest).collect();
        let tree = TargetTree::new(leaves)?;
        let warrant = Warrant {
            deployment: self.deployment,
            definition: trust::definition_digest(&definition),
            variables: trust::variables_digest(&self.variables),
            depot_root: None,
            targets_root: tree.root(),
            targets_count: tree.count(),
            not_before: self.not_before,
            begin_until: self.begin_until,
            run_limit: Span::from_secs(600),
            created_by: "the test".into(),
            key: self.signer.id(),
        };
        let envelope = warrant.sign(&self.signer).encode();
        let frames = frames(self.run, &self.source)?;
        Ok(Give {
            run: self.run,
            deployment: self.deployment,
            epoch: Epoch(1),
            warrant: envelope.into(),
            leaf: self.leaf.encode(),
            proof: tree.proof(self.sent_proof_of).context("a proof")?.encode(),
            definition: definition_of(&self.sent_source)?.into(),
            variables: Arc::new(self.sent_variables.clone()),
            first: 0,
            frames,
            remaining: Vec::new(),
            secrets: BTreeMap::new(),
        })
    }
}

fn definition_of(source: &str) -> Result<Vec<u8>> {
    let workflow = format::parse_workflow(source).workflow.context("a workflow")?;
    Ok(wire::definition::encode(&workflow, source))
}

fn frames(id: RunId, source: &str) -> Result<Vec<Vec<u8>>> {
    let workflow = Arc::new(format::parse_workflow(source).workflow.context("a workflow")?);
    let mut run = Run::open(id, Place::Server, workflow, Context::default(), [])?;
    run.handle(Input::Open, now())?;
    run.handle(Input::Give { epoch: Epoch(1) }, now())?;
    let mut chain = Chain::new(id);
    Ok(std::iter::from_fn(|| run.poll_record()).map(|record| chain.push(&record)).collect())
}

struct Hostile {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Hostile {
    async fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { listener, acceptor: acceptor(1)? })
    }

    fn token(&self) -> Result<String> {
        let token = Token {
            servers: vec![self.listener.local_addr()?.to_string()],
            id: TokenId::from_bytes([3; 16]),
            secret: TokenSecret::from_bytes([4; 32]),
            deployment_key: key(1).verifying_key().fingerprint(),
        };
        Ok(token.to_text().to_string())
    }

    async fn accept(&self) -> Result<(Socket, VerifyingKey)> {
        let (tcp, _) = self.listener.accept().await?;
        let tls = self.acceptor.accept(tcp).await?;
        let agent = wire::tls::peer_key(tls.get_ref().1).context("the agent's key")?;
        Ok((tokio_tungstenite::accept_async(tls).await?, agent))
    }
}

/// A server's side of TLS, with the certificate of that deployment key.
fn acceptor(of: u8) -> Result<TlsAcceptor> {
    let identity = wire::tls::ServerIdentity::issue(&key(of), "hostile", now(), &[7; 32])?;
    Ok(TlsAcceptor::from(Arc::new(wire::tls::server_config(&identity)?)))
}

async fn hear(socket: &mut Socket) -> Result<FromAgent> {
    while let Some(message) = socket.next().await {
        if let Message::Binary(bytes) = message? {
            return Ok(FromAgent::decode(&bytes)?);
        }
    }
    bail!("the agent hung up")
}

async fn say(socket: &mut Socket, message: FromServer) -> Result<()> {
    Ok(socket.send(Message::Binary(message.encode().into())).await?)
}

/// Hands over and waits for the agent's word: why it refused, or nothing when it took the run.
async fn give(socket: &mut Socket, give: Give) -> Result<Option<String>> {
    let (run, given) = (give.run, give.frames.len() as u64);
    say(socket, FromServer::Run(ToAgent::Give(Box::new(give)))).await?;
    loop {
        match hear(socket).await? {
            FromAgent::Run(ToServer::Refused { run: refused, reason, .. }) if refused == run => {
                return Ok(Some(reason));
            }
            FromAgent::Run(ToServer::Frames { run: taken, first, .. })
                if taken == run && first == given =>
            {
                return Ok(None);
            }
            _ => {}
        }
    }
}

type Alter = fn(&mut Parts);

const ALTERED: [(&str, &str, Alter); 9] = [
    ("wrong key", "does not trust", |parts| parts.signer = key(66)),
    ("altered workflow", "definition is not the one", |parts| {
        parts.sent_source = parts.sent_source.replace("touch", "rm -rf");
    }),
    ("altered variables", "variables are not the ones", |parts| {
        parts.sent_variables.insert("target".into(), "elsewhere".into());
    }),
    ("altered target list", "nothing proves", |parts| parts.sent_proof_of = 1),
    ("another computer", "addressed to another computer", |parts| {
        parts.leaf.computer = ComputerId::from_bytes([9; 16]);
    }),
    ("another agent's key", "addressed to another key", |parts| {
        parts.leaf.key = key(99).verifying_key();
    }),
    ("expired", "time to begin was over", |parts| {
        parts.not_before = Timestamp::from_millis(0);
        parts.begin_until = Timestamp::from_millis(1_000_000);
    }),
    ("not yet", "may not begin", |parts| {
        parts.not_before = now() + Span::from_secs(86_400);
        parts.begin_until = now() + Span::from_secs(172_800);
    }),
    ("variables left out", "variables are not the ones", |parts| {
        parts.variables.insert("target".into(), "signed".into());
    }),
];

#[test]
fn what_is_not_warranted_is_refused_and_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), play(folder.path())).await?
    })
}

/// An agent that is enrolled at the hostile server and runs.
struct Prey {
    hostile: Hostile,
    state: PathBuf,
    root: PathBuf,
    running: Child,
    computer: ComputerId,
    agent: VerifyingKey,
    socket: Socket,
}

async fn prey(folder: &Path) -> Result<Prey> {
    let (state, root, log) = (folder.join("state"), folder.join("root"), folder.join("agent.log"));
    std::fs::create_dir_all(&root)?;
    let hostile = Hostile::new().await?;
    let computer = ComputerId::from_bytes([8; 16]);
    let mut enroll = Command::new(program("deskhand-agent"));
    enroll.args(["enroll", "--token", &hostile.token()?, "--state"]).arg(&state);
    let enrolling = Child::start(enroll, &log)?;
    let (mut socket, agent) = hostile.accept().await?;
    let FromAgent::Enroll(_) = hear(&mut socket).await? else { bail!("no enrolment") };
    let trust = TrustDocument::founding(key(1).verifying_key(), now()).sign(&[&key(1)]).encode();
    let trust = vec![trust];
    say(&mut socket, FromServer::Enrolled { computer, name: "pc".into(), trust }).await?;
    enrolling.finish()?;

    let mut run = Command::new(program("deskhand-agent"));
    run.args(["run", "--state"]).arg(&state).arg("--root").arg(&root);
    let running = Child::start(run, &log)?;
    let (mut socket, _) = hostile.accept().await?;
    let FromAgent::Hello(_) = hear(&mut socket).await? else { bail!("no hello") };
    welcome(&mut socket).await?;
    Ok(Prey { hostile, state, root, running, computer, agent, socket })
}

async fn welcome(socket: &mut Socket) -> Result<()> {
    let (server, trust) = ("hostile".into(), Vec::new());
    say(socket, FromServer::Welcome { protocol: 1, server, trust }).await
}

#[test]
fn a_server_with_a_revoked_key_is_left_and_its_warrants_are_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), play_revoked(folder.path())).await?
    })
}

async fn play_revoked(folder: &Path) -> Result<()> {
    let Prey { mut hostile, root, running, computer, agent, mut socket, .. } = prey(folder).await?;
    // Documents that nobody vouches for change nothing.
    let founding = TrustDocument::founding(key(1).verifying_key(), Timestamp::EPOCH);
    let next = founding.replacing(&key(1).verifying_key(), key(2).verifying_key(), None, now())?;
    let thief =
        founding.replacing(&key(1).verifying_key(), key(66).verifying_key(), None, now())?;
    let forged = thief.sign(&[&key(66)]).encode();
    say(&mut socket, FromServer::Trust(vec![forged, b"no document".to_vec()])).await?;
    let honest = Parts::honest(50, computer, agent);
    ensure!(give(&mut socket, honest.seal()?).await?.is_none(), "key 1 still counts");

    // Key 1 was lost: the agent leaves the server that proves nothing but that.
    let revoking = next.sign(&[&key(1), &key(2)]).encode();
    say(&mut socket, FromServer::Trust(vec![revoking])).await?;
    while hear(&mut socket).await.is_ok() {}
    // It does not come back, and asks as a stranger at most, who believes nothing of this.
    for _ in 0..2 {
        if let Ok((mut socket, who)) = hostile.accept().await {
            ensure!(who != agent, "the agent came back to a server with a revoked key");
            let _gone = say(&mut socket, FromServer::Trust(Vec::new())).await;
        }
    }
    fleet::until("the agent to say why", || {
        running.log().contains("not the pinned deployment key").then_some(())
    })?;

    // The server with the new key is let in; a warrant of the lost one is refused.
    hostile.acceptor = acceptor(2)?;
    let mut socket = loop {
        if let Ok((socket, who)) = hostile.accept().await
            && who == agent
        {
            break socket;
        }
    };
    let FromAgent::Hello(hello) = hear(&mut socket).await? else { bail!("no hello") };
    ensure!(hello.trust_number == 2, "{}", hello.trust_number);
    welcome(&mut socket).await?;
    let stolen = Parts::honest(60, computer, agent);
    let refused = give(&mut socket, stolen.seal()?).await?.context("it was taken")?;
    ensure!(refused.contains("does not trust"), "{refused}");
    let mut good = Parts::honest(61, computer, agent);
    good.signer = key(2);
    std::fs::remove_file(root.join("harm")).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    ensure!(give(&mut socket, good.seal()?).await?.is_none(), "the new key's is taken");
    fleet::until("it to be carried out", || root.join("harm").exists().then_some(()))
}

async fn play(folder: &Path) -> Result<()> {
    let Prey { hostile: _listening, state, root, running, computer, agent, mut socket } =
        prey(folder).await?;
    for (n, (what, reason, alter)) in (20u8..).zip(ALTERED) {
        let mut parts = Parts::honest(n, computer, agent);
        alter(&mut parts);
        let refused = give(&mut socket, parts.seal()?).await?;
        let refused = refused.with_context(|| format!("{what}: it was taken"))?;
        ensure!(refused.contains(reason), "{what}: {refused}");
        ensure!(running.log().contains(&refused), "{what}: not in the agent's log: {refused}");
    }
    let left: Vec<_> = std::fs::read_dir(&root)?.collect();
    ensure!(left.is_empty(), "something happened on the machine: {left:?}");

    let honest = Parts::honest(50, computer, agent);
    ensure!(give(&mut socket, honest.seal()?).await?.is_none(), "the honest one is taken");
    fleet::until("the honest one to be carried out", || root.join("harm").exists().then_some(()))?;
    let ended = FromServer::Run(ToAgent::Forget { run: honest.run });
    while state_holds(&state, honest.run) {
        say(&mut socket, ended.clone()).await?;
        tokio::task::yield_now().await;
    }
    std::fs::remove_file(root.join("harm"))?;
    let again = give(&mut socket, honest.seal()?).await?;
    ensure!(again.is_some(), "a replayed hand-over is taken");
    let mut other_run = honest;
    other_run.run = RunId::from_bytes([51; 16]);
    let again = give(&mut socket, other_run.seal()?).await?;
    ensure!(
        again.is_some_and(|why| why.contains("was used for run")),
        "another run under the warrant"
    );
    ensure!(!root.join("harm").exists(), "it was carried out twice");
    Ok(())
}

fn state_holds(state: &Path, run: RunId) -> bool {
    state.join("runs").join(run.to_string()).exists()
}
