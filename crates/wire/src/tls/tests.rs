//! Handshakes in memory: the good one, and every impostor on either side.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS12;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection,
};
use trust::{Fingerprint, SigningKey};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn pin(seed: u8) -> Fingerprint {
    key(seed).verifying_key().fingerprint()
}

/// The server of deployment `seed`, whose TLS key is made of `tls`.
fn identity(seed: u8, tls: u8) -> ServerIdentity {
    ServerIdentity::issue(&key(seed), "Example Corp", NOW, &[tls; 32]).unwrap()
}

fn server(identity: &ServerIdentity) -> ServerConfig {
    server_config(identity).unwrap()
}

fn agent() -> ClientConfig {
    at(agent_config(&[pin(1)], &key(7)).unwrap(), NOW)
}

fn at(mut config: ClientConfig, now: Timestamp) -> ClientConfig {
    let millis = u64::try_from(now.as_millis()).unwrap();
    config.time_provider =
        Arc::new(Fixed(UnixTime::since_unix_epoch(Duration::from_millis(millis))));
    config
}

#[derive(Debug)]
struct Fixed(UnixTime);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

#[derive(Debug)]
enum Failed {
    Client(Error),
    Server(Error),
}

/// Carries bytes between the two until nobody has more to say.
fn handshake(client: ClientConfig, server: ServerConfig) -> Result<Pair, Failed> {
    handshake_with(client, server_name(), server)
}

fn handshake_with(
    client: ClientConfig,
    name: ServerName<'static>,
    server: ServerConfig,
) -> Result<Pair, Failed> {
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.wants_write() || server.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().map_err(Failed::Server)?;
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().map_err(Failed::Client)?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Pair { client, server })
}

#[derive(Debug)]
struct Pair {
    client: ClientConnection,
    server: ServerConnection,
}

fn refused_by_agent(server: ServerConfig) -> Error {
    match handshake(agent(), server) {
        Err(Failed::Client(error)) => error,
        other => panic!("expected the agent to refuse, but {other:?}"),
    }
}

fn refused_by_server(client: ClientConfig) -> Error {
    match handshake(client, server(&identity(1, 2))) {
        Err(Failed::Server(error)) => error,
        other => panic!("expected the server to refuse, but {other:?}"),
    }
}

