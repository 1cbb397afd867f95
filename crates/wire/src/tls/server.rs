//! The server's side: every client must prove a key, and which one it was.
//!
//! Accepts any client that holds the Ed25519 key of its own certificate, enrolled or not; the
//! gateway asks [`peer_key`] and decides. Keeps nothing of a connection beyond its end: no session
//! cache and no tickets, for ten thousand idle agents would pay for them in memory.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, CommonState, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use trust::VerifyingKey;
use webpki::EndEntityCert;

use super::{ALPN, ConfigError, ED25519, ServerIdentity, certified_key, provider, too_old};

pub fn server_config(identity: &ServerIdentity) -> Result<ServerConfig, ConfigError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyAgent))
        .with_single_cert(identity.chain().to_vec(), identity.key().clone_key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The key the other side has proved to hold, once the handshake is over. A
/// [`rustls::ServerConnection`] is a [`CommonState`] by dereference.
pub fn peer_key(connection: &CommonState) -> Option<VerifyingKey> {
    if connection.is_handshaking() {
        return None;
    }
    connection.peer_certificates()?.first().and_then(certified_key)
}

#[derive(Debug)]
struct AnyAgent;

impl ClientCertVerifier for AnyAgent {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    /// One certificate, of an Ed25519 key, in its own name. Its signature over itself would say
    /// nothing that the signature over the handshake does not, and its dates are the agent's clock.
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let parsed =
            EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let is_own = intermediates.is_empty() && parsed.issuer() == parsed.subject();
        match certified_key(end_entity) {
            Some(_) if is_own => Ok(ClientCertVerified::assertion()),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &ED25519)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ED25519.supported_schemes()
    }
}
