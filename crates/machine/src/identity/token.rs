//! Tokens of Windows: whose they are, and acting by one.

#![allow(unsafe_code)] // Tokens exist only in Win32; each call is one function with checked answers.

use std::ffi::{OsString, c_void};
use std::io;
use std::marker::PhantomData;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_NOT_ALL_ASSIGNED, GetLastError, HANDLE, LUID, LocalFree,
};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, DuplicateTokenEx, GetTokenInformation, ImpersonateLoggedOnUser,
    LUID_AND_ATTRIBUTES, LookupAccountSidW, LookupPrivilegeValueW, PSID, RevertToSelf,
    SE_PRIVILEGE_ENABLED, SecurityImpersonation, TOKEN_ACCESS_MASK, TOKEN_ADJUST_PRIVILEGES,
    TOKEN_ALL_ACCESS, TOKEN_PRIVILEGES, TOKEN_QUERY, TOKEN_USER, TokenPrimary, TokenUser,
};
use windows_sys::Win32::System::Environment::{CreateEnvironmentBlock, DestroyEnvironmentBlock};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// The token this agent runs by.
pub(super) fn own(access: TOKEN_ACCESS_MASK) -> io::Result<OwnedHandle> {
    let mut token = null_mut();
    // SAFETY: the answer is checked, and owned by nobody else.
    unsafe {
        check(OpenProcessToken(GetCurrentProcess(), access, &mut token))?;
        Ok(OwnedHandle::from_raw_handle(token))
    }
}

/// The same user's token, by which processes can be made.
pub(super) fn primary(token: &OwnedHandle) -> io::Result<OwnedHandle> {
    let mut made = null_mut();
    // SAFETY: the token is open; the answer is checked, and owned by nobody else.
    unsafe {
        check(DuplicateTokenEx(
            token.as_raw_handle(),
            TOKEN_ALL_ACCESS,
            null(),
            SecurityImpersonation,
            TokenPrimary,
            &mut made,
        ))?;
        Ok(OwnedHandle::from_raw_handle(made))
    }
}

/// What the system writes about a token's user; of `u64` for its alignment.
fn user(token: &OwnedHandle) -> io::Result<Vec<u64>> {
    let mut room = vec![0u64; 64];
    let mut size = 0;
    // SAFETY: the buffer is as large as announced; a SID has at most 68 bytes.
    check(unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            room.as_mut_ptr().cast(),
            512,
            &mut size,
        )
    })?;
    Ok(room)
}

fn with_sid<T>(token: &OwnedHandle, look: impl FnOnce(PSID) -> io::Result<T>) -> io::Result<T> {
    let room = user(token)?;
    // SAFETY: the system wrote this structure; what it points to lies behind it in `room`.
    look(unsafe { (*room.as_ptr().cast::<TOKEN_USER>()).User.Sid })
}

/// `S-1-5-…`, the name of the user's part of the registry.
pub(super) fn sid(token: &OwnedHandle) -> io::Result<String> {
    with_sid(token, |sid| {
        let mut text = null_mut();
        // SAFETY: the SID is valid; the text ends with a zero and is freed once.
        unsafe {
            check(ConvertSidToStringSidW(sid, &mut text))?;
            let read = String::from_utf16_lossy(std::slice::from_raw_parts(text, length(text)));
            LocalFree(text.cast());
            Ok(read)
        }
    })
}

/// Name and domain of a token's user.
pub(super) fn names(token: &OwnedHandle) -> io::Result<(String, String)> {
    with_sid(token, |sid| {
        let (mut user, mut domain) = ([0u16; 512], [0u16; 512]);
        let (mut user_length, mut domain_length, mut kind) = (512, 512, 0);
        // SAFETY: both buffers are as large as announced.
        check(unsafe {
            LookupAccountSidW(
                null(),
                sid,
                user.as_mut_ptr(),
                &mut user_length,
                domain.as_mut_ptr(),
                &mut domain_length,
                &mut kind,
            )
        })?;
        let text = |units: &[u16], length: u32| {
            let length = usize::try_from(length).unwrap_or(0);
            String::from_utf16_lossy(units.get(..length).unwrap_or_default())
        };
        Ok((text(&user, user_length), text(&domain, domain_length)))
    })
}

/// What a log-in by this token has as its environment.
pub(super) fn environment(token: &OwnedHandle) -> io::Result<Vec<(OsString, OsString)>> {
    let mut block: *mut c_void = null_mut();
    let mut all = Vec::new();
    // SAFETY: the block holds texts that end with zeros, and an empty one at its end; it is freed
    // once, after the last was copied.
    unsafe {
        check(CreateEnvironmentBlock(&mut block, token.as_raw_handle(), 0))?;
        let mut at: *const u16 = block.cast();
        while *at != 0 {
            let entry = std::slice::from_raw_parts(at, length(at));
            at = at.add(entry.len() + 1);
            // The first unit may be `=` (`=C:=C:\`).
            let equals = entry.iter().skip(1).position(|unit| *unit == u16::from(b'='));
            if let Some(equals) = equals {
                let (name, value) = entry.split_at(equals + 1);
                all.push((OsString::from_wide(name), OsString::from_wide(&value[1..])));
            }
        }
        DestroyEnvironmentBlock(block);
    }
    Ok(all)
}

/// Makes a right that this agent's token has take effect; without it nothing changes.
pub(crate) fn enable(privilege: &str) -> io::Result<()> {
    let token = own(TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY)?;
    let name: Vec<u16> = privilege.encode_utf16().chain([0]).collect();
    let mut luid = LUID::default();
    // SAFETY: the name ends with a zero; the structure outlives the call.
    unsafe {
        check(LookupPrivilegeValueW(null(), name.as_ptr(), &mut luid))?;
        let wanted = TOKEN_PRIVILEGES {
            PrivilegeCount: 1,
            Privileges: [LUID_AND_ATTRIBUTES { Luid: luid, Attributes: SE_PRIVILEGE_ENABLED }],
        };
        let handle = token.as_raw_handle();
        check(AdjustTokenPrivileges(handle, 0, &wanted, 0, null_mut(), null_mut()))?;
        // It answers yes even when the token has no such right.
        match GetLastError() {
            ERROR_NOT_ALL_ASSIGNED => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// This thread acts as a user until this is dropped; it cannot go to another thread.
pub(crate) struct Impersonation(PhantomData<*const ()>);

impl Impersonation {
    pub(super) fn begin(token: &OwnedHandle) -> io::Result<Self> {
        // SAFETY: the token is open.
        check(unsafe { ImpersonateLoggedOnUser(token.as_raw_handle()) })?;
        Ok(Self(PhantomData))
    }
}

impl Drop for Impersonation {
    fn drop(&mut self) {
        // SAFETY: it takes nothing.
        if unsafe { RevertToSelf() } == 0 {
            // Whatever this thread did next, it would do as somebody else.
            std::process::abort();
        }
    }
}

/// Units before the zero.
///
/// # Safety
/// A zero follows.
pub(super) unsafe fn length(text: *const u16) -> usize {
    let mut length = 0;
    // SAFETY: see above.
    while unsafe { *text.add(length) } != 0 {
        length += 1;
    }
    length
}

pub(super) fn check(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A handle that a call has given away.
///
/// # Safety
/// It is open and nobody else's.
pub(super) unsafe fn owned(handle: HANDLE) -> OwnedHandle {
    // SAFETY: see above.
    unsafe { OwnedHandle::from_raw_handle(handle) }
}
