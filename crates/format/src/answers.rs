//! Answer files: what a silent installation is told, as an INI file with a section `[Install]`.
//!
//! Reads the keys of the product that Deskhand follows, so that old files go on, and our own. A
//! key that means nothing here is told with its line and the reason, never passed over silently;
//! a value that cannot be is an error with its line, and all errors come at once. What
//! [`write`] writes, [`parse`] reads back.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::address::{AGENT_PORT, SERVER_PORT};
use model::{Address, Addresses, Span};
use trust::{Fingerprint, Token, key_file};

const SECTION: &str = "install";
const LINES_MAX: usize = 2_000;
const NEIGHBOURS_MAX: usize = 10_000;
/// A signal more often than this would only be noise on the network.
const DELAY_MS: std::ops::RangeInclusive<u64> = 1_000..=86_400_000;

/// What an answer file says; what it leaves out stays as it is or is as usual.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// `host:port`, in the order to be tried, before those in the token.
    pub servers: Vec<String>,
    /// The enrolment token's text, a secret.
    pub token: Option<Secret>,
    /// The deployment key that the server must have.
    pub deployment_key: Option<Fingerprint>,
    /// The name the computer would like.
    pub name: Option<String>,
    /// The agent's own folder.
    pub state: Option<String>,
    pub listen: Option<Addresses>,
    pub broadcast: Option<Addresses>,
    pub broadcast_delay: Option<Span>,
    pub collection: Option<Addresses>,
    pub collection_max: Option<usize>,
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, where it is needed.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Something to tell of a line, whether it is an error or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// From 1.
    pub line: usize,
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// An answer file that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub answers: Answers,
    /// Keys that are not known here, and known ones that mean nothing here.
    pub ignored: Vec<Remark>,
}

/// Why an answer file cannot be used: all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("DH-I001: the answer file cannot be used:{}", lines(.0))]
pub struct BadAnswers(pub Vec<Remark>);

fn lines(remarks: &[Remark]) -> String {
    remarks.iter().map(|remark| format!("\n  {remark}")).collect()
}

/// Keys that are known and mean nothing here, with the reason.
const MEANINGLESS: [(&str, &str); 4] = [
    ("type", "there is one kind of installation"),
    ("packages", "the agent is one program"),
    ("newidentity", "agents know their server by its key, not by a name"),
    ("agentpassword", "there is no password; the deployment key decides who commands this machine"),
];

/// Our keys as they are written.
const KEYS: [&str; 10] = [
    "ServerAddress",
    "Token",
    "NewKey",
    "Name",
    "State",
    "ListeningAddress",
    "Broadcast",
    "BroadcastDelay",
    "Collection",
    "CollectionMax",
];

/// Reads a file: UTF-8, or UTF-16 by its mark, as editors on Windows write it.
pub fn parse_bytes(bytes: &[u8]) -> Result<Read, BadAnswers> {
    let wide = |pairs: &[u8], order: fn([u8; 2]) -> u16| -> String {
        let units = pairs.chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => parse(&wide(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => parse(&wide(rest, u16::from_be_bytes)),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => parse(text),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let text = "this is not UTF-8; save the file as UTF-8".to_owned();
                Err(BadAnswers(vec![Remark { line, text }]))
            }
        },
    }
}

