//! The registry of Windows, in its 64-bit view.

#![allow(unsafe_code)] // The registry has no safe interface; each call is one function here.

use std::io;
use std::ptr::{null, null_mut};

use model::registry::{Data, Key, Root};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA,
    ERROR_NO_MORE_ITEMS, ERROR_PATH_NOT_FOUND, ERROR_SUCCESS, WIN32_ERROR,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, OBJECT_SECURITY_INFORMATION,
    OWNER_SECURITY_INFORMATION,
};
use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_CONFIG, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, HKEY_USERS, KEY_ALL_ACCESS,
    KEY_QUERY_VALUE, KEY_READ, KEY_SET_VALUE, KEY_WOW64_64KEY, REG_LINK, REG_OPTION_NON_VOLATILE,
    REG_OPTION_OPEN_LINK, REG_SAM_FLAGS, RegCloseKey, RegCreateKeyExW, RegDeleteKeyExW,
    RegDeleteValueW, RegEnumKeyExW, RegEnumValueW, RegFlushKey, RegGetKeySecurity, RegLoadKeyW,
    RegOpenKeyExW, RegQueryValueExW, RegSetKeySecurity, RegSetValueExW, RegUnLoadKeyW,
};

use super::{Registry, RegistryError};
use crate::account::Account;
use crate::identity::{self, Identity, Impersonation};

/// Without the terminating zero (Windows, "Registry element size limits").
const NAME_UNITS_MAX: usize = 16_383;
const WRITE_DAC: u32 = 0x0004_0000;
const READ_CONTROL: u32 = 0x0002_0000;

/// The machine's own registry, as its agent or another user sees it. With an identity the thread
/// acts as that user for as long as this lives.
pub struct SystemRegistry {
    /// Where a user's own keys are; those of the agent's user otherwise.
    user: Option<String>,
    _impersonation: Option<Impersonation>,
    hive: Option<Hive>,
}

impl SystemRegistry {
    pub fn open(identity: Option<&Identity>) -> Result<Self, RegistryError> {
        let failed = |source| RegistryError::Identity { source };
        let user = identity.map(Identity::sid).transpose().map_err(failed)?;
        let impersonation = identity.map(Identity::impersonate).transpose().map_err(failed)?;
        Ok(Self { user, _impersonation: impersonation, hive: None })
    }

    /// With `HKEY_CURRENT_USER` being that user's. The hive of somebody who is not logged on is
    /// loaded for as long as this lives; they cannot log on properly meanwhile.
    pub fn open_of(account: &Account) -> Result<Self, RegistryError> {
        let mut registry =
            Self { user: Some(account.sid.clone()), _impersonation: None, hive: None };
        let own = Key::new(Root::CurrentUser, "");
        if own.is_ok_and(|own| registry.exists(&own).unwrap_or(false)) {
            return Ok(registry);
        }
        let hive = Hive::load(account).map_err(|source| RegistryError::Identity { source })?;
        registry.user = Some(hive.own.name.clone());
        registry.hive = Some(hive);
        Ok(registry)
    }

    /// Where a key really is.
    fn at(&self, key: &Key) -> (HKEY, Vec<u16>) {
        let below = |above: &str| match key.path() {
            "" => above.to_owned(),
            path => format!(r"{above}\{path}"),
        };
        if let Some((classes, path)) = self.in_classes(key) {
            return (HKEY_USERS, wide(&format!("{}{path}", classes.name)));
        }
        let (root, path) = match (key.root(), &self.user) {
            (Root::ClassesRoot, _) => (HKEY_LOCAL_MACHINE, below(r"Software\Classes")),
            (Root::CurrentUser, Some(user)) => (HKEY_USERS, below(user)),
            (Root::CurrentUser, None) => (HKEY_CURRENT_USER, key.path().to_owned()),
            (Root::LocalMachine, _) => (HKEY_LOCAL_MACHINE, key.path().to_owned()),
            (Root::Users, _) => (HKEY_USERS, key.path().to_owned()),
            (Root::CurrentConfig, _) => (HKEY_CURRENT_CONFIG, key.path().to_owned()),
        };
        (root, wide(&path))
    }

