//! What went wrong, as the API tells it: a code with a page, a sentence, a hint.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use store::{CommitError, ReadError};

use crate::core::{Gone, chain};
use crate::deploy::{DeployError, TargetError};
use crate::workflows::ApplyError;

/// Largest body of a request: a workflow file with room to spare.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Each has a page under `docs/errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Unauthorized,
    NotFound,
    Request,
    Workflow,
    UnknownTargets,
    NoTargets,
    Depot,
    Refused,
    Busy,
    Internal,
    Ended,
    Dates,
    Variables,
    UnknownSecret,
    SecretClosed,
    Query,
    Unreached,
    NotAwake,
    Keys,
    Signature,
    Schedule,
    SshPolicy,
    SshWay,
    SshUnknownHost,
    SshChangedHost,
    SshReach,
    SshDenied,
    SshPlatform,
    SshCopy,
    SshStart,
    SshBecome,
    Settings,
    Channel,
    NotDelivered,
    Action,
    Loop,
    Application,
    Version,
}

impl Code {
    const fn told(self) -> (&'static str, StatusCode) {
        match self {
            Self::Unauthorized => ("DH-A001", StatusCode::UNAUTHORIZED),
            Self::NotFound => ("DH-A002", StatusCode::NOT_FOUND),
            Self::Request => ("DH-A003", StatusCode::BAD_REQUEST),
            Self::Workflow => ("DH-A004", StatusCode::UNPROCESSABLE_ENTITY),
            Self::UnknownTargets => ("DH-A005", StatusCode::UNPROCESSABLE_ENTITY),
            Self::NoTargets => ("DH-A006", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Depot => ("DH-A007", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Refused => ("DH-A008", StatusCode::CONFLICT),
            Self::Busy => ("DH-A009", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("DH-A010", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Ended => ("DH-A011", StatusCode::CONFLICT),
            Self::Dates => ("DH-A012", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Variables => ("DH-A013", StatusCode::UNPROCESSABLE_ENTITY),
            Self::UnknownSecret => ("DH-A030", StatusCode::UNPROCESSABLE_ENTITY),
            Self::SecretClosed => ("DH-A031", StatusCode::CONFLICT),
            Self::Query => ("DH-A040", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Unreached => ("DH-A060", StatusCode::CONFLICT),
            Self::NotAwake => ("DH-A061", StatusCode::CONFLICT),
            Self::Keys => ("DH-A130", StatusCode::CONFLICT),
            Self::Signature => ("DH-A132", StatusCode::CONFLICT),
            Self::Schedule => ("DH-A041", StatusCode::UNPROCESSABLE_ENTITY),
            Self::SshPolicy => ("DH-S001", StatusCode::FORBIDDEN),
            Self::SshWay => ("DH-S002", StatusCode::UNPROCESSABLE_ENTITY),
            Self::SshUnknownHost => ("DH-S003", StatusCode::CONFLICT),
            Self::SshChangedHost => ("DH-S004", StatusCode::CONFLICT),
            Self::SshReach => ("DH-S005", StatusCode::BAD_GATEWAY),
            Self::SshDenied => ("DH-S006", StatusCode::BAD_GATEWAY),
            Self::SshPlatform => ("DH-S007", StatusCode::UNPROCESSABLE_ENTITY),
            Self::SshCopy => ("DH-S008", StatusCode::BAD_GATEWAY),
            Self::SshStart => ("DH-S009", StatusCode::BAD_GATEWAY),
            Self::SshBecome => ("DH-S010", StatusCode::BAD_GATEWAY),
            Self::Settings => ("DH-A131", StatusCode::CONFLICT),
            Self::Channel => ("DH-A032", StatusCode::UNPROCESSABLE_ENTITY),
            Self::NotDelivered => ("DH-A033", StatusCode::BAD_GATEWAY),
            Self::Action => ("DH-A035", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Loop => ("DH-A036", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Application => ("DH-A051", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Version => ("DH-A052", StatusCode::CONFLICT),
        }
    }

    /// The one that a text over SSH begins with.
    pub fn ssh(told: &str) -> Option<Self> {
        let all = [
            Self::SshPolicy,
            Self::SshWay,
            Self::SshUnknownHost,
            Self::SshChangedHost,
            Self::SshReach,
            Self::SshDenied,
            Self::SshPlatform,
            Self::SshCopy,
            Self::SshStart,
            Self::SshBecome,
        ];
        all.into_iter().find(|code| code.told().0 == told)
    }
}

/// An operation that came to nothing.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    message: String,
    hint: Option<String>,
    findings: Vec<api::Finding>,
}

pub type Answer<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self { code, message: message.into(), hint, findings: Vec::new() }
    }

    /// With what was found wrong in a file.
    pub fn with(self, findings: Vec<api::Finding>) -> Self {
        Self { findings, ..self }
    }

    /// With a hint, if it has that code.
    pub fn hinted(self, code: Code, hint: &str) -> Self {
        let is_meant = self.code == code;
        Self { hint: if is_meant { Some(hint.to_owned()) } else { self.hint }, ..self }
    }

    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no {what} `{name}`"), "")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (code, status) = self.code.told();
        if status.is_server_error() {
            tracing::error!(code, "{}", self.message);
        }
        let Self { message, hint, findings, .. } = self;
        let problem = api::Problem { code: code.to_owned(), message, hint, findings };
        (status, Json(problem)).into_response()
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new(Code::Internal, chain(&error), "the server's log says more")
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused { refusal, .. } => {
                Self::new(Code::Refused, refusal.to_string(), "")
            }
            CommitError::Stopped => Gone.into(),
            CommitError::Database(_) => {
                let hint = "nothing was changed; is the disk full? The server's log says more";
                Self::new(Code::Internal, chain(&error), hint)
            }
            CommitError::Fenced { .. } | CommitError::UnknownServer { .. } => {
                Self::new(Code::Internal, chain(&error), "ask the other server")
            }
        }
    }
}

impl From<Gone> for Failure {
    fn from(error: Gone) -> Self {
        Self::new(Code::Busy, error.to_string(), "try again in a moment")
    }
}

impl From<crate::clock::NoChance> for Failure {
    fn from(error: crate::clock::NoChance) -> Self {
        Self::new(Code::Internal, error.to_string(), "")
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Wrong(findings) => {
                let count = findings.iter().filter(|found| found.severity == "error").count();
                let message = match findings.iter().find(|found| found.severity == "error") {
                    Some(first) if count == 1 => {
                        let api::Finding { line, column, message, .. } = first;
                        format!("the workflow has an error at {line}:{column}: {message}")
                    }
                    _ => format!("the workflow has {count} errors"),
                };
                let hint = "`deskhand workflow check FILE` shows each in its place";
                Self { findings, ..Self::new(Code::Workflow, message, hint) }
            }
            ApplyError::Read(error) => error.into(),
            ApplyError::Commit(error) => error.into(),
        }
    }
}

impl From<format::QueryError> for Failure {
    fn from(error: format::QueryError) -> Self {
        Self::new(Code::Query, format!("the query, {error}"), error.hint)
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        let text = error.to_string();
        match error {
            TargetError::Way(error) => error.into(),
            TargetError::Read(error) => error.into(),
            TargetError::NoneSuch(_) => {
                let hint = "`deskhand deployment show` tells how each of them fared";
                Self::new(Code::NoTargets, text, hint)
            }
            TargetError::Query(error) => error.into(),
            TargetError::NoMatch => {
                let hint = "`deskhand computer list --where QUERY` shows whom a query chooses";
                Self::new(Code::NoTargets, text, hint)
            }
            TargetError::NoneEnrolled(_) => {
                let hint = "enrol machines with a token: `deskhand token create`";
                Self::new(Code::NoTargets, text, hint)
            }
            TargetError::Nobody => Self::new(
                Code::NoTargets,
                text,
                "`--computer`, `--group`, `--to QUERY` or `--to everybody`",
            ),
            TargetError::Unknown(_) | TargetError::NoGroup(_) => {
                Self::new(Code::UnknownTargets, text, "`deskhand computer list` shows all")
            }
            TargetError::NoSet(_) | TargetError::UnknownDeployment(_) => {
                Self::new(Code::UnknownTargets, text, "")
            }
        }
    }
}

impl From<DeployError> for Failure {
    fn from(error: DeployError) -> Self {
        let text = chain(&error);
        match error {
            DeployError::NoWorkflow => Self::new(Code::Request, text, ""),
            DeployError::UnknownWorkflow(_) | DeployError::UnknownRevision { .. } => {
                Self::new(Code::NotFound, text, "`deskhand workflow list` shows all")
            }
            DeployError::Workflow(error) => error.into(),
            DeployError::UnknownSecrets(_) => {
                let hint = "`deskhand secret set NAME` keeps one, `deskhand secret list` shows all";
                Self::new(Code::UnknownSecret, text, hint)
            }
            DeployError::UnknownVariables(_) => {
                let hint = "variables are declared under `variables:` in the workflow";
                Self::new(Code::Variables, text, hint)
            }
            DeployError::UnknownApplication(_) => {
                let hint =
                    "`deskhand app published` lists all, `deskhand app publish FILE` adds one";
                Self::new(Code::NotFound, text, hint)
            }
            DeployError::ApplicationName(_) => {
                let hint = "it may hold variables of the workflow only; `choose` leads to others";
                Self::new(Code::Application, text, hint)
            }
            DeployError::Stopped => Self::new(Code::Dates, text, "give a later one: `--stop TIME`"),
            DeployError::UnknownCopy(_) => {
                Self::new(Code::NotFound, text, "`deskhand deployment show ID` lists its copies")
            }
            DeployError::FilesGone => {
                let hint = "`deskhand deployment edit ID -f FILE` takes them in anew, with the \
                            same file too";
                Self::new(Code::Depot, text, hint)
            }
            DeployError::Damaged(_) => Self::new(Code::Internal, text, ""),
            DeployError::Dates => Self::new(Code::Dates, text, "give a later stop date"),
            DeployError::Channel(error) => error.into(),
            DeployError::Action(error) => error.into(),
            DeployError::Loop(_) => {
                Self::new(Code::Loop, text, "let one of them end without starting the next")
            }
            DeployError::Targets(error) => error.into(),
            DeployError::Pin(_) => Self::new(Code::Depot, text, ""),
            DeployError::Tree(_) => Self::new(Code::NoTargets, text, ""),
            DeployError::Chance(error) => error.into(),
            DeployError::Read(error) => error.into(),
            DeployError::Commit(error) => error.into(),
            DeployError::Contended => Self::new(Code::Busy, text, "try again in a moment"),
            DeployError::Gone(error) => error.into(),
        }
    }
}

/// The body of a request, whatever it says of its type.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::new(Code::Request, why, "");
        let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX)
            .await
            .map_err(|error| wrong(format!("the request's body: {error}")))?;
        let read = serde_json::from_slice(&bytes);
        read.map(Self).map_err(|error| wrong(format!("the request's body makes no sense: {error}")))
    }
}
