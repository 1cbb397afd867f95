//! The graph, its checks, and a run's interpreter: what happens next, decided from a journal alone.
//!
//! Nothing here reads a clock, draws a random number, touches a file or waits. Time comes in as an
//! argument; what is to be done comes out as [`Order`]s; what must be remembered as [`Record`]s.

mod check;
mod context;
mod definition;
mod engine;
mod event;
mod expression;
pub mod journal;
mod named;
mod record;
mod state;

pub use check::{Finding, Severity, Site, check, closest, code, is_variable_name, unquoted};
pub use context::{Context, RenderError, Template, TemplateError};
pub use definition::{
    Action, Activity, ActivityName, ApplicationAction, Channel, Command, Execute, FileMove,
    FolderList, Impersonate, Kind, Logging, Message, NameError, OneApplication, OneRename, Script,
    Shutdown, ShutdownMethod, Side, Transfer, Visibility, WakeOnLan, WakeThrough, Workflow,
};
pub use engine::{Input, Order, Refused, ReplayError, Run, Why};
pub use event::{Event, ParseEventError};
pub use named::{Does, Http, NamedAction, ParameterError, SecretHeader, ServerCommand, Start};
pub use record::{
    Cause, Control, EffectId, Epoch, Outputs, Place, Record, Remaining, Report, RunAs, Visit,
};
pub use state::{Arrival, Impossible, Owner, Phase, Progress, RECORDS_MAX, State, Step};