    /// Of somebody who is not logged on, whose classes are in a file of their own: where nobody has
    /// made a link to them yet. With the rest of the path, which begins with `\` or is empty.
    fn in_classes<'k>(&self, key: &'k Key) -> Option<(&Loaded, &'k str)> {
        const CLASSES: &str = r"Software\Classes";
        let classes = self.hive.as_ref()?.classes.as_ref()?;
        let (start, rest) = key.path().split_at_checked(CLASSES.len())?;
        let is_there = key.root() == Root::CurrentUser && start.eq_ignore_ascii_case(CLASSES);
        (is_there && (rest.is_empty() || rest.starts_with('\\'))).then_some((classes, rest))
    }

    /// `None` where there is no such key.
    fn open_key(
        &self,
        key: &Key,
        options: u32,
        access: REG_SAM_FLAGS,
    ) -> Result<Option<Handle>, RegistryError> {
        let (root, path) = self.at(key);
        let mut opened = null_mut();
        // SAFETY: the path ends with a zero, the answer is written into a handle of our own.
        let status = unsafe {
            RegOpenKeyExW(root, path.as_ptr(), options, access | KEY_WOW64_64KEY, &mut opened)
        };
        match status {
            ERROR_SUCCESS => Ok(Some(Handle(opened))),
            ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND => Ok(None),
            _ => Err(failed(key, "opened", status)),
        }
    }

    fn must_open(&self, key: &Key, access: REG_SAM_FLAGS) -> Result<Handle, RegistryError> {
        let missing = || RegistryError::Missing { key: key.clone() };
        self.open_key(key, 0, access)?.ok_or_else(missing)
    }
}

/// The part of the registry of a user who is not logged on, loaded under names of ours. Windows
/// keeps what programs register for one user in a file of its own.
struct Hive {
    own: Loaded,
    classes: Option<Loaded>,
}

impl Hive {
    fn load(account: &Account) -> io::Result<Self> {
        for right in ["SeBackupPrivilege", "SeRestorePrivilege"] {
            identity::enable(right)?;
        }
        let name = format!("Deskhand-{}", account.sid);
        let file = |path: &str| format!(r"{}\{path}", account.home);
        let classes = file(r"AppData\Local\Microsoft\Windows\UsrClass.dat");
        let has_classes = std::path::Path::new(&classes).is_file();
        let load_classes = || Loaded::load(format!("{name}_Classes"), &classes);
        Ok(Self {
            own: Loaded::load(name.clone(), &file("NTUSER.DAT"))?,
            classes: has_classes.then(load_classes).transpose()?,
        })
    }
}

/// A file of the registry below `HKEY_USERS`, until dropped.
struct Loaded {
    name: String,
}

impl Loaded {
    fn load(name: String, file: &str) -> io::Result<Self> {
        let loaded = Self { name };
        let (name, file) = (wide(&loaded.name), wide(file));
        // SAFETY: both texts end with a zero.
        let status = unsafe { RegLoadKeyW(HKEY_USERS, name.as_ptr(), file.as_ptr()) };
        // Left loaded by a process that died, it is ours to unload.
        if status == ERROR_SUCCESS || loaded.is_there() {
            return Ok(loaded);
        }
        std::mem::forget(loaded);
        Err(io::Error::from_raw_os_error(status.cast_signed()))
    }

    fn is_there(&self) -> bool {
        let registry = SystemRegistry { user: None, _impersonation: None, hive: None };
        Key::new(Root::Users, &self.name).is_ok_and(|key| registry.exists(&key).unwrap_or(false))
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: the name ends with a zero. What cannot be unloaded stays until the next boot.
        unsafe { RegUnLoadKeyW(HKEY_USERS, wide(&self.name).as_ptr()) };
    }
}

struct Handle(HKEY);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it was opened by us and is closed once.
        unsafe { RegCloseKey(self.0) };
    }
}

impl Registry for SystemRegistry {
    fn exists(&self, key: &Key) -> Result<bool, RegistryError> {
        Ok(self.open_key(key, 0, KEY_QUERY_VALUE)?.is_some())
    }

    fn value(&self, key: &Key, name: &str) -> Result<Option<Data>, RegistryError> {
        let Some(handle) = self.open_key(key, 0, KEY_QUERY_VALUE)? else { return Ok(None) };
        query(&handle, name).map_err(|status| failed(key, "read", status))
    }

