//! The certificates of both sides, as few and as plain as TLS allows.
//!
//! They begin in 1970, so that a machine whose clock was reset still connects, and say nothing that
//! is not decided by the keys. Owns no authority: what a certificate is worth, the verifiers say.

use model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use trust::SigningKey;

use super::SERVER_NAME;

const SERVER_YEARS: i64 = 10;
const YEAR_MILLIS: i64 = 31_556_952_000;
/// What X.509 has for "no end".
const YEAR_MAX: i32 = 9_999;

/// A certificate could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct IssueError(#[from] rcgen::Error);

/// What a server proves itself with: its own TLS key, and the deployment key's word for it.
#[derive(Debug)]
pub struct ServerIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ServerIdentity {
    /// Makes a TLS key of 32 bytes of randomness and certifies it with the deployment key, for ten
    /// years from `now`. `label` names the deployment key to people who look at the chain.
    pub fn issue(
        deployment_key: &SigningKey,
        label: &str,
        now: Timestamp,
        random: &[u8; 32],
    ) -> Result<Self, IssueError> {
        let tls_key = SigningKey::from_seed(random);
        let authority = authority(label);
        let signer = Signer::new(deployment_key);
        let authority_certificate = authority.self_signed(&signer)?;
        let issuer = Issuer::from_params(&authority, &signer);
        let leaf = server_leaf(now)?.signed_by(&Signer::new(&tls_key), &issuer)?;
        let chain = vec![leaf.der().clone(), authority_certificate.der().clone()];
        Ok(Self { chain, key: key_der(&tls_key) })
    }

    /// An identity that was issued elsewhere, where the deployment key is kept.
    pub const fn from_parts(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        Self { chain, key }
    }

    /// The server's certificate, then that of the deployment key.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The server's TLS key, secret.
    pub const fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }
}

/// The certificate in which an agent shows its own key, without an end.
pub(super) fn agent_certificate(key: &SigningKey) -> Result<CertificateDer<'static>, IssueError> {
    let mut params = bare("Deskhand agent");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params.self_signed(&Signer::new(key))?.der().clone())
}

pub(super) fn key_der(key: &SigningKey) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_pkcs8_der().to_vec()))
}

fn authority(label: &str) -> CertificateParams {
    let mut params = bare(label);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn server_leaf(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let year = 1_971 + SERVER_YEARS + now.as_millis().max(0) / YEAR_MILLIS;
    let year = i32::try_from(year).unwrap_or(YEAR_MAX).min(YEAR_MAX);
    let mut params = bare("Deskhand server");
    params.subject_alt_names = vec![SanType::DnsName(SERVER_NAME.try_into()?)];
    params.not_after = date_time_ymd(year, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn bare(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1_970, 1, 1);
    params.not_after = date_time_ymd(YEAR_MAX, 12, 31);
    params
}

/// Lets rcgen sign with a key that never leaves `trust`.
struct Signer<'a> {
    key: &'a SigningKey,
    public: [u8; 32],
}

impl<'a> Signer<'a> {
    fn new(key: &'a SigningKey) -> Self {
        Self { key, public: *key.verifying_key().as_bytes() }
    }
}

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).as_bytes().to_vec())
    }
}
