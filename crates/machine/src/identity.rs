//! Users of a machine, and acting as one of them.
//!
//! An [`Identity`] is found and verified once, by [`resolve`], and then used by executions and the
//! registry. It never outlives the activity that it was found for, and keeps no password.

#[cfg(target_os = "linux")]
#[path = "identity/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "identity/windows.rs"]
mod system;

#[cfg(target_os = "linux")]
mod pam;
#[cfg(target_os = "linux")]
mod sessions;
#[cfg(windows)]
mod token;

use std::io;

#[cfg(target_os = "linux")]
pub(crate) use system::Way;
pub use system::{Identity, own_user, users_logged_on};
#[cfg(windows)]
pub(crate) use system::{active_session, own_sid};
#[cfg(windows)]
pub(crate) use token::{Impersonation, enable};

/// The name that stands for whoever sits at the machine.
pub const LOGGED_ON_USER: &str = "@LoggedOnUser";

/// Why nobody could be found to act as.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("nobody is logged on to this machine, so there is no `{LOGGED_ON_USER}`")]
    NobodyLoggedOn,
    #[error("this machine knows no user `{user}`")]
    Unknown { user: String },
    #[error("`{user}` cannot be the name of a user")]
    Name { user: String },
    #[error("user name or password is wrong for `{user}`{}", in_words(.why))]
    WrongPassword { user: String, why: String },
    #[error("the account `{user}` may not be used now{}", in_words(.why))]
    NotAllowed { user: String, why: String },
    #[error(
        "acting as `{user}` needs a password here: name a `secret`, or have the user log on and \
         use `{LOGGED_ON_USER}`"
    )]
    NeedsPassword { user: String },
    #[error(
        "this agent runs as `{own}` and cannot act as `{user}`; an agent that does must run as \
         {}", if cfg!(windows) { "the system" } else { "root" }
    )]
    NotPrivileged { own: String, user: String },
    #[error("the password of `{user}` cannot be verified here: {why}")]
    NoVerifier { user: String, why: String },
    #[error("who is logged on cannot be learned")]
    Sessions { source: io::Error },
    #[error("`{user}` cannot be acted as")]
    Call { user: String, source: io::Error },
}

/// Whether this program may change the whole machine: as root, or as the system of Windows.
pub fn is_system() -> bool {
    system::is_system()
}

fn in_words(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(" ({why})") }
}

/// Finds a user, verifies the password where one is given, and makes sure that this agent may act
/// as that user. `user` may be [`LOGGED_ON_USER`] or `DOMAIN\name`; `domain` may be empty. Blocks,
/// for some seconds when the password is wrong.
pub fn resolve(
    user: &str,
    domain: &str,
    password: Option<&[u8]>,
) -> Result<Identity, IdentityError> {
    let (user, domain) = (user.trim(), domain.trim());
    if user.eq_ignore_ascii_case(LOGGED_ON_USER) {
        return system::logged_on();
    }
    let begins_oddly = user.is_empty() || user.starts_with(['-', '@']);
    let is_odd = |name: &str| name.contains([':', '\n', '\0', '/']);
    if begins_oddly || is_odd(user) || is_odd(domain) || domain.starts_with('-') {
        return Err(IdentityError::Name { user: user.to_owned() });
    }
    system::resolve(user, domain, password)
}
