//! For machines that have no agent yet: the installer's script and the agent's program, on the
//! agents' port, to whoever holds a good enrolment token.
//!
//! Such a client proves no key; it knows the server by a pin in the line that an administrator
//! pasted. The token comes in a header, never in a URL. Serves two scripts, and programs.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use trust::Token;
use wire::tls::sha256;

use super::bulk::{self, Denied};
use super::{Answer, HEADERS_BYTES_MAX, HEADERS_TIMEOUT, bytes_body, refusal};
use crate::clock::now;
use crate::hall::Hall;

const LINUX: &str = include_str!("installer/linux.sh");
const WINDOWS: &str = include_str!("installer/windows.ps1");
/// Platforms that the scripts know, and the mark in a script for each one's hash.
const PLATFORMS: [(&str, &str); 3] = [
    ("linux-x86_64", "@LINUX_X86_64@"),
    ("linux-aarch64", "@LINUX_AARCH64@"),
    ("windows-x86_64", "@WINDOWS_X86_64@"),
];

pub async fn serve<S>(hall: Arc<Hall>, stream: TlsStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let hall = hall.clone();
        async move { Ok::<_, Infallible>(answer(&hall, &request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "the connection of an installer ended");
    }
}

async fn answer(hall: &Hall, request: &Request<Incoming>) -> Answer {
    if request.method() != Method::GET || !may(hall, request).await {
        let why = "this is for holders of an enrolment token that is still good";
        return refusal(StatusCode::FORBIDDEN, why);
    }
    let answered = match request.uri().path() {
        "/install/linux.sh" => {
            script(hall, LINUX).await.map(|text| Response::new(bytes_body(text)))
        }
        "/install/windows.ps1" => {
            script(hall, WINDOWS).await.map(|text| Response::new(bytes_body(text)))
        }
        path => match path.strip_prefix("/install/program/") {
            Some(platform) => match hall.programs.of_platform(platform) {
                Some(path) => bulk::program(path, None).await,
                None => Err(Denied::new(StatusCode::NOT_FOUND, missing(platform))),
            },
            None => Err(Denied::new(StatusCode::NOT_FOUND, "there is nothing of that name")),
        },
    };
    answered.unwrap_or_else(|denied| refusal(denied.status, &denied.why))
}

fn missing(platform: &str) -> String {
    format!("this server has no agent for {platform}; put one into `agents` in its data folder")
}

/// Whether the token in the header could enrol a machine now.
async fn may(hall: &Hall, request: &Request<Incoming>) -> bool {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token.and_then(|text| Token::parse(text).ok()) else { return false };
    match hall.store.token(token.id).await {
        Ok(Some(row)) => {
            token.secret.matches(&row.secret_digest)
                && !row.revoked
                && row.uses_left > 0
                && now() < row.expires_at
        }
        _ => false,
    }
}

/// A script with the hashes of the programs that are here now.
async fn script(hall: &Hall, template: &str) -> Result<String, Denied> {
    let mut text = template.to_owned();
    for (platform, mark) in PLATFORMS {
        if !template.contains(mark) {
            continue;
        }
        let hash = match hall.programs.of_platform(platform) {
            Some(path) => {
                bulk::blocking(move || {
                    let bytes = std::fs::read(path).map_err(|_| Denied::busy())?;
                    Ok(hex(&sha256(&bytes)))
                })
                .await?
            }
            None => String::new(),
        };
        text = text.replace(mark, &hash);
    }
    Ok(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _cannot_fail = write!(text, "{byte:02x}");
        text
    })
}

/// What a line needs to know: pins, and the hash of the script for Windows.
pub async fn told(hall: &Hall) -> Result<api::Installer, Denied> {
    let windows = script(hall, WINDOWS).await?;
    let has = |platform: &&str| hall.programs.of_platform(platform).is_some();
    let platforms = PLATFORMS.iter().map(|(platform, _)| *platform).filter(has);
    Ok(api::Installer {
        servers: hall.row().presence,
        key_pin: base64_of(hall.installer.key_pin()),
        certificate_pin: hex(hall.installer.certificate_pin()),
        windows_script: hex(&sha256(windows.as_bytes())),
        platforms: platforms.map(str::to_owned).collect(),
    })
}

/// RFC 4648, with padding.
fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
