//! One request and its answer over HTTP/1.1.
//!
//! The connection is kept for the next request; one that the server closed meanwhile is noticed
//! before anything was sent on it and made anew.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::{Changes, Found, RequestError};

/// Talks to one server as its administrator.
#[derive(Clone)]
pub struct Client {
    address: Arc<str>,
    token: Arc<str>,
    idle: Arc<Mutex<Option<SendRequest<Full<Bytes>>>>>,
}

impl Client {
    pub fn new(found: &Found) -> Self {
        Self {
            address: found.address.as_str().into(),
            token: found.token.as_str().into(),
            idle: Arc::default(),
        }
    }

    /// `host:port` of the API.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, RequestError> {
        self.read(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: &impl Serialize,
    ) -> Result<T, RequestError> {
        let body = serde_json::to_vec(body).map_err(|error| self.not_ours(&error))?;
        self.read(method, path, body.into()).await
    }

    /// For operations whose answer says nothing more than that it was done.
    pub(crate) async fn order(&self, method: Method, path: String) -> Result<(), RequestError> {
        let response = self.exchange(method, path, Bytes::new()).await?;
        self.whole(response).await.map(drop)
    }

    /// The same, with something to say.
    pub(crate) async fn tell(
        &self,
        method: Method,
        path: String,
        body: &impl Serialize,
    ) -> Result<(), RequestError> {
        let body = serde_json::to_vec(body).map_err(|error| self.not_ours(&error))?;
        let response = self.exchange(method, path, body.into()).await?;
        self.whole(response).await.map(drop)
    }

    /// The text of an answer that is not JSON of ours.
    pub(crate) async fn text(&self, path: String) -> Result<String, RequestError> {
        let response = self.exchange(Method::GET, path, Bytes::new()).await?;
        let body = self.whole(response).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Live changes from now on, on a connection of their own.
    pub(crate) async fn stream(&self, path: String) -> Result<Changes, RequestError> {
        let mut sender = self.connect().await?;
        let request = self.request(Method::GET, path, Bytes::new())?;
        let response = sender.send_request(request).await.map_err(|error| self.lost(error))?;
        let response = self.accepted(response).await?;
        Ok(Changes::new(self.address.clone(), response.into_body(), sender))
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Bytes,
    ) -> Result<T, RequestError> {
        let response = self.exchange(method, path, body).await?;
        let body = self.whole(response).await?;
        serde_json::from_slice(&body).map_err(|error| self.not_ours(&error))
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, RequestError> {
        let body = response.into_body().collect().await.map_err(|error| self.lost(error))?;
        Ok(body.to_bytes())
    }

    async fn exchange(
        &self,
        method: Method,
        path: String,
        body: Bytes,
    ) -> Result<Response<Incoming>, RequestError> {
        let kept = self.idle.lock().await.take();
        let mut sender = match kept {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        let request = self.request(method, path, body)?;
        let answer = sender.try_send_request(request).await;
        let response = match answer {
            Ok(response) => response,
            Err(mut error) => {
                // Given back unsent: the server had closed the kept connection.
                let unsent = error.take_message();
                let Some(request) = unsent else { return Err(self.lost(error.into_error())) };
                sender = self.connect().await?;
                sender.send_request(request).await.map_err(|error| self.lost(error))?
            }
        };
        *self.idle.lock().await = Some(sender);
        self.accepted(response).await
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, RequestError> {
        let failed = |source| RequestError::Connect { server: self.address.to_string(), source };
        let stream = TcpStream::connect(&*self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.lost(error))?;
        // What goes wrong on the connection is told to the request that is on it.
        tokio::spawn(async move { _ = connection.await });
        Ok(sender)
    }

    fn request(
        &self,
        method: Method,
        path: String,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, RequestError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &*self.address)
            .header(header::ACCEPT, "application/json, text/event-stream");
        if !self.token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(body)).map_err(|error| self.not_ours(&error))
    }

    /// The answer if it is one; else what the server says is wrong.
    async fn accepted(
        &self,
        response: Response<Incoming>,
    ) -> Result<Response<Incoming>, RequestError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(RequestError::Unauthorized { server: self.address.to_string() });
        }
        let body = self.whole(response).await?;
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(RequestError::Refused { status, problem }),
            Err(_) => Err(self.not_ours(&format_args!("it answers {status}"))),
        }
    }

    fn lost(&self, source: hyper::Error) -> RequestError {
        // A listener that speaks something else than HTTP is told from one that went away.
        if source.is_parse() {
            return self.not_ours(&source);
        }
        RequestError::Lost { server: self.address.to_string(), source }
    }

    fn not_ours(&self, what: &impl ToString) -> RequestError {
        RequestError::NotOurs { server: self.address.to_string(), what: what.to_string() }
    }
}
