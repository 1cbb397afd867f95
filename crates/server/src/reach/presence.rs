//! Hearing signals of presence (AG-02).
//!
//! A datagram is nothing until the key on record for the computer that it names has signed it; one
//! that is older than what was heard before, or than this server, or whose clock is far off,
//! proves nothing new. What is believed is only that the agent was there: its link is what counts.
//! Owns what was heard and the limits: strangers cost a bounded number of look-ups a second, and
//! are counted, not logged one by one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{Addresses, ComputerId, Span, Timestamp};
use store::rows::AgentState;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use trust::VerifyingKey;
use wire::signal::{Heard, SIGNAL_BYTES, Signal};

use super::lock;
use crate::clock::now;
use crate::hall::{About, Hall, SELF};

/// A signal's clock may be off by so much; an older one may be a recording.
const CLOCK_OFF_MAX: Span = Span::from_secs(5 * 60);
/// Signals looked at in a second, and those of them whose key has to be looked up.
const SIGNALS_A_SECOND_MAX: u32 = 5_000;
const LOOK_UPS_A_SECOND_MAX: u32 = 500;
/// How long a key that was looked up is taken as read.
const KEY_KEPT: Duration = Duration::from_secs(60);
const KEYS_MAX: usize = 200_000;
/// How often it is told that signals were not believed.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// After an error of a socket.
const REST: Duration = Duration::from_secs(1);

/// The last signal of a machine that was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// By this server's clock.
    pub at: Timestamp,
    pub from: SocketAddr,
    pub signal: Signal,
}

/// Why a signal was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disbelief {
    /// No such agent, or one that is not trusted.
    Unknown,
    /// Not signed by that agent's key.
    Forged,
    /// Heard before, older than what was heard, or too old to be told from a recording.
    Stale,
}

#[derive(Debug, Default)]
pub struct Signals {
    seen: Mutex<HashMap<ComputerId, Sighting>>,
    /// Counts what was believed, for those who wait.
    believed: watch::Sender<u64>,
    disbelieved: [AtomicU64; 3],
    limited: AtomicU64,
    /// How many were disbelieved when that was told last.
    told: AtomicU64,
}

/// How many signals came to what since the server started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub believed: u64,
    pub unknown: u64,
    pub forged: u64,
    pub stale: u64,
    pub limited: u64,
}

impl Signals {
    pub fn last(&self, computer: ComputerId) -> Option<Sighting> {
        lock(&self.seen).get(&computer).copied()
    }

