//! Applications on this machine: planned, distributed, verified, repaired, uninstalled.
//!
//! A [`Driver`] works on the records of one [`Place`]. It first makes a [`Step`], a value that says
//! all that will be done; carrying that out asks nothing more. Order of a distribution (AP-08,
//! AP-10, AP-13): programs are ended, the script before, the changes, packages, the script after;
//! then the changes are made to last and the record is written. Whatever fails on the way, all that
//! was done is undone; a machine that dies on the way is put right at the next start.
//!
//! Never decides which applications a machine should have or when: that is
//! [`application::keeper`]'s, or whoever typed it.

mod carry_out;
mod digests;
mod doing;
mod driver;
mod event;
mod launch;
mod packages;
mod place;
mod provide;
mod records;
mod recover;
mod restarts;
mod script;
mod set;
mod step;
#[cfg(all(test, unix))]
mod tests;

pub use carry_out::{Done, Failure, FailureKind};
pub use digests::KnownDigests;
pub use doing::NoteError;
pub use driver::{Driver, OpenError};
pub use event::{Event, Phase};
pub use launch::{LaunchError, Launchable, Launcher, exit_code};
pub use packages::{Act, PackageError, PackageStep};
pub use place::Place;
pub use provide::Provide;
pub use records::{Installer, Package, Reason, Record, RecordError};
pub use recover::{RecoverError, Recovered};
pub use restarts::Restarts;
pub use script::ScriptError;
pub use set::{Member, Offered, SetError, in_order};
pub use step::{Answers, Considered, Document, Order, Step, StepError, What};
