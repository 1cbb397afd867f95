//! The server's side: every client must prove a key, and which one it was.
//!
//! Accepts any client that holds the Ed25519 key of its own certificate, enrolled or not; the
//! gateway asks [`peer_key`] and decides. Keeps nothing of a connection beyond its end: no session
//! cache and no tickets, for ten thousand idle agents would pay for them in memory.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, CommonState, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use trust::{KeyId, VerifyingKey};
use webpki::EndEntityCert;

use super::{
    ALPN, ConfigError, ED25519, ServerIdentity, asked_key, certified_key, provider, too_old,
};

/// A server with one identity, for ever.
pub fn server_config(identity: &ServerIdentity) -> Result<ServerConfig, ConfigError> {
    let shown = Shown::default();
    shown.replace([(identity, None)])?;
    shown_config(&Arc::new(shown))
}

/// A server that shows what `shown` holds at the time of each handshake.
pub fn shown_config(shown: &Arc<Shown>) -> Result<ServerConfig, ConfigError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyAgent))
        .with_cert_resolver(shown.clone());
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// What a server can show: one certificate for each deployment key it proves itself by. Changed
/// while it runs, without a connection being disturbed.
#[derive(Debug, Default)]
pub struct Shown {
    /// The first is for whoever asks for none of them.
    all: RwLock<Vec<(Option<KeyId>, Arc<CertifiedKey>)>>,
}

impl Shown {
    /// From now on these, each with the deployment key that vouches for it; the first is for
    /// whoever asks for none of them.
    pub fn replace<'i>(
        &self,
        identities: impl IntoIterator<Item = (&'i ServerIdentity, Option<KeyId>)>,
    ) -> Result<(), ConfigError> {
        let provider = provider();
        let certified = identities.into_iter().map(|(identity, key)| {
            let (chain, secret) = (identity.chain().to_vec(), identity.key().clone_key());
            let certified = CertifiedKey::from_der(chain, secret, &provider)?;
            Ok::<_, ConfigError>((key, Arc::new(certified)))
        });
        let certified = certified.collect::<Result<Vec<_>, _>>()?;
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    fn of(&self, asked: Option<KeyId>) -> Option<Arc<CertifiedKey>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|(key, _)| key.is_some() && *key == asked);
        found.or_else(|| all.first()).map(|(_, certified)| certified.clone())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.of(hello.server_name().and_then(asked_key))
    }
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
