//! Operations on what workflows draw on: secrets, messages, channels.

use api::{Channel, ChannelTest, Delivered, Message, NamedChannel, NewSecret, Secret};
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
}
