//! When machine parts are distributed ahead of first use (AP-09).

use jiff::civil::{Date, Time, Weekday};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PreInstall {
    /// At first use only: for users at their log-on, for machines by an order.
    No,
    #[default]
    AsSoonAsAssociated,
    Scheduled(When),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    pub dates: Dates,
    /// On each of the days; `until` none means midnight. Before `from`: goes over midnight.
    pub from: Time,
    pub until: Option<Time>,
    /// Each machine begins at an instant of its own within so many minutes from the start.
    pub spread_minutes: u32,
    pub clock: Clock,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dates {
    Days(Vec<Date>),
    Range { first: Date, last: Date, weekdays: Vec<Weekday> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// Each machine's own time.
    #[default]
    Local,
    /// The same instant everywhere: the times are UTC.
    Everywhere,
}
