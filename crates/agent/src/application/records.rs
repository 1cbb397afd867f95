//! What is on this machine: one file for each application and part, durable before anybody hears
//! of it.
//!
//! A record holds the document as its text, so that an application can be verified, repaired and
//! uninstalled by what it was when it was distributed, wherever its file has gone.

use std::io;
use std::path::{Path, PathBuf};

use application::{Application, Installed, Part};
use model::ApplicationId;
use model::codec::{CodecError, Reader, Writer};

use crate::state::{sync_folder, write_durable};

const VERSION: u8 = 1;

/// An application that is on this machine, or a user's part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub installed: Installed,
    /// The YAML that it was distributed by.
    pub document: String,
    /// The folder that it was distributed from, where it was a folder.
    pub source: Option<String>,
    pub reason: Reason,
    pub packages: Vec<Package>,
}

/// Why it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Asked,
    /// Another application needs it; goes with the last one that does.
    Needed,
}

/// A package that the system's own installer put here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub installer: Installer,
    /// A package's name, or a product code.
    pub name: String,
    /// It was here before, so it stays when the application goes.
    pub was_there: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installer {
    Msi,
    Deb,
    Rpm,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the record {} cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the record {} cannot be written", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "the record {} is damaged; bring it back from a backup, or remove it and distribute its \
         application again",
        .path.display()
    )]
    Damaged { path: PathBuf, source: CodecError },
}

impl Record {
    pub fn id(&self) -> ApplicationId {
        self.installed.application
    }

    /// The document, if this version of the program still understands it.
    pub fn application(&self) -> Option<Application> {
        format::parse_application(&self.document).application
    }

    pub(super) fn put(&self, out: &mut Writer) {
        out.bytes(&self.installed.encode()).text(&self.document);
        out.option(self.source.as_ref(), |out, source| _ = out.text(source));
        out.switch(self.reason == Reason::Needed);
        out.list(&self.packages, |out, package| {
            let installer = match package.installer {
                Installer::Msi => 0,
                Installer::Deb => 1,
                Installer::Rpm => 2,
            };
            out.u8(installer).text(&package.name).switch(package.was_there);
        });
    }

    pub(super) fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            installed: Installed::decode(from.bytes()?)?,
            document: from.text()?,
            source: from.option(Reader::text)?,
            reason: if from.switch()? { Reason::Needed } else { Reason::Asked },
            packages: from.list(|from| {
                let installer = match from.u8()? {
                    0 => Installer::Msi,
                    1 => Installer::Deb,
                    2 => Installer::Rpm,
                    _ => return Err(CodecError("an installer that is not known")),
                };
                Ok(Package { installer, name: from.text()?, was_there: from.switch()? })
            })?,
        })
    }
}

/// All of them, by the names of their applications.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Record>, RecordError> {
    let failed = |source| RecordError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "record") {
            records.push(read(&path)?);
        }
    }
    records.sort_by(|a, b| {
        let key = |record: &Record| (record.installed.name.to_lowercase(), record.id());
        key(a).cmp(&key(b)).then_with(|| a.installed.part.cmp(&b.installed.part))
    });
    Ok(records)
}

fn read(path: &Path) -> Result<Record, RecordError> {
    let bytes = std::fs::read(path)
        .map_err(|source| RecordError::Read { path: path.to_owned(), source })?;
    decode(&bytes).map_err(|source| RecordError::Damaged { path: path.to_owned(), source })
}

fn decode(bytes: &[u8]) -> Result<Record, CodecError> {
    let mut from = Reader::new(bytes);
    if from.u8()? != VERSION {
        return Err(CodecError("it is of another version of this program"));
    }
    let record = Record::take(&mut from)?;
    from.end()?;
    Ok(record)
}

pub(super) fn write(folder: &Path, record: &Record) -> Result<(), RecordError> {
    let path = path(folder, record.id(), &record.installed.part);
    let mut out = Writer::new();
    record.put(out.u8(VERSION));
    write_durable(&path, &out.finish()).map_err(|source| RecordError::Write { path, source })
}

pub(super) fn remove(folder: &Path, id: ApplicationId, part: &Part) -> Result<(), RecordError> {
    let path = path(folder, id, part);
    let removed = match std::fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_folder(folder)),
    };
    removed.map_err(|source| RecordError::Write { path, source })
}

/// Users' names may hold whatever file names may not.
fn path(folder: &Path, id: ApplicationId, part: &Part) -> PathBuf {
    folder.join(match part {
        Part::Machine => format!("{id}.record"),
        Part::User(user) => format!("{id}.{}.record", hex::encode(user)),
    })
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;

    fn record(name: &str, part: Part) -> Record {
        let installed = Installed {
            application: ApplicationId::from_bytes([7; 16]),
            name: name.to_owned(),
            version: 3,
            part,
            at: Timestamp::from_millis(5),
            answers: vec![("DRIVE".into(), "D:".into())],
            owns: Vec::new(),
        };
        let package = Package { installer: Installer::Deb, name: "viewer".into(), was_there: true };
        Record {
            installed,
            document: "application: Viewer".into(),
            source: Some("/deploy".into()),
            reason: Reason::Needed,
            packages: vec![package],
        }
    }

    #[test]
    fn records_come_back_by_name_and_part() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_all(&folder.path().join("none")).unwrap().is_empty());
        let machine = record("Viewer", Part::Machine);
        let user = record("Viewer", Part::User(r"CORP\bob/x".into()));
        write(folder.path(), &user).unwrap();
        write(folder.path(), &machine).unwrap();
        assert_eq!(read_all(folder.path()).unwrap(), [machine.clone(), user.clone()]);
        remove(folder.path(), machine.id(), &Part::Machine).unwrap();
        remove(folder.path(), machine.id(), &Part::Machine).unwrap();
        assert_eq!(read_all(folder.path()).unwrap(), [user]);
    }

    #[test]
    fn a_damaged_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &record("Viewer", Part::Machine)).unwrap();
        let path = path(folder.path(), ApplicationId::from_bytes([7; 16]), &Part::Machine);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 3);
        std::fs::write(&path, bytes).unwrap();
        let error = read_all(folder.path()).unwrap_err();
        assert!(matches!(error, RecordError::Damaged { .. }), "{error}");
    }
}
