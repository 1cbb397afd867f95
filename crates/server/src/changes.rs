//! Live changes for whoever watches: sent to all, missed by the slow.
//!
//! Never waits for a reader and never keeps anything for one that is not there.

use std::sync::Arc;

use model::DeploymentId;
use tokio::sync::broadcast;

/// Changes kept for slow readers; who falls further behind is told to read anew.
const KEPT_MAX: usize = 4_096;

/// One change, and the deployment it belongs to if it is of one.
#[derive(Debug)]
pub struct Told {
    pub deployment: Option<DeploymentId>,
    pub change: api::Change,
}

#[derive(Debug, Clone)]
pub struct Changes {
    all: broadcast::Sender<Arc<Told>>,
}

impl Changes {
    pub fn new() -> Self {
        Self { all: broadcast::channel(KEPT_MAX).0 }
    }

    /// Whether anybody watches, so that a change is worth making.
    pub fn is_watched(&self) -> bool {
        self.all.receiver_count() > 0
    }

    pub fn tell(&self, deployment: impl Into<Option<DeploymentId>>, change: api::Change) {
        let deployment = deployment.into();
        // Nobody watching is no error.
        let _watchers = self.all.send(Arc::new(Told { deployment, change }));
    }

    /// A schedule is not as it was.
    pub fn schedule(&self, name: &str) {
        let change = api::Change::Schedule { name: name.to_owned() };
        let _watchers = self.all.send(Arc::new(Told { deployment: None, change }));
    }

    pub fn watch(&self) -> broadcast::Receiver<Arc<Told>> {
        self.all.subscribe()
    }
}
