//! Workers on Linux: limits of resources, which nothing that is not privileged takes back.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::process::{Child, Command};

use super::Confinement;

/// Environment variables without which a worker would tell another time.
pub(super) const NEEDED: [&str; 1] = ["TZ"];

/// Descriptors that a worker has: its standard ones.
const DESCRIPTORS: u32 = 3;

/// The limits are the worker's own affair.
pub(super) struct Hold;

pub(super) fn start(command: &mut Command, _memory_bytes: u64) -> io::Result<(Child, Hold)> {
    Ok((command.process_group(0).spawn()?, Hold))
}

pub(super) fn code(status: ExitStatus) -> u32 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.unwrap_or(-1).cast_unsigned()
}

pub(super) fn confine(confinement: &Confinement, own_bytes: u64) -> io::Result<()> {
    close_others()?;
    let Confinement { memory_bytes, processor_seconds } = *confinement;
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, DESCRIPTORS.into()),
        (Resource::As, mapped()?.saturating_add(memory_bytes).saturating_add(own_bytes)),
    ];
    for (resource, limit) in limits {
        set(resource, limit, limit)?;
    }
    // At the first the kernel says so, at the second it kills.
    set(Resource::Cpu, processor_seconds, processor_seconds + 2)
}

/// Closes whatever was inherited from those who started this program's ancestors.
#[expect(unsafe_code, reason = "closing what nobody here has opened has no safe interface")]
fn close_others() -> io::Result<()> {
    let entries = std::fs::read_dir("/proc/self/fd")?;
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let open: Vec<u32> = numbers.collect();
    for number in open.into_iter().filter(|number| *number >= DESCRIPTORS) {
        // SAFETY: a worker opens nothing before it is confined: no descriptor beyond the standard
        // ones belongs to anybody in this process. That of the listing is closed already.
        unsafe { libc::close(number.cast_signed()) };
    }
    Ok(())
}

fn set(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let limit = Rlimit { current: Some(current), maximum: Some(maximum) };
    setrlimit(resource, limit).map_err(io::Error::from)
}

/// Address space that is taken already.
fn mapped() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}
