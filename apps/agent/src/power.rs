//! A power for tests: what is asked of it goes into a file, and the machine stays on.
//!
//! Only in programs built with debug assertions: what is delivered has neither this nor the option
//! that names the file. Which boot it is stands in a file beside it, `FILE.boot`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use machine::power::{Descent, Power, PowerError, PowerWish};

#[derive(Debug)]
pub(crate) struct Noted(pub(crate) PathBuf);

impl Noted {
    fn note(&self, what: &str, wish: &PowerWish) -> io::Result<()> {
        let descent = match wish.descent {
            Descent::Restart => "restart",
            Descent::PowerOff => "power_off",
        };
        let mut file = File::options().create(true).append(true).open(&self.0)?;
        let message = wish.message.as_deref().unwrap_or_default();
        file.write_all(format!("{what} {descent} force={} {message:?}\n", wish.force).as_bytes())
    }
}

impl Power for Noted {
    fn boot_id(&self) -> io::Result<String> {
        let mut path = self.0.clone().into_os_string();
        path.push(".boot");
        match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok("first".to_owned()),
            read => Ok(read?.trim().to_owned()),
        }
    }

    fn announce(&self, wish: &PowerWish, after: Duration) {
        // Nobody waits for it.
        let _ = self.note(&format!("announce {}", after.as_secs_f64().ceil()), wish);
    }

    fn call_off(&self, wish: &PowerWish) {
        let _ = self.note("call_off", wish);
    }

    fn go(&self, wish: &PowerWish) -> Result<(), PowerError> {
        self.note("go", wish).map_err(|source| PowerError::Call { source })
    }
}
