//! A plain HTTP client for the API.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

#[derive(Clone)]
pub struct Api {
    pub address: SocketAddr,
    pub token: String,
}

impl Api {
    pub fn new(address: SocketAddr, token: String) -> Self {
        Self { address, token }
    }

    pub async fn ask(
        &self,
        method: Method,
        uri: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> (StatusCode, Bytes) {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(uri).header(HOST, "server");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(bytes))).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    }

    async fn json(&self, method: Method, uri: &str, body: Option<&Value>) -> Value {
        let (_, bytes) = self.ask(method, uri, Some(&self.token), body).await;
        if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() }
    }

    pub async fn get(&self, uri: &str) -> Value {
        self.json(Method::GET, uri, None).await
    }

    pub async fn post(&self, uri: &str, body: &Value) -> Value {
        self.json(Method::POST, uri, Some(body)).await
    }

    pub async fn put(&self, uri: &str, body: &Value) -> Value {
        self.json(Method::PUT, uri, Some(body)).await
    }

    pub async fn patch(&self, uri: &str, body: &Value) -> Value {
        self.json(Method::PATCH, uri, Some(body)).await
    }

    pub async fn delete(&self, uri: &str) -> Value {
        self.json(Method::DELETE, uri, None).await
    }
}
