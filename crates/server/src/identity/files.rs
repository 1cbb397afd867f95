//! The key files of the data folder: the installed pair, and others that are kept for a while.

use std::sync::Arc;

use trust::key_file::{self, KeyFileError, Label};
use trust::{KeyId, SigningKey};

use super::IdentityError;
use crate::clock::random;
use crate::data_dir::{DataDir, KEY_PRIVATE, KEY_PUBLIC};

/// Where other keys than the installed one are kept: those of a change that goes on.
const FOLDER: &str = "keys";
const ENDING: &str = ".key";

fn name_of(key: KeyId) -> String {
    format!("{FOLDER}/{key}{ENDING}")
}

fn read_private(file: &str, text: String) -> Result<(Label, SigningKey), IdentityError> {
    let text = zeroize::Zeroizing::new(text);
    let failed = |source: KeyFileError| IdentityError::KeyFile { file: file.to_owned(), source };
    key_file::decode_private(&text).map_err(failed)
}

/// The installed key, or a new one for a server called `name`.
pub fn read_or_make(data: &Arc<DataDir>, name: &str) -> Result<(Label, SigningKey), IdentityError> {
    if let Some(text) = data.read(KEY_PRIVATE)? {
        return read_private(KEY_PRIVATE, text);
    }
    let label = Label::new(name)?;
    let key = SigningKey::from_seed(&random()?);
    write_pair(data, &label, &key)?;
    tracing::info!(fingerprint = %key.verifying_key().fingerprint(), "made a deployment key");
    Ok((label, key))
}

fn write_pair(data: &DataDir, label: &Label, key: &SigningKey) -> Result<(), IdentityError> {
    data.write(KEY_PUBLIC, &key_file::encode_public(label, &key.verifying_key()))?;
    Ok(data.write(KEY_PRIVATE, &key_file::encode_private(label, key))?)
}

/// Makes the key the installed one, unless it is.
pub fn install(data: &DataDir, label: &Label, key: &SigningKey) -> Result<(), IdentityError> {
    let installed = data.read(KEY_PRIVATE)?.map(|text| read_private(KEY_PRIVATE, text));
    match installed.transpose()? {
        Some((_, installed)) if installed.id() == key.id() => Ok(()),
        _ => {
            tracing::info!(fingerprint = %key.verifying_key().fingerprint(), "installed");
            write_pair(data, label, key)
        }
    }
}

/// The keys that are kept beside the installed one.
pub fn read_kept(data: &DataDir) -> Result<Vec<SigningKey>, IdentityError> {
    let mut keys = Vec::new();
    for name in data.names_in(FOLDER)? {
        let file = format!("{FOLDER}/{name}");
        if name.ends_with(ENDING)
            && let Some(text) = data.read(&file)?
        {
            keys.push(read_private(&file, text)?.1);
        }
    }
    Ok(keys)
}

pub fn keep(data: &DataDir, label: &Label, key: &SigningKey) -> Result<(), IdentityError> {
    data.make_folder(FOLDER)?;
    data.make_folder(FOLDER)?;
    Ok(data.write(&name_of(key.id()), &key_file::encode_private(label, key))?)
}

/// Removes a key that is kept, if it is.
pub fn forget(data: &DataDir, key: KeyId) -> Result<(), IdentityError> {
    Ok(data.remove(&name_of(key))?)
}
