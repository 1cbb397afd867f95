//! By the list of processes and the service control manager.

#![allow(unsafe_code)] // Processes and services of others are reached by Win32 alone.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use windows_sys::Win32::Foundation::{
    ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_NOT_ACTIVE, HWND, INVALID_HANDLE_VALUE, LPARAM,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, ControlService, OpenSCManagerW, OpenServiceW, QueryServiceStatus,
    SC_HANDLE, SC_MANAGER_CONNECT, SERVICE_CONTROL_STOP, SERVICE_QUERY_STATUS, SERVICE_STATUS,
    SERVICE_STOP, SERVICE_STOPPED,
};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    PROCESS_TERMINATE, QueryFullProcessImageNameW, TerminateProcess, WaitForSingleObject,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    EnumWindows, GetWindowThreadProcessId, PostMessageW, WM_CLOSE,
};
use windows_sys::core::BOOL;

use super::{EndError, ServiceEnd};

const LOOK: Duration = Duration::from_millis(50);

struct Process {
    id: u32,
    handle: OwnedHandle,
}

pub(super) async fn end_processes(name: &str, wait: Duration) -> Result<usize, EndError> {
    let mut found = Vec::new();
    for (id, file) in meant(name)? {
        match open(id) {
            Ok(handle) => found.push(Process { id, handle }),
            Err(_) if !is_there(id) => {}
            Err(source) => return Err(EndError::Denied { name: file, id, source }),
        }
    }
    for process in &found {
        // SAFETY: the callback gets the number and nothing that could be gone.
        unsafe { EnumWindows(Some(close_of), LPARAM::from(process.id.cast_signed() as isize)) };
    }
    if !has_ended(&found, wait / 2).await {
        for process in found.iter().filter(|process| !ended(process)) {
            // SAFETY: the handle is open.
            if unsafe { TerminateProcess(process.handle.as_raw_handle(), 1) } == 0
                && !ended(process)
            {
                let (name, source) = (name.to_owned(), io::Error::last_os_error());
                return Err(EndError::Denied { name, id: process.id, source });
            }
        }
    }
    if !has_ended(&found, wait / 2).await {
        let id = found.iter().find(|process| !ended(process)).map_or(0, |process| process.id);
        return Err(EndError::StillThere { name: name.to_owned(), id, wait });
    }
    Ok(found.len())
}

/// Asks the windows of a process to close.
unsafe extern "system" fn close_of(window: HWND, process: LPARAM) -> BOOL {
    let mut owner = 0;
    // SAFETY: the window may have gone, which both calls answer.
    unsafe {
        GetWindowThreadProcessId(window, &mut owner);
        if owner.cast_signed() as isize == process {
            PostMessageW(window, WM_CLOSE, 0, 0);
        }
    }
    1
}

async fn has_ended(processes: &[Process], wait: Duration) -> bool {
    let until = Instant::now() + wait;
    while !processes.iter().all(ended) {
        if Instant::now() >= until {
            return false;
        }
        sleep(LOOK).await;
    }
    true
}

fn ended(process: &Process) -> bool {
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(process.handle.as_raw_handle(), 0) == WAIT_OBJECT_0 }
}

fn open(id: u32) -> io::Result<OwnedHandle> {
    let access = PROCESS_TERMINATE | PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
    // SAFETY: the answer is checked, and owned by nobody else.
    unsafe {
        let handle = OpenProcess(access, 0, id);
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedHandle::from_raw_handle(handle))
    }
}

fn is_there(id: u32) -> bool {
    snapshot().is_ok_and(|all| all.iter().any(|(other, ..)| *other == id))
}

/// Numbers and file names of those that are meant; never this process and those above it.
fn meant(name: &str) -> Result<Vec<(u32, String)>, EndError> {
    let all = snapshot().map_err(|source| EndError::List { source })?;
    let mut spared = vec![0, 4];
    let mut own = std::process::id();
    while !spared.contains(&own) {
        spared.push(own);
        own = all.iter().find(|(id, ..)| *id == own).map_or(0, |(_, parent, _)| *parent);
    }
    let is_it = |id: u32, file: &str| match name.contains(['\\', '/']) {
        true => path_of(id).is_some_and(|path| path.eq_ignore_ascii_case(&name.replace('/', "\\"))),
        false => file.eq_ignore_ascii_case(name),
    };
    let all = all.into_iter().filter(|(id, _, file)| !spared.contains(id) && is_it(*id, file));
    Ok(all.map(|(id, _, file)| (id, file)).collect())
}

