//! What a server sends to: a real mail server, and an HTTP listener that fails first.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::any;
use serde_json::Value;

/// A mail server in a process of its own; ended when dropped.
pub struct MailServer {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub port: u16,
    /// The certificate that it proves itself by, as PEM.
    pub ca: String,
}

impl MailServer {
    pub fn start(folder: &Path, mode: &str) -> Self {
        let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("mail.pem"), folder.join("mail.key"));
        let ca = signed.cert.pem();
        std::fs::write(&certificate, &ca).unwrap();
        std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/smtp.py");
        // Debian's own, which sees Debian's packages whatever else is installed.
        let mut process = Command::new("/usr/bin/python3")
            .args([script, mode])
            .args([&certificate, &key])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed for this test");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next().expect("python3-aiosmtpd is needed for this test").unwrap();
        Self { process, lines, port: port.parse().unwrap(), ca }
    }

    /// The next mail that it takes.
    pub fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

/// One request that came.
#[derive(Debug, Clone)]
pub struct Came {
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Came {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Answers what it was told to, one after another, then 200.
#[derive(Clone)]
pub struct Listener {
    pub address: SocketAddr,
    pub came: Arc<Mutex<Vec<Came>>>,
}

impl Listener {
    pub async fn start(answers: &[u16]) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let came = Arc::new(Mutex::new(Vec::new()));
        let kept = came.clone();
        let take = async move |uri: Uri, headers: HeaderMap, body: Bytes| {
            kept.lock().unwrap().push(Came { uri: uri.to_string(), headers, body: body.into() });
            let status = answers.lock().unwrap().pop_front().unwrap_or(200);
            (StatusCode::from_u16(status).unwrap(), "taken")
        };
        let router = Router::new().fallback(any(take));
        tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        Self { address, came }
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}
