//! The only door to a machine: its files, its processes, what is known of it. Linux and Windows.
//!
//! Owns every call that changes the machine outside the product's own state folder. Never decides
//! what should be done, never speaks to the network, keeps nothing between calls. Platform code
//! sits side by side (`linux.rs`, `windows.rs`) under one interface that
//! `tests/conformance.rs` checks on both; `unsafe` lives here alone, per module and with a reason.

pub mod account;
mod ask;
pub mod change;
mod decode;
mod ending;
mod facts;
mod files;
mod filter;
mod folder;
mod home;
pub mod identity;
mod name;
mod network;
pub mod power;
mod process;
mod protect;
pub mod registry;
mod spot;
pub mod survey;
mod wmi;
mod worker;

pub use ask::{Answer, Question, ask};
pub use decode::{ansi_code_page, decode_output};
pub use ending::{EndError, ServiceEnd, end_processes, stop_service};
pub use facts::{Network, boot_id, disk_free, facts, networks};
pub use files::{
    Counts, FileError, FilePlan, Operation, Options, PlanBytesError, Transfer, put_in_place,
};
pub use filter::{CaseRule, Filter, FilterError};
pub use folder::{Cursor, Existing, Folder, Found, Kind, Meta, PART_PREFIX, is_part, list};
pub use identity::Identity;
pub use name::{NameProblem, check_own_name, check_portable_name};
pub use network::{hear, shout, tell};
pub use process::{
    Command, ExecuteEnd, ExecuteError, ExecuteSpec, Stream, Visibility, Waiting, end_marked,
    execute, execute_as,
};
pub use protect::{keep_for_system, protect_folder};
pub use spot::{Spot, SpotError};
pub use wmi::{WmiError, WmiRow, WmiValue, wmi};
pub use worker::{
    Confinement, Worker, WorkerInput, WorkerOutput, WorkerPipes, WorkerSpec, confine, start_worker,
};
