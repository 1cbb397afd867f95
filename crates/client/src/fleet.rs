//! Operations on what is on record: server, tokens, agents, computers, events.

use api::{
    Agent, Call, Called, Computer, Event, Health, Listing, NewComputer, NewToken, Server,
    ServerSettings, Token, TokenMade, Wake, Woken,
};
use hyper::Method;

use crate::path::{path, query};
use crate::{Client, RequestError};

impl Client {
    pub async fn health(&self) -> Result<Health, RequestError> {
        self.get(path(["health"])).await
    }

    pub async fn openapi(&self) -> Result<String, RequestError> {
        self.text(path(["openapi.json"])).await
    }

    pub async fn server(&self) -> Result<Server, RequestError> {
        self.get(path(["server"])).await
    }

    pub async fn set_server(&self, settings: &ServerSettings) -> Result<Server, RequestError> {
        self.send(Method::PATCH, path(["server"]), settings).await
    }

    pub async fn tokens(&self) -> Result<Vec<Token>, RequestError> {
        self.all(path(["tokens"])).await
    }

    pub async fn make_token(&self, token: &NewToken) -> Result<TokenMade, RequestError> {
        self.send(Method::POST, path(["tokens"]), token).await
    }

    pub async fn revoke_token(&self, id: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["tokens", id])).await
    }

    pub async fn agents(&self) -> Result<Vec<Agent>, RequestError> {
        self.all(path(["agents"])).await
    }

    /// `computer` by name or id, here and below.
    pub async fn approve_agent(&self, computer: &str) -> Result<(), RequestError> {
        self.order(Method::POST, path(["agents", computer, "approve"])).await
    }

    pub async fn revoke_agent(&self, computer: &str) -> Result<(), RequestError> {
        self.order(Method::POST, path(["agents", computer, "revoke"])).await
    }

    /// Has the server connect to an agent that listens.
    pub async fn connect_agent(&self, call: &Call) -> Result<Called, RequestError> {
        self.send(Method::POST, path(["agents", "connect"]), call).await
    }

    /// Wakes a computer and waits until it shows itself.
    pub async fn wake_computer(&self, name: &str, wake: &Wake) -> Result<Woken, RequestError> {
        self.send(Method::POST, path(["computers", name, "wake"]), wake).await
    }

    /// Computers and groups alike.
    pub async fn computers(&self) -> Result<Vec<Computer>, RequestError> {
        self.all(path(["computers"])).await
    }

    /// Computers that a query chooses now.
    pub async fn computers_where(&self, query: &str) -> Result<Vec<Computer>, RequestError> {
        self.all(crate::path::query(path(["computers"]), &[("where", Some(query))])).await
    }

    pub async fn computer(&self, name: &str) -> Result<Computer, RequestError> {
        self.get(path(["computers", name])).await
    }

    pub async fn add_computer(&self, computer: &NewComputer) -> Result<Computer, RequestError> {
        self.send(Method::POST, path(["computers"]), computer).await
    }

    pub async fn set_computer(
        &self,
        name: &str,
        computer: &NewComputer,
    ) -> Result<Computer, RequestError> {
        self.send(Method::PUT, path(["computers", name]), computer).await
    }

    pub async fn remove_computer(&self, name: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["computers", name])).await
    }

    /// One page of events, oldest first, after the event with that number.
    pub async fn events(&self, after: Option<&str>) -> Result<Listing<Event>, RequestError> {
        self.get(query(path(["events"]), &[("after", after)])).await
    }
}
