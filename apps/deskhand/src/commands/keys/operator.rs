//! `deskhand keys operator`: what waits for an operator's signature, shown from what would be
//! signed itself, and signing it.
//!
//! Of what the server says nothing is believed but the names of computers, which are shown beside
//! their ids: sets must have the hashes that the leaves name, and the leaves must be all that the
//! statement is over.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use api::{ComputerToSign, SignedEnvelope, ToSign, Unsigned};
use clap::Subcommand;
use client::Client;
use model::ComputerId;
use trust::{Proof, Signed, SigningKey, Wanted, WantedApplication, WantedLeaf, WantedSet};

use crate::commands::DONE;
use crate::output::{self, Table};
use crate::trouble::Trouble;
use crate::{ask, results};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// What agents do not take before more have signed it
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// All that a signature would cover
    Show {
        /// As `list` names it
        id: String,
    },
    /// Sign what waits, after it was shown
    Sign {
        /// As `list` names them; everything that waits when none is given
        id: Vec<String>,
        /// An operator's private key file; may be given several times
        #[arg(long, required = true, value_name = "FILE")]
        key: Vec<PathBuf>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

pub async fn run(client: &Client, args: Args) -> Result<ExitCode> {
    match args.action {
        Action::List { json } => list(&client.unsigned().await?, json)?,
        Action::Show { id } => {
            let shown = client.to_sign(&id).await?;
            tell(&shown.unsigned, &Statement::read(&shown)?)?;
        }
        Action::Sign { id, key, yes } => sign(client, id, &key, yes).await?,
    }
    Ok(DONE)
}

fn list(all: &[Unsigned], json: bool) -> Result<()> {
    if json {
        return output::json(&all);
    }
    let mut table = Table::new(&["ID", "WHAT", "COMPUTERS", "MADE", "MISSING"]);
    for one in all {
        table.row([
            one.id.as_str().into(),
            one.what.as_str().into(),
            one.computers.to_string().into(),
            output::stamp(one.made_at).into(),
            one.missing.to_string().into(),
        ]);
    }
    table.print()?;
    if all.is_empty() {
        output::note("Nothing waits for a signature.");
    }
    Ok(())
}

async fn sign(client: &Client, ids: Vec<String>, files: &[PathBuf], yes: bool) -> Result<()> {
    let keys: Vec<SigningKey> =
        files.iter().map(|file| super::private_key(file)).collect::<Result<_>>()?;
    let ids = if ids.is_empty() {
        client.unsigned().await?.into_iter().map(|one| one.id).collect()
    } else {
        ids
    };
    if ids.is_empty() {
        output::note("Nothing waits for a signature.");
    }
    for id in ids {
        let shown = client.to_sign(&id).await?;
        let statement = Statement::read(&shown)?;
        tell(&shown.unsigned, &statement)?;
        if !yes && !ask::agreed("Sign this?", "say `--yes`, or look with `keys operator show`")? {
            output::note("It was not signed.");
            continue;
        }
        let signed = keys.iter().fold(statement.signed, Signed::signed_by);
        let signed = SignedEnvelope { signed: hex::encode(signed.encode()) };
        let left = client.sign(&id, &signed).await?;
        output::note(match left.missing {
            0 => "Signed; the agents are told.".to_owned(),
            1 => "Signed; one more signature is missing.".to_owned(),
            missing => format!("Signed; {missing} more signatures are missing."),
        });
    }
    Ok(())
}

/// A statement of what computers are to have, found whole.
#[derive(Debug)]
struct Statement {
    signed: Signed,
    /// By what they are to have: names as the server says them, ids as they are signed.
    computers: BTreeMap<usize, Vec<(String, ComputerId)>>,
    sets: Vec<WantedSet>,
}

impl Statement {
    /// What was fetched, when that is all that a signature would cover.
    fn read(shown: &ToSign) -> Result<Self> {
        let signed = Signed::decode(&bytes(&shown.signed)?).context("the envelope")?;
        if signed.payload_type() != Wanted::PAYLOAD_TYPE {
            return Err(other("it is something else than what computers are to have"));
        }
        let statement = Wanted::decode(signed.payload()).context("the statement")?;
        let (mut sets, mut digests) = (Vec::new(), Vec::new());
        for set in &shown.sets {
            let set = WantedSet::decode(&bytes(set)?).context("a set of applications")?;
            digests.push(set.digest());
            sets.push(set);
        }
        let (mut seen, mut computers) = (BTreeSet::new(), BTreeMap::<usize, Vec<_>>::new());
        for ComputerToSign { name, leaf, proof, set } in &shown.computers {
            let leaf = WantedLeaf::decode(&bytes(leaf)?).context("a computer's part")?;
            let proof = Proof::decode(&bytes(proof)?).context("the proof of a computer's part")?;
            if !proof.holds(leaf.digest(), statement.targets_root, statement.targets_count) {
                return Err(other(&format!("`{name}` is none of its computers")));
            }
            let set = usize::try_from(*set).unwrap_or(usize::MAX);
            if digests.get(set) != Some(&leaf.set) {
                return Err(other(&format!("what is shown for `{name}` is not what it says")));
            }
            if seen.insert(leaf.digest()) {
                computers.entry(set).or_default().push((name.clone(), leaf.computer));
            }
        }
        if seen.len() != statement.targets_count as usize {
            let all = statement.targets_count;
            return Err(other(&format!("{} of its {all} computers are shown", seen.len())));
        }
        Ok(Self { signed, computers, sets })
    }
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    hex::decode(text).context("what the server sent are no hex digits")
}

fn other(why: &str) -> anyhow::Error {
    let what = format!("the server does not show what would be signed: {why}");
    let hint = "do not sign; ask who works with the server, and look at its log";
    Trouble::new("DH-C135", what, hint).into()
}

fn tell(unsigned: &Unsigned, statement: &Statement) -> Result<()> {
    let made = output::stamp(unsigned.made_at);
    output::line(format!("{}, made {made}", output::clean(&unsigned.id)))?;
    for (set, computers) in &statement.computers {
        output::line("")?;
        output::line(format!("{} will have:", results::targets(computers.len() as u64)))?;
        for (name, id) in computers {
            output::line(format!("  {}  {id}", output::clean(name)))?;
        }
        let applications = statement.sets.get(*set).map(|set| set.applications.as_slice());
        let applications = applications.unwrap_or_default();
        for wanted in applications {
            output::line(format!("  + {}", words(wanted)))?;
        }
        if applications.is_empty() {
            output::line("  nothing: what is there goes where that was wished")?;
        }
    }
    output::line("")?;
    for (key, _) in statement.signed.signatures() {
        output::line(format!("signed by {key}"))?;
    }
    Ok(())
}

/// One application as the statement has it.
fn words(wanted: &WantedApplication) -> String {
    let whose = match &wanted.users {
        None => "for everybody".to_owned(),
        Some(users) => format!("for {}", output::clean(&users.join(", "))),
    };
    let looks = match wanted.verify_every {
        None => "not looked after".to_owned(),
        Some(every) if wanted.repair => format!("put right every {every}"),
        Some(every) => format!("looked at every {every}"),
    };
    let goes = if wanted.uninstall { "goes when it is not wanted any more" } else { "stays then" };
    format!(
        "{} version {} ({}), {whose}, {looks}, {goes}; document {}",
        output::clean(&wanted.name),
        wanted.version,
        wanted.application,
        wanted.document
    )
}

#[cfg(test)]
mod tests;
