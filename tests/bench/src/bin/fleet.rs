//! Many idle agents on one server, over real TLS connections: what each costs the server, how long
//! all take to connect, and how long a deployment of one activity to all takes with all results
//! back.
//!
//! The agents are emulated in this process: real keys, connections, messages and warrants, the real
//! loop of an agent ([`travel::Taker`]); only its disk is memory and its command ends at once.
//!
//! `fleet [AGENTS]`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use deskhand_bench::{argument, check_all_succeeded, machine};
use fleet::Fleet;
use futures_util::{SinkExt as _, StreamExt as _};
use model::Timestamp;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use travel::{Me, Taker, TakerInput, TakerOrder};
use trust::{SealingKey, SigningKey, Spent, Token, TrustDocument};
use wire::{Enroll, FromAgent, FromServer, Hello, Protocols};
use workflow::{Event, Report};

const WORKFLOW: &str = "\
workflow: One activity
start: run
activities:
  run: { execute: { command: ['true'] } }
";
/// Agents that enrol or connect at the same time.
const AT_ONCE: usize = 64;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

fn main() -> Result<()> {
    let agents = argument(1, 10_000);
    allow_many_files();
    let fleet = Fleet::new()?;
    let workflow = fleet.workflow("one.yaml", WORKFLOW)?;
    let token = Token::parse(&fleet.token(agents)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let enrolled = runtime.block_on(enroll_all(&fleet, &token, agents))?;
    let before = resident_kib(&fleet)?;
    let begin = Instant::now();
    let online = Arc::new(AtomicUsize::new(0));
    for agent in enrolled {
        let (address, online) = (fleet.agent_address().to_owned(), online.clone());
        runtime.spawn(async move {
            if let Err(error) = live(agent, &address, &online).await {
                eprintln!("an agent ended: {error:#}");
            }
        });
    }
    fleet::until("all agents to be connected", || {
        (online.load(Ordering::SeqCst) == agents).then_some(())
    })?;
    let connecting = begin.elapsed();
    let after = resident_kib(&fleet)?;
    let each = (after.saturating_sub(before)) as f64 / agents as f64;
    let begin = Instant::now();
    let result = fleet.deploy(&workflow)?;
    let deploying = begin.elapsed();
    check_all_succeeded(&result, agents)?;
    println!(
        "fleet: {agents} idle agents cost {each:.1} KiB each ({after} KiB resident), connected in {:.1} s, \
         one activity on all with all results in {:.2} s [{}]",
        connecting.as_secs_f64(),
        deploying.as_secs_f64(),
        machine()
    );
    runtime.shutdown_background();
    Ok(())
}

/// An enrolled agent, not connected.
struct Emulated {
    key: SigningKey,
    me: Me,
    trust: TrustDocument,
    token: Token,
}

async fn enroll_all(fleet: &Fleet, token: &Token, agents: usize) -> Result<Vec<Emulated>> {
    let address = fleet.agent_address().to_owned();
    let numbers = futures_util::stream::iter(0..agents);
    let all: Vec<Result<Emulated>> = numbers
        .map(|n| enroll(address.clone(), token.clone(), n))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    all.into_iter().collect()
}

async fn enroll(address: String, token: Token, number: usize) -> Result<Emulated> {
    let key = SigningKey::from_seed(&random()?);
    let mut socket = connect(&address, &token, &key).await?;
    let ask = FromAgent::Enroll(Enroll {
        protocols: Protocols::OURS,
        agent_version: "emulated".into(),
        token: token.id,
        secret: *token.secret.as_bytes(),
        sealing_key: *SealingKey::from_seed(&random()?).public().as_bytes(),
        name: format!("emulated-{number}"),
        facts: BTreeMap::from([("os".into(), "linux".into())]),
    });
    socket.send(Message::Binary(ask.encode().into())).await?;
    let answer = next(&mut socket).await?.context("the server hung up")?;
    let FromServer::Enrolled { computer, trust, .. } = answer else {
        bail!("not enrolled: {answer:?}")
    };
    let signed = trust::Signed::decode(trust.first().context("a trust document")?)?;
    let trust = TrustDocument::pinned(&signed, token.deployment_key, now())?;
    let me = Me { computer, key: key.verifying_key(), told: BTreeMap::new() };
    _ = socket.close(None).await;
    Ok(Emulated { key, me, trust, token })
}

/// Connects and answers until the process ends.
async fn live(agent: Emulated, address: &str, online: &AtomicUsize) -> Result<()> {
    let mut socket = connect(address, &agent.token, &agent.key).await?;
    let number = agent.trust.number();
    let parse: travel::Parse =
        |bytes| wire::definition::decode(bytes).map_err(|error| error.to_string());
    let (mut taker, _) = Taker::open(agent.me, agent.trust, Spent::default(), parse, []);
    let hello = FromAgent::Hello(Hello {
        protocols: Protocols::OURS,
        agent_version: "emulated".into(),
        capabilities: wire::definition::capabilities().into_iter().collect(),
        counter: 1,
        boot_id: "emulated".into(),
        facts: BTreeMap::new(),
        trust_number: number,
        holdings: Vec::new(),
    });
    socket.send(Message::Binary(hello.encode().into())).await?;
    while let Some(message) = next(&mut socket).await? {
        match message {
            FromServer::Welcome { .. } => {
                online.fetch_add(1, Ordering::SeqCst);
                taker.handle(TakerInput::Linked, now());
            }
            FromServer::Run(message) => taker.handle(TakerInput::Message(message), now()),
            other => bail!("the server said {other:?}"),
        }
        act(&mut taker, &mut socket).await?;
    }
    bail!("the server hung up")
}

/// Keeps what is to be kept (in memory), then carries orders out; commands end well at once.
async fn act(taker: &mut Taker, socket: &mut Socket) -> Result<()> {
    loop {
        while taker.poll_write().is_some() {}
        let Some(order) = taker.poll_order() else { break };
        match order {
            TakerOrder::Send(message) => {
                socket.feed(Message::Binary(FromAgent::Run(message).encode().into())).await?;
            }
            TakerOrder::Begin { effect, .. } => {
                let mut report = Report::of(Event::Exit(0));
                report.outputs.insert("exit_code".into(), "0".into());
                // Orders that are left come first; the next round sees this one's records.
                let mut rest = Vec::new();
                while let Some(order) = taker.poll_order() {
                    rest.push(order);
                }
                for order in rest {
                    if let TakerOrder::Send(message) = order {
                        let bytes = FromAgent::Run(message).encode();
                        socket.feed(Message::Binary(bytes.into())).await?;
                    }
                }
                taker.handle(TakerInput::Ended { effect, report }, now());
            }
            TakerOrder::Note { text, .. } => bail!("noted: {text}"),
            TakerOrder::Recover { .. }
            | TakerOrder::Interrupt { .. }
            | TakerOrder::Answered { .. }
            | TakerOrder::PowerOff { .. }
            | TakerOrder::Over { .. } => {}
        }
    }
    socket.flush().await?;
    Ok(())
}

async fn connect(address: &str, token: &Token, key: &SigningKey) -> Result<Socket> {
    let config = wire::tls::agent_config(&[token.deployment_key], key)?;
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let tls = TlsConnector::from(Arc::new(config)).connect(wire::tls::server_name(), tcp).await?;
    let sizes = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let uri = format!("wss://{}/agent", wire::tls::SERVER_NAME);
    let (socket, _) = tokio_tungstenite::client_async_with_config(uri, tls, Some(sizes)).await?;
    Ok(socket)
}

async fn next(socket: &mut Socket) -> Result<Option<FromServer>> {
    while let Some(message) = socket.next().await {
        match message? {
            Message::Binary(bytes) => return Ok(Some(FromServer::decode(&bytes)?)),
            Message::Close(_) => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

fn resident_kib(fleet: &Fleet) -> Result<u64> {
    let pid = fleet.server_pid().context("a running server")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse()?)
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

#[expect(clippy::disallowed_methods, reason = "this is the shell's clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// As many open files as the system permits this user.
fn allow_many_files() {
    let shell = std::process::Command::new("sh").args(["-c", "ulimit -Hn"]).output();
    if let Ok(output) = shell {
        let limit = String::from_utf8_lossy(&output.stdout);
        eprintln!("open files permitted: {}", limit.trim());
    }
}