/// A server that shows `chain` and signs with the TLS key made of `tls`, fitting or not.
fn showing(chain: Vec<CertificateDer<'static>>, tls: u8) -> ServerConfig {
    #[derive(Debug)]
    struct Shows(Arc<CertifiedKey>);
    impl ResolvesServerCert for Shows {
        fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let der = certificate::key_der(&key(tls));
    let signer = ring::sign::any_supported_type(&der).unwrap();
    let mut config = server(&identity(9, 9));
    config.cert_resolver = Arc::new(Shows(Arc::new(CertifiedKey::new(chain, signer))));
    config
}

#[test]
fn both_sides_are_proved() {
    let pair = handshake(agent(), server(&identity(1, 2))).unwrap();
    assert_eq!(peer_key(&pair.server), Some(key(7).verifying_key()));
    assert_eq!(pair.server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(pair.client.alpn_protocol(), Some(ALPN));
    let shown = pair.client.peer_certificates().unwrap();
    assert_eq!(shown, identity(1, 2).chain());
}

#[test]
fn any_of_several_pins_will_do() {
    for seed in [1, 4] {
        let config = at(agent_config(&[pin(1), pin(4)], &key(7)).unwrap(), NOW);
        assert!(handshake(config, server(&identity(seed, 2))).is_ok());
    }
    let nobody = at(agent_config(&[], &key(7)).unwrap(), NOW);
    assert!(handshake(nobody, server(&identity(1, 2))).is_err());
}

#[test]
fn another_deployment_is_refused() {
    let error = refused_by_agent(server(&identity(3, 2)));
    assert!(is_not_pinned(&error));
    assert!(error.to_string().contains("not the pinned deployment key (man in the middle?)"));
}

#[test]
fn a_chain_without_its_key_is_refused() {
    let chain = identity(1, 2).chain().to_vec();
    assert!(handshake(agent(), showing(chain.clone(), 2)).is_ok());
    let error = refused_by_agent(showing(chain, 66));
    assert_eq!(error, CertificateError::BadSignature.into());
}

#[test]
fn a_copied_authority_vouches_for_nothing_it_did_not_sign() {
    let [_, authority] = <[_; 2]>::try_from(identity(1, 2).chain().to_vec()).unwrap();
    let [forged, _] = <[_; 2]>::try_from(identity(66, 66).chain().to_vec()).unwrap();
    assert!(is_not_pinned(&refused_by_agent(showing(vec![forged, authority.clone()], 66))));
    // The authority's certificate is no server's certificate, not even with the deployment key.
    assert!(is_not_pinned(&refused_by_agent(showing(vec![authority.clone(), authority], 1))));
}

#[test]
fn a_self_signed_server_is_refused() {
    let own = certificate::agent_certificate(&key(66)).unwrap();
    assert!(is_not_pinned(&refused_by_agent(showing(vec![own.clone()], 66))));
    let [_, authority] = <[_; 2]>::try_from(identity(1, 2).chain().to_vec()).unwrap();
    assert!(is_not_pinned(&refused_by_agent(showing(vec![own, authority], 66))));
    let [alone, _] = <[_; 2]>::try_from(identity(1, 2).chain().to_vec()).unwrap();
    assert!(is_not_pinned(&refused_by_agent(showing(vec![alone], 2))));
}

#[test]
fn a_certificate_ends_and_a_clock_that_was_reset_does_no_harm() {
    let years = |count: i64| Timestamp::from_millis(NOW.as_millis() + count * 31_557_600_000);
    for (now, passes) in [(Timestamp::EPOCH, true), (years(9), true), (years(12), false)] {
        let result = handshake(at(agent(), now), server(&identity(1, 2)));
        assert_eq!(result.is_ok(), passes, "{now:?}");
        if let Err(failed) = result {
            let expired = Error::from(CertificateError::Expired);
            assert!(matches!(failed, Failed::Client(error) if error == expired));
        }
    }
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let mut config = agent();
    config.client_auth_cert_resolver = anonymous().client_auth_cert_resolver;
    assert_eq!(refused_by_server(config), Error::NoCertificatesPresented);
}

/// A client with no certificate that would talk to our server otherwise.
fn anonymous() -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn presenting(chain: Vec<CertificateDer<'static>>, key: &rcgen::KeyPair) -> ClientConfig {
    let der = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let signer = ring::sign::any_supported_type(&der).unwrap();
    let certified = Arc::new(CertifiedKey::new(chain, signer));
    let mut config = agent();
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    config
}

#[test]
fn a_client_with_another_kind_of_key_or_anothers_certificate_is_refused() {
    let ours = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(["agent".to_owned()]).unwrap();
    let good = params.self_signed(&ours).unwrap().der().clone();
    let pair = handshake(presenting(vec![good.clone()], &ours), server(&identity(1, 2))).unwrap();
    assert_eq!(peer_key(&pair.server).unwrap().as_bytes(), ours.public_key_raw());

    let refused = Error::from(CertificateError::ApplicationVerificationFailure);
    let two = vec![good.clone(), good];
    assert_eq!(refused_by_server(presenting(two, &ours)), refused);

    let stolen = certificate::agent_certificate(&key(7)).unwrap();
    let error = refused_by_server(presenting(vec![stolen], &ours));
    assert_eq!(error, CertificateError::BadSignature.into());

    let server_certificate = identity(1, 2).chain()[0].clone();
    assert_eq!(refused_by_server(presenting(vec![server_certificate], &ours)), refused);

    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let ecdsa = params.self_signed(&other).unwrap().der().clone();
    assert!(handshake(presenting(vec![ecdsa], &other), server(&identity(1, 2))).is_err());
}

#[test]
fn nothing_older_than_tls_13_is_spoken() {
    let old = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    assert!(matches!(refused_by_server(old), Error::PeerIncompatible(_)));

    let identity = identity(1, 2);
    let old = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain().to_vec(), identity.key().clone_key())
        .unwrap();
    assert!(handshake(agent(), old).is_err());
}

#[test]
fn the_same_keys_give_the_same_certificates() {
    assert_eq!(identity(1, 2).chain(), identity(1, 2).chain());
    assert_eq!(identity(1, 2).chain()[1], identity(1, 3).chain()[1]);
}

#[test]
fn a_server_shows_the_key_that_is_asked_for() {
    let (old, new) = (identity(1, 2), identity(4, 5));
    let shown = Arc::new(Shown::default());
    let id = |seed| Some(key(seed).id());
    shown.replace([(&new, id(4)), (&old, id(1))]).unwrap();
    let meet = |pinned: u8, asked: ServerName<'static>| {
        let config = at(agent_config(&[pin(pinned)], &key(7)).unwrap(), NOW);
        handshake_with(config, asked, shown_config(&shown).unwrap())
    };
    let asking = |seed| server_name_for(key(seed).id());
    for seed in [1, 4] {
        let pair = meet(seed, asking(seed)).unwrap();
        let chain = pair.client.peer_certificates().unwrap();
        assert!(is_vouched(chain, &[pin(seed)]) && !is_vouched(chain, &[pin(5 - seed)]));
        assert!(!is_vouched(chain, &[]) && !is_vouched(&[], &[pin(seed)]));
    }
    // Nobody in particular is asked for, or somebody who is not there: the first is shown.
    assert!(meet(4, server_name()).is_ok() && meet(1, server_name()).is_err());
    assert!(meet(4, asking(9)).is_ok() && meet(9, asking(9)).is_err());
    // What is asked for decides nothing about what is accepted.
    assert!(meet(1, asking(4)).is_err());
    shown.replace([(&new, id(4))]).unwrap();
    assert!(meet(1, asking(1)).is_err() && meet(4, asking(4)).is_ok());
}

#[test]
fn a_stranger_may_ask_any_server_and_is_nobody() {
    let config = at(stranger_config(&[3; 32]).unwrap(), NOW);
    let pair = handshake(config, server(&identity(9, 2))).unwrap();
    assert_eq!(peer_key(&pair.server), Some(key(3).verifying_key()));
    let config = at(stranger_config(&[3; 32]).unwrap(), NOW);
    let stolen = identity(1, 2).chain().to_vec();
    assert!(handshake(config, showing(stolen, 66)).is_err(), "it must hold the key it shows");
}
