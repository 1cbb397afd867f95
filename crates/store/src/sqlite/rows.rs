//! Rows as they are read: one constructor per table.

use model::{
    ApplicationId, ComputerId, DeploymentId, Outcome, RunId, ServerId, Timestamp, TokenId,
};
use sqlx::sqlite::SqliteRow;

use super::fields::Fields;
use crate::ReadError;
use crate::rows::{
    Agent, AgentState, Application, ApplicationState, Assigned, Association, Computer, Deployment,
    DeploymentCopy, Document, Effect, Event, KeptMessage, LoggedEvent, Message, Origin, Reading,
    Record, Run, RunCount, Server, Setting, Token, WantedHead, WantedSet, Warrant, Workflow,
};

/// A row that knows its table.
pub(super) trait FromRow: Sized {
    const TABLE: &'static str;

    fn from_fields(fields: &Fields<'_>) -> Result<Self, ReadError>;

    fn from_row(row: &SqliteRow) -> Result<Self, ReadError> {
        Self::from_fields(&Fields { table: Self::TABLE, row })
    }
}

impl FromRow for Server {
    const TABLE: &'static str = "servers";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            id: row.id("id", ServerId::from_bytes)?,
            name: row.text("name")?,
            computer: row.maybe_id("computer", ComputerId::from_bytes)?,
            depot: row.text("depot")?,
            presence: row.list("presence")?,
            agent_listen: row.text("agent_listen")?,
            api_listen: row.text("api_listen")?,
            max_targets: row.number("max_targets")?,
            is_default: row.get("is_default")?,
            lease_until: row.time("lease_until")?,
            fence: row.number("fence")?,
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl FromRow for Computer {
    const TABLE: &'static str = "computers";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            computer: model::Computer {
                id: row.id("id", ComputerId::from_bytes)?,
                name: row.text("name")?,
                host_name: row.text("host_name")?,
                os: row.text("os")?,
                parent: row.maybe_id("parent", ComputerId::from_bytes)?,
                is_group: row.get("is_group")?,
                facts: row.map("facts")?,
            },
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl FromRow for Agent {
    const TABLE: &'static str = "agents";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            computer: row.id("computer", ComputerId::from_bytes)?,
            signing_key: row.bytes("signing_key")?,
            sealing_key: row.bytes("sealing_key")?,
            version: row.text("version")?,
            protocol: row.number("protocol")?,
            capabilities: row.list("capabilities")?,
            first_seen: row.time("first_seen")?,
            last_seen: row.time("last_seen")?,
            counter: row.number("counter")?,
            address: row.text("address")?,
            state: row.one_of("state", |text| {
                AgentState::ALL.into_iter().find(|state| state.as_str() == text)
            })?,
            trust_number: row.number("trust_number")?,
        })
    }
}

impl FromRow for Token {
    const TABLE: &'static str = "tokens";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            id: row.id("id", TokenId::from_bytes)?,
            secret_digest: row.digest("secret_digest")?,
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
            expires_at: row.time("expires_at")?,
            uses_left: row.number("uses_left")?,
            note: row.text("note")?,
            revoked: row.get("revoked")?,
        })
    }
}

impl FromRow for Workflow {
    const TABLE: &'static str = "workflows";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            name: row.text("name")?,
            revision: row.number("revision")?,
            source: row.text("source")?,
            description: row.text("description")?,
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl FromRow for Deployment {
    const TABLE: &'static str = "deployments";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            id: row.id("id", DeploymentId::from_bytes)?,
            name: row.text("name")?,
            workflow: row.text("workflow")?,
            revision: row.number("revision")?,
            definition: row.get("definition")?,
            variables: row.map("variables")?,
            depot_root: row.maybe_digest("depot_root")?,
            start: row.maybe_time("start_at")?,
            stop: row.maybe_time("stop_at")?,
            status: row.text("status")?,
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
            server: row.id("server", ServerId::from_bytes)?,
            origin: origin(row)?,
        })
    }
}

