//! Operations on the deployment's keys, on servers on record and on the one that answers.

use api::{
    KeyRevocation, KeyRotation, Keys, KeysChanged, LogSettings, Refreshed, Reloaded, ServerChange,
    ServerRecord, ServerStatus, SignedDocument, SignedEnvelope, ToSign, Unsigned,
};
use hyper::Method;

use crate::path::path;
use crate::{Client, RequestError};

impl Client {
    pub async fn servers(&self) -> Result<Vec<ServerRecord>, RequestError> {
        self.all(path(["servers"])).await
    }

    /// By name or id.
    pub async fn server_record(&self, name: &str) -> Result<ServerRecord, RequestError> {
        self.get(path(["servers", name])).await
    }

    pub async fn set_server_record(
        &self,
        name: &str,
        change: &ServerChange,
    ) -> Result<ServerRecord, RequestError> {
        self.send(Method::PATCH, path(["servers", name]), change).await
    }

    pub async fn server_status(&self) -> Result<ServerStatus, RequestError> {
        self.get(path(["server", "status"])).await
    }

    pub async fn reload(&self) -> Result<Reloaded, RequestError> {
        self.send(Method::POST, path(["server", "reload"]), &()).await
    }

    pub async fn refresh(&self) -> Result<Refreshed, RequestError> {
        self.send(Method::POST, path(["server", "refresh"]), &()).await
    }

    pub async fn set_log(&self, settings: &LogSettings) -> Result<LogSettings, RequestError> {
        self.send(Method::PUT, path(["server", "log"]), settings).await
    }

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

    /// What waits for signatures of operators.
    pub async fn unsigned(&self) -> Result<Vec<Unsigned>, RequestError> {
        self.all(path(["signatures"])).await
    }

    pub async fn to_sign(&self, id: &str) -> Result<ToSign, RequestError> {
        self.get(path(["signatures", id])).await
    }

    /// Tells how many signatures are missing then.
    pub async fn sign(&self, id: &str, signed: &SignedEnvelope) -> Result<Unsigned, RequestError> {
        self.send(Method::POST, path(["signatures", id]), signed).await
    }

    pub async fn submit_keys(&self, next: &SignedDocument) -> Result<KeysChanged, RequestError> {
        self.send(Method::POST, path(["keys", "submit"]), next).await
    }
}
