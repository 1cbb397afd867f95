//! The deployment server: its start, the loop it drives, the listeners it opens.
//!
//! A shell around the pure engines: `travel::Giver` decides, `store` remembers, `content` keeps
//! files; what is here moves inputs to them and acts on what comes out. [`Server::start`] is all
//! that programs need; several servers may live in one process, each in a data folder of its own.
//!
//! Invariants: nothing is sent or done before what it rests on is durable (`core`); nothing that an
//! agent says is believed (`gateway`); no operation of the API without the administrator's token
//! but `GET /api/health` (`http`); only `clock` reads the clock.

mod actions;
mod applications;
mod changes;
mod channels;
mod clock;
mod config;
mod core;
mod data_dir;
mod delivery;
mod deploy;
mod effects;
mod ends;
mod fleet;
mod gateway;
mod gauges;
mod hall;
mod http;
mod identity;
mod links;
mod logs;
mod outbound;
mod programs;
mod quiet;
mod reach;
mod reload;
mod schedules;
mod secrets;
pub mod settings;
mod signatures;
mod ssh;
mod start;
mod updates;
mod upkeep;
mod views;
mod wanted;
mod workflows;

pub use config::{AGENT_PORT, API_PORT, Config, MAX_TARGETS};
pub use data_dir::{
    DataDirError, KEY_PRIVATE, KEY_PUBLIC, Runtime, default_data_dir, is_in_use,
    make_private_folder, read_admin_token, runtime,
};
pub use http::openapi;
pub use reload::{LogFilter, ReloadError, Source};
pub use start::{Running, Server, StartError};
