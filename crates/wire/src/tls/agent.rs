//! The agent's side: who is let pass as the server, and how the agent proves itself.
//!
//! A server is let pass if its certificate was signed by a pinned deployment key. Where it was
//! reached and what name was asked for do not matter. Owns no pins: they come from the enrolment
//! token first and from the trust document's role `server` later.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use trust::{Fingerprint, SigningKey};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::{agent_certificate, key_der};
use super::{ALPN, ConfigError, ED25519, certified_key, provider, server_name, too_old};

/// A configuration that connects to servers that one of `pins` vouches for, and to no others.
///
/// Several pins are for the time in which a deployment key is changed; with none, no server passes.
pub fn agent_config(
    pins: &[Fingerprint],
    agent_key: &SigningKey,
) -> Result<ClientConfig, ConfigError> {
    configured(Arc::new(PinnedServer { pins: pins.to_vec() }), agent_key)
}

fn configured(
    verifier: Arc<dyn ServerCertVerifier>,
    agent_key: &SigningKey,
) -> Result<ClientConfig, ConfigError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![agent_certificate(agent_key)?], key_der(agent_key))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A configuration that connects to any server, for asking what proves itself: signed documents. It
/// shows a key made of `random`, so that the server learns nothing of who asks.
pub fn stranger_config(random: &[u8; 32]) -> Result<ClientConfig, ConfigError> {
    configured(Arc::new(AnyServer), &SigningKey::from_seed(random))
}

/// Whether one of `pins` vouches for the server at the other end, whose certificates these are.
pub fn is_vouched(chain: &[CertificateDer<'_>], pins: &[Fingerprint]) -> bool {
    let verifier = PinnedServer { pins: pins.to_vec() };
    chain.split_first().is_some_and(|(leaf, authorities)| {
        verifier.check(leaf, authorities, UnixTime::now()).is_ok()
    })
}

/// The other side could not show a pinned deployment key.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "server presented a key that is not the pinned deployment key (man in the middle?); if the \
     deployment's key was changed, enrol this machine with a new token"
)]
pub struct ServerNotPinned;

/// As it is displayed, because rustls prints the cause of a refused certificate this way.
impl fmt::Debug for ServerNotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a handshake failed because of [`ServerNotPinned`].
pub fn is_not_pinned(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.is::<ServerNotPinned>()
        }
        _ => false,
    }
}

#[derive(Debug)]
struct PinnedServer {
    pins: Vec<Fingerprint>,
}

impl PinnedServer {
    /// Whether `leaf` was signed by the key in `authority`, for a server, for our name, and is in
    /// time. The authority is trusted for its key alone, so its other fields may say anything.
    fn vouches(
        authority: &CertificateDer<'_>,
        leaf: &EndEntityCert<'_>,
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let anchors = [webpki::anchor_from_trusted_cert(authority)?];
        let usage = KeyUsage::server_auth();
        leaf.verify_for_usage(ED25519.all, &anchors, &[], now, usage, None, None)?;
        leaf.verify_is_valid_for_subject_name(&server_name())
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        authorities: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let not_pinned = CertificateError::Other(OtherError(Arc::new(ServerNotPinned)));
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let mut why = not_pinned.clone();
        for authority in authorities.iter().filter(|certificate| self.is_pinned(certificate)) {
            match Self::vouches(authority, &leaf, now) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::CertExpired { .. }) => why = CertificateError::Expired,
                Err(webpki::Error::CertNotValidYet { .. }) => why = CertificateError::NotValidYet,
                Err(_) => why = not_pinned.clone(),
            }
        }
        Err(why.into())
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        certified_key(certificate).is_some_and(|key| self.pins.contains(&key.fingerprint()))
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
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

/// Lets every server pass that holds the key of the certificate it shows.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
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
