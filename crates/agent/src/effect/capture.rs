//! What becomes of a command's output: the beginning as a result, head and tail for the log.

use std::collections::VecDeque;

use machine::decode_output;
use wire::{Log, Stream};
use workflow::EffectId;

/// Of each output, what later activities may speak of.
const RESULT_BYTES_MAX: usize = 64 << 10;
/// Of each output, what is logged from its beginning and from its end.
const HEAD_BYTES_MAX: u64 = 1 << 20;
const TAIL_BYTES_MAX: usize = 1 << 20;
const PIECE_BYTES_MAX: usize = 32 << 10;

/// One of a command's two outputs, as it comes.
#[derive(Debug)]
pub(super) struct Capture {
    effect: EffectId,
    stream: Stream,
    /// Bytes seen so far.
    offset: u64,
    result: Vec<u8>,
    /// What is only logged if it is asked for at the end.
    withheld: Option<Vec<u8>>,
    tail: VecDeque<u8>,
    is_logged: bool,
}

/// When an output is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logged {
    Never,
    AsItComes,
    /// Once it is known how the command ended.
    AtTheEnd,
}

impl Capture {
    pub(super) fn new(effect: EffectId, stream: Stream, logged: Logged) -> Self {
        Self {
            effect,
            stream,
            offset: 0,
            result: Vec::new(),
            withheld: (logged == Logged::AtTheEnd).then(Vec::new),
            tail: VecDeque::new(),
            is_logged: logged != Logged::Never,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], show: &dyn Fn(Log)) {
        let free = RESULT_BYTES_MAX.saturating_sub(self.result.len());
        self.result.extend(&bytes[..bytes.len().min(free)]);
        if self.is_logged {
            let free = HEAD_BYTES_MAX.saturating_sub(self.offset);
            let head = bytes.len().min(usize::try_from(free).unwrap_or(usize::MAX));
            let (head, rest) = bytes.split_at(head);
            match &mut self.withheld {
                Some(withheld) => withheld.extend(head),
                None => self.show(self.offset, head, show),
            }
            self.tail.extend(rest);
            let over = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
            self.tail.drain(..over);
        }
        self.offset += bytes.len() as u64;
    }

    /// The command has ended; what was kept back is shown or dropped.
    pub(super) fn finish(&mut self, is_shown: bool, show: &dyn Fn(Log)) {
        if let Some(withheld) = self.withheld.take() {
            if !is_shown {
                return;
            }
            self.show(0, &withheld, show);
        }
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        self.show(self.offset - tail.len() as u64, &tail, show);
    }

    fn show(&self, offset: u64, bytes: &[u8], show: &dyn Fn(Log)) {
        let mut offset = offset;
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            show(Log { effect: self.effect, stream: self.stream, offset, bytes: piece.to_vec() });
            offset += piece.len() as u64;
        }
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.offset > self.result.len() as u64
    }

    /// The beginning as text, without the line breaks at its end.
    pub(super) fn text(&self) -> String {
        let mut text = decode_output(&self.result);
        text.truncate(text.floor_char_boundary(RESULT_BYTES_MAX));
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
        text
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use model::RunId;
    use workflow::Visit;

    use super::*;

    fn shown(logged: Logged, is_shown: bool, pieces: &[&[u8]]) -> (Capture, Vec<(u64, usize)>) {
        let effect = EffectId::new(RunId::from_bytes([1; 16]), 1, Visit(1));
        let logs = RefCell::new(Vec::new());
        let show = |log: Log| logs.borrow_mut().push((log.offset, log.bytes.len()));
        let mut capture = Capture::new(effect, Stream::Out, logged);
        pieces.iter().for_each(|piece| capture.push(piece, &show));
        capture.finish(is_shown, &show);
        (capture, logs.into_inner())
    }

    #[test]
    fn output_is_logged_as_asked() {
        for (logged, is_shown, expect) in [
            (Logged::Never, true, &[][..]),
            (Logged::AsItComes, false, &[(0, 3), (3, 2)]),
            (Logged::AtTheEnd, false, &[]),
            (Logged::AtTheEnd, true, &[(0, 5)]),
        ] {
            let (capture, logs) = shown(logged, is_shown, &[b"one", b"\r\n"]);
            assert_eq!(logs, expect, "{logged:?} {is_shown}");
            assert_eq!((capture.text().as_str(), capture.is_truncated()), ("one", false));
        }
    }

    #[test]
    fn of_long_output_head_and_tail_are_kept() {
        let piece = vec![b'x'; 1 << 20];
        let (capture, logs) = shown(Logged::AsItComes, true, &[piece.as_slice(); 5]);
        assert!(capture.is_truncated());
        assert_eq!(capture.text().len(), RESULT_BYTES_MAX);
        let total: usize = logs.iter().map(|(_, length)| length).sum();
        assert_eq!(total, 2 << 20);
        let tail = logs.iter().find(|(offset, _)| *offset >= 1 << 20);
        assert_eq!(tail.map(|(offset, _)| *offset), Some(4 << 20));
    }
}