    /// Ready once a signal of that computer is believed that came after `since`.
    pub async fn after(&self, computer: ComputerId, since: Timestamp) {
        let mut believed = self.believed.subscribe();
        while self.last(computer).is_none_or(|sighting| sighting.at <= since) {
            if believed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes a proved signal, if it is news. `started` is when this server began to listen.
    fn take(&self, sighting: Sighting, started: Timestamp) -> Result<(), Disbelief> {
        let Sighting { at, signal, .. } = sighting;
        let off = at.since(signal.at).max(signal.at.since(at));
        let mut seen = lock(&self.seen);
        let is_news = match seen.get(&signal.computer) {
            Some(Sighting { signal: last, .. }) => {
                (signal.start, signal.sequence) > (last.start, last.sequence)
            }
            // What was heard before this server started is not known any more.
            None => signal.at >= started,
        };
        if off > CLOCK_OFF_MAX || !is_news {
            return Err(Disbelief::Stale);
        }
        seen.insert(signal.computer, sighting);
        drop(seen);
        self.believed.send_modify(|count| *count += 1);
        Ok(())
    }

    fn count(&self, why: Disbelief) {
        self.disbelieved[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> Counts {
        let [unknown, forged, stale] =
            [0, 1, 2].map(|index: usize| self.disbelieved[index].load(Ordering::Relaxed));
        let limited = self.limited.load(Ordering::Relaxed);
        Counts { believed: *self.believed.borrow(), unknown, forged, stale, limited }
    }

    /// What was not believed so far, if more was than the last time this was asked.
    fn news(&self) -> Option<String> {
        let Counts { unknown, forged, stale, limited, .. } = self.counts();
        let all = unknown + forged + stale + limited;
        let told = self.told.swap(all, Ordering::Relaxed);
        (all > told).then(|| {
            format!(
                "{} signals of presence were not believed; since the server started: {unknown} of \
                 unknown agents, {forged} forged, {stale} old or heard before, {limited} too many \
                 at once",
                all - told
            )
        })
    }
}

/// Listens where the server is told to, until it stops.
pub async fn run(hall: Arc<Hall>, mut stopping: watch::Receiver<bool>) {
    let mut places = hall.reach.detection.subscribe();
    loop {
        let addresses = places.borrow_and_update().clone();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            changed = places.changed() => if changed.is_err() { return },
            () = listen(&hall, &addresses) => {}
        }
    }
}

async fn listen(hall: &Arc<Hall>, addresses: &Addresses) {
    let mut sockets = Vec::new();
    for address in addresses.iter() {
        let host = address.host().unwrap_or("0.0.0.0");
        let bound = match host.parse() {
            Ok(ip) => machine::hear(SocketAddr::new(ip, address.port())),
            Err(_) => Err(std::io::Error::other("it is no address of this machine")),
        };
        match bound.and_then(UdpSocket::from_std) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                let text = format!("signals of presence are not heard on {address}: {error}");
                hall.log("presence", About::NOTHING, SELF, text);
            }
        }
    }
    let tell = async {
        let mut tick = tokio::time::interval(TELL_EVERY);
        loop {
            tick.tick().await;
            if let Some(text) = hall.reach.signals.news() {
                hall.log("presence", About::NOTHING, SELF, text);
            }
        }
    };
    let hearing = sockets.iter().map(|socket| hear(hall, socket));
    tokio::join!(futures_util::future::join_all(hearing), tell);
}

async fn hear(hall: &Arc<Hall>, socket: &UdpSocket) {
    let mut ear = Ear { keys: HashMap::new(), second: Instant::now(), signals: 0, look_ups: 0 };
    let mut datagram = [0; SIGNAL_BYTES + 1];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((bytes, from)) => {
                let Some(heard) = datagram.get(..bytes).and_then(Heard::read) else { continue };
                if let Err(why) = ear.judge(hall, &heard, from).await {
                    hall.reach.signals.count(why);
                }
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// What one socket keeps in mind.
struct Ear {
    keys: HashMap<ComputerId, (Option<VerifyingKey>, Instant)>,
    second: Instant,
    signals: u32,
    look_ups: u32,
}

impl Ear {
    async fn judge(
        &mut self,
        hall: &Arc<Hall>,
        heard: &Heard,
        from: SocketAddr,
    ) -> Result<(), Disbelief> {
        if self.second.elapsed() >= Duration::from_secs(1) {
            (self.second, self.signals, self.look_ups) = (Instant::now(), 0, 0);
        }
        self.signals += 1;
        let computer = heard.signal.computer;
        let known = self.keys.get(&computer).filter(|(_, at)| at.elapsed() < KEY_KEPT);
        let known = known.map(|(key, _)| *key);
        let is_limited = self.signals > SIGNALS_A_SECOND_MAX
            || (known.is_none() && self.look_ups >= LOOK_UPS_A_SECOND_MAX);
        if is_limited {
            hall.reach.signals.limited.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let key = match known {
            Some(key) => key,
            None => {
                self.look_ups += 1;
                self.look_up(hall, computer).await
            }
        };
        let key = key.ok_or(Disbelief::Unknown)?;
        if !heard.is_proved_by(&key) {
            return Err(Disbelief::Forged);
        }
        let sighting = Sighting { at: now(), from, signal: heard.signal };
        hall.reach.signals.take(sighting, hall.started_at)?;
        tracing::debug!(%computer, %from, "a machine shows itself");
        hall.reach.hurry(computer);
        Ok(())
    }

    async fn look_up(&mut self, hall: &Hall, computer: ComputerId) -> Option<VerifyingKey> {
        // A database that cannot be read knows nobody now.
        let agent = hall.store.agent(computer).await.ok().flatten();
        let agent = agent.filter(|agent| agent.state == AgentState::Enrolled);
        let key = agent.and_then(|agent| VerifyingKey::from_bytes(&agent.signing_key).ok());
        if self.keys.len() >= KEYS_MAX {
            self.keys.clear();
        }
        self.keys.insert(computer, (key, Instant::now()));
        key
    }
}

#[cfg(test)]
mod tests {
    use trust::KeyId;

    use super::*;

    fn sighting(start: u64, sequence: u64, said: i64, heard: i64) -> Sighting {
        let signal = Signal {
            computer: ComputerId::from_bytes([1; 16]),
            key: KeyId::from_bytes([2; 16]),
            start,
            sequence,
            at: Timestamp::from_millis(said),
            port: 0,
        };
        let from = SocketAddr::from(([10, 0, 0, 7], 1738));
        Sighting { at: Timestamp::from_millis(heard), from, signal }
    }

    #[test]
    fn only_what_is_new_is_believed() {
        let (signals, started) = (Signals::default(), Timestamp::from_millis(1_000_000));
        let take = |start, sequence, said, heard| {
            signals.take(sighting(start, sequence, said, heard), started)
        };
        let stale = Err(Disbelief::Stale);
        assert_eq!(take(3, 9, 999_999, 1_000_001), stale, "from before this server started");
        assert_eq!(take(3, 10, 1_000_000, 1_000_002), Ok(()));
        assert_eq!(take(3, 10, 1_000_000, 1_000_003), stale, "heard twice");
        assert_eq!(take(3, 9, 1_000_009, 1_000_010), stale, "older by its number");
        assert_eq!(take(2, 99, 1_000_009, 1_000_010), stale, "of an earlier start");
        assert_eq!(take(3, 11, 1_000_011, 1_400_000), stale, "held back for six minutes");
        assert_eq!(take(3, 11, 2_000_000, 1_400_000), stale, "of a clock far ahead");
        assert_eq!(take(4, 1, 1_400_000, 1_400_001), Ok(()));
        assert_eq!(
            signals.last(ComputerId::from_bytes([1; 16])),
            Some(sighting(4, 1, 1_400_000, 1_400_001))
        );
    }
}
