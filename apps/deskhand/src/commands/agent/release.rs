//! `deskhand agent release`: programs of one version, signed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use client::Client;
use model::{Digest, Timestamp};
use trust::key_file;
use trust::{Release, ReleaseFile};

use crate::output::{self, Table};
use crate::trouble::Trouble;

#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Give the server the programs of a version, and sign it
    Add {
        /// The agent's program for each platform; written `PLATFORM=FILE` where the file does not
        /// tell what it is for
        #[arg(required = true)]
        file: Vec<String>,
        /// What the version is called, as in 0.2.0
        #[arg(long)]
        version: String,
        /// The private key to sign with; the server's deployment key otherwise
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// All releases that the server has
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget a release; what agents have of it stays in use
    Remove { version: String },
}

pub async fn run(client: &Client, action: &Action) -> Result<()> {
    match action {
        Action::Add { file, version, key, json } => {
            add(client, file, version, key.as_deref(), *json).await
        }
        Action::List { json } => list(&client.releases().await?, *json),
        Action::Remove { version } => Ok(client.remove_release(version).await?),
    }
}

async fn add(
    client: &Client,
    files: &[String],
    version: &str,
    key: Option<&Path>,
    json: bool,
) -> Result<()> {
    let mut programs = BTreeMap::new();
    for file in files {
        let (platform, path) = named(file);
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
        let platform = match platform {
            Some(platform) => platform.to_owned(),
            None => recognised(&bytes).ok_or_else(|| not_told(path))?.to_owned(),
        };
        let digest = Digest::from_bytes(*blake3::hash(&bytes).as_bytes());
        let size = bytes.len() as u64;
        if programs.contains_key(&platform) {
            let text = format!("there are two programs for {platform}");
            return Err(Trouble::usage(text, "one for each platform").into());
        }
        let kept = client.add_program(bytes).await?;
        anyhow::ensure!(kept.digest == digest.to_string(), "{path} did not arrive whole");
        programs.insert(platform, ReleaseFile { digest, size });
    }
    let digests = programs.iter().map(|(name, file)| (name.clone(), file.digest.to_string()));
    let digests = digests.collect();
    let signed = key.map(|key| sign(key, version, programs.clone())).transpose()?;
    let new = api::NewRelease { version: version.to_owned(), programs: digests, signed };
    let made = client.add_release(&new).await?;
    if json {
        return output::json(&made);
    }
    output::note(format!("`deskhand agent update --to {version}` offers it to the fleet"));
    list(&[made], false)
}

/// `PLATFORM=FILE`, or only the file.
fn named(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((platform, file)) if !platform.contains(['/', '\\', '.']) => (Some(platform), file),
        _ => (None, text),
    }
}

/// What a program is for, as its first bytes tell.
fn recognised(bytes: &[u8]) -> Option<&'static str> {
    let half = |at: usize| {
        let two = bytes.get(at..at + 2)?;
        Some(u16::from_le_bytes([two[0], two[1]]))
    };
    if bytes.starts_with(b"\x7fELF\x02\x01") {
        return match half(18)? {
            62 => Some("linux-x86_64"),
            183 => Some("linux-aarch64"),
            _ => None,
        };
    }
    if bytes.starts_with(b"MZ") {
        let head = usize::from(half(0x3c)?) | usize::from(half(0x3e)?) << 16;
        let is_pe = bytes.get(head..)?.starts_with(b"PE\0\0");
        return match half(head.checked_add(4)?)? {
            0x8664 if is_pe => Some("windows-x86_64"),
            0xaa64 if is_pe => Some("windows-aarch64"),
            _ => None,
        };
    }
    None
}

fn not_told(path: &str) -> anyhow::Error {
    let text = format!("{path} does not tell which platform it is for");
    Trouble::usage(text, "write it as `linux-x86_64=FILE`").into()
}

fn sign(key: &Path, version: &str, files: BTreeMap<String, ReleaseFile>) -> Result<String> {
    let text = std::fs::read_to_string(key);
    let text = zeroize::Zeroizing::new(text.with_context(|| key.display().to_string())?);
    let (_, key) =
        key_file::decode_private(&text).with_context(|| format!("{} is no key", key.display()))?;
    let now = Timestamp::from_millis(output::now());
    Ok(hex::encode(Release::new(version, now, files)?.sign(&key).encode()))
}

fn list(releases: &[api::Release], json: bool) -> Result<()> {
    if json {
        return output::json(&releases);
    }
    let mut table = Table::new(&["VERSION", "MADE", "PLATFORMS", "SIGNED BY"]);
    for release in releases {
        let platforms: Vec<&str> = release.programs.keys().map(String::as_str).collect();
        table.row([
            release.version.as_str().into(),
            output::stamp(release.made_at).into(),
            platforms.join(" ").into(),
            release.signed_by.join(" ").into(),
        ]);
    }
    super::super::print_or_note(&table, "no releases; `deskhand agent release add` makes one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_tell_what_they_are_for() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(recognised(&own), Some("linux-x86_64"));
        let mut windows = vec![0; 0x80];
        windows[..2].copy_from_slice(b"MZ");
        windows[0x3c] = 0x40;
        windows[0x40..0x46].copy_from_slice(b"PE\0\0\x64\x86");
        assert_eq!(recognised(&windows), Some("windows-x86_64"));
        for other in [&b"#!/bin/sh\n"[..], b"", b"MZ", b"\x7fELF\x02\x01", &windows[..0x44]] {
            assert_eq!(recognised(other), None);
        }
    }

    #[test]
    fn platforms_may_be_named() {
        assert_eq!(named("linux-x86_64=a.sh"), (Some("linux-x86_64"), "a.sh"));
        assert_eq!(named("./a=b"), (None, "./a=b"));
        assert_eq!(named("agent"), (None, "agent"));
    }
}
