//! A network that can be cut: a proxy on loopback between agents and server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// How the network behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Passes = 0,
    /// Takes connections and bytes and passes nothing on.
    Stalls = 1,
    /// Takes no connection.
    Refuses = 2,
}

#[derive(Debug)]
struct Shared {
    mood: AtomicU8,
    is_over: AtomicBool,
    /// Bytes passed on, both ways.
    passed: AtomicU64,
    /// Breaks everything once that many bytes have passed; nothing when 0.
    cut_after: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
}

#[derive(Debug)]
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

impl Proxy {
    pub fn start(target: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared {
            mood: AtomicU8::new(0),
            is_over: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            cut_after: AtomicU64::new(0),
            streams: Mutex::new(Vec::new()),
        });
        let (target, inner) = (target.to_owned(), shared.clone());
        thread::spawn(move || accept(&listener, &target, &inner));
        Ok(Self { address, shared })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn set(&self, mood: Mood) {
        self.shared.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// Breaks every connection that stands.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Breaks every connection once that many more bytes have passed.
    pub fn cut_after(&self, bytes: u64) {
        let at = self.passed() + bytes;
        self.shared.cut_after.store(at, Ordering::SeqCst);
    }

    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.shared.cut();
        _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn cut(&self) {
        if let Ok(mut streams) = self.streams.lock() {
            for stream in streams.drain(..) {
                _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::SeqCst) == mood as u8
    }
}

fn accept(listener: &TcpListener, target: &str, shared: &Arc<Shared>) {
    for agent in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(agent) = agent else { continue };
        if shared.is(Mood::Refuses) {
            continue;
        }
        let Ok(server) = TcpStream::connect(target) else { continue };
        _ = agent.set_nodelay(true);
        _ = server.set_nodelay(true);
        if let (Ok(mut streams), Ok(one), Ok(other)) =
            (shared.streams.lock(), agent.try_clone(), server.try_clone())
        {
            streams.extend([one, other]);
        }
        if let (Ok(agent_in), Ok(server_in)) = (agent.try_clone(), server.try_clone()) {
            let (up, down) = (shared.clone(), shared.clone());
            thread::spawn(move || pass(agent_in, server, &up));
            thread::spawn(move || pass(server_in, agent, &down));
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        while shared.is(Mood::Stalls) && !shared.is_over.load(Ordering::SeqCst) {
            thread::park_timeout(Duration::from_millis(10));
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
        let passed = shared.passed.fetch_add(count as u64, Ordering::SeqCst) + count as u64;
        let limit = shared.cut_after.load(Ordering::SeqCst);
        if limit > 0 && passed >= limit {
            shared.cut_after.store(0, Ordering::SeqCst);
            shared.cut();
        }
    }
    _ = to.shutdown(Shutdown::Both);
    _ = from.shutdown(Shutdown::Both);
}
