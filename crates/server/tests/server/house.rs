//! A server in a temporary folder, and what tests ask of it again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use server::{Config, Running, Server};
use tempfile::TempDir;
use trust::{SigningKey, Token};

use crate::agent::Agent;
use crate::api_client::Api;

pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct House {
    pub folder: TempDir,
    pub running: Running,
    pub api: Api,
}

impl House {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = Server::start(Config::local(folder.path().join("data"))).await.unwrap();
        let api = Api::new(running.api_addr, running.admin_token.clone());
        Self { folder, running, api }
    }

    /// Stops the server and starts it again in the same folder.
    pub async fn restart(self) -> Self {
        self.restart_after(async |_| {}, |config| config).await
    }

    /// The same; in between something happens to the database, and the server starts otherwise.
    pub async fn restart_after(
        self,
        meddle: impl AsyncFnOnce(std::path::PathBuf),
        change: impl FnOnce(Config) -> Config,
    ) -> Self {
        let Self { folder, running, .. } = self;
        running.shutdown().await;
        let data = folder.path().join("data");
        meddle(data.join("deskhand.db")).await;
        let running = Server::start(change(Config::local(data))).await.unwrap();
        let api = Api::new(running.api_addr, running.admin_token.clone());
        Self { folder, running, api }
    }

    /// The fingerprint of the key that the server signs with.
    pub async fn running_key(&self) -> trust::Fingerprint {
        let server = self.api.get("/api/server").await;
        server["key_fingerprint"].as_str().unwrap().parse().unwrap()
    }

    pub fn depot(&self) -> std::path::PathBuf {
        self.folder.path().join("data/depot")
    }

    pub fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.depot().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub async fn token(&self, uses: u32) -> Token {
        let made = self.api.post("/api/tokens", &json!({"uses": uses, "valid_s": 600})).await;
        Token::parse(made["text"].as_str().unwrap()).unwrap()
    }

    /// An enrolled agent that is not connected.
    pub async fn enrolled(&self, name: &str, seed: u8) -> Agent {
        let token = self.token(1).await;
        Agent::enroll(&token, SigningKey::from_seed(&[seed; 32]), name).await.unwrap()
    }

    pub async fn deploy(&self, source: &str, computers: &[&str]) -> String {
        let body = json!({"source": source, "targets": {"computers": computers}});
        let made = self.api.post("/api/deployments", &body).await;
        made["deployment"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    pub async fn detail(&self, deployment: &str) -> Value {
        self.api.get(&format!("/api/deployments/{deployment}")).await
    }

    /// Asks until the deployment has ended.
    pub async fn ended(&self, deployment: &str) -> Value {
        self.until(async || {
            let detail = self.detail(deployment).await;
            (detail["deployment"]["status"] == "ended").then_some(detail)
        })
        .await
    }

    /// The events of a kind, oldest first.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let found = self.api.get(&format!("/api/events?kind={kind}")).await;
        found["items"].as_array().cloned().unwrap_or_default()
    }

    /// Asks until an event of that kind says `part`.
    pub async fn told(&self, kind: &str, part: &str) {
        self.until(async || {
            let events = self.events(kind).await;
            let says = |event: &Value| event["text"].as_str().is_some_and(|t| t.contains(part));
            events.iter().any(says).then_some(())
        })
        .await;
    }

    pub async fn until<T>(&self, mut question: impl AsyncFnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(answer) = question().await {
                return answer;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain");
            tokio::task::yield_now().await;
        }
    }
}
