//! Operations on applications and associations.

use api::{
    Application, ApplicationDetail, ApplicationState, Association, AssociationGone,
    ComputerApplications, NewApplication, NewAssociation, Published,
};
use hyper::Method;

use crate::path::{path, query};
use crate::{Client, RequestError};

impl Client {
    /// Publishes an application file.
    pub async fn publish(&self, text: &str) -> Result<Published, RequestError> {
        let new = NewApplication { text: text.to_owned() };
        self.send(Method::POST, path(["applications"]), &new).await
    }

    /// The latest revision of each, by name.
    pub async fn applications(&self) -> Result<Vec<Application>, RequestError> {
        self.all(path(["applications"])).await
    }

    /// In that revision, or the latest.
    pub async fn application(
        &self,
        name: &str,
        revision: Option<u64>,
    ) -> Result<ApplicationDetail, RequestError> {
        let revision = revision.map(|revision| revision.to_string());
        self.get(query(path(["applications", name]), &[("revision", revision.as_deref())])).await
    }

    pub async fn withdraw(&self, name: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["applications", name])).await
    }

    /// How applications stand on machines; of one computer or application where one is named.
    pub async fn application_states(
        &self,
        computer: Option<&str>,
        application: Option<&str>,
    ) -> Result<Vec<ApplicationState>, RequestError> {
        let parameters = [("computer", computer), ("application", application)];
        self.all(query(path(["application-states"]), &parameters)).await
    }

    /// What a machine is to have, and how that stands.
    pub async fn computer_applications(
        &self,
        computer: &str,
    ) -> Result<ComputerApplications, RequestError> {
        self.get(path(["computers", computer, "applications"])).await
    }

    pub async fn associations(&self) -> Result<Vec<Association>, RequestError> {
        self.all(path(["associations"])).await
    }

    pub async fn associate(&self, new: &NewAssociation) -> Result<Association, RequestError> {
        self.send(Method::POST, path(["associations"]), new).await
    }

    pub async fn dissociate(&self, gone: &AssociationGone) -> Result<(), RequestError> {
        self.tell(Method::POST, path(["associations", "remove"]), gone).await
    }
}
