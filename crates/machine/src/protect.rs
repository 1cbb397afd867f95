//! Folders that are nobody else's business.

use std::io;
use std::path::Path;

/// Lets only the folder's owner in (Linux: mode 0700; Windows: the system, administrators and the
/// owner, inherited by all that is in it and from nothing above).
pub fn protect_folder(path: &Path) -> io::Result<()> {
    system::protect_folder(path)
}

#[cfg(unix)]
mod system {
    use std::fs::{Permissions, set_permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    pub(super) fn protect_folder(path: &Path) -> io::Result<()> {
        set_permissions(path, Permissions::from_mode(0o700))
    }
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "security descriptors have no safe interface")]
mod system {
    use std::io;
    use std::os::windows::ffi::OsStrExt;
    use std::path::Path;
    use std::ptr::null_mut;

    use windows_sys::Win32::Foundation::LocalFree;
    use windows_sys::Win32::Security::Authorization::{
        ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
    };
    use windows_sys::Win32::Security::{
        DACL_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
        SetFileSecurityW,
    };

    /// Full access for the system (SY), administrators (BA) and the owner (OW); nothing inherited.
    const ACCESS: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";

    pub(super) fn protect_folder(path: &Path) -> io::Result<()> {
        let access: Vec<u16> = ACCESS.encode_utf16().chain([0]).collect();
        let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
        let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
        // SAFETY: the text ends with a zero; the descriptor is freed below and used no longer.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                access.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        };
        if made == 0 {
            return Err(io::Error::last_os_error());
        }
        let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
        // SAFETY: the path ends with a zero and the descriptor was just made.
        let set = unsafe { SetFileSecurityW(path.as_ptr(), what, descriptor) };
        let result = if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        // SAFETY: it was allocated by the call above.
        unsafe { LocalFree(descriptor) };
        result
    }
}
