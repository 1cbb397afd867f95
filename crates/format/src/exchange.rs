//! Files of others: `.reg`, `.ini` and `.axt` taken over into an application, and written of one
//! (AP-15; REFERENCE 1.3, 3.1, 3.2).
//!
//! Nothing of such a file is lost silently: what was not taken over is a remark with its line and
//! its text; what another format cannot say is told when it is written.

mod axt;
mod decode;
mod ini;
mod insert;
mod registry;

use application::{Items, Macro, Text};

use crate::problem::Problem;

pub use axt::{FileNames, print_axt, read_axt, read_file_names};
pub use ini::{print_ini, read_ini};
pub use insert::{InsertError, insert};
pub use registry::{read_reg, write_reg};

/// A line of a file that was taken over only in part, or not at all.
pub const NOT_TAKEN: &str = "DH-X013";
/// A file that is none of those that can be taken over.
pub const UNREADABLE: &str = "DH-X014";
/// Items that cannot be put into an application's file.
pub const NOT_INSERTED: &str = "DH-X015";
/// Something that the other format cannot say.
pub const NOT_WRITTEN: &str = "DH-X016";

/// Bytes of a file that is taken over.
const BYTES_MAX: usize = 16 << 20;

/// What a file of others says, in the words of applications.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Taken {
    pub name: Option<String>,
    pub source: Option<Text>,
    pub target: Option<Text>,
    pub macros: Vec<Macro>,
    pub items: Items,
    /// In the order of their lines.
    pub remarks: Vec<Remark>,
}

impl Taken {
    fn remark(&mut self, line: usize, what: impl Into<String>, lines: &[&str]) {
        let lines = lines.iter().map(|line| crate::problem::shown(line, 400)).collect();
        self.remarks.push(Remark { line, what: what.into(), lines });
    }
}

/// What was not taken over as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// From 1.
    pub line: usize,
    pub what: String,
    /// The lines it is about, as they stand, without control characters; none where they were
    /// taken over.
    pub lines: Vec<String>,
}

/// Why nothing of a file was taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("this is a binary template (.aot), whose layout is known to its maker only")]
    Binary,
    #[error("it has {0} bytes, more than {BYTES_MAX}")]
    Large(usize),
    #[error("this is neither text nor UTF-16")]
    NoText,
    #[error("it does not begin as an .axt file does, with `[AXT_FILE …]` or another section")]
    NoAxt,
    /// With what is wrong, in the order of its places.
    #[error("it is no .reg file that can be understood")]
    Registry(Vec<Problem>),
}

impl ReadError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Binary => "export the application as .axt, the same in text, and import that",
            Self::Large(_) => "split it",
            Self::NoText => "save it as text: UTF-8, UTF-16 with its mark, or a Windows code page",
            Self::NoAxt => "give the kind of the file by its ending: .axt, .reg or .ini",
            Self::Registry(_) => "correct what is told above",
        }
    }
}

/// As it is once its macros are expanded, where it has none.
fn plain(text: &Text) -> String {
    text.as_str().replace("%%", "%").replace("$${", "${")
}
