//! Queries: which computers of the fleet are meant, as the condition of an SQL `WHERE`.
//!
//! Owns what a condition is and whether a computer meets it; how conditions are written is
//! `format`'s. As in SQL there are three answers: what is not known of a computer is neither equal
//! nor unequal to anything, and only computers for which the condition is *true* are chosen. An
//! empty text counts as not known. Texts are compared without case, versions part by part.

mod text;
mod version;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::{Computer, Span, Timestamp};

pub use text::Pattern;
pub use version::compare_versions;

/// What can be asked of a computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Id,
    Name,
    HostName,
    Os,
    /// The group it stands in; whether it is a member is asked with [`Condition::Member`].
    Group,
    CreatedBy,
    CreatedAt,
    AgentState,
    AgentVersion,
    AgentConnected,
    AgentAddress,
    FirstSeen,
    LastSeen,
    /// What is told of it to templates, by name.
    Fact(String),
}

/// How values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Version,
    Time,
    Truth,
}

/// The fields that have names of their own, in the order in which they are documented.
pub const FIELDS: [(&str, Kind); 21] = [
    ("name", Kind::Text),
    ("host_name", Kind::Text),
    ("id", Kind::Text),
    ("os", Kind::Text),
    ("os_version", Kind::Version),
    ("ip", Kind::Text),
    ("mac", Kind::Text),
    ("serial", Kind::Text),
    ("location", Kind::Text),
    ("user", Kind::Text),
    ("group", Kind::Text),
    ("created_by", Kind::Text),
    ("created_at", Kind::Time),
    ("first_seen", Kind::Time),
    ("last_seen", Kind::Time),
    ("agent.state", Kind::Text),
    ("agent.version", Kind::Version),
    ("agent.connected", Kind::Truth),
    ("agent.address", Kind::Text),
    ("agent.first_seen", Kind::Time),
    ("agent.last_seen", Kind::Time),
];

/// Before the name of a fact.
pub const FACTS: &str = "facts.";

impl Field {
    /// The field of that name, written in any case; `facts.NAME` is the fact of exactly that name.
    pub fn named(name: &str) -> Option<(Self, Kind)> {
        if let Some((prefix, fact)) = name.split_at_checked(FACTS.len())
            && prefix.eq_ignore_ascii_case(FACTS)
            && !fact.is_empty()
        {
            return Some((Self::Fact(fact.to_owned()), Kind::Text));
        }
        let (name, kind) = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        let field = match *name {
            "name" => Self::Name,
            "host_name" => Self::HostName,
            "id" => Self::Id,
            "os" => Self::Os,
            "group" => Self::Group,
            "created_by" => Self::CreatedBy,
            "created_at" => Self::CreatedAt,
            "first_seen" | "agent.first_seen" => Self::FirstSeen,
            "last_seen" | "agent.last_seen" => Self::LastSeen,
            "agent.state" => Self::AgentState,
            "agent.version" => Self::AgentVersion,
            "agent.connected" => Self::AgentConnected,
            "agent.address" => Self::AgentAddress,
            fact => Self::Fact(fact.to_owned()),
        };
        Some((field, *kind))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    const fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// Something to compare.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Field(Field),
    Text(String),
    Number(f64),
    Truth(bool),
    Time(Timestamp),
    /// So long before now.
    Ago(Span),
}

/// Which computers are meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every one.
    Always,
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// Both sides are taken as values of `kind`.
    Compare {
        left: Value,
        comparison: Comparison,
        right: Value,
        kind: Kind,
    },
    In {
        value: Value,
        list: Vec<Value>,
        kind: Kind,
    },
    Like {
        value: Value,
        pattern: Pattern,
    },
    IsUnknown(Value),
    /// In one of these groups, or in a group below; names in lower case.
    Member(BTreeSet<String>),
    /// In a group whose name is like that, or in a group below.
    MemberLike(Pattern),
}

/// What is known of a computer's agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent<'a> {
    pub state: &'a str,
    pub version: &'a str,
    pub address: &'a str,
    pub is_connected: bool,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

/// A computer as queries see it.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    pub computer: &'a Computer,
    /// Names of the groups it is in, the nearest first.
    pub groups: Vec<&'a str>,
    pub agent: Option<Agent<'a>>,
    pub created_by: &'a str,
    pub created_at: Timestamp,
}

impl Condition {
    /// Whether the condition is true for this computer.
    pub fn holds(&self, subject: &Subject<'_>, now: Timestamp) -> bool {
        self.answer(subject, now) == Some(true)
    }

