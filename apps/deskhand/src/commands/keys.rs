//! `deskhand keys`: the keys that a fleet trusts.

mod change;
mod document;
mod operator;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use model::Span;
use trust::key_file::{self, Label};
use trust::{SigningKey, VerifyingKey};

use crate::connection::Connection;
use crate::output;
use crate::trouble::Trouble;

const PRIVATE: &str = "keypriv.key";
const PUBLIC: &str = "keypub.key";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key pair: `keypriv.key` for the server, `keypub.key` for everybody
    Generate {
        /// Whose keys they are, in words
        #[arg(long, value_name = "NAME")]
        identity: String,
        /// The folder to write them to
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What a key file holds
    Show {
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a server its private key, before its first start
    Install { file: PathBuf },
    /// The keys that count now, and what for
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Which agents have heard of the last change of keys
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the deployment key: a new one is made, and the old one vouches for it
    Rotate {
        /// How long the old key is good besides
        #[arg(long, default_value = "30d", value_name = "TIME")]
        overlap: Span,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a lost key count for nothing, at once; the deployment key is replaced by a new one
    Revoke {
        /// Its fingerprint or id
        key: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the next trust document to a file, to be signed where the root keys are
    Prepare(document::PrepareArgs),
    /// Sign a prepared trust document
    Sign {
        file: PathBuf,
        /// A private key file; may be given several times
        #[arg(long, required = true, value_name = "FILE")]
        key: Vec<PathBuf>,
    },
    /// Give a signed trust document to the server, which tells all agents
    Submit {
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// What waits for an operator's signature, and signing it
    Operator(operator::Args),
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let connection = args.connection;
    match args.action {
        Action::Generate { identity, out, json } => generate(&identity, &out, json)?,
        Action::Show { file, json } => show(&file, json)?,
        Action::Install { file } => install(&file, connection.data().as_deref())?,
        Action::List { json } => change::list(&connection.client()?.keys().await?, json)?,
        Action::Status { json } => change::status(&connection.client()?.keys().await?, json)?,
        Action::Rotate { overlap, json } => {
            let overlap_s = overlap.as_millis().div_ceil(1_000);
            let client = connection.client()?;
            change::told(&client.rotate_keys(&api::KeyRotation { overlap_s }).await?, json)?;
        }
        Action::Revoke { key, json } => {
            let client = connection.client()?;
            change::told(&client.revoke_key(&api::KeyRevocation { key }).await?, json)?;
        }
        Action::Prepare(what) => document::prepare(&connection.client()?, what).await?,
        Action::Sign { file, key } => document::sign(&file, &key)?,
        Action::Operator(args) => return operator::run(&connection.client()?, args).await,
        Action::Submit { file, json } => {
            let signed = document::read(&file)?;
            let signed = api::SignedDocument { signed: signed.to_string() };
            change::told(&connection.client()?.submit_keys(&signed).await?, json)?;
        }
    }
    Ok(super::DONE)
}

fn generate(identity: &str, out: &Path, json: bool) -> Result<()> {
    let wrong = |error: key_file::BadLabel| Trouble::usage(error.to_string(), "--identity NAME");
    let label = Label::new(identity).map_err(wrong)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
    let key = SigningKey::from_seed(&seed);
    let public = key.verifying_key();
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let (private_path, public_path) = (out.join(PRIVATE), out.join(PUBLIC));
    write_new(&private_path, &key_file::encode_private(&label, &key))?;
    write_new(&public_path, &key_file::encode_public(&label, &public))?;
    if json {
        return output::json(&described("private", &label, &public));
    }
    output::line(public.fingerprint().to_string())?;
    output::note(format!(
        "{} holds the secret: keep it where only the server (or you) can read it.\n\
         {} may be given to anybody.",
        private_path.display(),
        public_path.display()
    ));
    Ok(())
}

fn show(file: &Path, json: bool) -> Result<()> {
    let text = read(file)?;
    let (kind, label, key) = match key_file::decode_private(&text) {
        Ok((label, key)) => ("private", label, key.verifying_key()),
        Err(_) => {
            let wrong = |error| not_a_key(file, &error);
            let (label, key) = key_file::decode_public(&text).map_err(wrong)?;
            ("public", label, key)
        }
    };
    if json {
        return output::json(&described(kind, &label, &key));
    }
    output::line(format!("Kind:        {kind} key"))?;
    output::line(format!("Identity:    {label}"))?;
    output::line(format!("Key id:      {}", key.id()))?;
    Ok(output::line(format!("Fingerprint: {}", key.fingerprint()))?)
}

fn install(file: &Path, data: Option<&Path>) -> Result<()> {
    let text = read(file)?;
    let (label, key) = key_file::decode_private(&text).map_err(|error| not_a_key(file, &error))?;
    let data = data.map_or_else(crate::connection::data_folder, Path::to_owned);
    make_private(&data)?;
    write_new(&data.join(PRIVATE), &text)?;
    write_new(&data.join(PUBLIC), &key_file::encode_public(&label, &key.verifying_key()))?;
    output::note(format!("The server in {} will use the key of {label}.", data.display()));
    Ok(())
}

fn described(kind: &str, label: &Label, key: &VerifyingKey) -> serde_json::Value {
    serde_json::json!({
        "kind": kind,
        "identity": label.as_str(),
        "key_id": key.id().to_string(),
        "fingerprint": key.fingerprint().to_string(),
    })
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn private_key(file: &Path) -> Result<SigningKey> {
    let text = zeroize::Zeroizing::new(read(file)?);
    let (_, key) = key_file::decode_private(&text).map_err(|error| not_a_key(file, &error))?;
    Ok(key)
}

fn not_a_key(file: &Path, error: &key_file::KeyFileError) -> Trouble {
    let what = format!("{}: {error}", file.display());
    Trouble::new("DH-C011", what, "`deskhand keys generate` makes a pair of key files")
}

/// Never over an existing key: a fleet that trusts it could not be reached any more.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Trouble::new(
            "DH-C012",
            format!("{} exists already", path.display()),
            "move it away first, if no machine trusts it",
        )
        .into()),
        other => other.with_context(|| format!("cannot write {}", path.display())),
    }
}

fn make_private(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("cannot make {}", folder.display()))
}
