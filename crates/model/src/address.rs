//! Addresses as the manuals write them: `INET:[host]:port`, several parted by `;`.
//!
//! `INET` is read in any case and may be left out. An empty host means every address of this
//! machine; a host of IPv6 stands in brackets. Where the port is left out, the usual one of that
//! place counts.

use std::fmt;

/// Where an agent is found, unless told otherwise.
pub const AGENT_PORT: u16 = 1738;
/// Where a server is found by agents.
pub const SERVER_PORT: u16 = 1739;

/// A host, or all of this machine, and a port. Port 0 is any free one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: Option<String>,
    port: u16,
}

/// A list of addresses, none of them twice, in the order they were written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses(Vec<Address>);

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address: {why} (write `INET:host:port`, `INET::port` for all addresses of this \
     machine, `INET:[2001:db8::1]:port`; several are parted by `;`)"
)]
pub struct ParseAddressError {
    text: String,
    why: &'static str,
}

const SCHEME: &str = "inet:";
const HOST_CHARS_MAX: usize = 253;

impl Address {
    /// One address; `port` counts where the text names none.
    pub fn parse(text: &str, port: u16) -> Result<Self, ParseAddressError> {
        let whole = text.trim();
        parse(whole, port).map_err(|why| ParseAddressError { text: shortened(whole), why })
    }

    /// A host's address; `None` where `host` is none.
    pub fn of(host: &str, port: u16) -> Option<Self> {
        let host = host.trim();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        is_host(host).then(|| Self { host: Some(host.to_owned()), port })
    }

    /// `None` is every address of this machine.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` as sockets take it; an empty host stands for itself.
    pub fn socket(&self) -> String {
        match self.host() {
            Some(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            host => format!("{}:{}", host.unwrap_or_default(), self.port),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INET:{}", self.socket())
    }
}

impl Addresses {
    /// A list, which may be empty; `port` counts where an address names none.
    pub fn parse(text: &str, port: u16) -> Result<Self, ParseAddressError> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let mut all = Vec::new();
        for part in parts {
            let address = Address::parse(part, port)?;
            if !all.contains(&address) {
                all.push(address);
            }
        }
        Ok(Self(all))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.iter().enumerate() {
            let part = if index == 0 { "" } else { "; " };
            write!(f, "{part}{address}")?;
        }
        Ok(())
    }
}

fn parse(text: &str, usual: u16) -> Result<Address, &'static str> {
    let has_scheme = text.get(..SCHEME.len()).is_some_and(|head| head.eq_ignore_ascii_case(SCHEME));
    let rest = if has_scheme { &text[SCHEME.len()..] } else { text };
    let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
        match after {
            "" => (host, None),
            _ => (host, Some(after.strip_prefix(':').ok_or("after `]` comes `:port`")?)),
        }
    } else {
        match rest.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an address of IPv6 stands in brackets");
            }
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        }
    };
    let port = match port {
        Some(port) => number(port).ok_or("the port is no number up to 65535")?,
        None if host.is_empty() => return Err("it names neither a host nor a port"),
        None => usual,
    };
    if host.is_empty() {
        return Ok(Address { host: None, port });
    }
    if !is_host(host) {
        return Err("the host has characters that no host has, or too many");
    }
    Ok(Address { host: Some(host.to_owned()), port })
}

fn number(text: &str) -> Option<u16> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// A name or a number; names of hosts with other letters are written as DNS has them.
fn is_host(host: &str) -> bool {
    if host.contains(':') {
        let address = host.split_once('%').map_or(host, |(address, _)| address);
        return address.parse::<core::net::Ipv6Addr>().is_ok();
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty() && host.len() <= HOST_CHARS_MAX && host.chars().all(is_plain)
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, &'static str> {
        Address::parse(text, AGENT_PORT).map(|one| one.to_string()).map_err(|error| error.why)
    }

    #[test]
    fn addresses_are_read_as_the_manuals_write_them() {
        for (text, expect) in [
            ("INET::1740", "INET::1740"),
            ("inet:pc-1.example:1740", "INET:pc-1.example:1740"),
            (" InEt:10.0.0.7:9 ", "INET:10.0.0.7:9"),
            ("INET:pc-1", "INET:pc-1:1738"),
            ("pc-1", "INET:pc-1:1738"),
            ("pc-1:22", "INET:pc-1:22"),
            ("INET:[2001:db8::1]:1740", "INET:[2001:db8::1]:1740"),
            ("[fe80::1%eth0]", "INET:[fe80::1%eth0]:1738"),
            ("INET:255.255.255.255:1738", "INET:255.255.255.255:1738"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expect), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "INET:",
            ":",
            "INET::",
            "pc:",
            "pc:x",
            "pc:65536",
            "pc:+1",
            "pc:-1",
            "a b:1",
            "2001:db8::1",
            "[::1",
            "[::1]1",
            "[nonsense:]:1",
            "pc/1:1",
            "INET:pc:1:2",
            "x\n:1",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lists_keep_their_order_and_nothing_twice() {
        let all = Addresses::parse("INET::1; inet:pc:2 ;;INET::1;", 9).expect("a list");
        assert_eq!(all.to_string(), "INET::1; INET:pc:2");
        assert!(Addresses::parse(" ; ", 9).is_ok_and(|all| all.is_empty()));
        assert!(Addresses::parse("INET::1; nonsense here", 9).is_err());
        assert_eq!(Addresses::parse(&all.to_string(), 9), Ok(all));
    }
}
