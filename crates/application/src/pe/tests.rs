//! Versions of real files of both kinds; whatever else is read is no version and no harm.

use proptest::prelude::*;

use super::*;

const PE32: &[u8] = include_bytes!("../../tests/pe/pe32.dll");
const PE32_PLUS: &[u8] = include_bytes!("../../tests/pe/pe32plus.dll");

fn of(bytes: &[u8]) -> Option<Version> {
    let part = |offset: u64, length: usize| -> Result<Vec<u8>, ()> {
        assert!(length <= 64 << 10, "{length}");
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
        let rest = rest.unwrap_or_default();
        Ok(rest[..length.min(rest.len())].to_vec())
    };
    version(part).unwrap()
}

#[test]
fn the_fixed_block_says_the_version() {
    for file in [PE32, PE32_PLUS] {
        let version = of(file).unwrap();
        assert_eq!(version.to_string(), "10.2.300.65535");
    }
    assert!(Version([1, 10, 0, 0]) > Version([1, 9, 65535, 1]));
}

#[test]
fn what_is_no_program_has_no_version() {
    for bytes in [&b""[..], b"MZ", b"#!/bin/sh\n", &PE32[..200], &[0xFF; 4096]] {
        assert_eq!(of(bytes), None);
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let mut left = 3;
    let part = |offset: u64, length: usize| {
        left -= 1;
        let at = usize::try_from(offset).unwrap();
        if left == 0 { Err("unplugged") } else { Ok(PE32[at..at + length].to_vec()) }
    };
    assert_eq!(version(part), Err("unplugged"));
}

proptest! {
    #[test]
    fn damage_does_no_harm(
        file in prop::sample::select(vec![PE32, PE32_PLUS]),
        damage in proptest::collection::vec((0usize..2048, any::<u8>()), 1..12),
        length in 0usize..4096,
    ) {
        let mut bytes = file.to_vec();
        for (at, byte) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(length);
        of(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_header_do_no_harm(
        rest in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut bytes = PE32_PLUS[..PE32_PLUS.len().min(512)].to_vec();
        bytes.extend(rest);
        of(&bytes);
    }
}
