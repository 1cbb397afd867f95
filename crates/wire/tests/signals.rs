//! Signals of presence: read as they were signed, proved by their key alone.

use model::{ComputerId, Timestamp};
use proptest::prelude::*;
use trust::SigningKey;
use wire::signal::{Heard, SIGNAL_BYTES, Signal};
use wire::wake::Mac;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn signal(start: u64, sequence: u64, at: i64, port: u16) -> Signal {
    let (computer, key) = (ComputerId::from_bytes([7; 16]), key(1).id());
    Signal { computer, key, start, sequence, at: Timestamp::from_millis(at), port }
}

#[test]
fn the_bytes_are_where_the_format_says() {
    let bytes = signal(2, 3, 4, 1740).sign(&key(1));
    assert_eq!(&bytes[..4], b"DHP1");
    assert_eq!(bytes[4..20], [7; 16]);
    assert_eq!(
        bytes[36..62],
        [&[0; 7][..], &[2], &[0; 7], &[3], &[0; 7], &[4], &[6, 204]].concat()
    );
}

#[test]
fn another_key_proves_nothing() {
    let heard = Heard::read(&signal(1, 1, 1, 0).sign(&key(2))).expect("a signal");
    assert!(!heard.is_proved_by(&key(1).verifying_key()));
    assert!(!heard.is_proved_by(&key(2).verifying_key()), "it names another key");
}

proptest! {
    #[test]
    fn what_was_signed_is_read_and_proved(
        start in any::<u64>(), sequence in any::<u64>(), at in any::<i64>(), port in any::<u16>(),
    ) {
        let said = signal(start, sequence, at, port);
        let heard = Heard::read(&said.sign(&key(1))).expect("a signal");
        prop_assert_eq!(heard.signal, said);
        prop_assert!(heard.is_proved_by(&key(1).verifying_key()));
    }

    #[test]
    fn no_changed_bit_is_proved(at in 0..SIGNAL_BYTES, bit in 0u8..8) {
        let mut bytes = signal(1, 2, 3, 4).sign(&key(1));
        bytes[at] ^= 1 << bit;
        let is_proved =
            Heard::read(&bytes).is_some_and(|heard| heard.is_proved_by(&key(1).verifying_key()));
        prop_assert!(!is_proved);
    }

    #[test]
    fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        _ = Heard::read(&bytes);
    }

    #[test]
    fn no_text_makes_an_address_panic(text in ".{0,30}") {
        _ = text.parse::<Mac>();
    }

    #[test]
    fn a_packet_is_ones_and_sixteen_times_the_address(bytes in any::<[u8; 6]>()) {
        if let Some(mac) = Mac::new(bytes) {
            let packet = mac.packet();
            prop_assert_eq!(&packet[..6], &[0xff; 6]);
            prop_assert!(packet[6..].chunks(6).all(|part| part == bytes));
            prop_assert_eq!(mac.to_string().parse::<Mac>(), Ok(mac));
        }
    }
}
