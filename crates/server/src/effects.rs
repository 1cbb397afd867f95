//! Activities of the server: who carries out what, and how they are told to stop.
//!
//! Each module renders the parameters itself, from the definition and what the run's journal says,
//! and treats what a target reported as untrusted text. None decides what follows. A job may be
//! dropped at any await: then the server is ending, and the loop asks for it again when it returns.

mod action;
pub mod called;
pub mod files;
pub mod message;

use std::path::PathBuf;
use std::sync::Arc;

use content::ObjectStore;
use model::{ComputerId, DeploymentId, Digest, Span};
use tokio_util::sync::CancellationToken;
use workflow::{Context, EffectId, Kind, Report, Template};

use crate::hall::Hall;
use crate::reach::wake;

/// The depot's folder, and the objects taken out of it.
#[derive(Debug, Clone)]
pub struct Depot {
    pub path: PathBuf,
    pub objects: Arc<ObjectStore>,
}

/// One activity of the server that is to be carried out.
#[derive(Debug)]
pub struct Job {
    /// The same when it is asked for again, so that receivers can drop doubles.
    pub effect: EffectId,
    /// The run's target.
    pub computer: ComputerId,
    pub deployment: DeploymentId,
    pub kind: Kind,
    /// The activity's own limit; the run's owner ends the job when it is over.
    pub timeout: Option<Span>,
    pub context: Context,
    /// It was begun in an earlier life of the server, and nobody knows how far it came.
    pub again: bool,
    /// Told when the run does not want it any more; it then ends as soon as it can.
    pub cancel: CancellationToken,
}

/// Carries an activity out. Whatever goes wrong is in the report.
pub async fn carry_out(hall: &Arc<Hall>, job: Job) -> Report {
    let Job { effect, computer, deployment, timeout, again, .. } = &job;
    let kind = job.kind.name();
    tracing::debug!(kind, ?effect, %computer, %deployment, ?timeout, again, "begins");
    match &job.kind {
        Kind::Move(_)
        | Kind::Copy(_)
        | Kind::Rename(_)
        | Kind::DeleteFiles { .. }
        | Kind::CreateFolders { .. }
        | Kind::DeleteFolders { .. } => files::carry_out(hall.depot.clone(), job).await,
        Kind::Action(action) => action::carry_out(hall, &job, action).await,
        Kind::Message(message) => message::carry_out(hall, &job, message).await,
        Kind::WakeOnLan(wish) => wake::carry_out(hall, &job, wish).await,
        other => Report::error(format!("`{}` is not carried out by the server", other.name())),
    }
}

/// A name for what an activity sends or starts: the same whenever that is asked for again.
pub fn key(effect: EffectId) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(effect.run.as_bytes());
    hasher.update(&effect.attempt.to_be_bytes()).update(&effect.visit.0.to_be_bytes());
    if effect.part > 0 {
        hasher.update(&effect.part.to_be_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// A parameter, rendered.
pub fn text(template: &Template, context: &Context) -> Result<String, String> {
    template.render(context).map_err(|error| error.to_string())
}
