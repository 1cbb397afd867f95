//! Facts from `/etc`, `/proc`, `/sys`, and the kernel's list of addresses.

#![allow(unsafe_code)] // Of the addresses, only the kernel's list knows the networks.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::Network;

pub(super) fn host_name() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// `Debian GNU/Linux 12 (bookworm)`, else the kernel's release.
pub(super) fn os_version() -> Option<String> {
    let name = released(&release(Path::new("/")), "PRETTY_NAME");
    name.or_else(|| Some(rustix::system::uname().release().to_string_lossy().into_owned()))
}

pub(super) fn name_and_version(root: Option<&Path>) -> (Option<String>, Option<String>) {
    let release = release(root.unwrap_or(Path::new("/")));
    (released(&release, "NAME"), released(&release, "VERSION_ID"))
}

/// What the file about the release says (`os-release(5)`).
fn release(root: &Path) -> String {
    let read = |below: &str| fs::read_to_string(root.join(below));
    read("etc/os-release").or_else(|_| read("usr/lib/os-release")).unwrap_or_default()
}

fn released(release: &str, name: &str) -> Option<String> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    let value = release.lines().find_map(value)?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

pub(super) fn memory_mb() -> Option<u64> {
    let told = fs::read_to_string("/proc/meminfo").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes / 1024)
}

/// Of the interface with the default route, else of the first that is no loop.
pub(super) fn mac(_ip: Option<IpAddr>) -> Option<String> {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let routed = routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let interface = fields.next()?;
        (fields.next()? == "00000000").then(|| interface.to_owned())
    });
    let address = |interface: &str| {
        let text = fs::read_to_string(format!("/sys/class/net/{interface}/address")).ok()?;
        Some(text.trim().to_owned()).filter(|mac| !mac.is_empty() && mac != "00:00:00:00:00:00")
    };
    if let Some(mac) = routed.and_then(|interface| address(&interface)) {
        return Some(mac);
    }
    let mut names: Vec<String> = fs::read_dir("/sys/class/net")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.iter().find_map(|name| address(name))
}

pub(super) fn networks() -> Vec<Network> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is writable; the list it is set to is given back below.
    if unsafe { libc::getifaddrs(&mut first) } != 0 {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut at = first;
    // SAFETY: the list ends with a null pointer and lives until it is given back.
    while let Some(entry) = unsafe { at.as_ref() } {
        // SAFETY: both pointers are null or point to addresses of the kernel's making.
        let (ip, mask) = unsafe { (address(entry.ifa_addr), address(entry.ifa_netmask)) };
        if let (Some(ip), Some(mask)) = (ip, mask) {
            // A mask has at most 32 ones.
            let prefix = u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32);
            all.push(Network { ip, prefix });
        }
        at = entry.ifa_next;
    }
    // SAFETY: the list came from `getifaddrs` and nothing of it is used any more.
    unsafe { libc::freeifaddrs(first) };
    all
}

/// # Safety
/// `at` is null or points to an address as long as its family says.
unsafe fn address(at: *const libc::sockaddr) -> Option<Ipv4Addr> {
    // SAFETY: see above; the family says which structure it is.
    unsafe {
        if i32::from(at.as_ref()?.sa_family) != libc::AF_INET {
            return None;
        }
        let address = at.cast::<libc::sockaddr_in>().read_unaligned();
        Some(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()))
    }
}

pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

pub(super) fn disk_free(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
