//! What a service tells systemd: one datagram each, to the socket that it was given (sd_notify(3)).

use std::io;
use std::time::Duration;

/// The way to the service manager; leads nowhere where there is none.
#[derive(Debug)]
pub struct Notify {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment of this process tells.
    pub fn of_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let is_for_us =
            text("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let micros = text("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let watchdog = micros.map(Duration::from_micros).filter(|_| is_for_us);
        Self {
            #[cfg(unix)]
            socket: text("NOTIFY_SOCKET").and_then(|path| match connect(&path) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    tracing::warn!(%error, path, "the service manager cannot be told anything");
                    None
                }
            }),
            watchdog,
        }
    }

    /// How often a sign of life is due: twice in the time after which none means stuck.
    pub fn watchdog_every(&self) -> Option<Duration> {
        self.watchdog.map(|within| within / 2)
    }

    /// Says lines of `KEY=VALUE`. A manager that does not hear is no reason to stop.
    pub fn say(&self, lines: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(lines.as_bytes())
        {
            tracing::warn!(%error, "the service manager could not be told");
        }
        #[cfg(not(unix))]
        let _ = lines;
    }
}

/// A path, or `@` and a name that has no file.
#[cfg(unix)]
fn connect(path: &str) -> io::Result<std::os::unix::net::UnixDatagram> {
    use std::os::unix::net::UnixDatagram;
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = path.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        socket.connect_addr(&address)?;
        return Ok(socket);
    }
    socket.connect(path)?;
    Ok(socket)
}
