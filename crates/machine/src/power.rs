//! Restarting a machine and switching it off.
//!
//! [`Power`] is asked, never a program directly, so that what decides about the power can be tried
//! without a machine that goes down. Only [`system_power`] gives the real one.

#[cfg(target_os = "linux")]
#[path = "power/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "power/windows.rs"]
mod system;

use std::io;
use std::time::Duration;

/// How a machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descent {
    Restart,
    PowerOff,
}

/// What is asked of the power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerWish {
    pub descent: Descent,
    /// Told to whoever is logged on; a text of ours otherwise.
    pub message: Option<String>,
    /// Also where programs or people object.
    pub force: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PowerError {
    #[error("this agent may not restart or switch off the machine{}", in_words(.why))]
    Denied { why: String },
    /// Somebody objects, for example a package manager in the middle of its work.
    #[error("the system refuses to go down{}; `force` overrides it", in_words(.why))]
    Refused { why: String },
    #[error("the system cannot be told to go down")]
    Call { source: io::Error },
}

fn in_words(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(" ({why})") }
}

/// The power of a machine. The calls may block for some seconds.
pub trait Power: std::fmt::Debug + Send + Sync {
    /// Another text after each boot, also after one that a fast start-up makes look like a sleep.
    fn boot_id(&self) -> io::Result<String>;

    /// Tells everybody logged on what comes, and when. That nobody could be told is no error.
    fn announce(&self, wish: &PowerWish, after: Duration);

    /// Tells them that it does not come.
    fn call_off(&self, wish: &PowerWish);

    /// The machine goes down now; this returns once it has been told to.
    fn go(&self, wish: &PowerWish) -> Result<(), PowerError>;
}

/// This machine's own power.
pub fn system_power() -> impl Power {
    system::SystemPower
}

impl PowerWish {
    fn announcement(&self, after: Duration) -> String {
        let what = match self.descent {
            Descent::Restart => "restarts",
            Descent::PowerOff => "is switched off",
        };
        let when = match after.as_secs() {
            0 => "now".to_owned(),
            1 => "in a second".to_owned(),
            seconds if seconds < 120 => format!("in {seconds} seconds"),
            seconds => format!("in {} minutes", seconds.div_ceil(60)),
        };
        match &self.message {
            Some(message) => format!("{message}\n(This computer {what} {when}.)"),
            None => format!("This computer {what} {when}. Please save your work."),
        }
    }

    fn denial(&self) -> &'static str {
        match self.descent {
            Descent::Restart => "This computer is not restarted after all.",
            Descent::PowerOff => "This computer is not switched off after all.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_comes_and_when() {
        let mut wish = PowerWish { descent: Descent::Restart, message: None, force: false };
        let said = |wish: &PowerWish, seconds| wish.announcement(Duration::from_secs(seconds));
        assert_eq!(said(&wish, 90), "This computer restarts in 90 seconds. Please save your work.");
        wish.message = Some("Updates.".into());
        wish.descent = Descent::PowerOff;
        assert_eq!(said(&wish, 600), "Updates.\n(This computer is switched off in 10 minutes.)");
        assert_eq!(said(&wish, 0), "Updates.\n(This computer is switched off now.)");
    }

    #[test]
    fn the_machine_knows_its_boot() {
        let power = system_power();
        assert_eq!(power.boot_id().unwrap(), power.boot_id().unwrap());
    }
}
