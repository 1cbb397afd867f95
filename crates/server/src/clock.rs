//! The one door to the clock and to chance.

use model::{ComputerId, DeploymentId, RunId, ServerId, Timestamp, TokenId};

/// The instant that everything in the server goes by.
#[expect(clippy::disallowed_methods, reason = "this is the shell's clock")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Randomness of the operating system failed: nothing secret can be made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operating system gave no random numbers: {0}")]
pub struct NoChance(String);

pub fn random<const N: usize>() -> Result<[u8; N], NoChance> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoChance(error.to_string()))?;
    Ok(bytes)
}

/// Fresh ids of each kind.
pub trait Fresh: Sized {
    fn fresh(now: Timestamp) -> Result<Self, NoChance>;
}

macro_rules! fresh {
    ($($id:ident),*) => {
        $(impl Fresh for $id {
            fn fresh(now: Timestamp) -> Result<Self, NoChance> {
                Ok(Self::new(now, random()?))
            }
        })*
    };
}

fresh!(ComputerId, DeploymentId, RunId, ServerId, TokenId);
