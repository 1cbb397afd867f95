//! Operations on computers without agent.

use api::{SshPolicy, SshTested, SshTrust, SshTrusted, SshWay};
use hyper::Method;

use crate::path::path;
use crate::{Client, RequestError};

impl Client {
    pub async fn ssh_way(&self, computer: &str) -> Result<SshWay, RequestError> {
        self.get(path(["computers", computer, "ssh"])).await
    }

    pub async fn set_ssh_way(&self, computer: &str, way: &SshWay) -> Result<(), RequestError> {
        self.tell(Method::PUT, path(["computers", computer, "ssh"]), way).await
    }

    pub async fn remove_ssh_way(&self, computer: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["computers", computer, "ssh"])).await
    }

    pub async fn test_ssh(&self, computer: &str) -> Result<SshTested, RequestError> {
        self.send(Method::POST, path(["computers", computer, "ssh", "test"]), &()).await
    }

    pub async fn ssh_policy(&self) -> Result<SshPolicy, RequestError> {
        self.get(path(["ssh", "policy"])).await
    }

    pub async fn set_ssh_policy(&self, policy: &SshPolicy) -> Result<(), RequestError> {
        self.tell(Method::PUT, path(["ssh", "policy"]), policy).await
    }

    pub async fn trust_host(&self, trust: &SshTrust) -> Result<SshTrusted, RequestError> {
        self.send(Method::POST, path(["ssh", "hosts"]), trust).await
    }

    /// `HOST` or `HOST:PORT`.
    pub async fn forget_host(&self, host: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["ssh", "hosts", host])).await
    }
}