    fn keys(&self, key: &Key) -> Result<Vec<String>, RegistryError> {
        let handle = self.must_open(key, KEY_READ)?;
        let mut names = Vec::new();
        for index in 0.. {
            let mut name = [0u16; 256];
            let mut length = 256;
            // SAFETY: `name` has the units that are announced; nothing else is asked for.
            let status = unsafe {
                RegEnumKeyExW(
                    handle.0,
                    index,
                    name.as_mut_ptr(),
                    &mut length,
                    null(),
                    null_mut(),
                    null_mut(),
                    null_mut(),
                )
            };
            match status {
                ERROR_SUCCESS => names.push(text(key, &name, length)?),
                ERROR_NO_MORE_ITEMS => break,
                _ => return Err(failed(key, "listed", status)),
            }
        }
        Ok(names)
    }

    fn values(&self, key: &Key) -> Result<Vec<(String, Data)>, RegistryError> {
        let handle = self.must_open(key, KEY_READ)?;
        let mut values = Vec::new();
        let mut name = vec![0u16; NAME_UNITS_MAX + 1];
        let mut bytes = vec![0u8; 4096];
        let mut index = 0;
        loop {
            let mut length = u32::try_from(name.len()).unwrap_or(u32::MAX);
            let mut size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let mut kind = 0;
            // SAFETY: both buffers are as large as announced.
            let status = unsafe {
                RegEnumValueW(
                    handle.0,
                    index,
                    name.as_mut_ptr(),
                    &mut length,
                    null(),
                    &mut kind,
                    bytes.as_mut_ptr(),
                    &mut size,
                )
            };
            let held = usize::try_from(size).unwrap_or(0);
            match status {
                ERROR_SUCCESS => {
                    let bytes = bytes.get(..held).unwrap_or_default().to_vec();
                    values.push((text(key, &name, length)?, Data { kind, bytes }));
                    index += 1;
                }
                ERROR_MORE_DATA => bytes.resize(held.max(bytes.len() * 2), 0),
                ERROR_NO_MORE_ITEMS => break,
                _ => return Err(failed(key, "listed", status)),
            }
        }
        Ok(values)
    }

    fn is_link(&self, key: &Key) -> Result<bool, RegistryError> {
        let Some(handle) = self.open_key(key, REG_OPTION_OPEN_LINK, KEY_QUERY_VALUE)? else {
            return Ok(false);
        };
        let points = query(&handle, "SymbolicLinkValue");
        let points = points.map_err(|status| failed(key, "read", status))?;
        Ok(points.is_some_and(|data| data.kind == REG_LINK))
    }

    fn protection(&self, key: &Key) -> Result<Vec<u8>, RegistryError> {
        let handle = self.must_open(key, READ_CONTROL)?;
        let mut bytes = vec![0u8; 1024];
        loop {
            let mut size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let descriptor = bytes.as_mut_ptr().cast();
            // SAFETY: the buffer is as large as announced.
            let status = unsafe { RegGetKeySecurity(handle.0, PROTECTION, descriptor, &mut size) };
            let held = usize::try_from(size).unwrap_or(0);
            match status {
                ERROR_SUCCESS => {
                    bytes.truncate(held);
                    return Ok(bytes);
                }
                ERROR_INSUFFICIENT_BUFFER => bytes.resize(held.max(bytes.len() * 2), 0),
                _ => return Err(failed(key, "read", status)),
            }
        }
    }

    fn create(&mut self, key: &Key) -> Result<bool, RegistryError> {
        if self.exists(key)? {
            return Ok(false);
        }
        let (root, path) = self.at(key);
        let mut opened = null_mut();
        // SAFETY: the path ends with a zero; without class, protection, and the note whether it
        // was there.
        let status = unsafe {
            RegCreateKeyExW(
                root,
                path.as_ptr(),
                0,
                null(),
                REG_OPTION_NON_VOLATILE,
                KEY_QUERY_VALUE | KEY_SET_VALUE | KEY_WOW64_64KEY,
                null(),
                &mut opened,
                null_mut(),
            )
        };
        if status != ERROR_SUCCESS {
            return Err(failed(key, "created", status));
        }
        drop(Handle(opened));
        Ok(true)
    }

    fn delete(&mut self, key: &Key) -> Result<bool, RegistryError> {
        let (root, path) = self.at(key);
        // SAFETY: the path ends with a zero.
        let status = unsafe { RegDeleteKeyExW(root, path.as_ptr(), KEY_WOW64_64KEY, 0) };
        match status {
            ERROR_SUCCESS => Ok(true),
            ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND => Ok(false),
            _ => Err(failed(key, "deleted", status)),
        }
    }

