//! A plan as bytes: a version, then numbers and texts that say their length. Little-endian.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::{Action, FilePlan, Step};
use crate::folder::Kind;
use crate::spot::Spot;

const VERSION: u8 = 1;

/// Bytes that are no plan of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored list of files cannot be read ({what}); the activity cannot be redone")]
pub struct PlanBytesError {
    what: &'static str,
}

impl Spot {
    /// For plans of others that name a place.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_spot(&mut out, self);
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PlanBytesError> {
        let mut input = Input(bytes);
        let spot = input.spot()?;
        if input.0.is_empty() { Ok(spot) } else { Err(TRAILING) }
    }
}

const TRAILING: PlanBytesError = PlanBytesError { what: "something follows it" };

impl FilePlan {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        write_number(&mut out, self.skipped);
        match &self.action {
            Action::Transfer { moves, from, to, replace, force, steps } => {
                out.push(if *moves { b'M' } else { b'C' });
                write_spot(&mut out, from);
                write_spot(&mut out, to);
                out.extend([u8::from(*replace), u8::from(*force)]);
                write_steps(&mut out, steps);
            }
            Action::Rename { folder, current, new, replace, force } => {
                out.push(b'R');
                write_spot(&mut out, folder);
                write_text(&mut out, current);
                write_text(&mut out, new);
                out.extend([u8::from(*replace), u8::from(*force)]);
            }
            Action::DeleteFiles { folder, force, steps } => {
                out.push(b'D');
                write_spot(&mut out, folder);
                out.push(u8::from(*force));
                write_steps(&mut out, steps);
            }
            Action::CreateFolders { folders } => {
                out.push(b'N');
                write_list(&mut out, folders, write_spot);
            }
            Action::DeleteFolders { folders, recursive, force } => {
                out.push(b'X');
                write_list(&mut out, folders, write_spot);
                out.extend([u8::from(*recursive), u8::from(*force)]);
            }
        }
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PlanBytesError> {
        let mut input = Input(bytes);
        if input.byte()? != VERSION {
            return Err(PlanBytesError { what: "another version" });
        }
        let skipped = input.number()?;
        let action = match input.byte()? {
            kind @ (b'M' | b'C') => Action::Transfer {
                moves: kind == b'M',
                from: input.spot()?,
                to: input.spot()?,
                replace: input.flag()?,
                force: input.flag()?,
                steps: input.list(Input::step)?,
            },
            b'R' => Action::Rename {
                folder: input.spot()?,
                current: input.text()?,
                new: input.text()?,
                replace: input.flag()?,
                force: input.flag()?,
            },
            b'D' => Action::DeleteFiles {
                folder: input.spot()?,
                force: input.flag()?,
                steps: input.list(Input::step)?,
            },
            b'N' => Action::CreateFolders { folders: input.list(Input::spot)? },
            b'X' => Action::DeleteFolders {
                folders: input.list(Input::spot)?,
                recursive: input.flag()?,
                force: input.flag()?,
            },
            _ => return Err(PlanBytesError { what: "an unknown operation" }),
        };
        if input.0.is_empty() { Ok(Self { action, skipped }) } else { Err(TRAILING) }
    }
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

fn write_list<T>(out: &mut Vec<u8>, items: &[T], write: fn(&mut Vec<u8>, &T)) {
    write_number(out, items.len() as u64);
    for item in items {
        write(out, item);
    }
}

fn write_text(out: &mut Vec<u8>, text: &OsStr) {
    let bytes = own_bytes(text);
    write_number(out, bytes.len() as u64);
    out.extend(bytes);
}

fn write_spot(out: &mut Vec<u8>, spot: &Spot) {
    write_text(out, spot.base.as_os_str());
    write_list(out, &spot.names, |out, name| write_text(out, name));
    out.extend([u8::from(spot.confined), u8::from(spot.root)]);
}

fn write_steps(out: &mut Vec<u8>, steps: &[Step]) {
    write_list(out, steps, |out, step| {
        write_list(out, &step.folder, |out, name| write_text(out, name));
        write_text(out, &step.name);
        out.push(match step.kind {
            Kind::File => 0,
            Kind::Folder => 1,
            Kind::Link => 2,
            Kind::Other => 3,
        });
        write_number(out, step.size);
        out.extend(step.mtime_ns.to_le_bytes());
        out.extend(step.mode.to_le_bytes());
    });
}

struct Input<'a>(&'a [u8]);

