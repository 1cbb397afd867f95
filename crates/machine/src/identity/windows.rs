//! Users on Windows: by the token of whoever is logged on, or by name and password.

#![allow(unsafe_code)] // Sessions and log-ins exist only in Win32.

use std::ffi::OsString;
use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle, RawHandle};
use std::path::PathBuf;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_ACCOUNT_DISABLED, ERROR_ACCOUNT_EXPIRED, ERROR_ACCOUNT_LOCKED_OUT,
    ERROR_ACCOUNT_RESTRICTION, ERROR_INVALID_LOGON_HOURS, ERROR_INVALID_WORKSTATION,
    ERROR_LOGON_FAILURE, ERROR_LOGON_TYPE_NOT_GRANTED, ERROR_NO_TOKEN, ERROR_PASSWORD_EXPIRED,
    ERROR_PASSWORD_MUST_CHANGE, HANDLE, WIN32_ERROR,
};
use windows_sys::Win32::Security::{
    LOGON32_LOGON_BATCH, LOGON32_LOGON_INTERACTIVE, LOGON32_LOGON_NETWORK,
    LOGON32_PROVIDER_DEFAULT, LogonUserW, TOKEN_ALL_ACCESS, TOKEN_QUERY,
};
use windows_sys::Win32::System::RemoteDesktop::{
    WTS_INFO_CLASS, WTS_SESSION_INFOW, WTSActive, WTSDomainName, WTSEnumerateSessionsW,
    WTSFreeMemory, WTSGetActiveConsoleSessionId, WTSQuerySessionInformationW, WTSQueryUserToken,
    WTSUserName,
};
use windows_sys::Win32::UI::Shell::{LoadUserProfileW, PROFILEINFOW, UnloadUserProfile};
use zeroize::Zeroizing;

use super::{IdentityError, Impersonation, token};

/// A user by whose token processes are made and the registry is opened.
pub struct Identity {
    user: String,
    domain: String,
    /// Unloaded before the token is closed.
    _profile: Option<Profile>,
    token: OwnedHandle,
    is_logged_on: bool,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, r"Identity({}\{})", self.domain, self.user)
    }
}

/// Name and domain of the user this agent runs as.
pub fn own_user() -> (String, String) {
    token::own(TOKEN_QUERY).and_then(|token| token::names(&token)).unwrap_or_default()
}

pub(crate) fn own_sid() -> io::Result<String> {
    token::sid(&token::own(TOKEN_QUERY)?)
}

impl Identity {
    pub fn user(&self) -> &str {
        &self.user
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub(crate) fn sid(&self) -> io::Result<String> {
        token::sid(&self.token)
    }

    pub(crate) fn impersonate(&self) -> io::Result<Impersonation> {
        Impersonation::begin(&self.token)
    }

    pub(crate) fn token(&self) -> RawHandle {
        self.token.as_raw_handle()
    }

    /// Whoever is logged on has a desktop on which windows can be shown.
    pub(crate) fn has_desktop(&self) -> bool {
        self.is_logged_on
    }

    pub(crate) fn environment(&self) -> io::Result<Vec<(OsString, OsString)>> {
        token::environment(&self.token)
    }

    /// Where commands run if nothing else is said.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let environment = self.environment().ok()?;
        let value = |wanted: &str| {
            let found = environment.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| PathBuf::from(value)).filter(|path| path.is_dir())
        };
        value("USERPROFILE").or_else(|| value("SystemRoot"))
    }

    /// `with_profile` loads the user's part of the registry, which a log-in alone does not.
    fn of(token: &OwnedHandle, is_logged_on: bool, with_profile: bool) -> io::Result<Self> {
        let token = token::primary(token)?;
        let (user, domain) = token::names(&token)?;
        let profile = if with_profile { Some(Profile::load(&token, &user)?) } else { None };
        Ok(Self { user, domain, _profile: profile, token, is_logged_on })
    }
}

/// A user's part of the registry, loaded for as long as this lives.
struct Profile {
    token: OwnedHandle,
    handle: HANDLE,
}

// SAFETY: the handle may be closed by any thread, and is used by nobody before.
unsafe impl Send for Profile {}
// SAFETY: nothing can be done with it but dropping it.
unsafe impl Sync for Profile {}

