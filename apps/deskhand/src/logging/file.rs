//! Log files of limited size: `server.log`, before it `server.log.1`, and so on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// In the data folder.
pub const FOLDER: &str = "log";
pub const NAME: &str = "server.log";

/// The file that is written to.
#[derive(Debug)]
pub struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    files_max: u32,
}

impl Rotating {
    /// Goes on with the newest file of a data folder.
    pub fn open(data: &Path, bytes_max: u64, files_max: u32) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let path = folder.join(NAME);
        let (file, bytes) = open(&path)?;
        Ok(Self { path, file, bytes, bytes_max, files_max: files_max.max(1) })
    }

    /// Writes a line. One that cannot be written is lost: nobody waits for a full disk here.
    pub fn write(&mut self, line: &[u8]) {
        if self.bytes > 0 && self.bytes + line.len() as u64 > self.bytes_max {
            // Where that fails, the file grows on.
            let _ = self.turn();
        }
        if self.file.write_all(line).is_ok() {
            self.bytes += line.len() as u64;
        }
    }

    /// The next file begins; the oldest goes.
    fn turn(&mut self) -> io::Result<()> {
        let older = |number: u32| self.path.with_file_name(format!("{NAME}.{number}"));
        for number in (1..self.files_max).rev() {
            let from = if number == 1 { self.path.clone() } else { older(number - 1) };
            if from.exists() {
                fs::rename(from, older(number))?;
            }
        }
        if self.files_max == 1 {
            fs::remove_file(&self.path)?;
        }
        (self.file, self.bytes) = open(&self.path)?;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// The log files of a data folder, oldest first.
pub fn files(data: &Path) -> Vec<PathBuf> {
    let newest = data.join(FOLDER).join(NAME);
    let older = (1..).map(|number| newest.with_file_name(format!("{NAME}.{number}")));
    let mut all: Vec<PathBuf> = older.take_while(|path| path.exists()).collect();
    all.reverse();
    all.extend(newest.exists().then_some(newest));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_turn_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Rotating::open(folder.path(), 10, 3).unwrap();
        for text in ["one one\n", "two two\n", "three\n", "four four four\n", "5\n"] {
            log.write(text.as_bytes());
        }
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        let texts: Vec<String> = files(folder.path()).iter().map(read).collect();
        assert_eq!(texts, ["three\n", "four four four\n", "5\n"]);
        drop(log);
        let mut log = Rotating::open(folder.path(), 10, 3).unwrap();
        log.write(b"6\n");
        assert_eq!(read(&folder.path().join("log/server.log")), "5\n6\n");
        assert!(files(&folder.path().join("nowhere")).is_empty());
    }
}
