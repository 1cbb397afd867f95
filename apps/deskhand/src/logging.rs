//! What the server logs, and where: to standard error for whoever started it, and as lines of JSON
//! to files of limited size in its data folder, which `server log` reads.
//!
//! Owns the filter, which may be changed while the server runs.

mod file;

use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value};
use tracing_subscriber::field::Visit;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

pub use file::{FOLDER, NAME, Rotating, files};

use crate::trouble::Trouble;

pub const FILTER: &str = "info";

/// The size of files, and how many are kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes: u64,
    pub files: u32,
}

/// Sets logging up for this process; what comes back changes the filter.
pub fn set_up(data: &Path, filter: &str, limits: Limits) -> anyhow::Result<server::LogFilter> {
    let first = parse(filter).map_err(|why| {
        Trouble::usage(format!("`{filter}` is no log filter: {why}"), "--log info")
    })?;
    let (first, handle) = reload::Layer::<EnvFilter, Registry>::new(first);
    let shown = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let kept = Rotating::open(data, limits.bytes, limits.files);
    let kept = kept.map(|file| Lines { file: Mutex::new(file) });
    let (kept, failed) = match kept {
        Ok(kept) => (Some(kept), None),
        Err(error) => (None, Some(error)),
    };
    tracing_subscriber::registry().with(first).with(kept).with(shown).init();
    if let Some(error) = failed {
        tracing::warn!(%error, "no log file can be written in {}", data.display());
    }
    let change = move |text: &str| {
        let filter = parse(text)?;
        handle.reload(filter).map_err(|error| error.to_string())
    };
    Ok(server::LogFilter::new(filter, change))
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| error.to_string())
}

/// Writes each event as a line.
struct Lines {
    file: Mutex<Rotating>,
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let mut line = Map::new();
        line.insert("at".into(), crate::output::now().into());
        line.insert("level".into(), meta.level().as_str().to_lowercase().into());
        line.insert("target".into(), meta.target().into());
        line.insert("text".into(), fields.text.into());
        if !fields.others.is_empty() {
            line.insert("fields".into(), fields.others.into());
        }
        let mut text = Value::from(line).to_string();
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write(text.as_bytes());
    }
}

#[derive(Default)]
struct Fields {
    text: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        if name == "message" {
            self.text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        } else {
            self.others.insert(name.trim_start_matches("r#").to_owned(), value);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.put(field.name(), value.into());
    }
}
