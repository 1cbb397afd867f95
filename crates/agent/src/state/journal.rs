//! One run's journal file: appended to, with room allocated ahead.
//!
//! The room ahead is what lets an activity's end be recorded although the disk has become full
//! since it began. Zeros stand in it; whoever reads a journal takes them for nothing.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::durable::{allocate, is_full, open_private};

/// Room that is kept for the end of an activity: two outputs at their limit, and the rest.
const AHEAD: u64 = 192 << 10;
/// Room is made in steps of this.
const STEP: u64 = 256 << 10;

#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// Bytes of whole frames.
    length: u64,
    /// Bytes that can be written for sure; none where the file system promises nothing.
    room: Option<u64>,
}

/// What is known of a file that was just written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Created {
    length: u64,
    room: Option<u64>,
}

impl Journal {
    /// A new file with its first frames, synced after `beside`. It is closed again, as Windows
    /// renames no folder with an open file in it; [`Self::opened_at`] opens it in its place.
    pub(crate) fn create(path: &Path, frames: &[Vec<u8>], beside: &File) -> io::Result<Created> {
        let mut journal = Self { file: open_private(path)?, length: 0, room: None };
        let bytes = frames.concat();
        let room = bytes.len() as u64 + STEP;
        journal.room = allocate(&journal.file, room)?.then_some(room);
        journal.write(&bytes)?;
        // Both are written before either is synced: one transaction of the file system.
        beside.sync_data()?;
        journal.sync()?;
        Ok(Created { length: journal.length, room: journal.room })
    }

    pub(crate) fn opened_at(path: &Path, created: Created) -> io::Result<Self> {
        let Created { length, room } = created;
        Ok(Self { file: open_private(path)?, length, room })
    }

    /// A file whose first `length` bytes were found sound; a torn tail is cut off. Durable when
    /// this answers: who wrote the frames may have died before it synced them.
    pub(crate) fn open(path: &Path, length: u64, bytes: &[u8]) -> io::Result<Self> {
        let mut file = open_private(path)?;
        let sound = usize::try_from(length).unwrap_or(usize::MAX);
        let tail = bytes.get(sound..).unwrap_or_default();
        if let Some(last) = tail.iter().rposition(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(length))?;
            file.write_all(&vec![0; last + 1])?;
        }
        file.sync_data()?;
        let total = bytes.len() as u64;
        let mut journal = Self { file, length, room: None };
        if allocate(&journal.file, total.max(1)).is_ok_and(|promised| promised) {
            journal.room = Some(total);
        }
        Ok(journal)
    }

    /// Bytes of whole frames.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Writes frames behind those that are there, not yet durably. Whether there is room ahead of
    /// them for more is asked by [`Self::has_room`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.length + bytes.len() as u64;
        if let Some(room) = self.room
            && room < end + AHEAD
        {
            match allocate(&self.file, end + STEP) {
                Ok(promised) => self.room = promised.then_some(end + STEP),
                Err(error) if is_full(&error) && end <= room => {}
                Err(error) => return Err(error),
            }
        }
        self.file.seek(SeekFrom::Start(self.length))?;
        // What is written in part is taken back as well: whole frames may stand in it.
        self.length = end;
        self.file.write_all(bytes)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Whether an activity that begins now can be recorded to its end.
    pub(crate) fn has_room(&mut self) -> bool {
        let need = self.length + AHEAD;
        if self.room.is_some_and(|room| room < need) {
            let promised = allocate(&self.file, self.length + STEP);
            if promised.is_ok_and(|promised| promised) {
                self.room = Some(self.length + STEP);
            }
        }
        self.room.is_none_or(|room| room >= need)
    }

    /// Takes back what was written behind `length`; the bytes become room again.
    pub(crate) fn take_back(&mut self, length: u64, end: u64) {
        let zeros = vec![0; usize::try_from(end.saturating_sub(length)).unwrap_or(0)];
        let cut = self.file.seek(SeekFrom::Start(length)).and_then(|_| {
            self.file.write_all(&zeros)?;
            self.file.sync_data()
        });
        if cut.is_err() {
            // Without room even for zeros the file ends before what was written.
            let _ = self.file.set_len(length).and_then(|()| self.file.sync_data());
        }
        self.length = length;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends there")]

    use super::super::tests::SmallDisk;
    use super::*;

    /// Where no room can be had ahead, a full disk takes a part of what is written.
    #[test]
    fn what_was_written_in_part_is_taken_back() {
        let Some(disk) = SmallDisk::mount() else { return };
        let path = disk.0.path().join("journal");
        let mut journal = Journal { file: open_private(&path).unwrap(), length: 0, room: None };
        journal.write(b"whole").unwrap();
        disk.fill();
        let before = journal.length();
        journal.write(&[1; 64 << 10]).unwrap_err();
        let end = journal.length();
        journal.take_back(before, end);
        assert_eq!(journal.length(), before);
        let left = std::fs::read(&path).unwrap();
        assert!(left.starts_with(b"whole") && left[5..].iter().all(|byte| *byte == 0));
    }
}
