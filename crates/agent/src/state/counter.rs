//! How often this agent has connected; a counter that goes back tells a copied or restored disk.
//!
//! One line of fixed length that is overwritten in place, so that it can be counted on a full disk.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::durable::{open_private, sync_folder};

const DIGITS: usize = 20;

#[derive(Debug)]
pub(crate) struct Counter {
    file: File,
    value: u64,
}

impl Counter {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = open_private(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let value = match text.trim() {
            "" => 0,
            digits => digits.parse().map_err(|_| {
                let what = "the connection counter is damaged; enrol this machine again";
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?,
        };
        let mut counter = Self { file, value };
        if text.len() != DIGITS + 1 {
            counter.write(value)?;
            path.parent().map_or(Ok(()), sync_folder)?;
        }
        Ok(counter)
    }

    /// The next number, which is durable when this answers.
    pub(crate) fn next(&mut self) -> io::Result<u64> {
        let next = self.value + 1;
        self.write(next)?;
        self.value = next;
        Ok(next)
    }

    fn write(&mut self, value: u64) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(format!("{value:0DIGITS$}\n").as_bytes())?;
        self.file.sync_data()
    }
}
