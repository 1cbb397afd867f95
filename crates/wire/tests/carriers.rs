//! Carriers: streams arrive whole and apart, ends are seen, and a peer that lies gains nothing.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;
use wire::carry::{Accepted, Opener, STREAMS_MAX, Side, carry};

const SOON: Duration = Duration::from_secs(20);

fn pair() -> (Opener, Accepted) {
    let (near, far) = duplex(64 << 10);
    let (opener, _) = carry(near, Side::Agent);
    let (_, accepted) = carry(far, Side::Server);
    (opener, accepted)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async { timeout(SOON, work).await.expect("in time") })
}

/// Sends back what comes, on all streams.
async fn echo(mut accepted: Accepted) {
    while let Some(stream) = accepted.next().await {
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(stream);
            _ = tokio::io::copy(&mut from, &mut to).await;
            _ = to.shutdown().await;
        });
    }
}

#[test]
fn streams_arrive_whole_and_apart() {
    block_on(async {
        let (opener, accepted) = pair();
        tokio::spawn(echo(accepted));
        let mut all = Vec::new();
        for number in 0..20u8 {
            let opener = opener.clone();
            all.push(tokio::spawn(async move {
                let stream = opener.open().await.expect("open");
                let said = vec![number; 700_000];
                let (mut from, mut to) = tokio::io::split(stream);
                let write = async {
                    to.write_all(&said).await.expect("write");
                    to.shutdown().await.expect("shutdown");
                };
                let mut heard = Vec::new();
                let (_, read) = tokio::join!(write, from.read_to_end(&mut heard));
                read.expect("read");
                assert!(heard == said, "stream {number} came back as something else");
            }));
        }
        for one in all {
            one.await.expect("no panic");
        }
    });
}

#[test]
fn a_stream_that_nobody_reads_holds_up_no_other() {
    block_on(async {
        let (opener, mut accepted) = pair();
        let mut stuck = opener.open().await.expect("open");
        let sending = tokio::spawn(async move { stuck.write_all(&vec![1; 4 << 20]).await });
        let unread = accepted.next().await.expect("a stream");
        let mut quick = opener.open().await.expect("open");
        quick.write_all(b"word").await.expect("write");
        let mut heard = [0; 4];
        let mut taken = accepted.next().await.expect("a stream");
        taken.read_exact(&mut heard).await.expect("read");
        assert_eq!(&heard, b"word");
        assert!(!sending.is_finished(), "4 MiB went into a window of 256 KiB");
        drop((unread, taken));
    });
}

#[test]
fn the_end_of_a_carrier_is_seen_by_all() {
    block_on(async {
        let (near, far) = duplex(64 << 10);
        let (opener, held) = carry(near, Side::Agent);
        let (far_opener, mut accepted) = carry(far, Side::Server);
        let mut stream = opener.open().await.expect("open");
        stream.write_all(b"x").await.expect("write");
        let mut taken = accepted.next().await.expect("a stream");
        assert_eq!(taken.read_u8().await.expect("read"), b'x');
        drop((opener, held));
        stream.write_all(b"y").await.expect("a stream holds its carrier");
        assert_eq!(taken.read_u8().await.expect("read"), b'y');
        drop(stream);
        assert!(accepted.next().await.is_none());
        far_opener.ended().await;
        assert!(far_opener.open().await.is_err());
        assert!(taken.read_u8().await.is_err());
        assert!(taken.write_all(&[0; 1 << 20]).await.is_err());
    });
}

#[test]
fn a_cut_ends_a_carrier() {
    block_on(async {
        let (near, far) = duplex(64 << 10);
        let (opener, _held) = carry(near, Side::Agent);
        drop(far);
        opener.ended().await;
        assert!(opener.is_ended() && opener.open().await.is_err());
    });
}

#[test]
fn whoever_opens_more_waits() {
    block_on(async {
        let (opener, accepted) = pair();
        tokio::spawn(echo(accepted));
        let mut held = Vec::new();
        while let Ok(opened) = timeout(Duration::from_millis(100), opener.open()).await {
            held.push(opened.expect("open"));
            assert!(held.len() <= STREAMS_MAX);
        }
        held.pop();
        opener.open().await.expect("there is room again");
    });
}

/// A frame as yamux has it: version, kind, flags, stream, length, and a body of zeros.
fn frame(kind: u8, flags: u16, stream: u32, length: u32, body: usize) -> Vec<u8> {
    let mut bytes = vec![0, kind];
    bytes.extend(flags.to_be_bytes());
    bytes.extend(stream.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.resize(bytes.len() + body, 0);
    bytes
}

/// Sends frames to a carrier whose streams nobody reads, as long as it takes them.
async fn flood(frames: impl Iterator<Item = Vec<u8>>) {
    let (near, far) = duplex(64 << 10);
    let (_opener, accepted) = carry(near, Side::Agent);
    let (mut from, mut to) = tokio::io::split(far);
    let hearing = tokio::spawn(async move {
        _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    });
    for frame in frames {
        if to.write_all(&frame).await.is_err() {
            break;
        }
    }
    if cfg!(target_os = "linux") {
        assert!(resident() < RESIDENT_MAX, "{} MiB are resident", resident() >> 20);
    }
    _ = to.shutdown().await;
    hearing.await.expect("no panic");
    drop(accepted);
}

/// More than all windows and what tests have besides; much less than a flood.
const RESIDENT_MAX: usize = 96 << 20;

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number") * 4_096
}

const SYN: u16 = 1;

#[test]
fn a_flood_of_streams_takes_no_room() {
    // A server's streams have even numbers.
    block_on(flood((1..300_000u32).map(|number| frame(0, SYN, number * 2, 900, 900))));
}

#[test]
fn a_flood_beyond_the_window_takes_no_room() {
    let opened = std::iter::once(frame(0, SYN, 2, 0, 0));
    let beyond = std::iter::repeat_with(|| frame(0, 0, 2, 1 << 14, 1 << 14)).take(16_000);
    block_on(flood(opened.chain(beyond)));
}

#[test]
fn a_frame_that_claims_gigabytes_takes_no_room() {
    let lie = std::iter::once(frame(0, SYN, 2, u32::MAX, 0));
    let zeros = std::iter::repeat_with(|| vec![0; 1 << 14]).take(16_000);
    block_on(flood(lie.chain(zeros)));
}

#[test]
fn streams_full_of_crumbs_take_little_room() {
    let number = |index: u32| 2 * (1 + index % 1_000);
    let crumbs = (0..2_000u32).flat_map(|index| {
        let flags = if index < 1_000 { SYN } else { 0 };
        (0..50).map(move |crumb| frame(0, if crumb == 0 { flags } else { 0 }, number(index), 1, 1))
    });
    block_on(flood(crumbs));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4_000)) {
        block_on(flood(std::iter::once(bytes)));
    }

    #[test]
    fn no_frames_make_it_panic(
        frames in proptest::collection::vec((0u8..4, 0u16..16, 0u32..6, 0u32..70), 0..60)
    ) {
        let frames = frames.into_iter();
        block_on(flood(frames.map(|(kind, flags, stream, length)| {
            let body = if kind == 0 { length as usize } else { 0 };
            frame(kind, flags, stream, length, body)
        })));
    }
}
