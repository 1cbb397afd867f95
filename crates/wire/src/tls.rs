//! The channel: TLS 1.3 in which both sides prove themselves by Ed25519 keys of ours.
//!
//! The server shows a certificate that the deployment key vouches for, and an agent accepts that
//! key and nothing else; public certificate authorities, host names and addresses count for
//! nothing. An agent shows a certificate of its own key; whether that key is enrolled is decided
//! above, by [`peer_key`]. Owns certificates and configurations of rustls; opens no connection.
//!
//! Invariants: nothing older than TLS 1.3, no algorithm but Ed25519 in certificates, no resumption
//! and no early data, so that every connection proves both keys afresh.

mod agent;
mod certificate;
mod installer;
mod server;

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName};
use trust::{KeyId, VerifyingKey};

pub use agent::{ServerNotPinned, agent_config, is_not_pinned, is_vouched, stranger_config};
pub use certificate::{IssueError, ServerIdentity};
pub use installer::{Installer, InstallerError, is_for_agents, sha256};
pub use server::{Shown, peer_key, server_config, shown_config};

/// The name in every server's certificate, wherever the server is.
pub const SERVER_NAME: &str = "server.deskhand";

/// The one protocol spoken inside.
pub const ALPN: &[u8] = b"http/1.1";

/// [`SERVER_NAME`] as rustls wants it for a connection.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("the constant is a DNS name")
}

/// The name to ask a server for that shall prove itself by this deployment key. While keys are
/// changed a server has several and shows the one that is asked for; what is asked for decides
/// nothing about what is accepted.
pub fn server_name_for(key: KeyId) -> ServerName<'static> {
    ServerName::try_from(format!("{key}.{SERVER_NAME}")).unwrap_or_else(|_| server_name())
}

/// The deployment key that [`server_name_for`] asked for.
fn asked_key(name: &str) -> Option<KeyId> {
    name.strip_suffix(SERVER_NAME)?.strip_suffix('.')?.parse().ok()
}

/// Why a configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("could not make the certificate")]
    Issue(#[from] IssueError),
    #[error("could not set up TLS")]
    Tls(#[from] rustls::Error),
}

const ED25519: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::ring::ED25519],
    mapping: &[(SignatureScheme::ED25519, &[webpki::ring::ED25519])],
};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        signature_verification_algorithms: ED25519,
        ..ring::default_provider()
    })
}

/// What both verifiers say to a handshake that the configuration rules out.
fn too_old() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken here".to_owned())
}

/// The Ed25519 key of a certificate; `None` for any other kind of key, or no certificate.
fn certified_key(certificate: &CertificateDer<'_>) -> Option<VerifyingKey> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    VerifyingKey::from_spki_der(&parsed.subject_public_key_info()).ok()
}

#[cfg(test)]
mod tests;