impl Profile {
    fn load(token: &OwnedHandle, user: &str) -> io::Result<Self> {
        // Without these rights the call below says so.
        for right in ["SeBackupPrivilege", "SeRestorePrivilege"] {
            let _ = token::enable(right);
        }
        let mut name = wide(user);
        let mut info = PROFILEINFOW {
            dwSize: u32::try_from(size_of::<PROFILEINFOW>()).unwrap_or(0),
            // No windows with warnings.
            dwFlags: 1,
            lpUserName: name.as_mut_ptr(),
            ..Default::default()
        };
        // SAFETY: the name ends with a zero and outlives the call.
        token::check(unsafe { LoadUserProfileW(token.as_raw_handle(), &mut info) })?;
        Ok(Self { token: token.try_clone()?, handle: info.hProfile })
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // SAFETY: both are open. What cannot be unloaded stays until the next boot.
        unsafe { UnloadUserProfile(self.token.as_raw_handle(), self.handle) };
    }
}

pub(super) fn is_system() -> bool {
    own_sid().is_ok_and(|sid| sid == "S-1-5-18")
}

pub(super) fn logged_on() -> Result<Identity, IdentityError> {
    let failed = |source| IdentityError::Sessions { source };
    for session in sessions().map_err(failed)? {
        if let Some(identity) = of_session(&session)? {
            return Ok(identity);
        }
    }
    Err(IdentityError::NobodyLoggedOn)
}

pub(super) fn resolve(
    user: &str,
    domain: &str,
    password: Option<&[u8]>,
) -> Result<Identity, IdentityError> {
    let (domain, user) = match user.split_once('\\') {
        Some((own, user)) if domain.is_empty() => (own, user),
        _ => (domain, user),
    };
    if let Some(password) = password {
        let token = log_on(user, domain, password)?;
        let failed = |source| IdentityError::Call { user: user.to_owned(), source };
        return Identity::of(&token, false, true).map_err(failed);
    }
    let is_it = |name: &str, of: &str| {
        name.eq_ignore_ascii_case(user) && (domain.is_empty() || of.eq_ignore_ascii_case(domain))
    };
    let failed = |source| IdentityError::Sessions { source };
    for session in sessions().map_err(failed)? {
        if is_it(&session.user, &session.domain)
            && let Some(identity) = of_session(&session)?
        {
            return Ok(identity);
        }
    }
    let (own, own_domain) = own_user();
    if is_it(&own, &own_domain) {
        return of_agent();
    }
    Err(IdentityError::NeedsPassword { user: user.to_owned() })
}

/// The names of all who are logged on, as `DOMAIN\name`, sorted.
pub fn users_logged_on() -> io::Result<Vec<String>> {
    let name = |session: Session| match session.domain.as_str() {
        "" => session.user,
        domain => format!(r"{domain}\{}", session.user),
    };
    let mut users: Vec<String> = sessions()?.into_iter().map(name).collect();
    users.sort_unstable();
    users.dedup();
    Ok(users)
}

fn of_agent() -> Result<Identity, IdentityError> {
    let own = token::own(TOKEN_ALL_ACCESS).and_then(|token| Identity::of(&token, false, false));
    own.map_err(|source| IdentityError::Call { user: own_user().0, source })
}

/// Somebody's session at this machine.
struct Session {
    id: u32,
    user: String,
    domain: String,
}

/// The active sessions with somebody in them; the one at the machine's own screen first.
fn sessions() -> io::Result<Vec<Session>> {
    let mut first: *mut WTS_SESSION_INFOW = null_mut();
    let mut count = 0;
    // SAFETY: the list has as many entries as are told; it is freed once, after its last use.
    let active: Vec<u32> = unsafe {
        token::check(WTSEnumerateSessionsW(null_mut(), 0, 1, &mut first, &mut count))?;
        let count = usize::try_from(count).unwrap_or(0);
        let all = if first.is_null() { &[] } else { std::slice::from_raw_parts(first, count) };
        let ids = all.iter().filter(|one| one.State == WTSActive).map(|one| one.SessionId);
        let ids = ids.collect();
        WTSFreeMemory(first.cast());
        ids
    };
    // SAFETY: it takes nothing.
    let console = unsafe { WTSGetActiveConsoleSessionId() };
    let ids = [console].into_iter().chain(active.into_iter().filter(|id| *id != console));
    let session = |id| Session { id, user: told(id, WTSUserName), domain: told(id, WTSDomainName) };
    Ok(ids.map(session).filter(|session| !session.user.is_empty()).collect())
}

