//! The power of Windows. What is switched off is switched off: no fast start-up, whose next boot
//! would be none.

#![allow(unsafe_code)] // Only Win32 knows sessions and shutdowns.

use std::io;
use std::ptr::{null, null_mut};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_NOT_ALL_ASSIGNED, ERROR_SHUTDOWN_IN_PROGRESS, WIN32_ERROR,
};
use windows_sys::Win32::System::RemoteDesktop::{
    WTS_SESSION_INFOW, WTSActive, WTSEnumerateSessionsW, WTSFreeMemory, WTSSendMessageW,
};
use windows_sys::Win32::System::Shutdown::{
    InitiateSystemShutdownExW, SHTDN_REASON_FLAG_PLANNED, SHTDN_REASON_MAJOR_OTHER,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{MB_ICONINFORMATION, MB_OK};

use super::{Descent, Power, PowerError, PowerWish};
use crate::identity::enable;

#[derive(Debug)]
pub(super) struct SystemPower;

impl Power for SystemPower {
    fn boot_id(&self) -> io::Result<String> {
        crate::boot_id()
    }

    fn announce(&self, wish: &PowerWish, after: Duration) {
        tell(&wish.announcement(after), after);
    }

    fn call_off(&self, wish: &PowerWish) {
        tell(wish.denial(), Duration::from_secs(60));
    }

    fn go(&self, wish: &PowerWish) -> Result<(), PowerError> {
        enable("SeShutdownPrivilege").map_err(judge)?;
        let restarts = i32::from(wish.descent == Descent::Restart);
        let reason = SHTDN_REASON_MAJOR_OTHER | SHTDN_REASON_FLAG_PLANNED;
        // SAFETY: this machine and no message; nothing is pointed to.
        let done = unsafe {
            InitiateSystemShutdownExW(null(), null(), 0, i32::from(wish.force), restarts, reason)
        };
        if done != 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        // Somebody else was quicker; the machine goes down as wished.
        if code(&error) == Some(ERROR_SHUTDOWN_IN_PROGRESS) { Ok(()) } else { Err(judge(error)) }
    }
}

fn judge(error: io::Error) -> PowerError {
    match code(&error) {
        Some(ERROR_ACCESS_DENIED | ERROR_NOT_ALL_ASSIGNED) => {
            PowerError::Denied { why: "it lacks the right to shut down".into() }
        }
        _ => PowerError::Call { source: error },
    }
}

fn code(error: &io::Error) -> Option<WIN32_ERROR> {
    error.raw_os_error().map(i32::cast_unsigned)
}

/// In a window on every active desktop, which goes away by itself.
fn tell(text: &str, for_how_long: Duration) {
    let units = |text: &str| -> Vec<u16> { text.encode_utf16().collect() };
    let bytes = |text: &[u16]| u32::try_from(text.len() * 2).unwrap_or(0);
    let (title, text) = (units("Deskhand"), units(text));
    let seconds = u32::try_from(for_how_long.as_secs()).unwrap_or(u32::MAX).max(1);
    let mut first: *mut WTS_SESSION_INFOW = null_mut();
    let mut count = 0;
    // SAFETY: the list has as many entries as are told and is freed once; texts say their length.
    unsafe {
        if WTSEnumerateSessionsW(null_mut(), 0, 1, &mut first, &mut count) == 0 || first.is_null() {
            return;
        }
        let all = std::slice::from_raw_parts(first, usize::try_from(count).unwrap_or(0));
        for session in all.iter().filter(|session| session.State == WTSActive) {
            let mut answer = 0;
            WTSSendMessageW(
                null_mut(),
                session.SessionId,
                title.as_ptr(),
                bytes(&title),
                text.as_ptr(),
                bytes(&text),
                MB_OK | MB_ICONINFORMATION,
                seconds,
                &mut answer,
                0,
            );
        }
        WTSFreeMemory(first.cast());
    }
}
