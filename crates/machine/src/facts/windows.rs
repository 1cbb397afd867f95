//! Facts from Win32.

#![allow(unsafe_code)] // Win32 alone knows these; each call is one function with checked buffers.

use std::io;
use std::net::IpAddr;
use std::os::windows::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Wdk::System::SystemInformation::{
    NtQuerySystemInformation, SystemTimeOfDayInformation,
};
use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::Foundation::ERROR_BUFFER_OVERFLOW;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_DNS_SERVER, GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses,
    IP_ADAPTER_ADDRESSES_LH,
};
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNSPEC, SOCKADDR, SOCKADDR_IN, SOCKADDR_IN6,
};
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RegGetValueW};
use windows_sys::Win32::System::SystemInformation::{
    ComputerNameDnsHostname, GetComputerNameExW, GlobalMemoryStatusEx, MEMORYSTATUSEX,
    OSVERSIONINFOW,
};

use super::Network;

pub(super) fn host_name() -> Option<String> {
    let mut room = [0u16; 256];
    let mut len = 256;
    // SAFETY: `room` has the `len` units that are announced.
    let done = unsafe { GetComputerNameExW(ComputerNameDnsHostname, room.as_mut_ptr(), &mut len) };
    let name = room.get(..usize::try_from(len).ok()?)?;
    (done != 0).then(|| String::from_utf16_lossy(name))
}

/// `10.0.19045`: what the system is, not what it tells old programs.
pub(super) fn os_version() -> Option<String> {
    let mut version = OSVERSIONINFOW {
        dwOSVersionInfoSize: u32::try_from(size_of::<OSVERSIONINFOW>()).ok()?,
        ..Default::default()
    };
    // SAFETY: the structure is writable and says its own size.
    let status = unsafe { RtlGetVersion(&mut version) };
    let OSVERSIONINFOW {
        dwMajorVersion: major, dwMinorVersion: minor, dwBuildNumber: build, ..
    } = version;
    (status == 0).then(|| format!("{major}.{minor}.{build}"))
}

pub(super) fn name_and_version(_root: Option<&Path>) -> (Option<String>, Option<String>) {
    (Some("Windows".to_owned()), os_version())
}

pub(super) fn memory_mb() -> Option<u64> {
    let mut told = MEMORYSTATUSEX {
        dwLength: u32::try_from(size_of::<MEMORYSTATUSEX>()).ok()?,
        ..Default::default()
    };
    // SAFETY: the structure is writable and says its own size.
    let done = unsafe { GlobalMemoryStatusEx(&mut told) };
    (done != 0).then_some(told.ullTotalPhys >> 20)
}

/// Of the adapter with this address, else of the first that has one.
pub(super) fn mac(ip: Option<IpAddr>) -> Option<String> {
    let adapters = adapters()?;
    let with_ip =
        adapters.iter().find(|adapter| adapter.ips.iter().any(|(own, _)| Some(*own) == ip));
    let adapter = with_ip.or_else(|| adapters.first())?;
    let pairs: Vec<String> = adapter.mac.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(pairs.join(":"))
}

pub(super) fn networks() -> Vec<Network> {
    let addresses = adapters().into_iter().flatten().flat_map(|adapter| adapter.ips);
    let of_four = addresses.filter_map(|(ip, prefix)| match ip {
        IpAddr::V4(ip) => Some(Network { ip, prefix }),
        IpAddr::V6(_) => None,
    });
    of_four.collect()
}

struct Adapter {
    mac: Vec<u8>,
    /// Each with the length of its network's prefix.
    ips: Vec<(IpAddr, u8)>,
}