    fn set(&mut self, key: &Key, name: &str, data: &Data) -> Result<(), RegistryError> {
        let handle = self.must_open(key, KEY_SET_VALUE)?;
        let name = wide(name);
        // Where there are none, even the place of none is refused.
        let bytes = if data.bytes.is_empty() { null() } else { data.bytes.as_ptr() };
        let too_much = |_| RegistryError::TooMuch { key: key.clone() };
        let size = u32::try_from(data.bytes.len()).map_err(too_much)?;
        // SAFETY: the name ends with a zero, the bytes are as many as announced.
        let status = unsafe { RegSetValueExW(handle.0, name.as_ptr(), 0, data.kind, bytes, size) };
        done(key, "changed", status)
    }

    fn delete_value(&mut self, key: &Key, name: &str) -> Result<bool, RegistryError> {
        let Some(handle) = self.open_key(key, 0, KEY_SET_VALUE)? else { return Ok(false) };
        let name = wide(name);
        // SAFETY: the name ends with a zero.
        let status = unsafe { RegDeleteValueW(handle.0, name.as_ptr()) };
        match status {
            ERROR_FILE_NOT_FOUND => Ok(false),
            _ => done(key, "changed", status).map(|()| true),
        }
    }

    /// Who owns a key can only be set with a privilege; who may do what, by its owner too.
    fn protect(&mut self, key: &Key, protection: &[u8]) -> Result<(), RegistryError> {
        let set = |access: u32, what: OBJECT_SECURITY_INFORMATION| {
            let handle = self.must_open(key, access)?;
            let descriptor = protection.as_ptr().cast_mut().cast();
            // SAFETY: the bytes are a descriptor that the system gave us; it is only read.
            let status = unsafe { RegSetKeySecurity(handle.0, what, descriptor) };
            done(key, "protected", status)
        };
        set(KEY_ALL_ACCESS, PROTECTION).or_else(|_| set(WRITE_DAC, DACL_SECURITY_INFORMATION))
    }

    fn flush(&mut self, key: &Key) -> Result<(), RegistryError> {
        let mut there = Some(key.clone());
        while let Some(key) = there {
            if let Some(handle) = self.open_key(&key, 0, KEY_QUERY_VALUE)? {
                // SAFETY: the handle is open.
                return done(&key, "written to the disk", unsafe { RegFlushKey(handle.0) });
            }
            there = key.parent();
        }
        Ok(())
    }
}

const PROTECTION: OBJECT_SECURITY_INFORMATION =
    OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;

fn query(handle: &Handle, name: &str) -> Result<Option<Data>, WIN32_ERROR> {
    let name = wide(name);
    let mut bytes = vec![0u8; 1024];
    loop {
        let mut kind = 0;
        let mut size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: the name ends with a zero, the buffer is as large as announced.
        let status = unsafe {
            RegQueryValueExW(
                handle.0,
                name.as_ptr(),
                null(),
                &mut kind,
                bytes.as_mut_ptr(),
                &mut size,
            )
        };
        let held = usize::try_from(size).unwrap_or(0);
        match status {
            ERROR_SUCCESS => {
                bytes.truncate(held);
                return Ok(Some(Data { kind, bytes }));
            }
            ERROR_FILE_NOT_FOUND => return Ok(None),
            ERROR_MORE_DATA => bytes.resize(held.max(bytes.len() * 2), 0),
            _ => return Err(status),
        }
    }
}

/// A name that is no text could not be put back, so nothing is done with its key.
fn text(key: &Key, units: &[u16], length: u32) -> Result<String, RegistryError> {
    let units = usize::try_from(length).ok().and_then(|length| units.get(..length));
    String::from_utf16(units.unwrap_or_default()).map_err(|_| {
        let source = io::Error::other("a name in it is no text");
        RegistryError::Call { key: key.clone(), what: "listed", source }
    })
}

fn done(key: &Key, what: &'static str, status: WIN32_ERROR) -> Result<(), RegistryError> {
    if status == ERROR_SUCCESS { Ok(()) } else { Err(failed(key, what, status)) }
}

fn failed(key: &Key, what: &'static str, status: WIN32_ERROR) -> RegistryError {
    let key = key.clone();
    match status {
        ERROR_ACCESS_DENIED => RegistryError::Denied { key },
        _ => {
            let source = io::Error::from_raw_os_error(status.cast_signed());
            RegistryError::Call { key, what, source }
        }
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
