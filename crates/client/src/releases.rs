//! Operations on releases of the agent and their way to the fleet.

use api::{NewRelease, NewUpdate, Program, Release, Update};
use bytes::Bytes;
use hyper::Method;

use crate::path::path;
use crate::{Client, RequestError};

impl Client {
    /// What the line that installs an agent needs to know.
    pub async fn installer(&self) -> Result<api::Installer, RequestError> {
        self.get(path(["installer"])).await
    }

    /// Hands the server a program, whole.
    pub async fn add_program(&self, bytes: Vec<u8>) -> Result<Program, RequestError> {
        self.read(Method::POST, path(["releases", "programs"]), Bytes::from(bytes)).await
    }

    pub async fn releases(&self) -> Result<Vec<Release>, RequestError> {
        self.all(path(["releases"])).await
    }

    pub async fn add_release(&self, release: &NewRelease) -> Result<Release, RequestError> {
        self.send(Method::POST, path(["releases"]), release).await
    }

    pub async fn remove_release(&self, version: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["releases", version])).await
    }

    pub async fn update(&self) -> Result<Update, RequestError> {
        self.get(path(["update"])).await
    }

    pub async fn begin_update(&self, update: &NewUpdate) -> Result<Update, RequestError> {
        self.send(Method::POST, path(["update"]), update).await
    }

    /// `halt` or `resume`.
    pub async fn change_update(&self, order: &str) -> Result<Update, RequestError> {
        self.read(Method::POST, path(["update", order]), Bytes::new()).await
    }
}
