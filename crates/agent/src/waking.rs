//! Waking a neighbour for the server (BX-15).
//!
//! Needs no warrant: the packet changes nothing on this machine, carries nothing but a physical
//! address, goes into this machine's own networks only, and so seldom that nobody is disturbed.

use std::time::Duration;

use tokio::time::Instant;
use wire::wake::Mac;

/// Packets within a window; more are dropped.
const PACKETS_MAX: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Sends packets, and keeps count of them.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    window: Option<Instant>,
    sent: u32,
}

impl Waker {
    pub(crate) fn wake(&mut self, mac: Mac, port: u16) {
        if !self.is_allowed(Instant::now()) {
            tracing::warn!("the server wants more machines woken than is reasonable; {mac} waits");
            return;
        }
        match machine::shout(&mac.packet(), port) {
            Ok(networks) => tracing::info!("{mac} was called in {networks} networks"),
            Err(error) => tracing::warn!("{mac} could not be called: {error}"),
        }
    }

    fn is_allowed(&mut self, at: Instant) -> bool {
        if self.window.is_none_or(|begun| at.duration_since(begun) >= WINDOW) {
            (self.window, self.sent) = (Some(at), 0);
        }
        self.sent += 1;
        self.sent <= PACKETS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_floods_is_not_obeyed() {
        let (mut waker, begin) = (Waker::default(), Instant::now());
        let allowed = (0..100).filter(|_| waker.is_allowed(begin)).count();
        assert_eq!(allowed, 20);
        assert!(waker.is_allowed(begin + WINDOW));
    }
}
