//! Why a request came to nothing, each with a code, and with what to do about it.

use std::io;

use hyper::StatusCode;

#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("cannot connect to the server at {server}")]
    Connect { server: String, source: io::Error },
    #[error("the connection to the server at {server} was lost")]
    Lost { server: String, source: hyper::Error },
    #[error("what answers at {server} is not a Deskhand server: {what}")]
    NotOurs { server: String, what: String },
    #[error("the server at {server} does not accept the administrator's token")]
    Unauthorized { server: String },
    /// The server understood and said no.
    #[error("{}", problem.message)]
    Refused { status: StatusCode, problem: api::Problem },
}

impl RequestError {
    /// For `deskhand explain`.
    pub fn code(&self) -> &str {
        match self {
            Self::Connect { .. } => "DH-C003",
            Self::Lost { .. } => "DH-C004",
            Self::NotOurs { .. } => "DH-C005",
            Self::Unauthorized { .. } => "DH-C006",
            Self::Refused { problem, .. } => &problem.code,
        }
    }

    /// What the person at the keyboard can do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                "nothing listens there: start one with `deskhand server run`, or give another \
                 address with --server or DESKHAND_SERVER"
            }
            Self::Connect { .. } => {
                "is the address right? It comes from --server, DESKHAND_SERVER \
                 or the server's data folder"
            }
            Self::Lost { .. } => {
                "the server may have been stopped; what it had confirmed is kept. \
                 `deskhand server status` tells whether it is back"
            }
            Self::NotOurs { .. } => {
                "the address of the API is meant (default port 1741), not that \
                 of the listener for agents"
            }
            Self::Unauthorized { .. } => {
                "the token is the file `admin.token` in the server's data \
                 folder; give it with --token-file, or its text in DESKHAND_TOKEN"
            }
            Self::Refused { problem, .. } => return problem.hint.clone(),
        };
        Some(hint.to_owned())
    }

    /// Whether the server says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}
