//! Files that people write: read into the domain's types, with everything that is wrong said at
//! once and in its place.
//!
//! Owns the text formats and nothing else: it opens no file, and what a value means is decided by
//! the crates it builds values for. One table of activities and their parameters drives both the
//! reader and the JSON Schema for editors, so that neither can know a key the other does not.
//!
//! A workflow comes out only when the whole text was understood; findings of [`workflow::check`]
//! are problems beside it and refuse it later, by their severity.

pub mod answers;
pub mod application;
pub mod code;
mod declarations;
pub mod exchange;
mod problem;
mod query;
mod reading;
pub mod registry;
mod schema;
mod table;
mod yaml;

pub use application::{
    ParsedApplication, application_schema, parse_application, print_application,
};
pub use declarations::script_declarations;
pub use problem::Problem;
pub use query::{QueryError, parse_query};
pub use reading::{Parsed, ParsedAction, activity_call, parse_action, parse_workflow};
pub use registry::{ParsedRegistry, parse_registry, print_registry};
pub use schema::workflow_schema;
