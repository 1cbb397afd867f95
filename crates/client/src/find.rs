//! Finding the server and the administrator's token on this machine.
//!
//! Asked for by name first, then what a running server left in its data folder: the file
//! `server.json` says where it listens, `admin.token` holds the token. Both belong to the server;
//! here they are only read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

const RUNTIME: &str = "server.json";
const TOKEN: &str = "admin.token";

/// What was asked for on the command line or in the environment.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `http://host:port` or `host:port`.
    pub server: Option<String>,
    /// The token itself.
    pub token: Option<String>,
    pub token_file: Option<PathBuf>,
    /// The server's data folder; looked at for what is not given.
    pub data: PathBuf,
}

/// A server, and what lets one in.
#[derive(Debug, Clone)]
pub struct Found {
    /// `host:port`.
    pub address: String,
    pub token: String,
}

/// What of the running server's own note is needed here.
#[derive(Deserialize)]
struct Runtime {
    api: String,
}

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("no server was given and none runs with the data folder {}", data.display())]
    NoServer { data: PathBuf },
    #[error("`{text}` is not the address of a server")]
    Address { text: String },
    #[error("the administrator's token {} cannot be read", path.display())]
    Token { path: PathBuf, source: io::Error },
}

impl FindError {
    /// For `deskhand explain`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoServer { .. } | Self::Address { .. } => "DH-C001",
            Self::Token { .. } => "DH-C002",
        }
    }

    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoServer { .. } => {
                "start one with `deskhand server run`, or say where it is: --data its folder, or \
                 --server with --token-file (DESKHAND_DATA, DESKHAND_SERVER, DESKHAND_TOKEN)"
            }
            Self::Address { .. } => {
                "write `host:port` or `http://host:port`; the API speaks plain HTTP on the \
                 server's own machine, from elsewhere use a tunnel such as `ssh -L`"
            }
            Self::Token { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "only the server's owner may read it: become that user, or root"
            }
            Self::Token { .. } => {
                "it is made when the server first starts; give it with --token-file, or its text \
                 in DESKHAND_TOKEN"
            }
        }
    }
}

/// The server that was asked for, else the one that runs on this machine.
pub fn find(asked: &Asked) -> Result<Found, FindError> {
    let address = match &asked.server {
        Some(text) => address(text)?,
        None => running(&asked.data)?,
    };
    let token = match (&asked.token, &asked.token_file) {
        (_, Some(path)) => read_token(path)?,
        (Some(token), None) => token.trim().to_owned(),
        (None, None) => read_token(&asked.data.join(TOKEN))?,
    };
    Ok(Found { address, token })
}

fn running(data: &Path) -> Result<String, FindError> {
    let none = || FindError::NoServer { data: data.to_owned() };
    let text = fs::read(data.join(RUNTIME)).map_err(|_| none())?;
    let runtime: Runtime = serde_json::from_slice(&text).map_err(|_| none())?;
    address(&runtime.api)
}

fn read_token(path: &Path) -> Result<String, FindError> {
    let failed = |source| FindError::Token { path: path.to_owned(), source };
    fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(failed)
}

/// `host:port` of what people write.
fn address(text: &str) -> Result<String, FindError> {
    let wrong = || FindError::Address { text: text.to_owned() };
    let rest = text.trim().strip_prefix("http://").unwrap_or(text.trim());
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let is_host = !host.is_empty()
        && (host.starts_with('[') && host.ends_with(']') || !host.contains([':', '/', '@', ' ']));
    if is_host && port.parse::<u16>().is_ok_and(|port| port > 0) {
        Ok(rest.to_owned())
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, expect) in [
            ("http://127.0.0.1:1741", "127.0.0.1:1741"),
            ("http://localhost:1741/", "localhost:1741"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(address(text).unwrap(), expect);
        }
        for text in ["", "localhost", "https://a:1", ":80", "a:0", "a:99999", "::1:80", "a/b:1"] {
            assert!(matches!(address(text), Err(FindError::Address { .. })), "{text}");
        }
    }
}
