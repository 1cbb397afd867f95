//! Of the security database, and of the list of profiles, which has whoever ever logged on here.

#![allow(unsafe_code)] // Names and SIDs are translated by Win32 alone.

use std::io;
use std::path::Path;
use std::ptr::null;

use model::registry::{Data, Key};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{ConvertSidToStringSidW, ConvertStringSidToSidW};
use windows_sys::Win32::Security::{LookupAccountNameW, LookupAccountSidW, PSID};

use super::{Account, AccountError};
use crate::registry::{Registry, SystemRegistry};

const PROFILES: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList";
/// SIDs of people begin so; the others are the system's own.
const PERSON: [&str; 2] = ["S-1-5-21-", "S-1-12-1-"];

pub(super) fn is_own(account: &Account) -> bool {
    own_sid().is_some_and(|sid| sid == account.sid)
}

pub(super) fn find(name: &str, _root: Option<&Path>) -> Result<Account, AccountError> {
    let unknown = || AccountError::Unknown { name: name.to_owned() };
    let sid = sid_of(name).ok_or_else(unknown)?;
    let own = || (own_sid().as_ref() == Some(&sid)).then(|| std::env::var("USERPROFILE").ok());
    let home = home(&sid).or_else(|| own().flatten());
    let home = home.ok_or_else(|| AccountError::NoHome { name: name.to_owned() })?;
    Ok(Account { name: name.to_owned(), home, sid })
}

pub(super) fn people(_root: Option<&Path>) -> io::Result<Vec<Account>> {
    let registry = SystemRegistry::open(None).map_err(io::Error::other)?;
    let sids = registry.keys(&profiles()?).unwrap_or_default();
    let people = sids.into_iter().filter(|sid| PERSON.iter().any(|start| sid.starts_with(start)));
    let account = |sid: String| {
        let (name, home) = (name_of(&sid)?, home(&sid)?);
        Path::new(&home).is_dir().then_some(Account { name, home, sid })
    };
    Ok(people.filter_map(account).collect())
}

fn profiles() -> io::Result<Key> {
    Key::parse(PROFILES).map_err(io::Error::other)
}

/// `%SystemDrive%\Users\bob` in the list, expanded here.
fn home(sid: &str) -> Option<String> {
    let registry = SystemRegistry::open(None).ok()?;
    let path = registry.value(&profiles().ok()?.child(sid), "ProfileImagePath").ok()??;
    let text = Data { kind: Data::TEXT, ..path }.as_text()?;
    Some(crate::survey::expanded(&text, |name| std::env::var(name).ok()))
}

fn own_sid() -> Option<String> {
    crate::identity::own_sid().ok()
}

fn sid_of(name: &str) -> Option<String> {
    let name = wide(name);
    // A SID has at most 68 bytes; of u64 for its alignment.
    let (mut sid, mut domain) = ([0u64; 16], [0u16; 512]);
    let (mut size, mut length, mut kind) = (128, 512, 0);
    let place: PSID = sid.as_mut_ptr().cast();
    // SAFETY: the name ends with a zero; both buffers are as large as announced.
    let done = unsafe {
        LookupAccountNameW(
            null(),
            name.as_ptr(),
            place,
            &mut size,
            domain.as_mut_ptr(),
            &mut length,
            &mut kind,
        )
    };
    if done == 0 {
        return None;
    }
    let mut text = std::ptr::null_mut();
    // SAFETY: the system just wrote the SID; the text ends with a zero and is freed once.
    unsafe {
        if ConvertSidToStringSidW(place, &mut text) == 0 {
            return None;
        }
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        let read = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(read)
    }
}

/// `DOMAIN\name`.
fn name_of(sid: &str) -> Option<String> {
    let text = wide(sid);
    let mut found: PSID = std::ptr::null_mut();
    let (mut user, mut domain) = ([0u16; 512], [0u16; 512]);
    let (mut user_length, mut domain_length, mut kind) = (512, 512, 0);
    // SAFETY: the text ends with a zero, the buffers are as large as announced, and the SID is
    // freed once.
    let done = unsafe {
        if ConvertStringSidToSidW(text.as_ptr(), &mut found) == 0 {
            return None;
        }
        let done = LookupAccountSidW(
            null(),
            found,
            user.as_mut_ptr(),
            &mut user_length,
            domain.as_mut_ptr(),
            &mut domain_length,
            &mut kind,
        );
        LocalFree(found);
        done
    };
    let text = |units: &[u16], length: u32| {
        let length = usize::try_from(length).unwrap_or(0);
        String::from_utf16_lossy(units.get(..length).unwrap_or_default())
    };
    (done != 0).then(|| {
        let (user, domain) = (text(&user, user_length), text(&domain, domain_length));
        if domain.is_empty() { user } else { format!(r"{domain}\{user}") }
    })
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