impl FromRow for DeploymentCopy {
    const TABLE: &'static str = "copies";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            deployment: row.id("deployment", DeploymentId::from_bytes)?,
            number: row.number("number")?,
            definition: row.get("definition")?,
            depot_root: row.maybe_digest("depot_root")?,
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
        })
    }
}

fn origin(row: &Fields<'_>) -> Result<Option<Origin>, ReadError> {
    let Some(bytes) = row.get::<Option<&[u8]>>("origin")? else { return Ok(None) };
    let is_part = bytes.len() == 40;
    let bytes = match is_part {
        true => row.bytes("origin")?,
        false => {
            let whole: [u8; 32] = row.bytes("origin")?;
            let mut bytes = [0; 40];
            bytes[..32].copy_from_slice(&whole);
            bytes
        }
    };
    let number = |from: usize| {
        let digits = bytes[from..from + 8].iter();
        digits.fold(0, |number, digit| (number << 8) | u64::from(*digit))
    };
    let mut run = [0; 16];
    run.copy_from_slice(&bytes[..16]);
    let run = RunId::from_bytes(run);
    Ok(Some(Origin { run, attempt: number(16), visit: number(24), part: number(32) }))
}

impl FromRow for Warrant {
    const TABLE: &'static str = "warrants";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            deployment: row.id("deployment", DeploymentId::from_bytes)?,
            seq: row.number("seq")?,
            copy: row.number("copy")?,
            envelope: row.get("envelope")?,
            leaves: row.get("leaves")?,
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl FromRow for Run {
    const TABLE: &'static str = "runs";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            run: row.id("run", RunId::from_bytes)?,
            deployment: row.id("deployment", DeploymentId::from_bytes)?,
            computer: row.id("computer", ComputerId::from_bytes)?,
            warrant: row.number("warrant")?,
            copy: row.number("copy")?,
            is_replaced: row.get("is_replaced")?,
            target: row.number("target")?,
            phase: row.text("phase")?,
            epoch: row.number("epoch")?,
            owner: row.text("owner")?,
            outcome: outcome(row)?,
            reason: row.text("reason")?,
            activity: row.text("activity")?,
            began_at: row.maybe_time("began_at")?,
            ended_at: row.maybe_time("ended_at")?,
            pending_reason: row.text("pending_reason")?,
            next_attempt: row.maybe_time("next_attempt")?,
            updated_at: row.time("updated_at")?,
        })
    }
}

impl FromRow for RunCount {
    const TABLE: &'static str = "runs";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self { phase: row.text("phase")?, outcome: outcome(row)?, runs: row.number("runs")? })
    }
}

fn outcome(row: &Fields<'_>) -> Result<Option<Outcome>, ReadError> {
    match row.get::<Option<&str>>("outcome")? {
        Some(_) => row.one_of("outcome", |text| text.parse().ok()).map(Some),
        None => Ok(None),
    }
}

impl FromRow for Record {
    const TABLE: &'static str = "journal";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self { seq: row.number("seq")?, bytes: row.get("bytes")? })
    }
}

impl FromRow for Effect {
    const TABLE: &'static str = "effects";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            run: row.id("run", RunId::from_bytes)?,
            attempt: row.number("attempt")?,
            visit: row.number("visit")?,
            part: row.number("part")?,
            call: row.get("call")?,
            result: row.get("result")?,
        })
    }
}

impl FromRow for LoggedEvent {
    const TABLE: &'static str = "events";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        let event = Event {
            at: row.time("at")?,
            server: row.maybe_id("server", ServerId::from_bytes)?,
            kind: row.text("kind")?,
            computer: row.maybe_id("computer", ComputerId::from_bytes)?,
            deployment: row.maybe_id("deployment", DeploymentId::from_bytes)?,
            run: row.maybe_id("run", RunId::from_bytes)?,
            who: row.text("who")?,
            text: row.text("text")?,
        };
        Ok(Self { seq: row.number("seq")?, event })
    }
}

