//! What the two systems do differently: what belongs to a file, exchanging names, making last.

#[cfg(target_os = "linux")]
#[path = "attributes/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "attributes/windows.rs"]
mod system;

pub(crate) use system::disk;
pub(super) use system::*;
