//! Addresses: what was read is written so that it reads the same, and nothing makes it panic.

use model::{Address, Addresses};
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        _ = Addresses::parse(&text, 1738);
    }

    #[test]
    fn what_was_read_reads_the_same(
        scheme in "(INET:|inet:|)",
        host in "([a-z0-9.-]{0,12}|\\[::1\\]|\\[fe80::1%eth0\\])",
        port in any::<u16>(),
    ) {
        let text = format!("{scheme}{host}:{port}");
        let read = Address::parse(&text, 9).expect("an address");
        prop_assert_eq!(read.port(), port);
        prop_assert_eq!(Address::parse(&read.to_string(), 1), Ok(read));
    }
}
