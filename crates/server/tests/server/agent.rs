//! An agent of a few lines: its key, its connections, its words. It says whatever a test wants.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{HOST, RANGE};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use model::{ComputerId, Facts};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use travel::Holding;
use trust::{Fingerprint, SealingKey, SigningKey, Token, TrustDocument};
use wire::content::ContentRequest;
use wire::{Enroll, FromAgent, FromServer, Hello, Protocols};

/// What secrets for these agents are opened with.
pub const SEALING_SEED: [u8; 32] = [5; 32];

#[derive(Clone)]
pub struct Agent {
    pub server: String,
    pub pin: Fingerprint,
    pub key: SigningKey,
    pub computer: ComputerId,
    pub name: String,
    pub trust: TrustDocument,
    pub counter: u64,
}

/// How the server turned an agent away.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejected {
    pub code: String,
    pub reason: String,
}

pub struct Link {
    pub socket: WebSocketStream<TlsStream<TcpStream>>,
}

pub async fn connect(
    server: &str,
    pin: Fingerprint,
    key: &SigningKey,
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_as(server, wire::tls::server_name(), pin, key).await
}

/// The same, asking for a name.
pub async fn connect_as(
    server: &str,
    name: ServerName<'static>,
    pin: Fingerprint,
    key: &SigningKey,
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = wire::tls::agent_config(&[pin], key).unwrap();
    let socket = TcpStream::connect(server).await?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}

pub async fn link(server: &str, pin: Fingerprint, key: &SigningKey) -> Link {
    let stream = connect(server, pin, key).await.unwrap();
    let uri = "ws://server.deskhand/agent";
    let (socket, _) = tokio_tungstenite::client_async(uri, stream).await.unwrap();
    Link { socket }
}

pub fn facts(name: &str) -> Facts {
    [("host_name", name), ("os", "linux"), ("ip", "10.0.0.9")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

pub fn enrolment(token: &Token, name: &str) -> FromAgent {
    FromAgent::Enroll(Enroll {
        protocols: Protocols::OURS,
        agent_version: "test".into(),
        token: token.id,
        secret: *token.secret.as_bytes(),
        sealing_key: *SealingKey::from_seed(&SEALING_SEED).public().as_bytes(),
        name: name.to_owned(),
        facts: facts(name),
    })
}

impl Agent {
    pub async fn enroll(token: &Token, key: SigningKey, name: &str) -> Result<Self, Rejected> {
        let (server, pin) = (token.servers[0].clone(), token.deployment_key);
        let mut link = link(&server, pin, &key).await;
        link.send(enrolment(token, name)).await;
        match link.next().await.expect("an answer") {
            FromServer::Enrolled { computer, name, trust } => {
                let signed = trust::Signed::decode(&trust[0]).unwrap();
                let trust = TrustDocument::decode(signed.payload()).unwrap();
                Ok(Self { server, pin, key, computer, name, trust, counter: 0 })
            }
            FromServer::Rejected { code, reason } => Err(Rejected { code, reason }),
            other => panic!("{other:?}"),
        }
    }

    pub fn hello(&mut self, holdings: Vec<Holding>) -> Hello {
        self.counter += 1;
        Hello {
            protocols: Protocols::OURS,
            agent_version: "test".into(),
            capabilities: Vec::new(),
            counter: self.counter,
            boot_id: "boot".into(),
            facts: facts(&self.name),
            trust_number: 1,
            holdings,
        }
    }

    pub async fn connect(&mut self, holdings: Vec<Holding>) -> Result<Link, Rejected> {
        let hello = self.hello(holdings);
        self.greet(hello).await
    }

    pub async fn greet(&self, hello: Hello) -> Result<Link, Rejected> {
        let mut link = link(&self.server, self.pin, &self.key).await;
        link.send(FromAgent::Hello(hello)).await;
        match link.next().await.expect("an answer") {
            FromServer::Welcome { .. } => Ok(link),
            FromServer::Rejected { code, reason } => Err(Rejected { code, reason }),
            other => panic!("{other:?}"),
        }
    }

    /// Connected, with that trust document.
    pub async fn connect_trusting(&mut self, number: u64) -> Link {
        let hello = Hello { trust_number: number, ..self.hello(Vec::new()) };
        self.greet(hello).await.unwrap()
    }

    /// The trust documents that a welcome brings, on a connection that asks for `name`.
    pub async fn documents_in_welcome(&mut self, name: ServerName<'static>) -> Vec<Vec<u8>> {
        let stream = connect_as(&self.server, name, self.pin, &self.key).await.unwrap();
        let uri = "ws://server.deskhand/agent";
        let (socket, _) = tokio_tungstenite::client_async(uri, stream).await.unwrap();
        let mut link = Link { socket };
        link.send(FromAgent::Hello(self.hello(Vec::new()))).await;
        match link.next().await {
            Some(FromServer::Welcome { trust, .. }) => trust,
            other => panic!("{other:?}"),
        }
    }

    /// A request of somebody who trusts and proves nothing.
    pub async fn raw_as_stranger(&self, method: &str, uri: &str) -> (StatusCode, Bytes) {
        let config = wire::tls::stranger_config(&[9; 32]).unwrap();
        let socket = TcpStream::connect(&self.server).await.unwrap();
        let stream =
            TlsConnector::from(Arc::new(config)).connect(wire::tls::server_name(), socket).await;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream.unwrap())).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(uri).header(HOST, "server");
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    }

    /// One request for bulk content, on a connection of its own.
    pub async fn fetch(
        &self,
        asked: &ContentRequest,
        range: Option<&str>,
        body: Vec<u8>,
    ) -> (StatusCode, Bytes) {
        self.raw(asked.method(), &asked.uri(), range, body).await
    }

    pub async fn raw(
        &self,
        method: &str,
        uri: &str,
        range: Option<&str>,
        body: Vec<u8>,
    ) -> (StatusCode, Bytes) {
        let stream = connect(&self.server, self.pin, &self.key).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(uri).header(HOST, "server");
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    }
}

impl Link {
    pub async fn send(&mut self, message: FromAgent) {
        // A server that has closed the link says so at the next read.
        let _closed = self.socket.send(Message::Binary(message.encode().into())).await;
    }

    /// The next message; `None` when the server closes the link.
    pub async fn next(&mut self) -> Option<FromServer> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Binary(bytes)) => return Some(FromServer::decode(&bytes).unwrap()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                _ => return None,
            }
        }
    }

    /// The code with which the server closes the link.
    pub async fn rejected(&mut self) -> String {
        loop {
            match self.next().await {
                Some(FromServer::Rejected { code, .. }) => return code,
                Some(_) => {}
                None => return String::new(),
            }
        }
    }
}