fn path_of(id: u32) -> Option<String> {
    let handle = open(id).ok()?;
    let mut room = vec![0u16; 32_768];
    let mut length = u32::try_from(room.len()).ok()?;
    // SAFETY: the buffer is as large as announced.
    let done = unsafe {
        let handle = handle.as_raw_handle();
        QueryFullProcessImageNameW(handle, PROCESS_NAME_WIN32, room.as_mut_ptr(), &mut length)
    };
    let path = room.get(..usize::try_from(length).ok()?)?;
    (done != 0).then(|| String::from_utf16_lossy(path))
}

/// Number, parent and file name of every process.
fn snapshot() -> io::Result<Vec<(u32, u32, String)>> {
    // SAFETY: the answer is checked, and owned by nobody else; the entry says its own size.
    unsafe {
        let handle = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        let handle = OwnedHandle::from_raw_handle(handle);
        let mut entry = PROCESSENTRY32W {
            dwSize: u32::try_from(size_of::<PROCESSENTRY32W>()).unwrap_or(0),
            ..Default::default()
        };
        let mut all = Vec::new();
        let mut more = Process32FirstW(handle.as_raw_handle(), &mut entry);
        while more != 0 {
            let name = entry.szExeFile;
            let length = name.iter().position(|unit| *unit == 0).unwrap_or(name.len());
            let name = String::from_utf16_lossy(name.get(..length).unwrap_or_default());
            all.push((entry.th32ProcessID, entry.th32ParentProcessID, name));
            more = Process32NextW(handle.as_raw_handle(), &mut entry);
        }
        Ok(all)
    }
}

struct Service(SC_HANDLE);

// SAFETY: the handle may be used and closed by any thread.
unsafe impl Send for Service {}

impl Drop for Service {
    fn drop(&mut self) {
        // SAFETY: it was opened by us and is closed once.
        unsafe { CloseServiceHandle(self.0) };
    }
}

pub(super) async fn stop_service(name: &str, wait: Duration) -> Result<ServiceEnd, EndError> {
    let failed =
        |error: io::Error| EndError::Service { name: name.to_owned(), why: error.to_string() };
    let Some(service) = open_service(name).map_err(failed)? else { return Ok(ServiceEnd::Absent) };
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the handle is open, the structure writable.
    if unsafe { ControlService(service.0, SERVICE_CONTROL_STOP, &mut status) } == 0 {
        let error = io::Error::last_os_error();
        if is(&error, ERROR_SERVICE_NOT_ACTIVE) {
            return Ok(ServiceEnd::DidNotRun);
        }
        return Err(failed(error));
    }
    let until = Instant::now() + wait;
    while !is_stopped(&service).map_err(failed)? {
        if Instant::now() >= until {
            return Err(EndError::StillRuns { name: name.to_owned(), wait });
        }
        sleep(LOOK).await;
    }
    Ok(ServiceEnd::Stopped)
}

fn is_stopped(service: &Service) -> io::Result<bool> {
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the handle is open, the structure writable.
    if unsafe { QueryServiceStatus(service.0, &mut status) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(status.dwCurrentState == SERVICE_STOPPED)
}

fn open_service(name: &str) -> io::Result<Option<Service>> {
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends with a zero; the answers are checked.
    unsafe {
        let manager = OpenSCManagerW(null(), null(), SC_MANAGER_CONNECT);
        if manager.is_null() {
            return Err(io::Error::last_os_error());
        }
        let manager = Service(manager);
        let service = OpenServiceW(manager.0, name.as_ptr(), SERVICE_STOP | SERVICE_QUERY_STATUS);
        if !service.is_null() {
            return Ok(Some(Service(service)));
        }
    }
    let error = io::Error::last_os_error();
    if is(&error, ERROR_SERVICE_DOES_NOT_EXIST) { Ok(None) } else { Err(error) }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error().map(i32::cast_unsigned) == Some(code)
}
