//! Catching up with changes of the deployment's keys that were made while this machine was away.
//!
//! A server that cannot show a key that is trusted here is asked for the trust documents since, by
//! a stranger who says nothing and believes nothing but them: each is signed by the root keys of
//! the one before. Owns that question; whether the answer is believed, the trust document decides.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use trust::{DecodeError, Signed};
use wire::{FromServer, MessageError};

use crate::clock::{NoChance, random};
use crate::dial::{self, Connection, DialError};

const PATIENCE: Duration = Duration::from_secs(20);
/// Thousands of documents.
const BYTES_MAX: usize = 4 << 20;

/// Why no documents could be had.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Chance(#[from] NoChance),
    #[error("the server does not tell how its keys were changed: {0}")]
    Exchange(String),
    #[error("the server does not tell how its keys were changed within {} s", PATIENCE.as_secs())]
    Late,
    #[error("the server told of changed keys in something that is no message: {0}")]
    Message(#[from] MessageError),
    #[error("the server's trust document cannot be read: {0}")]
    Document(#[from] DecodeError),
}

/// The signed trust documents that the server at the other end of `connection` has beyond number
/// `after`, oldest first.
pub(crate) async fn ask(connection: Connection, after: u64) -> Result<Vec<Vec<u8>>, CatchUpError> {
    timeout(PATIENCE, exchange(connection, after)).await.map_err(|_| CatchUpError::Late)?
}

/// All that the server at an address has, read.
pub(crate) async fn ask_all(server: &str) -> Result<Vec<Signed>, CatchUpError> {
    let connection = dial::open(server, &dial::stranger(&random()?)?).await?;
    let documents = ask(connection, 0).await?;
    Ok(documents.iter().map(|bytes| Signed::decode(bytes)).collect::<Result<_, _>>()?)
}

async fn exchange(connection: Connection, after: u64) -> Result<Vec<Vec<u8>>, CatchUpError> {
    let failed = |error: &dyn std::fmt::Display| CatchUpError::Exchange(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(connection))
        .await
        .map_err(|error| failed(&error))?;
    // It ends with the sender.
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::get(format!("{}?after={after}", wire::TRUST_PATH))
        .header(header::HOST, wire::tls::SERVER_NAME)
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
    if answer.status() != StatusCode::OK {
        return Err(failed(&answer.status()));
    }
    let body = Limited::new(answer.into_body(), BYTES_MAX).collect().await;
    match FromServer::decode(&body.map_err(|error| failed(&error))?.to_bytes())? {
        FromServer::Trust(documents) => Ok(documents),
        _ => Err(failed(&"it answered something else")),
    }
}
