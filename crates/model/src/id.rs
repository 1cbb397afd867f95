//! Typed ids: UUIDs that cannot be mistaken for one another.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id (expected a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057)")]
pub struct ParseIdError {
    text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// A fresh id (UUID version 7): ordered by `now`, told apart by `chance`.
            pub fn new(now: Timestamp, chance: [u8; 10]) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
            }

            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Uuid::from_bytes(bytes))
            }

            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.parse().map(Self).map_err(|_| ParseIdError { text: text.to_owned() })
            }
        }
    };
}

id!(
    /// A machine on record. Apart from its keys, which may change.
    ComputerId
);
id!(
    /// One use of a workflow on chosen targets.
    DeploymentId
);
id!(
    /// One target's way through the workflow of one deployment.
    RunId
);
id!(
    /// A deployment server of one database.
    ServerId
);
id!(
    /// An application, whatever its version: the GUID of its document.
    ApplicationId
);
id!(
    /// An enrolment token.
    TokenId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_and_sort_by_time() {
        let early = RunId::new(Timestamp::from_millis(1_000), [9; 10]);
        let late = RunId::new(Timestamp::from_millis(2_000), [0; 10]);
        assert!(early < late);
        assert_eq!(early.to_string().parse::<RunId>(), Ok(early));
        assert!("nonsense".parse::<RunId>().is_err());
    }
}
