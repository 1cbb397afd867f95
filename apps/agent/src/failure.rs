//! Exit codes: why the program did not do what was asked.

/// The answer file or the token cannot be used; nothing was changed.
pub(crate) const ANSWERS: u8 = 3;
/// No server could be reached, or it refused.
pub(crate) const ENROLMENT: u8 = 4;
/// The service could not be installed, started, stopped or removed.
pub(crate) const SERVICE: u8 = 5;

/// A reason with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub code: u8,
    pub error: anyhow::Error,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: 1, error: error.into() }
    }
}

/// Gives a result the exit code of its failure.
pub(crate) trait Coded<T> {
    fn code(self, code: u8) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Coded<T> for Result<T, E> {
    fn code(self, code: u8) -> Result<T, Failure> {
        self.map_err(|error| Failure { code, error: error.into() })
    }
}
