//! Bulk content between agent and server: what is asked over HTTPS, and the bytes of the answers.
//!
//! The listener, the keys and the TLS of the channel serve it too; the agent is known by the key
//! its connection proves. An agent reads only the tree that one of its open runs has pinned, or
//! that an application of its own set draws from (`{run}` is `wanted` then), and writes only what a
//! Download in progress offers; where that goes the server decides from the definition. Both sides
//! use this module, so no path or frame is put together anywhere else.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /content/{run}/{root}/list?path=P&recursive=0` | - | a bundle (`content::Listing`) |
//! | `GET /content/{run}/{root}/file?path=P` | - | the file; of a `Range`, 206 |
//! | `POST /content/{run}/{root}/files` | [`Paths`] | the files, one after the other |
//! | `GET /content/wanted/{hash}/document` | - | the document of an application with that hash |
//! | `GET /release/{hash}` | - | the program with that hash; of a `Range`, 206 |
//! | `POST /deposit/{run}/{effect}/offer` | `content::Offer` | [`Wanted`] |
//! | `POST /deposit/{run}/{part}/offer?to=P&replace=0&force=0&resume=1` | the same | the same |
//! | `POST /deposit/{run}/{effect}/pieces` | [`PieceHead`], bytes, and so on | 204 |
//! | `PUT /deposit/{run}/{effect}/bytes?index=I&offset=N` | the file from N to its end | 204 |
//! | `POST /deposit/{run}/{effect}/finish` | - | [`Placed`] |
//!
//! `{effect}` is attempt and visit, as `2.31`. Where a script downloads, `{part}` has the number of
//! its call behind these, as `2.31.4`, and the query says where it wants it: the server holds that
//! against what the script's activity permits. Ranges are `bytes=N-` and `bytes=N-M`. Of `files`
//! nothing stands between them.
//!
//! Paths are names joined by `/`, the tree's root is the empty path. Whoever lists checks each
//! folder object against the hash by which its parent names it, and a file against its entry. Of
//! `files` the sizes are known from the listing; when one is not there, none is sent. An offer is
//! forgotten when the server restarts: 409 means that it is to be made again, which tells how far
//! each file has come. The same holds after a cut; what was placed is not wanted again. A refusal
//! is a status of 4xx with a sentence as its body; 503 means that the server is stopping or
//! starting and the same may be asked again.

use std::fmt;

use model::codec::{CodecError, Reader, Writer};
use model::{Digest, RunId};
use workflow::{EffectId, Visit};

const VERSION: u8 = 1;

/// Largest body of a `files` request, an offer, or one batch of pieces.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// Paths of one `files` request.
pub const PATHS_MAX: usize = 4_096;
/// Larger files go one by one, so that a cut costs little.
pub const BATCHED_FILE_BYTES_MAX: u64 = 1 << 20;

/// By what right a tree is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// An open run of the agent's, whose deployment has pinned it.
    Run(RunId),
    /// An application that the machine is to have draws from it.
    Wanted,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => run.fmt(f),
            Self::Wanted => f.write_str(WANTED),
        }
    }
}

/// Where the id of a run would stand.
const WANTED: &str = "wanted";

/// What an agent asks for, as method and URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentRequest {
    List {
        right: Right,
        root: Digest,
        path: String,
        recursive: bool,
    },
    File {
        right: Right,
        root: Digest,
        path: String,
    },
    Files {
        right: Right,
        root: Digest,
    },
    /// The document of an application that this machine is to have.
    Document {
        digest: Digest,
    },
    /// A program of a release, for any agent that is enrolled.
    Release {
        digest: Digest,
    },
    Offer {
        effect: EffectId,
        /// Where a script wants it; a Download itself is in the definition.
        wish: Option<Wish>,
    },
    Pieces {
        effect: EffectId,
    },
    Bytes {
        effect: EffectId,
        index: u32,
        offset: u64,
    },
    Finish {
        effect: EffectId,
    },
}

/// What a script's download says of the depot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub to: String,
    pub replace: bool,
    pub force: bool,
    pub resume: bool,
}

