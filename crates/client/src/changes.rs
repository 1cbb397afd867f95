//! Live changes: server-sent events of `/api/changes`.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use crate::RequestError;

/// One event may be this long; no server of ours sends longer ones.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// Changes as they come. Dropping it ends the connection.
pub struct Changes {
    server: Arc<str>,
    body: Incoming,
    events: Events,
    /// Keeps the connection open.
    _sender: SendRequest<Full<Bytes>>,
}

impl Changes {
    pub(crate) fn new(server: Arc<str>, body: Incoming, sender: SendRequest<Full<Bytes>>) -> Self {
        Self { server, body, events: Events::default(), _sender: sender }
    }

    /// The next change; `None` when the server has ended the stream. May be dropped and asked again
    /// without losing one.
    pub async fn next(&mut self) -> Result<Option<api::Change>, RequestError> {
        loop {
            while let Some(text) = self.events.pop() {
                // A kind of change that is newer than this program.
                if let Ok(change) = serde_json::from_str(&text) {
                    return Ok(Some(change));
                }
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let server = || self.server.to_string();
            let frame = frame.map_err(|source| RequestError::Lost { server: server(), source })?;
            let Ok(data) = frame.into_data() else { continue };
            if !self.events.push(&data) {
                let what = "an event without end".to_owned();
                return Err(RequestError::NotOurs { server: server(), what });
            }
        }
    }
}

/// The `data` of events, cut from a stream of bytes (WHATWG HTML, 9.2.6).
#[derive(Default)]
struct Events {
    line: Vec<u8>,
    data: String,
    whole: VecDeque<String>,
}

impl Events {
    fn pop(&mut self) -> Option<String> {
        self.whole.pop_front()
    }

    /// False when an event is longer than any can be.
    fn push(&mut self, bytes: &[u8]) -> bool {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.end_line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            }
        }
        self.line.len() + self.data.len() <= EVENT_BYTES_MAX
    }

    fn end_line(&mut self, line: &str) {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if !data.is_empty() {
                self.whole.push_back(data);
            }
        } else if let Some(value) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text =
            ": hello\n\ndata: {\"a\":\ndata:1}\r\n\r\nevent: x\nid: 4\ndata: b\n\ndata: open";
        for size in 1..text.len() {
            let mut events = Events::default();
            for part in text.as_bytes().chunks(size) {
                assert!(events.push(part));
            }
            let all: Vec<String> = std::iter::from_fn(|| events.pop()).collect();
            assert_eq!(all, ["{\"a\":\n1}", "b"], "in parts of {size}");
        }
    }
}
