//! Operations on what workflows draw on: secrets.

use api::{NewSecret, Secret};
use hyper::Method;

use crate::path::path;
use crate::{Client, RequestError};

impl Client {
    pub async fn secrets(&self) -> Result<Vec<Secret>, RequestError> {
        self.all(path(["secrets"])).await
    }

    pub async fn set_secret(&self, name: &str, secret: &NewSecret) -> Result<(), RequestError> {
        self.tell(Method::PUT, path(["secrets", name]), secret).await
    }

    pub async fn remove_secret(&self, name: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["secrets", name])).await
    }
}
