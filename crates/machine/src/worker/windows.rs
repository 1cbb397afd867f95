//! Workers on Windows: a job object that holds one process, with a limit of memory, and ends it
//! with this program.

#![allow(unsafe_code)] // Job objects exist only in Win32.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::ExitStatus;
use std::ptr::null;

use tokio::process::{Child, Command};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOB_OBJECT_LIMIT_PROCESS_MEMORY, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectExtendedLimitInformation, SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;

use super::Confinement;
use crate::process::STARTING;

/// Environment variables without which no program starts.
pub(super) const NEEDED: [&str; 2] = ["SystemRoot", "TZ"];

/// The job; what is in it ends when it closes.
pub(super) struct Hold {
    _job: OwnedHandle,
}

/// The worker is put into its job after it has started: until it is told something it only waits.
pub(super) fn start(command: &mut Command, memory_bytes: u64) -> io::Result<(Child, Hold)> {
    let job = job(memory_bytes)?;
    let alone = STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let child = command.creation_flags(CREATE_NO_WINDOW).spawn();
    drop(alone);
    let child = child?;
    let process = child.raw_handle().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
    // SAFETY: both handles are open.
    check(unsafe { AssignProcessToJobObject(job.as_raw_handle(), process) })?;
    Ok((child, Hold { _job: job }))
}

fn job(memory_bytes: u64) -> io::Result<OwnedHandle> {
    // SAFETY: without attributes and name; the answer is checked and owned by nobody else.
    let handle = unsafe { CreateJobObjectW(null(), null()) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    let job = unsafe { OwnedHandle::from_raw_handle(handle) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        | JOB_OBJECT_LIMIT_ACTIVE_PROCESS
        | JOB_OBJECT_LIMIT_PROCESS_MEMORY
        | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
    limits.BasicLimitInformation.ActiveProcessLimit = 1;
    limits.ProcessMemoryLimit = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    let size = u32::try_from(size_of_val(&limits)).map_err(io::Error::other)?;
    // SAFETY: the structure is the one the class asks for, and as large as announced.
    check(unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size,
        )
    })?;
    Ok(job)
}

pub(super) fn code(status: ExitStatus) -> u32 {
    status.code().unwrap_or(-1).cast_unsigned()
}

/// The job was set up by whoever started this process.
pub(super) fn confine(_confinement: &Confinement, _own_bytes: u64) -> io::Result<()> {
    Ok(())
}

fn check(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
