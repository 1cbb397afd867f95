//! One transaction: the fence, the writes in order, and at the end those that go in bulk.

use sqlx::{Connection, SqliteConnection};

use super::bulk::Bulk;
use super::{SqliteStore, applications, fleet, work};
use crate::write::check_numbers;
use crate::{CommitError, DatabaseError, Fence, Refusal, Write};

/// Why a transaction is given up.
pub(super) enum Stop {
    Refused(Refusal),
    Failed(sqlx::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    fn at(self, index: usize) -> CommitError {
        match self {
            Self::Refused(refusal) => CommitError::Refused { index, refusal },
            Self::Failed(error) => DatabaseError::new("writing failed", error).into(),
        }
    }
}

impl SqliteStore {
    pub(super) async fn write(
        &self,
        fence: Option<Fence>,
        writes: Vec<Write>,
    ) -> Result<(), CommitError> {
        let mut writer = self.writer.lock().await;
        let mut transaction = writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|error| DatabaseError::new("no transaction could be begun", error))?;
        if let Some(fence) = fence {
            check_fence(&mut transaction, fence).await?;
        }
        let mut bulk = Bulk::default();
        for (index, write) in writes.into_iter().enumerate() {
            check_numbers(&write).map_err(|refusal| Stop::from(refusal).at(index))?;
            if let Some(write) = bulk.take(index, write) {
                apply(&mut transaction, write).await.map_err(|stop| stop.at(index))?;
            }
        }
        bulk.write(&mut transaction).await.map_err(|(index, stop)| stop.at(index))?;
        transaction
            .commit()
            .await
            .map_err(|error| DatabaseError::new("committing failed", error))?;
        Ok(())
    }

    pub(super) async fn forget_runs(&self) -> Result<(), CommitError> {
        let mut writer = self.writer.lock().await;
        sqlx::query("DELETE FROM runs")
            .execute(&mut *writer)
            .await
            .map_err(|error| DatabaseError::new("the runs could not be cleared", error))?;
        Ok(())
    }
}

async fn check_fence(
    transaction: &mut SqliteConnection,
    Fence { server, fence: ours }: Fence,
) -> Result<(), CommitError> {
    let held = fleet::held_fence(transaction, server)
        .await
        .map_err(|error| DatabaseError::new("the fence could not be read", error))?
        .ok_or(CommitError::UnknownServer { server })?;
    if held > ours {
        return Err(CommitError::Fenced { server, held, ours });
    }
    Ok(())
}

async fn apply(transaction: &mut SqliteConnection, write: Write) -> Result<(), Stop> {
    match write {
        Write::PutServer(server) => fleet::put_server(transaction, server).await,
        Write::PutComputer(computer) => fleet::put_computer(transaction, computer).await,
        Write::RemoveComputer(id) => fleet::remove_computer(transaction, id).await,
        Write::PutAgent(agent) => fleet::put_agent(transaction, agent).await,
        Write::TouchAgent { computer, last_seen, counter, address } => {
            fleet::touch_agent(transaction, computer, last_seen, counter, address).await
        }
        Write::AgentTrust { computer, number } => {
            fleet::agent_trust(transaction, computer, number).await
        }
        Write::PutToken(token) => fleet::put_token(transaction, token).await,
        Write::UseToken { id, at } => fleet::use_token(transaction, id, at).await,
        Write::RevokeToken(id) => fleet::revoke_token(transaction, id).await,
        Write::PutWorkflow(workflow) => work::put_workflow(transaction, workflow).await,
        Write::PutDeployment(deployment) => work::put_deployment(transaction, deployment).await,
        Write::PutDeploymentCopy(copy) => work::put_copy(transaction, copy).await,
        Write::PutWarrant(warrant) => work::put_warrant(transaction, warrant).await,
        Write::PutEffect(effect) => work::put_effect(transaction, effect).await,
        Write::PutSetting(setting) => work::put_setting(transaction, setting).await,
        Write::PutMessage(message) => work::put_message(transaction, message).await,
        Write::ReadMessage { seq, reading } => work::read_message(transaction, seq, reading).await,
        Write::PutDocument(document) => work::put_document(transaction, document).await,
        Write::RemoveDocument { kind, name } => {
            work::remove_document(transaction, kind, name).await
        }
        write => apply_to_applications(transaction, write).await,
    }
}

async fn apply_to_applications(
    transaction: &mut SqliteConnection,
    write: Write,
) -> Result<(), Stop> {
    match write {
        Write::PutApplication(row) => applications::put_application(transaction, row).await,
        Write::RemoveApplication(id) => applications::remove_application(transaction, id).await,
        Write::PutAssociation(row) => applications::put_association(transaction, row).await,
        Write::RemoveAssociation { application, to } => {
            applications::remove_association(transaction, application, to).await
        }
        Write::PutWantedSet(row) => applications::put_wanted_set(transaction, row).await,
        Write::WantedSetTaken { computer, serial } => {
            applications::take_wanted_set(transaction, computer, serial).await
        }
        Write::SignWantedSets { serial, envelope } => {
            applications::sign_wanted_sets(transaction, serial, envelope).await
        }
        Write::PutApplicationState(row) => applications::put_state(transaction, row).await,
        Write::RemoveApplicationState { computer, application, user } => {
            applications::remove_state(transaction, computer, application, user).await
        }
        // `Bulk::take` has taken the others.
        _ => Ok(()),
    }
}
