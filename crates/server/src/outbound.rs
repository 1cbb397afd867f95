//! Requests that this server sends to others over HTTP/1.1: webhooks and actions.
//!
//! One connection for each request. Redirects are not followed: a request goes where an
//! administrator said and nowhere else. A server proves itself by the roots that this machine
//! trusts, or by those given with the request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What of an answer is kept.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// An absolute `http` or `https` address without a password in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(Uri);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address to send to: {why}")]
pub struct BadUrl {
    text: String,
    why: &'static str,
}

impl Url {
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let bad = |why| BadUrl { text: text.to_owned(), why };
        let uri: Uri = text.parse().map_err(|_| bad("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err(bad("it must begin with https:// or http://")),
        }
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("a name and password in it would be shown; use a secret"));
        }
        if authority.host().is_empty() {
            return Err(bad("it names no host"));
        }
        Ok(Self(uri))
    }

    fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }
}

/// A request.
pub struct Ask {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Certificates, as PEM, that the server may prove itself by instead of this machine's roots.
    pub ca: Option<String>,
    pub within: Duration,
}

/// The answer, its body cut off at [`BODY_BYTES_MAX`].
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Told {
    /// The status and how the body begins, for people.
    pub fn in_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
        if line.trim().is_empty() {
            return format!("it answers {}", self.status);
        }
        format!("it answers {}: {}", self.status, line.trim())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{host} cannot be reached")]
    Connect { host: String, source: std::io::Error },
    #[error("{host} did not prove who it is")]
    Tls { host: String, source: std::io::Error },
    #[error(transparent)]
    Roots(#[from] BadRoots),
    #[error("{host} did not answer as HTTP says")]
    Http { host: String, source: hyper::Error },
    #[error("{host} did not answer within {within:?}")]
    Late { host: String, within: Duration },
    #[error("the request cannot be made")]
    Request(#[from] hyper::http::Error),
}

/// Certificates that cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BadRoots {
    #[error("the certificates given are not PEM")]
    NotPem,
    #[error("no certificate is given")]
    Empty,
    #[error("this machine has no certificates to check others by; install ca-certificates")]
    NoneHere,
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// How others prove themselves.
pub fn tls(ca: Option<&str>) -> Result<Arc<rustls::ClientConfig>, BadRoots> {
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in certificates(pem)? {
                roots.add(certificate)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(BadRoots::NoneHere);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The certificates of a PEM text; at least one.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, BadRoots> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|_| BadRoots::NotPem)?;
    if all.is_empty() { Err(BadRoots::Empty) } else { Ok(all) }
}

/// Sends a request and waits for its answer.
pub async fn ask(ask: Ask) -> Result<Told, AskError> {
    let (host, within) = (ask.url.host().to_owned(), ask.within);
    match tokio::time::timeout(within, exchange(ask)).await {
        Ok(told) => told,
        Err(_) => Err(AskError::Late { host, within }),
    }
}

async fn exchange(ask: Ask) -> Result<Told, AskError> {
    let (host, port) = (ask.url.host().to_owned(), ask.url.port());
    let connected = TcpStream::connect((host.as_str(), port)).await;
    let stream = connected.map_err(|source| AskError::Connect { host: host.clone(), source })?;
    if !ask.url.is_tls() {
        return talk(stream, host, ask).await;
    }
    let connector = TlsConnector::from(tls(ask.ca.as_deref())?);
    let failed = |source| AskError::Tls { host: host.clone(), source };
    let name = ServerName::try_from(host.clone()).map_err(std::io::Error::other);
    let stream = connector.connect(name.map_err(failed)?, stream).await.map_err(failed)?;
    talk(stream, host, ask).await
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    host: String,
    ask: Ask,
) -> Result<Told, AskError> {
    let failed = |source| AskError::Http { host: host.clone(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let _ended_with_this = tokio_util::task::AbortOnDropHandle::new(connection);
    let path = ask.url.0.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(ask.method).uri(path);
    if let Some(headers) = request.headers_mut() {
        *headers = ask.headers;
        let authority = ask.url.0.authority().map_or("", |authority| authority.as_str());
        headers.insert(HOST, HeaderValue::from_str(authority).map_err(hyper::http::Error::from)?);
    }
    let request = request.body(Full::new(Bytes::from(ask.body)))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let (parts, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame.map_err(failed)?.into_data() {
            body.extend_from_slice(&data);
        }
        if body.len() >= BODY_BYTES_MAX {
            body.truncate(BODY_BYTES_MAX);
            break;
        }
    }
    Ok(Told { status: parts.status.as_u16(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole_and_without_passwords() {
        for (text, host, port, is_tls) in [
            ("https://hooks.example/a?b=c", "hooks.example", 443, true),
            ("http://10.0.0.1:8080", "10.0.0.1", 8080, false),
            ("http://[::1]:80/x", "::1", 80, false),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host(), url.port(), url.is_tls()), (host, port, is_tls), "{text}");
        }
        for text in ["", "/x", "hooks.example", "ftp://x/", "http://bob:pw@x/", "https://", "a b"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
