//! Which applications need a restart of the machine that it has not had since.
//!
//! Lies beside the records, because a restart is needed whoever made the change, and is told until
//! the machine has another start than the one in which it came to be needed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use application::keeper::Restart;
use model::ApplicationId;
use model::codec::{CodecError, Reader, Writer};

use crate::state::write_durable;

const VERSION: u8 = 1;

/// By application.
pub type Restarts = BTreeMap<ApplicationId, Restart>;

/// Those since the start of the machine that is known by `boot`; none where it is not known, so
/// that no machine is restarted again and again. A file that is damaged tells
/// nothing, which is said in the log.
pub(super) fn read(path: &Path, boot: &str) -> Restarts {
    let read = std::fs::read(path).map(|bytes| decode(&bytes));
    match read {
        Ok(Ok((of, restarts))) if of == boot && !boot.is_empty() => restarts,
        Ok(Ok(_)) => Restarts::new(),
        Ok(Err(error)) => {
            tracing::error!("{} is damaged and begun anew: {error}", path.display());
            Restarts::new()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Restarts::new(),
        Err(error) => {
            tracing::error!("{} cannot be read: {error}", path.display());
            Restarts::new()
        }
    }
}

pub(super) fn write(path: &Path, boot: &str, restarts: &Restarts) -> io::Result<()> {
    let mut out = Writer::new();
    out.u8(VERSION).text(boot);
    let all: Vec<_> = restarts.iter().collect();
    out.list(&all, |out, (id, restart)| put(out.raw(id.as_bytes()), **restart));
    write_durable(path, &out.finish())
}

fn decode(bytes: &[u8]) -> Result<(String, Restarts), CodecError> {
    let mut from = Reader::new(bytes);
    if from.u8()? != VERSION {
        return Err(CodecError("it is of another version of this program"));
    }
    let boot = from.text()?;
    let one = |from: &mut Reader<'_>| {
        Ok::<_, CodecError>((ApplicationId::from_bytes(from.array()?), take(from)?))
    };
    let restarts = from.list(one)?;
    from.end()?;
    Ok((boot, restarts.into_iter().collect()))
}

pub(super) fn put(out: &mut Writer, restart: Restart) {
    out.u8(match restart {
        Restart::Awaited => 0,
        Restart::Due { ask: false } => 1,
        Restart::Due { ask: true } => 2,
    });
}

pub(super) fn take(from: &mut Reader<'_>) -> Result<Restart, CodecError> {
    match from.u8()? {
        0 => Ok(Restart::Awaited),
        1 => Ok(Restart::Due { ask: false }),
        2 => Ok(Restart::Due { ask: true }),
        _ => Err(CodecError("a restart that is not known")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_needs_a_restart_is_known_until_the_machine_has_been() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("restarts");
        assert!(read(&path, "first").is_empty());
        let all = [Restart::Awaited, Restart::Due { ask: false }, Restart::Due { ask: true }];
        let ids = (0..).map(|n| ApplicationId::from_bytes([n; 16]));
        let restarts: Restarts = ids.zip(all).collect();
        write(&path, "first", &restarts).unwrap();
        assert_eq!(read(&path, "first"), restarts);
        assert!(read(&path, "second").is_empty());
        std::fs::write(&path, b"\x01broken").unwrap();
        assert!(read(&path, "first").is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_foreign(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }
}
