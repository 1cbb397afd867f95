//! The language of Script activities: JavaScript, compiled here to be checked and run in a worker.
//!
//! Owns the engine (QuickJS-NG through rquickjs), what a script can say, and the frames that a
//! worker exchanges with the agent that started it. A worker has nothing but its two pipes:
//! whatever a script asks for is asked of the agent, which carries it out as it carries out
//! activities.
//! [`check`] only compiles; nothing of the code is carried out.
//!
//! Invariants: a script cannot escape its limits, whatever it catches; every end is told as what it
//! was, with line and column where the engine knows them; lines are those of the script's own text.

mod check;
mod engine;
mod frame;
mod host;
mod message;
mod place;
mod worker;

pub use check::{ScriptProblem, check};
pub use frame::{FRAME_BYTES_MAX, FrameError, Frames, encode};
pub use host::VARIABLES_BYTES_MAX;
pub use message::{Answer, Begin, Call, End, FromWorker, How, Limit, Place, Stop, ToWorker};
pub use worker::{WorkerError, run};

/// A script's text may not be larger: it travels in the definition of its workflow.
pub const CODE_BYTES_MAX: usize = 1 << 20;

/// The activities that a script can call, as functions of the same names.
pub const ACTIVITIES: [&str; 15] = [
    "execute",
    "upload",
    "move",
    "copy",
    "rename",
    "delete_files",
    "create_folders",
    "delete_folders",
    "registry",
    "impersonate",
    "wait",
    "download",
    "wake_on_lan",
    "action",
    "message",
];

/// Activities that a script has functions for which only say why it cannot call them: one would end
/// the script, the other is brought by the deployment that names it.
pub const ELSEWHERE: [&str; 2] = ["shutdown", "application"];

/// What a script can speak of besides activities, as TypeScript declares it.
pub const DECLARATIONS: &str = include_str!("declarations.d.ts");
