//! Frames come out as they went in however the pipe cuts them, and nonsense never panics.

use proptest::prelude::*;
use script::{Answer, Call, FrameError, Frames, FromWorker, ToWorker, encode};

fn answer() -> impl Strategy<Value = ToWorker> {
    let outputs = proptest::collection::btree_map("[a-z]{1,5}", any::<String>(), 0..4);
    let ended = (any::<String>(), outputs, any::<Option<String>>())
        .prop_map(|(event, outputs, note)| Answer::Ended { event, outputs, note });
    let answer = prop_oneof![
        ended,
        any::<String>().prop_map(Answer::Value),
        any::<String>().prop_map(Answer::Failed)
    ];
    (any::<u64>(), answer).prop_map(|(call, answer)| ToWorker::Answer { call, answer })
}

proptest! {
    #[test]
    fn messages_survive_every_cut(
        messages in proptest::collection::vec(answer(), 0..8),
        cut in 1..50_usize,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| encode(message).unwrap()).collect();
        let mut frames = Frames::<ToWorker>::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(cut) {
            frames.push(piece);
            while let Some(message) = frames.take().unwrap() {
                found.push(message);
            }
        }
        prop_assert_eq!(found, messages);
        prop_assert!(frames.finish().is_ok());
    }

    #[test]
    fn nonsense_is_an_error_or_waits(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut frames = Frames::<FromWorker>::default();
        frames.push(&bytes);
        while let Ok(Some(_)) = frames.take() {}
    }

    #[test]
    fn a_changed_byte_never_panics(
        text in any::<String>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let call = Call::Activity { kind: text.clone(), parameters: text };
        let mut bytes = encode(&FromWorker::Call { id: 7, call }).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut frames = Frames::<FromWorker>::default();
        frames.push(&bytes);
        while let Ok(Some(_)) = frames.take() {}
    }
}

#[test]
fn a_frame_has_a_limit_and_an_end() {
    let mut frames = Frames::<FromWorker>::default();
    frames.push(&u32::MAX.to_le_bytes());
    assert!(matches!(frames.take(), Err(FrameError::TooLong { .. })));
    let mut frames = Frames::<FromWorker>::default();
    frames.push(&[5, 0, 0, 0, b'{']);
    assert!(matches!(frames.take(), Ok(None)));
    assert!(matches!(frames.finish(), Err(FrameError::Cut)));
    let text = "x".repeat(script::FRAME_BYTES_MAX);
    assert!(matches!(encode(&FromWorker::Print(text)), Err(FrameError::TooLong { .. })));
}
