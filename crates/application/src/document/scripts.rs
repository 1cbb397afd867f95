//! Distribution scripts (AP-08): in the system's rights, unseen.

use model::Span;

use super::Text;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scripts {
    pub before: Option<DistributionScript>,
    pub after: Option<DistributionScript>,
    pub before_uninstall: Option<DistributionScript>,
    pub after_uninstall: Option<DistributionScript>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionScript {
    /// Macros are expanded in it.
    pub text: Text,
    /// Program and switches: `%*WinSysDir%\cmd.exe /c`; the system's own shell when none.
    pub engine: Option<Text>,
    /// Of the temporary file, with its dot.
    pub extension: Option<String>,
    pub timeout: Option<Span>,
}
