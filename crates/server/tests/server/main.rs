//! The server as agents and administrators meet it: in this process, over real connections.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod actions;
mod agent;
mod api_client;
mod applications;
mod authorization;
mod calls;
mod content;
mod deployments;
mod hostile;
mod house;
mod keys;
mod listeners;
mod live;
mod messages;
mod presence;
mod queries;
mod renewal;
mod robot;
mod running;
mod schedules;
mod secrets;
mod signatures;
mod starting;
