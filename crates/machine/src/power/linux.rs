//! The power of Linux: through systemd where it runs, else through `shutdown`.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::{Descent, Power, PowerError, PowerWish};

#[derive(Debug)]
pub(super) struct SystemPower;

impl Power for SystemPower {
    fn boot_id(&self) -> io::Result<String> {
        crate::boot_id()
    }

    fn announce(&self, wish: &PowerWish, after: Duration) {
        tell(&wish.announcement(after));
    }

    fn call_off(&self, wish: &PowerWish) {
        tell(wish.denial());
    }

    fn go(&self, wish: &PowerWish) -> Result<(), PowerError> {
        let has_systemd = Path::new("/run/systemd/system").is_dir();
        let words = words(wish, has_systemd);
        let done = run(&words)?;
        // Versions before 248 know nothing of objections; they would go down despite them.
        let is_unknown = |output: &Output| said(output).contains("--check-inhibitors");
        if !done.status.success() && !wish.force && has_systemd && is_unknown(&done) {
            let older: Vec<&str> =
                words.into_iter().filter(|word| !word.starts_with("--check")).collect();
            return judge(&run(&older)?);
        }
        judge(&done)
    }
}

/// Without force, whoever inhibits a shutdown is heard; with it, nobody is.
fn words(wish: &PowerWish, has_systemd: bool) -> Vec<&'static str> {
    let (verb, option) = match wish.descent {
        Descent::Restart => ("reboot", "-r"),
        Descent::PowerOff => ("poweroff", "-P"),
    };
    if !has_systemd {
        return vec!["shutdown", option, "now"];
    }
    let check = if wish.force { "--check-inhibitors=no" } else { "--check-inhibitors=yes" };
    vec!["systemctl", "--no-wall", "--no-ask-password", check, verb]
}

fn run(words: &[&str]) -> Result<Output, PowerError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(PowerError::Call { source: io::ErrorKind::NotFound.into() });
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.output().map_err(|source| PowerError::Call { source })
}

fn judge(output: &Output) -> Result<(), PowerError> {
    if output.status.success() {
        return Ok(());
    }
    let said = said(output);
    let why = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let why: String = why.chars().take(300).collect();
    let is = |words: &[&str]| words.iter().any(|word| said.contains(word));
    Err(if is(&["inhibit", "Inhibit"]) {
        PowerError::Refused { why }
    } else if is(&["ccess denied", "uthenti", "ermission", "must be root", "Not authorized"]) {
        PowerError::Denied { why }
    } else {
        PowerError::Call { source: io::Error::other(why) }
    })
}

fn said(output: &Output) -> String {
    crate::decode_output(&output.stderr)
}

/// On all terminals; whoever has none, or a machine without `wall`, hears nothing.
fn tell(text: &str) {
    let mut command = Command::new("wall");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut wall) = command.spawn() else { return };
    if let Some(mut input) = wall.stdin.take() {
        // It may have ended at once.
        let _ = input.write_all(text.as_bytes());
    }
    let _ = wall.wait();
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn output(code: i32, said: &str) -> Output {
        let status = ExitStatus::from_raw(code << 8);
        Output { status, stdout: Vec::new(), stderr: said.as_bytes().to_vec() }
    }

    #[test]
    fn what_is_called_fits_the_wish_and_the_system() {
        let wish = |descent, force| PowerWish { descent, message: None, force };
        for (descent, force, has_systemd, expect) in [
            (
                Descent::Restart,
                false,
                true,
                "systemctl --no-wall --no-ask-password --check-inhibitors=yes reboot",
            ),
            (
                Descent::PowerOff,
                true,
                true,
                "systemctl --no-wall --no-ask-password --check-inhibitors=no poweroff",
            ),
            (Descent::Restart, true, false, "shutdown -r now"),
            (Descent::PowerOff, false, false, "shutdown -P now"),
        ] {
            assert_eq!(words(&wish(descent, force), has_systemd).join(" "), expect);
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        assert!(judge(&output(0, "")).is_ok());
        let of = |said| judge(&output(1, said)).unwrap_err();
        let inhibited = "Operation inhibited by \"apt\" (PID 7), reason is \"upgrading\".\n";
        assert!(matches!(of(inhibited), PowerError::Refused { .. }));
        assert!(of(inhibited).to_string().contains("upgrading"));
        assert!(matches!(of("Call to Reboot failed: Access denied"), PowerError::Denied { .. }));
        assert!(matches!(of("something else"), PowerError::Call { .. }));
    }
}