    /// `None` where something asked for is not known.
    fn answer(&self, subject: &Subject<'_>, now: Timestamp) -> Option<bool> {
        match self {
            Self::Always => Some(true),
            Self::All(parts) => decided(parts.iter().map(|part| part.answer(subject, now)), false),
            Self::Any(parts) => decided(parts.iter().map(|part| part.answer(subject, now)), true),
            Self::Not(part) => part.answer(subject, now).map(|answer| !answer),
            Self::Compare { left, comparison, right, kind } => {
                let left = left.of(subject, now)?;
                let right = right.of(subject, now)?;
                Some(comparison.holds(order(&left, &right, *kind)?))
            }
            Self::In { value, list, kind } => {
                let value = value.of(subject, now)?;
                let is_equal =
                    |other: &Value| Some(order(&value, &other.of(subject, now)?, *kind)?.is_eq());
                decided(list.iter().map(is_equal), true)
            }
            Self::Like { value, pattern } => {
                let value = value.of(subject, now)?;
                Some(pattern.matches(value.text()?))
            }
            Self::IsUnknown(value) => Some(value.of(subject, now).is_none()),
            Self::Member(names) => {
                Some(subject.groups.iter().any(|group| names.contains(&group.to_lowercase())))
            }
            Self::MemberLike(pattern) => {
                Some(subject.groups.iter().any(|group| pattern.matches(group)))
            }
        }
    }
}

/// The first answer that decides alone; else unknown when one is unknown.
fn decided(answers: impl Iterator<Item = Option<bool>>, decisive: bool) -> Option<bool> {
    let mut is_unknown = false;
    for answer in answers {
        match answer {
            Some(answer) if answer == decisive => return Some(decisive),
            Some(_) => {}
            None => is_unknown = true,
        }
    }
    (!is_unknown).then_some(!decisive)
}

/// A value of one computer.
enum Known<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Truth(bool),
    Time(Timestamp),
}

impl Known<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }
}

impl Value {
    fn of<'a>(&'a self, subject: &Subject<'a>, now: Timestamp) -> Option<Known<'a>> {
        Some(match self {
            Self::Field(field) => return field.of(subject),
            Self::Text(text) => Known::Text(text.into()),
            Self::Number(number) => Known::Number(*number),
            Self::Truth(truth) => Known::Truth(*truth),
            Self::Time(at) => Known::Time(*at),
            Self::Ago(span) => {
                let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
                Known::Time(Timestamp::from_millis(now.as_millis().saturating_sub(span)))
            }
        })
    }
}

impl Field {
    fn of<'a>(&self, subject: &Subject<'a>) -> Option<Known<'a>> {
        let computer = subject.computer;
        let agent = subject.agent.as_ref();
        let text: Cow<'a, str> = match self {
            Self::Id => computer.id.to_string().into(),
            Self::Name => computer.name.as_str().into(),
            Self::HostName => computer.host_name.as_str().into(),
            Self::Os => computer.os.as_str().into(),
            Self::Group => (*subject.groups.first()?).into(),
            Self::CreatedBy => subject.created_by.into(),
            Self::CreatedAt => return Some(Known::Time(subject.created_at)),
            Self::AgentState => agent?.state.into(),
            Self::AgentVersion => agent?.version.into(),
            Self::AgentAddress => agent?.address.into(),
            // Without an agent nothing is connected.
            Self::AgentConnected => {
                return Some(Known::Truth(agent.is_some_and(|agent| agent.is_connected)));
            }
            Self::FirstSeen => return Some(Known::Time(agent?.first_seen)),
            Self::LastSeen => return Some(Known::Time(agent?.last_seen)),
            Self::Fact(name) => computer.facts.get(name)?.as_str().into(),
        };
        (!text.is_empty()).then_some(Known::Text(text))
    }
}

fn order(left: &Known<'_>, right: &Known<'_>, kind: Kind) -> Option<Ordering> {
    match kind {
        Kind::Text => Some(text::compare(left.text()?, right.text()?)),
        Kind::Version => Some(compare_versions(left.text()?, right.text()?)),
        Kind::Number => left.number()?.partial_cmp(&right.number()?),
        Kind::Time => match (left, right) {
            (Known::Time(left), Known::Time(right)) => Some(left.cmp(right)),
            _ => None,
        },
        Kind::Truth => match (left, right) {
            (Known::Truth(left), Known::Truth(right)) => Some(left.cmp(right)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests;
