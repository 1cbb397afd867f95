//! Passwords verified by PAM, which is looked for while running: an agent works without it.

#![allow(unsafe_code)] // PAM is a C library that may not be there; each use of it is below.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::transmute;
use std::path::Path;
use std::ptr::{null, null_mut};

use zeroize::Zeroizing;

use super::IdentityError;

const LIBRARY: &CStr = c"libpam.so.0";

/// The first of these that is set up is the rule by which passwords are verified: our own, the
/// common one of Red Hat, Arch and others, and what Debian means for every other program. Those of
/// `su` and its like do not ask root for passwords.
const SERVICES: [&CStr; 3] = [c"deskhand-agent", c"system-auth", c"other"];
const FOLDERS: [&str; 3] = ["/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"];

const SUCCESS: c_int = 0;
const CONVERSATION_ERROR: c_int = 19;
const BUFFER_ERROR: c_int = 5;
const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;
/// Not even an empty password, whatever the rule says.
const DISALLOW_NULL: c_int = 1;
const MESSAGES_MAX: usize = 32;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Answer {
    text: *mut c_char,
    code: c_int,
}

type Converse = extern "C" fn(c_int, *const *const Message, *mut *mut Answer, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

type Handle = *mut c_void;

type Start = extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut Handle) -> c_int;
type Step = extern "C" fn(Handle, c_int) -> c_int;
type Explain = extern "C" fn(Handle, c_int) -> *const c_char;

struct Library {
    start: Start,
    authenticate: Step,
    account: Step,
    end: Step,
    explain: Explain,
}

/// Whether the password is the user's and the account may be used.
pub(super) fn verify(user: &str, password: &[u8]) -> Result<(), IdentityError> {
    let cannot = |why: &str| IdentityError::NoVerifier { user: user.into(), why: why.into() };
    let library = Library::open().ok_or_else(|| cannot("PAM (libpam.so.0) is not installed"))?;
    let has_rule = |service: &&&CStr| {
        let name = service.to_str().unwrap_or_default();
        FOLDERS.iter().any(|folder| Path::new(folder).join(name).is_file())
    };
    let service = SERVICES.iter().find(has_rule);
    let service = service.ok_or_else(|| {
        cannot("PAM has no rule for it; make the file `/etc/pam.d/deskhand-agent`")
    })?;
    let name = CString::new(user).map_err(|_| IdentityError::Name { user: user.into() })?;
    let mut secret = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    secret.extend_from_slice(password);
    if secret.contains(&0) {
        let why = "a password cannot hold a zero".to_owned();
        return Err(IdentityError::WrongPassword { user: user.into(), why });
    }
    secret.push(0);
    let conversation = Conversation { converse, data: secret.as_mut_ptr().cast() };
    let mut handle = null_mut();
    let status = (library.start)(service.as_ptr(), name.as_ptr(), &conversation, &mut handle);
    if status != SUCCESS {
        return Err(cannot("PAM does not start"));
    }
    let entered = (library.authenticate)(handle, DISALLOW_NULL);
    let status =
        if entered == SUCCESS { (library.account)(handle, DISALLOW_NULL) } else { entered };
    let why = library.explained(handle, status);
    (library.end)(handle, status);
    let user = user.to_owned();
    match (entered, status) {
        (SUCCESS, SUCCESS) => Ok(()),
        (SUCCESS, _) => Err(IdentityError::NotAllowed { user, why }),
        _ => Err(IdentityError::WrongPassword { user, why }),
    }
}

impl Library {
    /// It stays open: modules do not bear being loaded twice.
    fn open() -> Option<Self> {
        // SAFETY: the functions have these types in every version of this library.
        unsafe {
            let library = libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
            if library.is_null() {
                return None;
            }
            let find = |name: &CStr| {
                let found = libc::dlsym(library, name.as_ptr());
                (!found.is_null()).then_some(found)
            };
            Some(Self {
                start: transmute::<*mut c_void, Start>(find(c"pam_start")?),
                authenticate: transmute::<*mut c_void, Step>(find(c"pam_authenticate")?),
                account: transmute::<*mut c_void, Step>(find(c"pam_acct_mgmt")?),
                end: transmute::<*mut c_void, Step>(find(c"pam_end")?),
                explain: transmute::<*mut c_void, Explain>(find(c"pam_strerror")?),
            })
        }
    }

    fn explained(&self, handle: Handle, status: c_int) -> String {
        let text = (self.explain)(handle, status);
        if text.is_null() {
            return String::new();
        }
        // SAFETY: PAM's texts end with a zero and stay.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

/// Answers every question with the password. PAM frees the answers.
extern "C" fn converse(
    count: c_int,
    messages: *const *const Message,
    answers: *mut *mut Answer,
    data: *mut c_void,
) -> c_int {
    let Some(count) =
        usize::try_from(count).ok().filter(|count| (1..=MESSAGES_MAX).contains(count))
    else {
        return CONVERSATION_ERROR;
    };
    // SAFETY: PAM hands over `count` messages, and a place for as many answers, which are made and
    // freed by the C library; `data` is the password with a zero at its end, held by `verify`.
    unsafe {
        let made: *mut Answer = libc::calloc(count, size_of::<Answer>()).cast();
        if made.is_null() {
            return BUFFER_ERROR;
        }
        for at in 0..count {
            let asks = matches!((**messages.add(at)).style, PROMPT_ECHO_OFF | PROMPT_ECHO_ON);
            (*made.add(at)).text =
                if asks { libc::strdup(data.cast()) } else { null::<c_char>().cast_mut() };
        }
        *answers = made;
    }
    SUCCESS
}
