//! Options of all commands that talk to a server.

use std::path::PathBuf;

use anyhow::Result;
use client::{Asked, Client};

#[derive(Debug, clap::Args)]
pub struct Connection {
    /// The server's API: `host:port` or `http://host:port` [default: the one on this machine]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DESKHAND_SERVER",
        help_heading = "Server"
    )]
    server: Option<String>,
    /// File with the administrator's token (or its text in DESKHAND_TOKEN)
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DESKHAND_TOKEN_FILE",
        help_heading = "Server"
    )]
    token_file: Option<PathBuf>,
    /// The server's data folder, to find both
    #[arg(long, global = true, value_name = "DIR", env = "DESKHAND_DATA", help_heading = "Server")]
    data: Option<PathBuf>,
}

impl Connection {
    /// The data folder, if one was named.
    pub fn data(&self) -> Option<PathBuf> {
        self.data.clone()
    }

    /// Whether a server somewhere else than in a data folder of this machine was named.
    pub fn is_elsewhere(&self) -> bool {
        self.server.is_some()
    }

    pub fn client(&self) -> Result<Client> {
        let asked = Asked {
            server: self.server.clone(),
            token: std::env::var("DESKHAND_TOKEN").ok().filter(|token| !token.trim().is_empty()),
            token_file: self.token_file.clone(),
            data: self.data.clone().unwrap_or_else(data_folder),
        };
        Ok(Client::new(&client::find(&asked)?))
    }
}

/// Where a server keeps its data unless told otherwise.
pub fn data_folder() -> PathBuf {
    server::default_data_dir()
}
