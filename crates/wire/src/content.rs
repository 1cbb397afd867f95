//! Bulk content between agent and server: what is asked over HTTPS, and the bytes of the answers.
//!
//! The listener, the keys and the TLS of the channel serve it too; the agent is known by the key its
//! connection proves. An agent reads only the tree that one of its open runs has pinned, and writes only
//! what a Download in progress offers; where that goes the server decides from the definition. Both
//! sides use this module, so no path or frame is put together anywhere else.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /content/{run}/{root}/list?path=P` | - | folder objects: those from the root down to P, then all below P |
//! | `GET /content/{run}/{root}/file?path=P` | - | the file; `Range: bytes=N-` or `N-M` is served with 206 |
//! | `POST /content/{run}/{root}/files` | [`Paths`] | for each path in turn an [`ItemHead`] and its bytes |
//! | `POST /deposit/{run}/{attempt}.{visit}/offer` | [`Offer`] | [`Wanted`] |
//! | `POST /deposit/{run}/{attempt}.{visit}/pieces` | [`PieceHead`] and bytes, again and again | nothing (204) |
//! | `PUT /deposit/{run}/{attempt}.{visit}/bytes?hash=H&offset=N` | the file from N on | nothing (204) |
//! | `POST /deposit/{run}/{attempt}.{visit}/finish` | - | [`Placed`] |
//!
//! Paths are names joined by `/`, the tree's root is the empty path. Whoever lists checks each folder
//! object against the hash by which its parent (or the URI, for the root) names it: [`Objects`]. Whoever
//! reads a file checks it against its entry. Bytes that are put twice do no harm; `finish` may be said
//! again and answers the same. A refusal is a status of 4xx with a sentence as its body; 503 means that
//! the server is stopping and the same may be asked again.

use std::collections::HashMap;

use model::codec::{CodecError, Reader, Writer};
use model::{Digest, RunId};
use workflow::{EffectId, Visit};

const VERSION: u8 = 1;

/// Largest body of a `files` request, an offer, or one batch of pieces.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// Files, folders and links of one offer.
pub const OFFER_ENTRIES_MAX: usize = 500_000;
/// Larger files go one by one, so that a cut costs little.
pub const BATCHED_FILE_BYTES_MAX: u64 = 1 << 20;

/// What an agent asks for, as method and URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentRequest {
    List { run: RunId, root: Digest, path: String },
    File { run: RunId, root: Digest, path: String },
    Files { run: RunId, root: Digest },
    Offer { effect: EffectId },
    Pieces { effect: EffectId },
    Bytes { effect: EffectId, hash: Digest, offset: u64 },
    Finish { effect: EffectId },
}

impl ContentRequest {
    pub const fn method(&self) -> &'static str {
        match self {
            Self::List { .. } | Self::File { .. } => "GET",
            Self::Bytes { .. } => "PUT",
            Self::Files { .. } | Self::Offer { .. } | Self::Pieces { .. } | Self::Finish { .. } => {
                "POST"
            }
        }
    }

    /// Path and query.
    pub fn uri(&self) -> String {
        let deposit = |effect: &EffectId, last: &str| {
            format!("/deposit/{}/{}.{}/{last}", effect.run, effect.attempt, effect.visit)
        };
        match self {
            Self::List { run, root, path } => {
                format!("/content/{run}/{root}/list?path={}", escape(path))
            }
            Self::File { run, root, path } => {
                format!("/content/{run}/{root}/file?path={}", escape(path))
            }
            Self::Files { run, root } => format!("/content/{run}/{root}/files"),
            Self::Offer { effect } => deposit(effect, "offer"),
            Self::Pieces { effect } => deposit(effect, "pieces"),
            Self::Bytes { effect, hash, offset } => {
                format!("{}?hash={hash}&offset={offset}", deposit(effect, "bytes"))
            }
            Self::Finish { effect } => deposit(effect, "finish"),
        }
    }

    /// Reads method, path and query; `None` for anything that [`Self::uri`] does not write.
    pub fn parse(method: &str, path: &str, query: &str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let (room, run, place, last) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let run: RunId = run.parse().ok()?;
        let request = match room {
            "content" => Self::parse_content(run, place.parse().ok()?, last, query)?,
            "deposit" => {
                let (attempt, visit) = place.split_once('.')?;
                let visit = Visit(visit.parse().ok()?);
                let effect = EffectId { run, attempt: attempt.parse().ok()?, visit };
                Self::parse_deposit(effect, last, query)?
            }
            _ => return None,
        };
        (request.method() == method).then_some(request)
    }

    fn parse_content(run: RunId, root: Digest, last: &str, query: &str) -> Option<Self> {
        let path = || field(query, "path").and_then(unescape);
        Some(match last {
            "list" => Self::List { run, root, path: path()? },
            "file" => Self::File { run, root, path: path()? },
            "files" => Self::Files { run, root },
            _ => return None,
        })
    }

    fn parse_deposit(effect: EffectId, last: &str, query: &str) -> Option<Self> {
        Some(match last {
            "offer" => Self::Offer { effect },
            "pieces" => Self::Pieces { effect },
            "bytes" => Self::Bytes {
                effect,
                hash: field(query, "hash")?.parse().ok()?,
                offset: field(query, "offset")?.parse().ok()?,
            },
            "finish" => Self::Finish { effect },
            _ => return None,
        })
    }
}

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

