//! Operations on what workflows draw on: secrets, messages, channels, actions.

use api::{
    Action, ActionResult, ActionRun, Channel, ChannelTest, Delivered, Deployed, Listing, Message,
    NamedChannel, NewAction, NewSecret, Secret, SecretTest,
};
use hyper::Method;

use crate::path::{path, query};
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

    /// Deploys a trial of user and password.
    pub async fn test_secret(
        &self,
        name: &str,
        test: &SecretTest,
    ) -> Result<Deployed, RequestError> {
        self.send(Method::POST, path(["secrets", name, "test"]), test).await
    }

    /// Latest first.
    pub async fn messages(&self, unread: bool) -> Result<Vec<Message>, RequestError> {
        let unread = unread.then_some("true");
        self.all(query(path(["messages"]), &[("unread", unread)])).await
    }

    pub async fn message(&self, number: u64) -> Result<Message, RequestError> {
        self.get(path(["messages", &number.to_string()])).await
    }

    pub async fn read_message(&self, number: u64) -> Result<Message, RequestError> {
        self.send(Method::PUT, path(["messages", &number.to_string(), "read"]), &()).await
    }

    pub async fn channels(&self) -> Result<Vec<NamedChannel>, RequestError> {
        self.all(path(["channels"])).await
    }

    pub async fn set_channel(&self, name: &str, channel: &Channel) -> Result<(), RequestError> {
        self.tell(Method::PUT, path(["channels", name]), channel).await
    }

    pub async fn remove_channel(&self, name: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["channels", name])).await
    }

    pub async fn test_channel(
        &self,
        name: &str,
        test: &ChannelTest,
    ) -> Result<Delivered, RequestError> {
        self.send(Method::POST, path(["channels", name, "test"]), test).await
    }

    pub async fn actions(&self) -> Result<Vec<Action>, RequestError> {
        self.all(path(["actions"])).await
    }

    pub async fn action(&self, name: &str) -> Result<Action, RequestError> {
        self.get(path(["actions", name])).await
    }

    pub async fn set_action(&self, action: &NewAction) -> Result<Action, RequestError> {
        self.send(Method::POST, path(["actions"]), action).await
    }

    pub async fn remove_action(&self, name: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["actions", name])).await
    }

    /// Starts an action; ends when it has.
    pub async fn run_action(
        &self,
        name: &str,
        run: &ActionRun,
    ) -> Result<Vec<ActionResult>, RequestError> {
        let path = path(["actions", name, "run"]);
        let results: Listing<ActionResult> = self.send(Method::POST, path, run).await?;
        Ok(results.items)
    }
}
