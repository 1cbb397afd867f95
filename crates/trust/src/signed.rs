//! The signed envelope: a typed payload and the signatures over it, as DSSE has them.
//!
//! What is signed is the pre-authentication encoding of the type and the payload
//! (<https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>), so a signature for one
//! kind of thing never fits another. Says nothing about whose signatures count: that is
//! [`crate::TrustDocument::check`]. Invariant: at most one signature of a key, in order of key ids.

use crate::codec::{DecodeError, Reader, Writer};
use crate::{KeyId, Signature, SigningKey, VerifyingKey};

const VERSION: u8 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<(KeyId, Signature)>,
}

impl Signed {
    /// An envelope that nobody has signed yet.
    pub fn new(payload_type: &str, payload: Vec<u8>) -> Self {
        Self { payload_type: payload_type.to_owned(), payload, signatures: Vec::new() }
    }

    /// Adds the signature of `key`, as for m-of-n; signing twice changes nothing.
    #[must_use]
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        let id = key.id();
        if let Err(place) = self.signatures.binary_search_by_key(&id, |(id, _)| *id) {
            self.signatures.insert(place, (id, key.sign(&self.signed_bytes())));
        }
        self
    }

    /// The same with a signature that was made elsewhere; none when it is not that of `key`.
    #[must_use]
    pub fn with(mut self, key: &VerifyingKey, signature: Signature) -> Option<Self> {
        if !self.is_signed_by(key, &signature) {
            return None;
        }
        let id = key.id();
        if let Err(place) = self.signatures.binary_search_by_key(&id, |(id, _)| *id) {
            self.signatures.insert(place, (id, signature));
        }
        Some(self)
    }

    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// Untrusted until the signatures are checked.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub fn signatures(&self) -> &[(KeyId, Signature)] {
        &self.signatures
    }

    /// Whether `signature` is that of `key` over this envelope's type and payload.
    pub fn is_signed_by(&self, key: &VerifyingKey, signature: &Signature) -> bool {
        key.has_signed(&self.signed_bytes(), signature)
    }

    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::versioned(VERSION)
            .text(&self.payload_type)
            .bytes(&self.payload)
            .length(self.signatures.len());
        self.signatures
            .iter()
            .fold(writer, |writer, (id, signature)| {
                writer.raw(id.as_bytes()).raw(signature.as_bytes())
            })
            .finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("signed envelope", bytes);
        reader.version(VERSION)?;
        let mut signed = Self::new(reader.text()?, reader.bytes()?.to_vec());
        for _ in 0..reader.length()? {
            let id = KeyId::from_bytes(reader.array()?);
            if signed.signatures.last().is_some_and(|(last, _)| id <= *last) {
                return Err(reader.invalid("its signatures are not in ascending order"));
            }
            signed.signatures.push((id, Signature::from_bytes(reader.array()?)));
        }
        reader.end()?;
        Ok(signed)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let (kind, body) = (&self.payload_type, &self.payload);
        let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len()).into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_before_signing_is_that_of_dsse() {
        let signed = Signed::new("http://example.com/HelloWorld", b"hello world".to_vec());
        assert_eq!(
            signed.signed_bytes(),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn several_may_sign_in_any_order() {
        let (a, b) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let ab = Signed::new("t", vec![1, 2]).signed_by(&a).signed_by(&b).signed_by(&a);
        let ba = Signed::new("t", vec![1, 2]).signed_by(&b).signed_by(&a);
        assert_eq!(ab, ba);
        assert_eq!(Signed::decode(&ab.encode()), Ok(ab.clone()));
        let other_type = Signed { payload_type: "u".into(), ..ab.clone() };
        let (_, signature) = ab.signatures()[0];
        let key = [a, b].map(|key| key.verifying_key());
        assert!(key.iter().any(|key| ab.is_signed_by(key, &signature)));
        assert!(!key.iter().any(|key| other_type.is_signed_by(key, &signature)));
    }

    #[test]
    fn a_signature_made_elsewhere_is_taken_when_it_fits() {
        let (a, b) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let envelope = || Signed::new("t", vec![1, 2]);
        let (both, by_b) = (envelope().signed_by(&a).signed_by(&b), envelope().signed_by(&b));
        let (_, signature) = by_b.signatures()[0];
        let with = |held: Signed, key: &SigningKey| held.with(&key.verifying_key(), signature);
        assert_eq!(with(envelope().signed_by(&a), &b), Some(both.clone()));
        assert_eq!(with(both.clone(), &b), Some(both));
        assert_eq!(with(envelope(), &a), None);
        assert_eq!(with(Signed::new("u", vec![1, 2]), &b), None);
    }

    #[test]
    fn a_doubled_signature_is_refused() {
        let key = SigningKey::from_seed(&[1; 32]);
        let mut signed = Signed::new("t", Vec::new()).signed_by(&key);
        signed.signatures.push(signed.signatures[0]);
        assert!(matches!(Signed::decode(&signed.encode()), Err(DecodeError::Invalid { .. })));
    }
}
