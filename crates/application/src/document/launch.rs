//! Launching (AP-16): by the user, in the user's rights.

use super::{DistributionScript, Text};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    pub program: Text,
    pub arguments: Option<Text>,
    pub working_folder: Option<Text>,
    /// Afterwards the application's own icon goes, for that user and this version.
    pub once: bool,
    /// Carried out before the program begins.
    pub before: Option<DistributionScript>,
    /// Carried out when the program has ended.
    pub after: Option<DistributionScript>,
}
