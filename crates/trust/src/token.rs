//! The enrolment token: all a new agent needs to find its server and to know it when it sees it.
//!
//! One line of text, `dh1.` and base64url. Owns its form; how often and how long it may be used is
//! the server's to keep, by the token's id and the hash of its secret, never the secret itself.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Digest, TokenId};
use zeroize::{Zeroize, Zeroizing};

use crate::Fingerprint;
use crate::codec::{DecodeError, Reader, Writer};

const PREFIX: &str = "dh1.";
const VERSION: u8 = 1;
const CHECK_LEN: usize = 4;

/// The secret part. Overwritten when dropped, never printed.
#[derive(Clone)]
pub struct TokenSecret([u8; 32]);

impl TokenSecret {
    /// The secret made of 32 bytes of randomness, or as it came over the wire.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What the server stores.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(*blake3::hash(&self.0).as_bytes())
    }

    /// Whether this is the secret the server stored the hash of; takes the same time if not.
    pub fn matches(&self, stored: &Digest) -> bool {
        blake3::hash(&self.0) == blake3::Hash::from_bytes(*stored.as_bytes())
    }
}

impl Drop for TokenSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

#[derive(Debug, Clone)]
pub struct Token {
    /// Where the server is, `host:port`, in the order to be tried; at least one.
    pub servers: Vec<String>,
    pub id: TokenId,
    pub secret: TokenSecret,
    /// The deployment key to be pinned.
    pub deployment_key: Fingerprint,
}

impl Token {
    /// The text to hand to the agent. It holds the secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let servers = Writer::versioned(VERSION).length(self.servers.len());
        let body = self
            .servers
            .iter()
            .fold(servers, |writer, server| writer.text(server))
            .raw(self.id.as_bytes())
            .raw(self.secret.as_bytes())
            .raw(self.deployment_key.as_bytes())
            .finish();
        let mut bytes = Zeroizing::new(body);
        let check = check_bytes(&bytes);
        bytes.extend_from_slice(&check);
        Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&*bytes)))
    }

    pub fn parse(text: &str) -> Result<Self, ParseTokenError> {
        let text = text.trim();
        let Some(coded) = text.strip_prefix(PREFIX) else {
            return Err(match text.split_once('.') {
                Some((version, _)) if version.starts_with("dh") && version.len() < 6 => {
                    ParseTokenError::VersionUnknown { version: version.to_owned() }
                }
                _ => ParseTokenError::NotAToken,
            });
        };
        let bytes = URL_SAFE_NO_PAD.decode(coded).map_err(|_| ParseTokenError::Damaged)?;
        let bytes = Zeroizing::new(bytes);
        let (body, check) =
            bytes.split_last_chunk::<CHECK_LEN>().ok_or(ParseTokenError::Damaged)?;
        if check_bytes(body) != *check {
            return Err(ParseTokenError::Damaged);
        }
        Self::read(body).map_err(ParseTokenError::Invalid)
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("enrolment token", body);
        reader.version(VERSION)?;
        let mut servers = Vec::new();
        for _ in 0..reader.length()? {
            let server = reader.text()?;
            if server.is_empty() || server.contains(|c: char| c.is_control() || c == ' ') {
                return Err(reader.invalid("a server's address is empty or has spaces in it"));
            }
            servers.push(server.to_owned());
        }
        if servers.is_empty() {
            return Err(reader.invalid("it names no server"));
        }
        let id = TokenId::from_bytes(reader.array()?);
        let secret = TokenSecret::from_bytes(reader.array()?);
        let deployment_key = Fingerprint::from_bytes(reader.array()?);
        reader.end()?;
        Ok(Self { servers, id, secret, deployment_key })
    }
}

/// Why a text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTokenError {
    #[error("this is not an enrolment token (one begins with `{PREFIX}`; is it complete?)")]
    NotAToken,
    #[error("this token has version `{version}`, which this program does not know")]
    VersionUnknown { version: String },
    #[error("the token is damaged: copy all of it, from `{PREFIX}` to the end")]
    Damaged,
    #[error(transparent)]
    Invalid(DecodeError),
}

/// Finds slips in copying; no protection against anybody.
fn check_bytes(body: &[u8]) -> [u8; CHECK_LEN] {
    let [a, b, c, d, ..] = *blake3::hash(body).as_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            servers: vec!["deploy.example.com:1739".into(), "10.0.0.1:1739".into()],
            id: TokenId::from_bytes([3; 16]),
            secret: TokenSecret::from_bytes([4; 32]),
            deployment_key: Fingerprint::from_bytes([5; 32]),
        }
    }

    #[test]
    fn tokens_read_back() {
        let text = token().to_text();
        assert!(text.starts_with("dh1."));
        let read = Token::parse(&format!("  {}\n", *text)).unwrap();
        assert_eq!(read.servers, token().servers);
        assert_eq!(read.id, token().id);
        assert_eq!(read.deployment_key, token().deployment_key);
        assert!(read.secret.matches(&token().secret.digest()));
        assert!(!TokenSecret::from_bytes([9; 32]).matches(&read.secret.digest()));
        assert!(!format!("{read:?}").contains("4, 4"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = token().to_text();
        let damaged = [&text[..text.len() - 1], &text[..20], "dh1.", "dh1.é", "dh1.AAAA"];
        for wrong in damaged {
            assert_eq!(Token::parse(wrong).unwrap_err(), ParseTokenError::Damaged, "{wrong}");
        }
        for wrong in ["", "hello", "dh1", "https://a.b/c"] {
            assert_eq!(Token::parse(wrong).unwrap_err(), ParseTokenError::NotAToken, "{wrong}");
        }
        let newer = Token::parse("dh2.AAAA").unwrap_err();
        assert_eq!(newer, ParseTokenError::VersionUnknown { version: "dh2".into() });
        let nowhere = Token { servers: Vec::new(), ..token() }.to_text();
        assert!(matches!(Token::parse(&nowhere).unwrap_err(), ParseTokenError::Invalid(_)));
    }
}
