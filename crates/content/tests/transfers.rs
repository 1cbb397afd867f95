//! Depot to target and back, with cuts, changes and hostile words on the way.

#![allow(clippy::unwrap_used)] // A test that cannot set its scene up fails there.

mod download;
mod scene;
mod upload;