impl ContentRequest {
    pub const fn method(&self) -> &'static str {
        match self {
            Self::List { .. }
            | Self::File { .. }
            | Self::Document { .. }
            | Self::Release { .. } => "GET",
            Self::Bytes { .. } => "PUT",
            Self::Files { .. } | Self::Offer { .. } | Self::Pieces { .. } | Self::Finish { .. } => {
                "POST"
            }
        }
    }

    /// Path and query.
    pub fn uri(&self) -> String {
        let deposit = |effect: &EffectId, last: &str| {
            let EffectId { run, attempt, visit, part } = effect;
            match part {
                0 => format!("/deposit/{run}/{attempt}.{visit}/{last}"),
                part => format!("/deposit/{run}/{attempt}.{visit}.{part}/{last}"),
            }
        };
        match self {
            Self::List { right, root, path, recursive } => {
                let recursive = u8::from(*recursive);
                format!("/content/{right}/{root}/list?path={}&recursive={recursive}", escape(path))
            }
            Self::File { right, root, path } => {
                format!("/content/{right}/{root}/file?path={}", escape(path))
            }
            Self::Files { right, root } => format!("/content/{right}/{root}/files"),
            Self::Document { digest } => format!("/content/{WANTED}/{digest}/document"),
            Self::Release { digest } => format!("/release/{digest}"),
            Self::Offer { effect, wish: None } => deposit(effect, "offer"),
            Self::Offer { effect, wish: Some(Wish { to, replace, force, resume }) } => {
                let [replace, force, resume] = [replace, force, resume].map(|on| u8::from(*on));
                let (offer, to) = (deposit(effect, "offer"), escape(to));
                format!("{offer}?to={to}&replace={replace}&force={force}&resume={resume}")
            }
            Self::Pieces { effect } => deposit(effect, "pieces"),
            Self::Bytes { effect, index, offset } => {
                format!("{}?index={index}&offset={offset}", deposit(effect, "bytes"))
            }
            Self::Finish { effect } => deposit(effect, "finish"),
        }
    }

    /// Reads method, path and query; `None` for anything that [`Self::uri`] does not write.
    pub fn parse(method: &str, path: &str, query: &str) -> Option<Self> {
        if let Some(digest) = path.strip_prefix("/release/") {
            let digest = digest.parse().ok()?;
            return (method == "GET").then_some(Self::Release { digest });
        }
        let mut parts = path.strip_prefix('/')?.split('/');
        let (room, run, place, last) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let request = match room {
            "content" => {
                let right = match run {
                    WANTED => Right::Wanted,
                    run => Right::Run(run.parse().ok()?),
                };
                Self::parse_content(right, place.parse().ok()?, last, query)?
            }
            "deposit" => {
                let run: RunId = run.parse().ok()?;
                let mut numbers = place.split('.');
                let mut number = || numbers.next().map(|digits| digits.parse::<u32>().ok());
                let whole = EffectId::new(run, number()??, Visit(number()??));
                let part = match number() {
                    None => 0,
                    Some(part) => part.filter(|part| *part > 0)?,
                };
                if number().is_some() {
                    return None;
                }
                Self::parse_deposit(whole.part(part), last, query)?
            }
            _ => return None,
        };
        (request.method() == method).then_some(request)
    }

    fn parse_content(right: Right, root: Digest, last: &str, query: &str) -> Option<Self> {
        let path = || field(query, "path").and_then(unescape);
        Some(match last {
            "list" => {
                let recursive = field(query, "recursive")? == "1";
                Self::List { right, root, path: path()?, recursive }
            }
            "file" => Self::File { right, root, path: path()? },
            "files" => Self::Files { right, root },
            "document" if right == Right::Wanted => Self::Document { digest: root },
            _ => return None,
        })
    }

    fn parse_deposit(effect: EffectId, last: &str, query: &str) -> Option<Self> {
        Some(match last {
            "offer" if effect.part == 0 => Self::Offer { effect, wish: None },
            "offer" => {
                let is_on = |name| field(query, name).map(|value| value == "1");
                let wish = Wish {
                    to: unescape(field(query, "to")?)?,
                    replace: is_on("replace")?,
                    force: is_on("force")?,
                    resume: is_on("resume")?,
                };
                Self::Offer { effect, wish: Some(wish) }
            }
            "pieces" => Self::Pieces { effect },
            "bytes" => Self::Bytes {
                effect,
                index: field(query, "index")?.parse().ok()?,
                offset: field(query, "offset")?.parse().ok()?,
            },
            "finish" => Self::Finish { effect },
            _ => return None,
        })
    }
}

