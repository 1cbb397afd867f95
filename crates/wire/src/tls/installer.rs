//! The certificate for those who have no agent yet: what `curl` and PowerShell can check by a pin.
//!
//! Of an ECDSA key, as Windows knows no Ed25519 in TLS. Nobody vouches for it; whoever comes must
//! carry its pin, and proves nothing by a key. Kept in the data folder, so that a line that was
//! printed stays good over restarts. Serves the installer and nothing else.

use std::sync::Arc;

use ::ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{ALPN, ConfigError, IssueError, SERVER_NAME};

/// A pinned certificate with its key.
#[derive(Debug, Clone)]
pub struct Installer {
    config: Arc<ServerConfig>,
    key_pin: [u8; 32],
    certificate_pin: [u8; 32],
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("`installer.pem` in the data folder is damaged; remove it to have a new one made")]
    Damaged,
}

impl Installer {
    /// A new certificate and key as PEM, secret.
    pub fn make() -> Result<String, InstallerError> {
        let failed = |error| ConfigError::from(IssueError::from(error));
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params =
            rcgen::CertificateParams::new(["installer.deskhand".to_owned()]).map_err(failed)?;
        params.not_before = rcgen::date_time_ymd(1_970, 1, 1);
        params.not_after = rcgen::date_time_ymd(9_999, 12, 31);
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    /// What [`Self::make`] made.
    pub fn open(pem: &str) -> Result<Self, InstallerError> {
        let damaged = |_| InstallerError::Damaged;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(damaged)?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(damaged)?;
        let parsed = webpki::EndEntityCert::try_from(&certificate);
        let spki = parsed.map_err(|_| InstallerError::Damaged)?.subject_public_key_info();
        let (key_pin, certificate_pin) = (sha256(&spki), sha256(&certificate));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(ConfigError::from)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(ConfigError::from)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), key_pin, certificate_pin })
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// SHA-256 of the public key, as `curl --pinnedpubkey` wants it in base64.
    pub const fn key_pin(&self) -> &[u8; 32] {
        &self.key_pin
    }

    /// SHA-256 of the certificate.
    pub const fn certificate_pin(&self) -> &[u8; 32] {
        &self.certificate_pin
    }
}

/// Whether a client that asks for this name is an agent.
pub fn is_for_agents(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.ends_with(SERVER_NAME))
}

/// What tools that are everywhere can check.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}
