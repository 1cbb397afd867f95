//! The packet that wakes a machine: six bytes of ones and sixteen times its physical address
//! (AMD, "Magic Packet Technology", publication 20213).

use std::fmt;
use std::str::FromStr;

/// Where such packets go to: the port for discarding.
pub const WAKE_PORT: u16 = 9;

/// What an agent names that sends such packets for the server.
pub const CAPABILITY: &str = "wake_packet";

/// A physical address of six bytes, of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// A text that is no physical address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no physical address of a machine (write `00:16:3e:5d:0a:01`)")]
pub struct ParseMacError(String);

impl Mac {
    /// `None` for addresses that are of no single machine: all zeros, or of a group.
    pub fn new(bytes: [u8; 6]) -> Option<Self> {
        (bytes != [0; 6] && bytes[0] & 1 == 0).then_some(Self(bytes))
    }

    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// The packet that wakes this machine.
    pub fn packet(self) -> [u8; 102] {
        let mut packet = [0xff; 102];
        packet[6..].chunks_exact_mut(6).for_each(|place| place.copy_from_slice(&self.0));
        packet
    }
}

impl FromStr for Mac {
    type Err = ParseMacError;

    /// Pairs parted by `:` or `-`, groups of four parted by `.`, or twelve digits.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let wrong = || ParseMacError(text.chars().filter(|c| !c.is_control()).take(40).collect());
        let text = text.trim();
        let (part, digits) = match text.as_bytes().get(2) {
            Some(b':') => (Some(':'), 2),
            Some(b'-') => (Some('-'), 2),
            _ if text.contains('.') => (Some('.'), 4),
            _ => (None, 12),
        };
        let groups: Vec<&str> = match part {
            Some(part) => text.split(part).collect(),
            None => vec![text],
        };
        let is_even = groups.iter().all(|group| group.len() == digits);
        let plain = groups.concat();
        let is_hex = plain.len() == 12 && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !(is_even && is_hex) {
            return Err(wrong());
        }
        let mut bytes = [0; 6];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte =
                u8::from_str_radix(&plain[2 * index..2 * index + 2], 16).map_err(|_| wrong())?;
        }
        Self::new(bytes).ok_or_else(wrong)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_systems_write_them() {
        for text in ["00:16:3e:5D:0a:01", "00-16-3E-5D-0A-01", "0016.3e5d.0a01", " 00163e5d0a01 "] {
            let mac: Mac = text.parse().expect(text);
            assert_eq!(mac.to_string(), "00:16:3e:5d:0a:01", "{text}");
        }
        for text in [
            "",
            "00:16:3e:5d:0a",
            "00:16:3e:5d:0a:0g",
            "00:16:3e:5d:0a:01:02",
            "0:16:3e:5d:0a:01",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "00:16-3e:5d:0a:01",
            "00é63e5d0a01",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