/// Folder objects by their hashes, as a listing brings them.
#[derive(Debug, Default)]
pub struct Objects {
    by_hash: HashMap<Digest, Vec<u8>>,
}

impl Objects {
    /// Appends one object to a listing.
    pub fn put(out: &mut Vec<u8>, object: &[u8]) {
        out.extend(u32::try_from(object.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(object);
    }

    pub fn read(listing: &[u8]) -> Result<Self, CodecError> {
        let mut from = Reader::new(listing);
        let mut by_hash = HashMap::new();
        while from.end().is_err() {
            let object = from.bytes()?;
            let hash = Digest::from_bytes(*blake3::hash(object).as_bytes());
            by_hash.insert(hash, object.to_vec());
        }
        Ok(Self { by_hash })
    }

    /// The folder object of that hash, which it has: nothing else is ever given out.
    pub fn get(&self, hash: &Digest) -> Option<&[u8]> {
        self.by_hash.get(hash).map(Vec::as_slice)
    }

    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }
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

/// What stands before a file in the answer to [`ContentRequest::Files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemHead {
    /// Which of the paths, from 0.
    pub index: u32,
    /// Bytes that follow; `None` when the tree has no such file.
    pub length: Option<u64>,
}

impl ItemHead {
    pub const BYTES: usize = 13;

    pub fn encode(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..4].copy_from_slice(&self.index.to_le_bytes());
        out[4] = u8::from(self.length.is_none());
        out[5..].copy_from_slice(&self.length.unwrap_or(0).to_le_bytes());
        out
    }

    pub fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let mut from = Reader::new(bytes);
        let index = from.u32().unwrap_or(u32::MAX);
        let is_missing = from.u8().is_ok_and(|flag| flag != 0);
        let length = from.u64().ok().filter(|_| !is_missing);
        Self { index, length }
    }
}

/// What an entry of an offer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferKind {
    File { size: u64, hash: Digest },
    Folder,
    Link { target: String },
}

/// Something that a Download brings, named from the folder it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferEntry {
    pub path: String,
    pub kind: OfferKind,
    /// Permission bits as on Linux.
    pub mode: u32,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// All that a Download brings: folders before what is in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offer {
    pub entries: Vec<OfferEntry>,
}

impl Offer {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION).list(&self.entries, |out, entry| {
            out.text(&entry.path).u32(entry.mode).u64(entry.mtime_ns.cast_unsigned());
            match &entry.kind {
                OfferKind::File { size, hash } => _ = out.u8(0).u64(*size).digest(hash),
                OfferKind::Folder => _ = out.u8(1),
                OfferKind::Link { target } => _ = out.u8(2).text(target),
            }
        });
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = versioned(bytes)?;
        let count = from.u32()? as usize;
        if count > OFFER_ENTRIES_MAX {
            return Err(CodecError("the offer has too many entries"));
        }
        let entries = (0..count).map(|_| read_entry(&mut from)).collect::<Result<_, _>>()?;
        from.end()?;
        Ok(Self { entries })
    }
}

fn read_entry(from: &mut Reader<'_>) -> Result<OfferEntry, CodecError> {
    let (path, mode, mtime_ns) = (from.text()?, from.u32()?, from.u64()?.cast_signed());
    let kind = match from.u8()? {
        0 => OfferKind::File { size: from.u64()?, hash: from.digest()? },
        1 => OfferKind::Folder,
        2 => OfferKind::Link { target: from.text()? },
        _ => return Err(CodecError("unknown kind of entry")),
    };
    Ok(OfferEntry { path, kind, mode, mtime_ns })
}

/// Which bytes of an offer the server lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Entry of the offer, from 0, and the offset from which its bytes are missing. Of several
    /// entries with the same hash only the first is named.
    pub files: Vec<(u32, u64)>,
    /// Files whose name is taken, left alone because `replace` is not set.
    pub skipped: u64,
}

impl Wanted {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION).list(&self.files, |out, (index, offset)| _ = out.u32(*index).u64(*offset));
        out.u64(self.skipped);
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut from = versioned(bytes)?;
        let files = from.list(|from| Ok::<_, CodecError>((from.u32()?, from.u64()?)))?;
        let skipped = from.u64()?;
        from.end()?;
        Ok(Self { files, skipped })
    }
}

/// What stands before each piece of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceHead {
    /// Of the whole file.
    pub hash: Digest,
    pub offset: u64,
    /// Bytes that follow.
    pub length: u32,
}

impl PieceHead {
    pub const BYTES: usize = 44;

    pub fn encode(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..32].copy_from_slice(self.hash.as_bytes());
        out[32..40].copy_from_slice(&self.offset.to_le_bytes());
        out[40..].copy_from_slice(&self.length.to_le_bytes());
        out
    }

    /// Takes a head and its bytes off the front of a batch; `None` at its end.
    pub fn split(batch: &[u8]) -> Result<Option<(Self, &[u8], &[u8])>, CodecError> {
        if batch.is_empty() {
            return Ok(None);
        }
        let mut from = Reader::new(batch);
        let head = Self { hash: from.digest()?, offset: from.u64()?, length: from.u32()? };
        let piece = from.raw(head.length as usize)?;
        Ok(Some((head, piece, &batch[Self::BYTES + piece.len()..])))
    }
}

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