pub fn parse(text: &str) -> Result<Read, BadAnswers> {
    let mut reader = Reader::default();
    let lines = text.trim_start_matches('\u{feff}').lines();
    for (index, line) in lines.enumerate() {
        if index >= LINES_MAX {
            reader.wrong(index + 1, format!("more than {LINES_MAX} lines are no answer file"));
            break;
        }
        reader.line(index + 1, line.trim());
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    /// Of the section that the lines are in, and whether it is ours.
    section: Option<bool>,
    has_section: bool,
    answers: Answers,
    seen: BTreeMap<String, usize>,
    ignored: Vec<Remark>,
    errors: Vec<Remark>,
}

impl Reader {
    fn wrong(&mut self, line: usize, text: impl Into<String>) {
        self.errors.push(Remark { line, text: text.into() });
    }

    fn ignore(&mut self, line: usize, text: String) {
        self.ignored.push(Remark { line, text });
    }

    fn line(&mut self, number: usize, line: &str) {
        if line.is_empty() || line.starts_with([';', '#']) {
            return;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let Some(name) = rest.strip_suffix(']') else {
                return self.wrong(number, "a section ends with `]`");
            };
            let is_ours = name.trim().eq_ignore_ascii_case(SECTION);
            self.has_section |= is_ours;
            self.section = Some(is_ours);
            if !is_ours {
                self.ignore(number, format!("the section `[{}]` is not read", name.trim()));
            }
            return;
        }
        let Some((key, value)) = line.split_once('=') else {
            return self.wrong(number, "write `Key=Value`, a `[Section]`, or a comment after `;`");
        };
        match self.section {
            Some(true) => self.entry(number, key.trim(), unquoted(value.trim())),
            Some(false) => {}
            None => self.wrong(number, "a key stands before the section `[Install]`"),
        }
    }

    fn entry(&mut self, line: usize, key: &str, value: &str) {
        let low = key.to_ascii_lowercase();
        if let Some(first) = self.seen.insert(low.clone(), line) {
            return self.wrong(line, format!("`{key}` stands in line {first} already"));
        }
        if let Some((_, why)) = MEANINGLESS.iter().find(|(known, _)| *known == low) {
            return self.ignore(line, format!("`{key}` is ignored: {why}"));
        }
        if !KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            let known = KEYS.join(", ");
            return self.ignore(line, format!("`{key}` is not known (known are {known})"));
        }
        if value.is_empty() {
            return self.ignore(line, format!("`{key}` is empty and counts as left out"));
        }
        if let Err(why) = self.set(&low, value) {
            self.wrong(line, format!("`{key}`: {why}"));
        }
    }

    /// `key` in small letters.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let answers = &mut self.answers;
        let list = |port| Addresses::parse(value, port).map_err(|error| error.to_string());
        match key {
            "serveraddress" => {
                let all = list(SERVER_PORT)?;
                if all.iter().any(|address| address.host().is_none()) {
                    return Err("a server's address needs its host".to_owned());
                }
                answers.servers = all.iter().map(Address::socket).collect();
            }
            "token" => {
                Token::parse(value).map_err(|error| error.to_string())?;
                answers.token = Some(Secret::new(value));
            }
            "newkey" => answers.deployment_key = Some(key_of(value)?),
            "name" if value.contains(char::is_control) => {
                return Err("a name has no control characters".to_owned());
            }
            "name" => answers.name = Some(value.to_owned()),
            "state" => answers.state = Some(value.to_owned()),
            "listeningaddress" => answers.listen = Some(list(AGENT_PORT)?),
            "broadcast" => {
                let all = list(AGENT_PORT)?;
                if all.iter().any(|address| address.host().is_none()) {
                    return Err("a signal needs an address to go to".to_owned());
                }
                answers.broadcast = Some(all);
            }
            "broadcastdelay" => {
                let number = value.parse().ok().filter(|millis| DELAY_MS.contains(millis));
                let (min, max) = (DELAY_MS.start(), DELAY_MS.end());
                let wrong =
                    || format!("`{value}` is no number of milliseconds from {min} to {max}");
                answers.broadcast_delay = Some(Span::from_millis(number.ok_or_else(wrong)?));
            }
            "collection" => answers.collection = Some(list(AGENT_PORT)?),
            "collectionmax" => {
                let number = value.parse().ok().filter(|count| *count <= NEIGHBOURS_MAX);
                let wrong = || format!("`{value}` is no number up to {NEIGHBOURS_MAX}");
                answers.collection_max = Some(number.ok_or_else(wrong)?);
            }
            // `KEYS` holds no others.
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Read, BadAnswers> {
        if !self.has_section && self.errors.is_empty() {
            self.wrong(1, "there is no section `[Install]`");
        }
        let token = self.answers.token.as_ref().and_then(|text| Token::parse(text.reveal()).ok());
        if let (Some(token), Some(key)) = (token, self.answers.deployment_key)
            && token.deployment_key != key
        {
            let line = self.seen.get("newkey").copied().unwrap_or(1);
            self.wrong(
                line,
                "`NewKey` is another deployment key than the token's: which is right?",
            );
        }
        if self.errors.is_empty() {
            return Ok(Read { answers: self.answers, ignored: self.ignored });
        }
        self.errors.sort_by_key(|remark| remark.line);
        Err(BadAnswers(self.errors))
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// A fingerprint, or a public key file in base64, as the followed product writes it.
fn key_of(value: &str) -> Result<Fingerprint, String> {
    if let Ok(fingerprint) = value.parse() {
        return Ok(fingerprint);
    }
    let wrong = || {
        "write the deployment key's fingerprint (`deskhand keys show keypub.key`), or the file \
         `keypub.key` in base64"
            .to_owned()
    };
    let bytes = STANDARD.decode(value).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (_, key) = key_file::decode_public(&text).map_err(|error| error.to_string())?;
    Ok(key.fingerprint())
}

/// The file that says this, for the next machine. `remarks` stand first, as comments.
pub fn write(answers: &Answers, remarks: &[&str]) -> String {
    let mut text: String = remarks.iter().map(|remark| format!("; {remark}\r\n")).collect();
    text.push_str("[Install]\r\n");
    let joined = |all: &Option<Addresses>| {
        all.as_ref().filter(|all| !all.is_empty()).map(ToString::to_string)
    };
    let servers: Vec<String> = answers.servers.iter().map(|one| format!("INet:{one}")).collect();
    let values = [
        (!servers.is_empty()).then(|| servers.join(";")),
        answers.token.as_ref().map(|token| token.reveal().to_owned()),
        answers.deployment_key.map(|key| key.to_string()),
        answers.name.clone(),
        answers.state.clone(),
        joined(&answers.listen),
        joined(&answers.broadcast),
        answers.broadcast_delay.map(|delay| delay.as_millis().to_string()),
        joined(&answers.collection),
        answers.collection_max.map(|max| max.to_string()),
    ];
    for (key, value) in KEYS.iter().zip(values) {
        if let Some(value) = value {
            // Quotes keep a value that begins and ends with them whole.
            let value = if unquoted(&value) == value { value } else { format!("\"{value}\"") };
            text.push_str(&format!("{key}={value}\r\n"));
        }
    }
    text
}
