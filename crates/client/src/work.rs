//! Operations on work: workflows, deployments, runs, live changes.

use api::{
    ControlRequest, Deployed, Deployment, DeploymentCopy, DeploymentDetail, DeploymentEdited,
    DeploymentPlan, Listing, Log, NewDeployment, NewWorkflow, Restart, Restarted, RunDetail,
    RunPath, Workflow, WorkflowChecked,
};
use hyper::Method;
use serde::de::DeserializeOwned;

use crate::path::{path, query};
use crate::{Changes, Client, RequestError};

impl Client {
    pub async fn workflows(&self) -> Result<Vec<Workflow>, RequestError> {
        self.all(path(["workflows"])).await
    }

    /// The latest revision, with its source.
    pub async fn workflow(&self, name: &str) -> Result<Workflow, RequestError> {
        self.get(path(["workflows", name])).await
    }

    pub async fn apply_workflow(&self, source: String) -> Result<WorkflowChecked, RequestError> {
        self.send(Method::POST, path(["workflows"]), &NewWorkflow { source }).await
    }

    pub async fn deploy(&self, deployment: &NewDeployment) -> Result<Deployed, RequestError> {
        self.send(Method::POST, path(["deployments"]), deployment).await
    }

    /// What a deployment would be; makes none.
    pub async fn plan(&self, deployment: &NewDeployment) -> Result<DeploymentPlan, RequestError> {
        self.send(Method::POST, path(["deployments", "plan"]), deployment).await
    }

    /// Newest first.
    pub async fn deployments(&self) -> Result<Vec<Deployment>, RequestError> {
        self.all(path(["deployments"])).await
    }

    pub async fn deployment(&self, id: &str) -> Result<DeploymentDetail, RequestError> {
        self.get(path(["deployments", id])).await
    }

    pub async fn control(&self, id: &str, control: &ControlRequest) -> Result<(), RequestError> {
        self.tell(Method::POST, path(["deployments", id, "control"]), control).await
    }

    /// Lets nothing begin from then on, in milliseconds since 1970 UTC; `None` takes the date away.
    pub async fn set_stop(&self, id: &str, stop: Option<i64>) -> Result<(), RequestError> {
        self.tell(Method::PUT, path(["deployments", id, "stop"]), &stop).await
    }

    /// A deployment's own copy of its workflow, the newest unless another is named.
    pub async fn deployment_source(
        &self,
        id: &str,
        copy: Option<u64>,
    ) -> Result<DeploymentCopy, RequestError> {
        let copy = copy.map(|copy| copy.to_string());
        self.get(query(path(["deployments", id, "source"]), &[("copy", copy.as_deref())])).await
    }

    /// Keeps another copy, which counts from the next restart.
    pub async fn edit_deployment(
        &self,
        id: &str,
        source: &NewWorkflow,
    ) -> Result<DeploymentEdited, RequestError> {
        self.send(Method::PUT, path(["deployments", id, "source"]), source).await
    }

    pub async fn restart_deployment(
        &self,
        id: &str,
        restart: &Restart,
    ) -> Result<Restarted, RequestError> {
        self.send(Method::POST, path(["deployments", id, "restart"]), restart).await
    }

    pub async fn run(&self, run: &str) -> Result<RunDetail, RequestError> {
        self.get(path(["runs", run])).await
    }

    /// The ways that all runs of a deployment took.
    pub async fn paths(&self, deployment: &str) -> Result<Vec<RunPath>, RequestError> {
        self.get(path(["deployments", deployment, "paths"])).await
    }

    pub async fn run_log(&self, run: &str) -> Result<Vec<Log>, RequestError> {
        self.get(path(["runs", run, "log"])).await
    }

    /// Changes from now on, of one deployment or of all.
    pub async fn changes(&self, deployment: Option<&str>) -> Result<Changes, RequestError> {
        self.stream(query(path(["changes"]), &[("deployment", deployment)])).await
    }

    /// All pages of a listing.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        path: String,
    ) -> Result<Vec<T>, RequestError> {
        let mut page: Listing<T> = self.get(path.clone()).await?;
        let mut items = std::mem::take(&mut page.items);
        while let Some(after) = page.next.take() {
            page = self.get(query(path.clone(), &[("after", Some(&after))])).await?;
            items.append(&mut page.items);
        }
        Ok(items)
    }
}