/// Of the user of this machine.
pub(crate) fn active_session() -> io::Result<Option<u32>> {
    Ok(sessions()?.first().map(|session| session.id))
}

fn told(session: u32, what: WTS_INFO_CLASS) -> String {
    let mut text = null_mut();
    let mut size = 0;
    // SAFETY: where it answers yes the text ends with a zero; it is freed once.
    unsafe {
        if WTSQuerySessionInformationW(null_mut(), session, what, &mut text, &mut size) == 0
            || text.is_null()
        {
            return String::new();
        }
        let read = String::from_utf16_lossy(std::slice::from_raw_parts(text, token::length(text)));
        WTSFreeMemory(text.cast());
        read
    }
}

/// `None` where the session has nobody in it any more.
fn of_session(session: &Session) -> Result<Option<Identity>, IdentityError> {
    let mut handle = null_mut();
    // SAFETY: the answer is checked.
    if unsafe { WTSQueryUserToken(session.id, &mut handle) } != 0 {
        // SAFETY: it was just opened for us.
        let token = unsafe { token::owned(handle) };
        let failed = |source| IdentityError::Call { user: session.user.clone(), source };
        return Identity::of(&token, true, false).map(Some).map_err(failed);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error().map(i32::cast_unsigned) == Some(ERROR_NO_TOKEN) {
        return Ok(None);
    }
    let (own, own_domain) = own_user();
    if own.eq_ignore_ascii_case(&session.user) && own_domain.eq_ignore_ascii_case(&session.domain) {
        return of_agent().map(Some);
    }
    Err(IdentityError::NotPrivileged { own, user: session.user.clone() })
}

/// As a scheduled task would be logged on, else as a person, else as over the network: which of
/// these an account may depends on the machine's policy.
fn log_on(user: &str, domain: &str, password: &[u8]) -> Result<OwnedHandle, IdentityError> {
    let wrong = |why: &str| IdentityError::WrongPassword { user: user.into(), why: why.into() };
    let text = std::str::from_utf8(password).map_err(|_| wrong("it is no text"))?;
    let secret: Zeroizing<Vec<u16>> = Zeroizing::new(text.encode_utf16().chain([0]).collect());
    let name = wide(user);
    // `name@domain` says it all; the dot means this machine.
    let place = match domain {
        "" if user.contains('@') => None,
        "" => Some(wide(".")),
        _ => Some(wide(domain)),
    };
    let ways = [LOGON32_LOGON_BATCH, LOGON32_LOGON_INTERACTIVE, LOGON32_LOGON_NETWORK];
    let mut error = io::Error::other("no way to log on");
    for way in ways {
        let mut handle = null_mut();
        // SAFETY: all texts end with zeros and outlive the call.
        let done = unsafe {
            LogonUserW(
                name.as_ptr(),
                place.as_ref().map_or(null(), |place| place.as_ptr()),
                secret.as_ptr(),
                way,
                LOGON32_PROVIDER_DEFAULT,
                &mut handle,
            )
        };
        if done != 0 {
            // SAFETY: it was just opened for us.
            return Ok(unsafe { token::owned(handle) });
        }
        error = io::Error::last_os_error();
        if code(&error) != Some(ERROR_LOGON_TYPE_NOT_GRANTED) {
            break;
        }
    }
    let (user, why) = (user.to_owned(), error.to_string());
    Err(match code(&error) {
        Some(ERROR_LOGON_FAILURE) => IdentityError::WrongPassword { user, why: String::new() },
        Some(code) if NOT_ALLOWED.contains(&code) => IdentityError::NotAllowed { user, why },
        _ => IdentityError::Call { user, source: error },
    })
}

const NOT_ALLOWED: [WIN32_ERROR; 9] = [
    ERROR_ACCOUNT_DISABLED,
    ERROR_ACCOUNT_EXPIRED,
    ERROR_ACCOUNT_LOCKED_OUT,
    ERROR_ACCOUNT_RESTRICTION,
    ERROR_INVALID_LOGON_HOURS,
    ERROR_INVALID_WORKSTATION,
    ERROR_LOGON_TYPE_NOT_GRANTED,
    ERROR_PASSWORD_EXPIRED,
    ERROR_PASSWORD_MUST_CHANGE,
];

fn code(error: &io::Error) -> Option<WIN32_ERROR> {
    error.raw_os_error().map(i32::cast_unsigned)
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
