//! Secrets, as far as they are told.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A secret that the server keeps, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    pub name: String,
    /// False after the server lost the key that it was encrypted with: it must be set again.
    pub is_readable: bool,
    pub updated_by: String,
    pub updated_at: i64,
}

/// What a secret shall be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewSecret {
    /// Its bytes, as Base64.
    pub base64: String,
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSecret(…)")
    }
}

/// Credentials to try on a computer: user, domain, and the secret that is the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretTest {
    pub user: String,
    #[serde(default)]
    pub domain: Option<String>,
    /// By name or id.
    pub computer: String,
}
