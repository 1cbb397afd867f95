//! Secrets: set, named, removed, tried; never told.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::rows::Document;
use zeroize::Zeroizing;

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, Shared};
use crate::deploy;
use crate::hall::{ADMIN, Hall};
use crate::secrets::{self, KIND, SecretError};

/// Their names; nothing gives a secret back.
#[utoipa::path(
    get, path = "/api/secrets", responses((status = 200, body = api::Listing<api::Secret>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Secret>>> {
    let rows = hall.store.documents(KIND).await?;
    let items = rows.iter().map(|row| view(&hall, row)).collect();
    Ok(Json(api::Listing { items, next: None }))
}

/// Keeps a secret; one of that name is replaced.
#[utoipa::path(
    put, path = "/api/secrets/{name}", params(("name",)), request_body = api::NewSecret,
    responses((status = 204))
)]
pub async fn set(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::NewSecret>,
) -> Answer<StatusCode> {
    let given = Zeroizing::new(asked.base64);
    let secret = STANDARD.decode(given.as_bytes());
    let wrong = |_| Failure::new(Code::Request, "the secret is not Base64", "");
    let secret = Zeroizing::new(secret.map_err(wrong)?);
    secrets::set(&hall, &name, &secret, ADMIN).await?;
    Ok(DONE)
}

#[utoipa::path(
    delete, path = "/api/secrets/{name}", params(("name",)), responses((status = 204))
)]
pub async fn remove(State(hall): Shared, Path(name): Path<String>) -> Answer<StatusCode> {
    secrets::remove(&hall, &name, ADMIN).await?;
    Ok(DONE)
}

/// Tries a user and this secret as the password on a computer: by a deployment that acts as that
/// user and does nothing else.
#[utoipa::path(
    post, path = "/api/secrets/{name}/test", params(("name",)), request_body = api::SecretTest,
    responses((status = 200, body = api::Deployed))
)]
pub async fn test(
    State(hall): Shared,
    Path(name): Path<String>,
    Body(asked): Body<api::SecretTest>,
) -> Answer<Json<api::Deployed>> {
    let row = hall.store.document(KIND, &name).await?;
    let name = row.ok_or_else(|| SecretError::Unknown(name.clone()))?.name;
    let mut variables = BTreeMap::from([("user".to_owned(), asked.user)]);
    let (mut declared, mut domain) = ("user: ''", "");
    if let Some(given) = asked.domain {
        variables.insert("domain".to_owned(), given);
        (declared, domain) = ("user: '', domain: ''", "domain: '{{ domain }}', ");
    }
    // Names of secrets are plain words.
    let source = format!(
        "workflow: test credentials {name}\nvariables: {{ {declared} }}\nstart: act\nactivities:\n  \
         act:\n    impersonate: {{ user: '{{{{ user }}}}', {domain}secret: {name} }}\n    \
         on: {{ ok: done }}\n  done: {{ success: {{}} }}\n"
    );
    let targets = api::Targets { computers: vec![asked.computer], ..api::Targets::default() };
    let (workflow, revision, start, stop) = (None, None, None, None);
    let source = Some(source);
    let new = api::NewDeployment { workflow, revision, source, targets, variables, start, stop };
    Ok(Json(deploy::deploy(&hall, new, ADMIN).await?))
}

fn view(hall: &Hall, row: &Document) -> api::Secret {
    api::Secret {
        name: row.name.clone(),
        is_readable: hall.vault.is_readable(row),
        updated_by: row.updated_by.clone(),
        updated_at: row.updated_at.as_millis(),
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let text = crate::core::chain(&error);
        let known = "`deskhand secret list` shows all";
        match error {
            SecretError::Name(_) | SecretError::Length => Self::new(Code::Request, text, ""),
            SecretError::Unknown(_) => Self::new(Code::UnknownSecret, text, known),
            SecretError::Closed { .. } => {
                let hint = "was `secrets.key` of the data folder lost or replaced?";
                Self::new(Code::SecretClosed, text, hint)
            }
            SecretError::Chance(error) => error.into(),
            SecretError::Read(error) => error.into(),
            SecretError::Commit(error) => error.into(),
        }
    }
}
