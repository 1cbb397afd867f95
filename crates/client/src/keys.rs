//! Operations on the deployment's keys.

use api::{KeyRevocation, KeyRotation, Keys, KeysChanged, SignedDocument};
use hyper::Method;

use crate::path::path;
use crate::{Client, RequestError};

impl Client {
    pub async fn keys(&self) -> Result<Keys, RequestError> {
        self.get(path(["keys"])).await
    }

    pub async fn rotate_keys(&self, how: &KeyRotation) -> Result<KeysChanged, RequestError> {
        self.send(Method::POST, path(["keys", "rotate"]), how).await
    }

    pub async fn revoke_key(&self, which: &KeyRevocation) -> Result<KeysChanged, RequestError> {
        self.send(Method::POST, path(["keys", "revoke"]), which).await
    }

    pub async fn prepare_keys(&self, how: &KeyRotation) -> Result<SignedDocument, RequestError> {
        self.send(Method::POST, path(["keys", "prepare"]), how).await
    }

    pub async fn submit_keys(&self, next: &SignedDocument) -> Result<KeysChanged, RequestError> {
        self.send(Method::POST, path(["keys", "submit"]), next).await
    }
}
