//! Who waits for the end of which deployment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::DeploymentId;
use tokio::sync::oneshot;

#[derive(Debug, Default)]
pub struct Ends {
    waiting: Mutex<HashMap<DeploymentId, Vec<oneshot::Sender<()>>>>,
}

impl Ends {
    fn waiting(&self) -> MutexGuard<'_, HashMap<DeploymentId, Vec<oneshot::Sender<()>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready once the deployment's end is durable. Whether it has ended already is to be looked up
    /// after this was called.
    pub fn wait(&self, deployment: DeploymentId) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let mut all = self.waiting();
        let waiting = all.entry(deployment).or_default();
        waiting.retain(|other| !other.is_closed());
        waiting.push(tell);
        told
    }

    pub fn tell(&self, deployment: DeploymentId) {
        for waiting in self.waiting().remove(&deployment).into_iter().flatten() {
            let _waits_no_more = waiting.send(());
        }
    }
}
