//! What a machine should have: the application as data, the plan that leads there, what undoes it.
//!
//! Owns the document ([`Application`]), the meaning of every item, and the plan as a value. Pure:
//! what is on the machine is asked through [`Survey`], what the application brings through
//! [`Source`]; instants, users and chance are arguments. Nothing here changes a machine: a plan's
//! changes are carried out by `machine`, all or none of them.

pub mod availability;
mod conflict;
pub mod desktop;
mod document;
pub mod encoding;
pub mod ini;
pub mod keeper;
pub mod launch;
pub mod lnk;
pub mod macros;
pub mod msi;
pub mod packages;
pub mod pe;
mod plan;
pub mod rdp;
mod record;
pub mod schedule;
mod survey;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
mod uninstall;
pub mod wildcard;

pub use document::*;
pub use plan::*;
pub use record::{Installed, NotKept};
pub use survey::*;
pub use uninstall::{Leave, uninstall};
