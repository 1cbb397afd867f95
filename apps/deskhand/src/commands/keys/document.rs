//! Trust documents as files: prepared here, signed where the keys are, submitted here.
//!
//! The file holds the signed envelope in hex digits, and nothing secret. Which signatures are
//! enough, the document in force says: those of its root keys, and of the new document's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use client::Client;
use model::Span;
use trust::{Holder, Role, RoleKeys, Signed, TrustDocument, VerifyingKey, key_file};

use crate::output;
use crate::trouble::Trouble;

#[derive(Debug, clap::Args)]
pub struct PrepareArgs {
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long the old key is good besides, where the server makes a new one
    #[arg(long, default_value = "30d", value_name = "TIME")]
    overlap: Span,
    /// Let a key have a role: root, server, warrant, operator, release
    #[arg(long, value_name = "ROLE=KEYFILE", value_parser = crate::commands::pair)]
    add: Vec<(String, String)>,
    /// Take a role from a key, by its fingerprint or id
    #[arg(long, value_name = "ROLE=KEY", value_parser = crate::commands::pair)]
    remove: Vec<(String, String)>,
    /// How many keys of a role must sign
    #[arg(long, value_name = "ROLE=N", value_parser = crate::commands::pair)]
    threshold: Vec<(String, String)>,
}

/// The envelope of a prepared document.
pub struct Prepared(Signed);

impl std::fmt::Display for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.encode().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Prepared {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        let bytes = bytes.ok_or("it is not written in hex digits")?;
        Signed::decode(&bytes).map(Self).map_err(|error| error.to_string())
    }
}

pub async fn prepare(client: &Client, args: PrepareArgs) -> Result<()> {
    let is_rotation = args.add.is_empty() && args.remove.is_empty() && args.threshold.is_empty();
    let prepared: Prepared = if is_rotation {
        let overlap_s = args.overlap.as_millis().div_ceil(1_000);
        let next = client.prepare_keys(&api::KeyRotation { overlap_s }).await?;
        next.signed.parse().map_err(|why| anyhow!("the server's document: {why}"))?
    } else {
        let keys = client.keys().await?;
        let newest = keys.documents.last().context("the server has no trust document")?;
        let newest: Prepared =
            newest.signed.parse().map_err(|why| anyhow!("the server's document: {why}"))?;
        let document = TrustDocument::decode(newest.0.payload())?;
        Prepared(edited(&document, &args)?.sign(&[]))
    };
    write(&args.out, &prepared)?;
    describe(&prepared)?;
    output::note(format!(
        "Have it signed with `deskhand keys sign {0} --key FILE` by the root keys of now and by its \
         own, then `deskhand keys submit {0}`.",
        args.out.display()
    ));
    Ok(())
}

fn edited(document: &TrustDocument, args: &PrepareArgs) -> Result<TrustDocument> {
    let mut roles = BTreeMap::new();
    for role in Role::ALL {
        let of_role = |pairs: &[(String, String)]| {
            let mine = pairs.iter().filter(|(name, _)| name == role.as_str());
            mine.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let keys = document.role(role);
        let mut holders = keys.holders().to_vec();
        for key in of_role(&args.remove) {
            let count = holders.len();
            holders.retain(|holder| !is_named(&holder.key, &key));
            if holders.len() == count {
                let what = format!("no key with the role {role} has the fingerprint or id `{key}`");
                return Err(Trouble::usage(what, "`deskhand keys list` shows them").into());
            }
        }
        for file in of_role(&args.add) {
            holders.push(Holder::of(public_key(Path::new(&file))?));
        }
        let threshold = match of_role(&args.threshold).first() {
            Some(text) => text.parse().map_err(|_| {
                Trouble::usage(format!("`{text}` is no number of keys"), "--threshold root=2")
            })?,
            None if holders.is_empty() => 0,
            None => keys.threshold().max(1),
        };
        roles.insert(role, RoleKeys::new(holders, threshold)?);
    }
    let named = [&args.add, &args.remove, &args.threshold].into_iter().flatten();
    for (name, _) in named {
        if !Role::ALL.iter().any(|role| role.as_str() == name) {
            let hint = "roles are root, server, warrant, operator, release";
            return Err(Trouble::usage(format!("there is no role `{name}`"), hint).into());
        }
    }
    Ok(TrustDocument::new(document.number() + 1, document.valid_from(), roles)?)
}

fn is_named(key: &VerifyingKey, text: &str) -> bool {
    text.parse().is_ok_and(|fingerprint| key.fingerprint() == fingerprint)
        || text.parse().is_ok_and(|id| key.id() == id)
}

fn public_key(file: &Path) -> Result<VerifyingKey> {
    let text = super::read(file)?;
    match key_file::decode_public(&text) {
        Ok((_, key)) => Ok(key),
        Err(error) => match key_file::decode_private(&text) {
            Ok((_, key)) => Ok(key.verifying_key()),
            Err(_) => Err(super::not_a_key(file, &error).into()),
        },
    }
}

pub fn sign(file: &Path, keys: &[PathBuf]) -> Result<()> {
    let mut prepared = read(file)?;
    for path in keys {
        prepared = Prepared(prepared.0.signed_by(&super::private_key(path)?));
    }
    write(file, &prepared)?;
    describe(&prepared)
}

pub fn read(file: &Path) -> Result<Prepared> {
    let wrong = |why: String| {
        let what = format!("{} is no prepared trust document: {why}", file.display());
        Trouble::new("DH-C130", what, "`deskhand keys prepare --out FILE` makes one")
    };
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.parse().map_err(wrong)?)
}

fn write(file: &Path, prepared: &Prepared) -> Result<()> {
    fs::write(file, format!("{prepared}\n"))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// What would be in force, and who has signed.
fn describe(prepared: &Prepared) -> Result<()> {
    let document = TrustDocument::decode(prepared.0.payload())?;
    output::line(format!("Document {}", document.number()))?;
    for role in Role::ALL {
        let keys = document.role(role);
        for holder in keys.holders() {
            let until = holder.until.map(|until| output::stamp(until.as_millis()));
            let until = until.map_or(String::new(), |until| format!(" until {until}"));
            output::line(format!("{:9} {}{until}", role.as_str(), holder.key.fingerprint()))?;
        }
        if keys.threshold() > 1 {
            output::line(format!("{:9} {} of these must sign", "", keys.threshold()))?;
        }
    }
    for (key, _) in prepared.0.signatures() {
        output::line(format!("signed by {key}"))?;
    }
    Ok(())
}