impl FromRow for KeptMessage {
    const TABLE: &'static str = "messages";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        let message = Message {
            key: row.digest("key")?,
            at: row.time("at")?,
            to: row.text("addressee")?,
            subject: row.text("subject")?,
            text: row.text("text")?,
            computer: row.maybe_id("computer", ComputerId::from_bytes)?,
            deployment: row.maybe_id("deployment", DeploymentId::from_bytes)?,
            run: row.maybe_id("run", RunId::from_bytes)?,
        };
        let read = match row.maybe_time("read_at")? {
            Some(at) => Some(Reading { by: row.text("read_by")?, at }),
            None => None,
        };
        Ok(Self { seq: row.number("seq")?, message, read })
    }
}

impl FromRow for Document {
    const TABLE: &'static str = "documents";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            kind: row.text("kind")?,
            name: row.text("name")?,
            body: row.get("body")?,
            updated_by: row.text("updated_by")?,
            updated_at: row.time("updated_at")?,
        })
    }
}

impl FromRow for Application {
    const TABLE: &'static str = "applications";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            id: row.id("id", ApplicationId::from_bytes)?,
            revision: row.number("revision")?,
            name: row.text("name")?,
            version: row.number("version")?,
            text: row.text("text")?,
            digest: row.digest("digest")?,
            source: row.maybe_digest("source")?,
            source_files: row.number("source_files")?,
            source_bytes: row.number("source_bytes")?,
            published_by: row.text("published_by")?,
            published_at: row.time("published_at")?,
        })
    }
}

impl FromRow for Association {
    const TABLE: &'static str = "associations";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        let kind = row.text("kind")?;
        Ok(Self {
            application: row.id("application", ApplicationId::from_bytes)?,
            to: row.one_of("name", |name| Assigned::parse(&kind, name))?,
            priority: row.number("priority")?,
            uninstall: row.get("uninstall")?,
            verify_every: row.maybe_time("verify_ms")?.map(|at| at.since(Timestamp::EPOCH)),
            repair: row.get("repair")?,
            created_by: row.text("created_by")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl FromRow for WantedHead {
    const TABLE: &'static str = "wanted_sets";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            computer: row.id("computer", ComputerId::from_bytes)?,
            serial: row.number("serial")?,
            leaf: row.get("leaf")?,
            taken: row.number("taken")?,
        })
    }
}

impl FromRow for WantedSet {
    const TABLE: &'static str = "wanted_sets";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            computer: row.id("computer", ComputerId::from_bytes)?,
            serial: row.number("serial")?,
            set: row.get("content")?,
            envelope: row.get("envelope")?,
            leaf: row.get("leaf")?,
            proof: row.get("proof")?,
            made_at: row.time("made_at")?,
            taken: row.number("taken")?,
        })
    }
}

impl FromRow for ApplicationState {
    const TABLE: &'static str = "application_states";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        let version = |column| match row.get::<Option<i64>>(column)? {
            Some(_) => row.number(column).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            computer: row.id("computer", ComputerId::from_bytes)?,
            application: row.id("application", ApplicationId::from_bytes)?,
            user: row.text("user_name")?,
            name: row.text("name")?,
            wanted: version("wanted")?,
            installed: version("installed")?,
            state: row.text("state")?,
            drift: row.number("drift")?,
            error: row.text("error")?,
            pending: row.text("pending")?,
            next_attempt: row.maybe_time("next_attempt")?,
            at: row.time("told_at")?,
        })
    }
}

impl FromRow for Setting {
    const TABLE: &'static str = "settings";

    fn from_fields(row: &Fields<'_>) -> Result<Self, ReadError> {
        Ok(Self { key: row.text("key")?, value: row.get("value")? })
    }
}
