//! The registry of a machine: asked and changed key by key, and scripts that happen whole or not
//! at all.
//!
//! [`Registry`] is what a registry can do; [`SystemRegistry`] is the machine's own, and
//! [`MemoryRegistry`] one to try scripts on, on every system. `HKEY_CLASSES_ROOT` means the
//! machine's classes; a user's own are below `HKEY_CURRENT_USER\Software\Classes`. The 64-bit view
//! is used; what 32-bit programs see is below `Software\WOW6432Node`.

mod bytes;
mod memory;
mod plan;
#[cfg(target_os = "linux")]
#[path = "registry/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "registry/windows.rs"]
mod system;

use std::io;

use model::registry::{Data, Key};

pub use bytes::RegistryBytesError;
pub use memory::MemoryRegistry;
pub use plan::{RegistryPlan, ScriptError};
pub use system::SystemRegistry;

/// Why a registry did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the registry is a part of Windows; this is Linux")]
    NotHere,
    #[error("access to `{key}` is denied")]
    Denied { key: Key },
    #[error("`{key}` does not exist")]
    Missing { key: Key },
    #[error("`{key}` is a link to another key; delete the link by a tool of its own")]
    Link { key: Key },
    #[error("what is below `{key}` is too much to be put back should something fail")]
    TooMuch { key: Key },
    #[error("`{key}` cannot be {what}")]
    Call { key: Key, what: &'static str, source: io::Error },
    #[error("the registry cannot be opened as this user")]
    Identity { source: io::Error },
}

/// A registry. Names are compared without regard to capitals; the empty name is the default value.
pub trait Registry {
    fn exists(&self, key: &Key) -> Result<bool, RegistryError>;

    /// `None` where the value or its key is not there.
    fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, RegistryError>;

    /// The names of the keys directly below.
    fn keys(&self, key: &Key) -> Result<Vec<String>, RegistryError>;

    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, RegistryError>;

    /// Whether the key only points to another one.
    fn is_link(&self, key: &Key) -> Result<bool, RegistryError>;

    /// Who may do what with the key, for [`Registry::protect`]; empty where nothing is known.
    fn protection(&self, key: &Key) -> Result<Vec<u8>, RegistryError>;

    /// Makes the key and those above it. Answers whether it was not there before.
    fn create(&mut self, key: &Key) -> Result<bool, RegistryError>;

    /// Deletes a key that has none below it. Answers whether it was there.
    fn delete(&mut self, key: &Key) -> Result<bool, RegistryError>;

    /// Sets a value of a key that is there.
    fn set(&mut self, key: &Key, name: &str, data: &Data) -> Result<(), RegistryError>;

    /// Answers whether the value was there.
    fn delete_value(&mut self, key: &Key, name: &str) -> Result<bool, RegistryError>;

    fn protect(&mut self, key: &Key, protection: &[u8]) -> Result<(), RegistryError>;

    /// Makes what was done at a key, or at what was there, outlast a loss of power.
    fn flush(&mut self, key: &Key) -> Result<(), RegistryError>;
}
