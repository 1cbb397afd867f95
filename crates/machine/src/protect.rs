//! Folders that are nobody else's business.

use std::io;
use std::path::Path;

/// Lets only the folder's owner in (Linux: mode 0700; Windows: the system, administrators and the
/// owner, inherited by all that is in it and from nothing above).
pub fn protect_folder(path: &Path) -> io::Result<()> {
    system::protect_folder(path)
}

/// Makes the folder where missing and lets only root in (Windows: SYSTEM and administrators). A
/// folder that somebody else made is refused: whatever lies in it would be believed.
pub fn keep_for_system(path: &Path) -> io::Result<()> {
    let is_new = !path.exists();
    std::fs::create_dir_all(path)?;
    if !is_new && !system::is_owned_by_system(path)? {
        let text = "it was made by another user; look at what is in it and remove it";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    system::keep_for_system(path)
}

#[cfg(unix)]
mod system {
    use std::fs::{Permissions, set_permissions};
    use std::io;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    pub(super) fn is_owned_by_system(path: &Path) -> io::Result<bool> {
        let owner = std::fs::symlink_metadata(path)?.uid();
        Ok(owner == 0 || owner == rustix::process::geteuid().as_raw())
    }

    pub(super) fn keep_for_system(path: &Path) -> io::Result<()> {
        protect_folder(path)
    }

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

    use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, LocalFree};
    use windows_sys::Win32::Security::Authorization::{
        ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW,
        SDDL_REVISION_1, SE_FILE_OBJECT,
    };
    use windows_sys::Win32::Security::{
        DACL_SECURITY_INFORMATION, EqualSid, GetTokenInformation, IsWellKnownSid,
        OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR,
        PSID, SetFileSecurityW, TOKEN_QUERY, TOKEN_USER, TokenUser, WinBuiltinAdministratorsSid,
        WinLocalSystemSid,
    };
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

    /// Full access for the system (SY), administrators (BA) and the owner (OW); nothing inherited.
    const ACCESS: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)";

    /// The same for SYSTEM and administrators alone, to whom it belongs.
    const SYSTEMS: &str = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

    pub(super) fn protect_folder(path: &Path) -> io::Result<()> {
        set(path, ACCESS, DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION)
    }

    pub(super) fn keep_for_system(path: &Path) -> io::Result<()> {
        let dacl = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
        set(path, SYSTEMS, dacl | OWNER_SECURITY_INFORMATION)
    }

    /// Whether it belongs to SYSTEM, to administrators, or to the user who asks.
    pub(super) fn is_owned_by_system(path: &Path) -> io::Result<bool> {
        let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
        let (mut owner, mut descriptor): (PSID, PSECURITY_DESCRIPTOR) = (null_mut(), null_mut());
        // SAFETY: the path ends with a zero; what is not asked for may be null; the descriptor, in
        // which the owner lies, is freed below.
        let failed = unsafe {
            GetNamedSecurityInfoW(
                path.as_ptr(),
                SE_FILE_OBJECT,
                OWNER_SECURITY_INFORMATION,
                &raw mut owner,
                null_mut(),
                null_mut(),
                null_mut(),
                &raw mut descriptor,
            )
        };
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed.cast_signed()));
        }
        // SAFETY: the owner lies in the descriptor, which is freed afterwards.
        let is_known = unsafe {
            IsWellKnownSid(owner, WinLocalSystemSid) != 0
                || IsWellKnownSid(owner, WinBuiltinAdministratorsSid) != 0
        };
        let is_own = is_known || is_this_user(owner);
        // SAFETY: it was allocated by the call above.
        unsafe { LocalFree(descriptor) };
        Ok(is_own)
    }

    fn is_this_user(owner: PSID) -> bool {
        let mut token: HANDLE = null_mut();
        // Room for a user's SID behind the structure, aligned as it.
        let mut user = [0u64; 32];
        let mut length = 0;
        // SAFETY: the buffer is as long as is said and aligned for TOKEN_USER; the SID that it
        // names lies in it; the token is closed.
        unsafe {
            if OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) == 0 {
                return false;
            }
            let size = u32::try_from(size_of_val(&user)).unwrap_or(0);
            let read = GetTokenInformation(
                token,
                TokenUser,
                user.as_mut_ptr().cast(),
                size,
                &raw mut length,
            );
            CloseHandle(token);
            let found = &*user.as_ptr().cast::<TOKEN_USER>();
            read != 0 && EqualSid(owner, found.User.Sid) != 0
        }
    }

    fn set(path: &Path, access: &str, what: u32) -> io::Result<()> {
        let access: Vec<u16> = access.encode_utf16().chain([0]).collect();
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
        // SAFETY: the path ends with a zero and the descriptor was just made.
        let set = unsafe { SetFileSecurityW(path.as_ptr(), what, descriptor) };
        let result = if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        // SAFETY: it was allocated by the call above.
        unsafe { LocalFree(descriptor) };
        result
    }
}
