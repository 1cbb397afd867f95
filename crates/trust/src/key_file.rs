//! The text of `keypriv.key` and `keypub.key` (SK-01).
//!
//! A few lines that tell people what it is, then PEM with the DER of RFC 8410 (PKCS#8, or
//! SubjectPublicKeyInfo), so that `openssl pkey` reads the file as it is. Owns the text; reading
//! and writing files, and who may read them, is the shell's. The identity label is a note for
//! people: it proves nothing, the key id does.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::{BadKey, KeyId, SigningKey, VerifyingKey};

const VERSION: &str = "1";
const LABEL_CHARS_MAX: usize = 200;

/// Whose key it is, in words, such as `Example Corp`: one line without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    pub fn new(text: &str) -> Result<Self, BadLabel> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadLabel::Empty);
        }
        if text.chars().count() > LABEL_CHARS_MAX {
            return Err(BadLabel::TooLong);
        }
        if text.contains(char::is_control) {
            return Err(BadLabel::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadLabel {
    #[error("the identity is empty; say whose key it is, such as `Example Corp`")]
    Empty,
    #[error("the identity is longer than {LABEL_CHARS_MAX} characters")]
    TooLong,
    #[error("the identity has a line break or another control character in it")]
    ControlCharacter,
}

/// Why a text is not the key file it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    #[error("this is not a Deskhand key file")]
    NotAKeyFile,
    #[error("this is a public key file; the private one is needed here (`keypriv.key`)")]
    PrivateNeeded,
    #[error("this is a private key file; the public one belongs here (`keypub.key`)")]
    PublicNeeded,
    #[error("this key file has version `{version}`, which this program does not know")]
    VersionUnknown { version: String },
    #[error("the key file has no line `{field}:`")]
    Missing { field: &'static str },
    #[error("the key file is damaged: {why}")]
    Damaged { why: &'static str },
    #[error("the key file is damaged: it says key id {said}, but its key is {is}")]
    OtherKey { said: KeyId, is: KeyId },
    #[error(transparent)]
    Label(#[from] BadLabel),
}

/// The text of the private file. It holds the secret.
pub fn encode_private(label: &Label, key: &SigningKey) -> Zeroizing<String> {
    let pem = pem(Kind::Private, &key.to_pkcs8_der());
    Zeroizing::new(head(Kind::Private, label, &key.verifying_key()) + &pem)
}

pub fn encode_public(label: &Label, key: &VerifyingKey) -> String {
    head(Kind::Public, label, key) + &pem(Kind::Public, &key.to_spki_der())
}

pub fn decode_private(text: &str) -> Result<(Label, SigningKey), KeyFileError> {
    let file = Parsed::read(text)?;
    if file.kind != Kind::Private {
        return Err(KeyFileError::PrivateNeeded);
    }
    let key = SigningKey::from_pkcs8_der(&file.der).map_err(not_a_key)?;
    file.check_id(key.id())?;
    Ok((file.label, key))
}

pub fn decode_public(text: &str) -> Result<(Label, VerifyingKey), KeyFileError> {
    let file = Parsed::read(text)?;
    if file.kind != Kind::Public {
        return Err(KeyFileError::PublicNeeded);
    }
    let key = VerifyingKey::from_spki_der(&file.der).map_err(not_a_key)?;
    file.check_id(key.id())?;
    Ok((file.label, key))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Private,
    Public,
}

impl Kind {
    const fn title(self) -> &'static str {
        match self {
            Self::Private => "Deskhand private key (keep it secret)",
            Self::Public => "Deskhand public key",
        }
    }

    const fn pem_name(self) -> &'static str {
        match self {
            Self::Private => "PRIVATE KEY",
            Self::Public => "PUBLIC KEY",
        }
    }
}

fn head(kind: Kind, label: &Label, key: &VerifyingKey) -> String {
    let (title, id, fingerprint) = (kind.title(), key.id(), key.fingerprint());
    format!(
        "{title}\nVersion: {VERSION}\nIdentity: {label}\nKey id: {id}\n\
         Fingerprint: {fingerprint}\n\n"
    )
}

fn pem(kind: Kind, der: &[u8]) -> Zeroizing<String> {
    let name = kind.pem_name();
    let coded = Zeroizing::new(STANDARD.encode(der));
    // Both keys fit into the 64 columns of one line.
    Zeroizing::new(format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", *coded))
}

const fn not_a_key(_: BadKey) -> KeyFileError {
    KeyFileError::Damaged { why: "what it holds is not an Ed25519 key" }
}

struct Parsed {
    kind: Kind,
    label: Label,
    id: KeyId,
    der: Zeroizing<Vec<u8>>,
}

impl Parsed {
    /// Line ends may be those of Windows, and a byte order mark may stand first.
    fn read(text: &str) -> Result<Self, KeyFileError> {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let mut lines = text.lines().map(str::trim);
        let title = lines.next().unwrap_or_default();
        let kind = [Kind::Private, Kind::Public]
            .into_iter()
            .find(|kind| kind.title() == title)
            .ok_or(KeyFileError::NotAKeyFile)?;
        let begin = format!("-----BEGIN {}-----", kind.pem_name());
        let fields: Vec<_> = lines
            .by_ref()
            .take_while(|line| *line != begin)
            .filter_map(|line| line.split_once(": "))
            .collect();
        let version = field(&fields, "Version")?;
        if version != VERSION {
            return Err(KeyFileError::VersionUnknown { version: version.to_owned() });
        }
        let label = Label::new(field(&fields, "Identity")?)?;
        let id = field(&fields, "Key id")?
            .parse()
            .map_err(|_| KeyFileError::Damaged { why: "its key id is not one" })?;
        Ok(Self { kind, label, id, der: read_pem(kind, lines)? })
    }

    fn check_id(&self, is: KeyId) -> Result<(), KeyFileError> {
        match self.id {
            said if said != is => Err(KeyFileError::OtherKey { said, is }),
            _ => Ok(()),
        }
    }
}

fn field<'a>(fields: &[(&str, &'a str)], name: &'static str) -> Result<&'a str, KeyFileError> {
    let found = fields.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| *value).ok_or(KeyFileError::Missing { field: name })
}

fn read_pem<'a>(
    kind: Kind,
    lines: impl Iterator<Item = &'a str>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let end = format!("-----END {}-----", kind.pem_name());
    let mut coded = Zeroizing::new(String::with_capacity(128));
    for line in lines {
        if line == end {
            return STANDARD
                .decode(coded.as_bytes())
                .map(Zeroizing::new)
                .map_err(|_| KeyFileError::Damaged { why: "the key is not base64" });
        }
        coded.push_str(line);
    }
    Err(KeyFileError::Damaged { why: "it ends before the key does" })
}

#[cfg(test)]
mod tests;