const SHORT: PlanBytesError = PlanBytesError { what: "it ends too early" };

impl Input<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], PlanBytesError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PlanBytesError> {
        self.take(N)?.try_into().map_err(|_| SHORT)
    }

    fn byte(&mut self) -> Result<u8, PlanBytesError> {
        Ok(self.array::<1>()?[0])
    }

    fn flag(&mut self) -> Result<bool, PlanBytesError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(PlanBytesError { what: "neither yes nor no" }),
        }
    }

    fn number(&mut self) -> Result<u64, PlanBytesError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<OsString, PlanBytesError> {
        let len = usize::try_from(self.number()?).map_err(|_| SHORT)?;
        from_own_bytes(self.take(len)?).ok_or(PlanBytesError { what: "a name that is no text" })
    }

    /// Room is taken as items come, not as the count promises.
    fn list<T>(
        &mut self,
        read: fn(&mut Self) -> Result<T, PlanBytesError>,
    ) -> Result<Vec<T>, PlanBytesError> {
        (0..self.number()?).map(|_| read(self)).collect()
    }

    fn spot(&mut self) -> Result<Spot, PlanBytesError> {
        Ok(Spot {
            base: PathBuf::from(self.text()?),
            names: self.list(Self::text)?,
            confined: self.flag()?,
            root: self.flag()?,
        })
    }

    fn step(&mut self) -> Result<Step, PlanBytesError> {
        Ok(Step {
            folder: self.list(Self::text)?,
            name: self.text()?,
            kind: match self.byte()? {
                0 => Kind::File,
                1 => Kind::Folder,
                2 => Kind::Link,
                3 => Kind::Other,
                _ => return Err(PlanBytesError { what: "an unknown kind of file" }),
            },
            size: self.number()?,
            mtime_ns: i64::from_le_bytes(self.array()?),
            mode: u32::from_le_bytes(self.array()?),
        })
    }
}

#[cfg(unix)]
fn own_bytes(text: &OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(text).to_vec()
}

#[cfg(unix)]
fn from_own_bytes(bytes: &[u8]) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec()))
}

#[cfg(windows)]
fn own_bytes(text: &OsStr) -> Vec<u8> {
    std::os::windows::ffi::OsStrExt::encode_wide(text).flat_map(u16::to_le_bytes).collect()
}

#[cfg(windows)]
fn from_own_bytes(bytes: &[u8]) -> Option<OsString> {
    let units: Vec<u16> = bytes
        .chunks(2)
        .map(|pair| pair.try_into().map(u16::from_le_bytes))
        .collect::<Result<_, _>>()
        .ok()?;
    Some(std::os::windows::ffi::OsStringExt::from_wide(&units))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn sample() -> FilePlan {
        let spot = Spot::confined(Path::new("depot"), ["a", "b"]);
        let step = Step {
            folder: vec!["sub".into()],
            name: "x.txt".into(),
            kind: Kind::File,
            size: 7,
            mtime_ns: -5,
            mode: 0o640,
        };
        FilePlan {
            action: Action::Transfer {
                moves: true,
                from: spot.clone(),
                to: spot,
                replace: true,
                force: false,
                steps: vec![step],
            },
            skipped: 3,
        }
    }

    #[test]
    fn plans_read_back_and_every_cut_is_an_error() {
        let bytes = sample().to_bytes();
        assert_eq!(FilePlan::from_bytes(&bytes), Ok(sample()));
        for len in 0..bytes.len() {
            assert!(FilePlan::from_bytes(&bytes[..len]).is_err(), "{len}");
        }
        assert!(FilePlan::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let head = [VERSION, 0, 0, 0, 0, 0, 0, 0, 0];
            let _ = FilePlan::from_bytes(&[&head[..], &bytes].concat());
        }
    }
}