/// Those that have a hardware address.
fn adapters() -> Option<Vec<Adapter>> {
    let flags = GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
    let mut size = 16 * 1024u32;
    // Of u64, because the structures ask for that alignment.
    let mut room: Vec<u64> = Vec::new();
    let mut status = ERROR_BUFFER_OVERFLOW;
    for _ in 0..4 {
        room.resize(usize::try_from(size).ok()?.div_ceil(8), 0);
        let first: *mut IP_ADAPTER_ADDRESSES_LH = room.as_mut_ptr().cast();
        // SAFETY: `room` has at least `size` bytes.
        status =
            unsafe { GetAdaptersAddresses(u32::from(AF_UNSPEC), flags, null(), first, &mut size) };
        if status != ERROR_BUFFER_OVERFLOW {
            break;
        }
    }
    if status != 0 {
        return None;
    }
    let mut all = Vec::new();
    let mut at: *const IP_ADAPTER_ADDRESSES_LH = room.as_ptr().cast();
    // SAFETY: the list and the lists in it lie within `room`, which outlives the loop; each ends
    // with a null pointer.
    unsafe {
        while let Some(adapter) = at.as_ref() {
            let len = usize::try_from(adapter.PhysicalAddressLength).unwrap_or(0);
            let mac = adapter.PhysicalAddress.get(..len).unwrap_or_default().to_vec();
            let mut ips = Vec::new();
            let mut unicast = adapter.FirstUnicastAddress;
            while let Some(address) = unicast.as_ref() {
                let ip = address_of(address.Address.lpSockaddr);
                ips.extend(ip.map(|ip| (ip, address.OnLinkPrefixLength)));
                unicast = address.Next;
            }
            if mac.iter().any(|byte| *byte != 0) {
                all.push(Adapter { mac, ips });
            }
            at = adapter.Next;
        }
    }
    Some(all)
}

/// # Safety
/// `address` is null or points to an address as long as its family says.
unsafe fn address_of(address: *const SOCKADDR) -> Option<IpAddr> {
    // SAFETY: see above; the family decides which structure it is.
    unsafe {
        match address.as_ref()?.sa_family {
            AF_INET => {
                let address = &*address.cast::<SOCKADDR_IN>();
                Some(IpAddr::from(address.sin_addr.S_un.S_addr.to_ne_bytes()))
            }
            AF_INET6 => {
                let address = &*address.cast::<SOCKADDR_IN6>();
                Some(IpAddr::from(address.sin6_addr.u.Byte))
            }
            _ => None,
        }
    }
}

/// The system's own count of boots, which a fast start-up (a hibernation in truth) leaves alone;
/// where it is not kept, the time of the boot.
pub(super) fn boot_id() -> io::Result<String> {
    match boot_count() {
        Some(count) => Ok(format!("boot-{count}")),
        None => boot_time().map(|time| format!("since-{time}")),
    }
}

fn boot_count() -> Option<u32> {
    const KEY: &str =
        r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters";
    let key: Vec<u16> = KEY.encode_utf16().chain([0]).collect();
    let name: Vec<u16> = "BootId".encode_utf16().chain([0]).collect();
    let mut count = 0u32;
    let mut size = 4u32;
    let into: *mut u32 = &mut count;
    // SAFETY: the names end with a zero; `into` has the four bytes that are announced.
    let status = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            name.as_ptr(),
            RRF_RT_REG_DWORD,
            null_mut(),
            into.cast(),
            &mut size,
        )
    };
    (status == 0).then_some(count)
}

fn boot_time() -> io::Result<i64> {
    // The first eight bytes are the time of the boot; older systems write fewer than all 48.
    let mut room = [0i64; 6];
    let mut written = 0;
    // SAFETY: `room` has the 48 bytes that are announced.
    let status = unsafe {
        NtQuerySystemInformation(
            SystemTimeOfDayInformation,
            room.as_mut_ptr().cast(),
            48,
            &mut written,
        )
    };
    if status < 0 || written < 8 {
        return Err(io::Error::other("the system does not tell when it was started"));
    }
    Ok(room[0])
}

pub(super) fn disk_free(path: &Path) -> io::Result<u64> {
    let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0u64;
    // SAFETY: the path ends with a zero; unwanted answers may be null.
    let done = unsafe { GetDiskFreeSpaceExW(path.as_ptr(), &mut free, null_mut(), null_mut()) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(free) }
}
