//! Operations on schedules.

use api::{NewSchedule, Schedule};
use hyper::Method;

use crate::path::{path, query};
use crate::{Client, RequestError};

impl Client {
    /// By name.
    pub async fn schedules(&self) -> Result<Vec<Schedule>, RequestError> {
        self.all(path(["schedules"])).await
    }

    /// With so many of its next starts.
    pub async fn schedule(&self, name: &str, next: usize) -> Result<Schedule, RequestError> {
        let next = next.to_string();
        self.get(query(path(["schedules", name]), &[("next", Some(&next))])).await
    }

    pub async fn add_schedule(&self, schedule: &NewSchedule) -> Result<Schedule, RequestError> {
        self.send(Method::POST, path(["schedules"]), schedule).await
    }

    /// `pause`, `resume` or `run`.
    pub async fn order_schedule(&self, name: &str, order: &str) -> Result<Schedule, RequestError> {
        self.send(Method::POST, path(["schedules", name, order]), &()).await
    }

    pub async fn remove_schedule(&self, name: &str) -> Result<(), RequestError> {
        self.order(Method::DELETE, path(["schedules", name])).await
    }
}
