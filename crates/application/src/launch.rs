//! What a launcher is told (AP-16): a plan writes it for each user, and the launcher reads it with
//! that user's rights. Everything in it is expanded for that user.

use model::ApplicationId;
use serde::{Deserialize, Serialize};

use crate::Family;

/// Of a file that is read; ours are smaller.
pub const BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchFile {
    pub name: String,
    pub version: u16,
    pub program: String,
    /// As it is typed: words between blanks, in quotation marks where they hold some.
    pub arguments: String,
    /// Empty for the user's home.
    pub working_folder: String,
    pub once: bool,
    /// The file of the application's own icon.
    pub icon: String,
    pub before: Option<LaunchScript>,
    pub after: Option<LaunchScript>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchScript {
    pub text: String,
    /// Program and switches; the system's own shell when none.
    pub engine: Option<String>,
    /// With its dot.
    pub extension: Option<String>,
    pub timeout_ms: Option<u64>,
}

/// Below the user's folder of local data, where all of this lies.
pub fn folder(family: Family) -> [&'static str; 2] {
    match family {
        Family::Windows => ["Deskhand", "launch"],
        Family::Linux => ["deskhand", "launch"],
    }
}

/// The file of one application.
pub fn file_name(application: ApplicationId) -> String {
    format!("{application}.json")
}

/// The launcher writes there which version ran.
pub fn ran_name(application: ApplicationId) -> String {
    format!("{application}.ran")
}

impl LaunchFile {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON");
        bytes.push(b'\n');
        bytes
    }

    /// None when it is no such file.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Of the version that ran.
pub fn ran_version(bytes: &[u8]) -> Option<u16> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            LaunchFile::from_bytes(&bytes);
            ran_version(&bytes);
        }

        #[test]
        fn what_is_written_is_read(texts in any::<[String; 6]>(), once in any::<bool>()) {
            let [name, program, arguments, working_folder, icon, text] = texts;
            let before = LaunchScript {
                text,
                engine: None,
                extension: Some(".sh".to_owned()),
                timeout_ms: Some(5),
            };
            let file = LaunchFile {
                name,
                version: 7,
                program,
                arguments,
                working_folder,
                once,
                icon,
                before: Some(before),
                after: None,
            };
            prop_assert_eq!(LaunchFile::from_bytes(&file.to_bytes()), Some(file));
        }
    }
}