/// Where a deployment's tree has an application that its workflow names: folders `0`, `1` …, the
/// first of the application itself and the others of what it needs, each with its document
/// [`DOCUMENT`] and, where it draws from one, its source folder [`SOURCE`].
pub fn application_folder(name: &str) -> String {
    let key = blake3::hash(name.trim().to_lowercase().as_bytes());
    format!("{APPLICATIONS}/{}", key.to_hex())
}

/// The folder of all applications, which no depot's own takes the place of.
pub const APPLICATIONS: &str = ".applications";
pub const DOCUMENT: &str = "application.yaml";
pub const SOURCE: &str = "source";

fn field<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1.into()
}

/// Everything but letters, digits and `-._~/` as `%` and two hex digits (RFC 3986).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Files asked for in one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths(pub Vec<String>);

impl Paths {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION).list(&self.0, |out, path| _ = out.text(path));
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = versioned(bytes)?;
        let paths = from.list(Reader::text)?;
        from.end()?;
        Ok(Self(paths))
    }
}

/// Which bytes of an offer the server lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Entry of the offer, from 0, and the offset from which its bytes are missing.
    pub files: Vec<(u32, u64)>,
}

impl Wanted {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION).list(&self.files, |out, (index, offset)| _ = out.u32(*index).u64(*offset));
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = versioned(bytes)?;
        let files = from.list(|from| Ok::<_, CodecError>((from.u32()?, from.u64()?)))?;
        from.end()?;
        Ok(Self { files })
    }
}

/// What stands before each piece of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceHead {
    /// Entry of the offer.
    pub index: u32,
    /// As it was wanted: each piece is the file from there to its end.
    pub offset: u64,
    /// Bytes that follow.
    pub length: u32,
}

impl PieceHead {
    pub const BYTES: usize = 16;

    pub fn encode(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..4].copy_from_slice(&self.index.to_le_bytes());
        out[4..12].copy_from_slice(&self.offset.to_le_bytes());
        out[12..].copy_from_slice(&self.length.to_le_bytes());
        out
    }

    /// Takes a head and its bytes off the front of a batch; `None` at its end.
    pub fn split(batch: &[u8]) -> Result<Option<Piece<'_>>, CodecError> {
        if batch.is_empty() {
            return Ok(None);
        }
        let mut from = Reader::new(batch);
        let head = Self { index: from.u32()?, offset: from.u64()?, length: from.u32()? };
        let piece = from.raw(head.length as usize)?;
        Ok(Some((head, piece, &batch[Self::BYTES + piece.len()..])))
    }
}

/// A piece's head, its bytes, and the rest of the batch.
pub type Piece<'b> = (PieceHead, &'b [u8], &'b [u8]);

/// What a Download left in the depot: the outputs of the activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placed {
    pub files: u64,
    pub bytes: u64,
    pub skipped: u64,
}

impl Placed {
    pub fn encode(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION).u64(self.files).u64(self.bytes).u64(self.skipped);
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = versioned(bytes)?;
        let placed = Self { files: from.u64()?, bytes: from.u64()?, skipped: from.u64()? };
        from.end()?;
        Ok(placed)
    }
}

fn versioned(bytes: &[u8]) -> Result<Reader<'_>, CodecError> {
    let mut from = Reader::new(bytes);
    match from.u8()? {
        VERSION => Ok(from),
        _ => Err(CodecError("its version is newer than this program")),
    }
}

#[cfg(test)]
mod tests;
