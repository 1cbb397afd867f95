//! Associations: whom applications are for.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{ApplicationId, ComputerId, Span};
use store::rows::{self, Assigned};
use store::{ReadError, Write};

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, Shared, applications, fleet};
use crate::clock::now;
use crate::hall::{ADMIN, About, Hall};

/// Machines look no more often.
const VERIFY_SECONDS_MIN: u64 = 10;

#[utoipa::path(
    get, path = "/api/associations",
    responses((status = 200, body = api::Listing<api::Association>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Association>>> {
    Ok(Json(api::Listing { items: of(&hall, None).await?, next: None }))
}

/// Of one application, or all.
pub async fn of(hall: &Hall, application: Option<ApplicationId>) -> Answer<Vec<api::Association>> {
    let rows = hall.store.associations().await?;
    let mut views = Vec::new();
    for row in rows {
        if application.is_none_or(|id| row.application == id) {
            views.push(view(hall, row).await?);
        }
    }
    Ok(views)
}

/// In the place of one of that application to the same, if there is one.
#[utoipa::path(
    post, path = "/api/associations", request_body = api::NewAssociation,
    responses((status = 201, body = api::Association), (status = 422, body = api::Problem))
)]
pub async fn add(
    State(hall): Shared,
    Body(asked): Body<api::NewAssociation>,
) -> Answer<(StatusCode, Json<api::Association>)> {
    let application = applications::find(&hall, &asked.application).await?;
    let to = read(&hall, &asked.to).await?;
    let every = asked.verify_every_s;
    if every != 0 && every < VERIFY_SECONDS_MIN {
        let text = format!("machines cannot look every {every} s");
        let hint = "at least ten seconds lie between two looks: --verify 10s";
        return Err(Failure::new(Code::Request, text, hint));
    }
    let row = rows::Association {
        application: application.id,
        to,
        priority: asked.priority,
        uninstall: asked.uninstall,
        verify_every: (every > 0).then(|| Span::from_secs(every)),
        repair: asked.repair,
        created_by: ADMIN.to_owned(),
        created_at: now(),
    };
    let whom = told(&hall, &row.to).await?;
    let text = format!("{} is for {whom}", application.name);
    let event = hall.event("application", About::NOTHING, ADMIN, text);
    hall.writer.submit(vec![Write::PutAssociation(row.clone()), event]).await?;
    hall.wanted.look_again();
    Ok((StatusCode::CREATED, Json(view(&hall, row).await?)))
}

#[utoipa::path(
    post, path = "/api/associations/remove", request_body = api::AssociationGone,
    responses((status = 204))
)]
pub async fn remove(
    State(hall): Shared,
    Body(asked): Body<api::AssociationGone>,
) -> Answer<StatusCode> {
    let application = applications::find(&hall, &asked.application).await?;
    let to = read(&hall, &asked.to).await?;
    let text = format!("{} is not for {} any more", application.name, told(&hall, &to).await?);
    let event = hall.event("application", About::NOTHING, ADMIN, text);
    let remove = Write::RemoveAssociation { application: application.id, to };
    hall.writer.submit(vec![remove, event]).await.map_err(|error| {
        let hint = "`deskhand association list` shows all";
        Failure::from(error).hinted(Code::Refused, hint)
    })?;
    hall.wanted.look_again();
    Ok(DONE)
}

async fn read(hall: &Hall, asked: &api::Assigned) -> Answer<Assigned> {
    let given = [&asked.computer, &asked.group, &asked.query, &asked.user]
        .map(|name| name.as_deref().filter(|name| !name.is_empty()));
    let (name, wants_group) = match given {
        [None, None, None, Some(name)] => return Ok(Assigned::User(name.to_owned())),
        [None, None, Some(text), None] => {
            format::parse_query(text)?;
            return Ok(Assigned::Query(text.to_owned()));
        }
        [None, Some(name), None, None] => (name, true),
        [Some(name), None, None, None] => (name, false),
        _ => {
            let text = "an association names one computer, one group, one query or one user";
            let hint = "--computer NAME, --group NAME, --to QUERY or --user NAME";
            return Err(Failure::new(Code::Request, text, hint));
        }
    };
    // What is not on record any more can still be named by its id.
    if let Ok(id) = name.parse::<ComputerId>()
        && hall.store.computer(id).await?.is_none()
    {
        return Ok(if wants_group { Assigned::Group(id) } else { Assigned::Computer(id) });
    }
    let computer = fleet::find(hall, name).await?.computer;
    match (wants_group, computer.is_group) {
        (true, true) => Ok(Assigned::Group(computer.id)),
        (false, false) => Ok(Assigned::Computer(computer.id)),
        (true, false) => {
            let text = format!("`{name}` is a computer, not a group");
            Err(Failure::new(Code::UnknownTargets, text, "--computer NAME"))
        }
        (false, true) => {
            let text = format!("`{name}` is a group");
            Err(Failure::new(Code::UnknownTargets, text, "--group NAME"))
        }
    }
}

/// The computer's name, or its id where it is not on record any more.
async fn named(hall: &Hall, id: ComputerId) -> Result<String, ReadError> {
    let row = hall.store.computer(id).await?;
    Ok(row.map_or_else(|| id.to_string(), |row| row.computer.name))
}

async fn told(hall: &Hall, to: &Assigned) -> Result<String, ReadError> {
    Ok(match to {
        Assigned::Computer(id) => format!("computer {}", named(hall, *id).await?),
        Assigned::Group(id) => format!("group {}", named(hall, *id).await?),
        Assigned::Query(text) => format!("those that {text} chooses"),
        Assigned::User(name) => format!("user {name}"),
    })
}

async fn view(hall: &Hall, row: rows::Association) -> Answer<api::Association> {
    let mut to = api::Assigned::default();
    match &row.to {
        Assigned::Computer(id) => to.computer = Some(named(hall, *id).await?),
        Assigned::Group(id) => to.group = Some(named(hall, *id).await?),
        Assigned::Query(text) => to.query = Some(text.clone()),
        Assigned::User(name) => to.user = Some(name.clone()),
    }
    Ok(api::Association {
        application: applications::name_of(hall, row.application).await?,
        application_id: row.application.to_string(),
        to,
        priority: row.priority,
        uninstall: row.uninstall,
        verify_every_s: row.verify_every.map_or(0, |every| every.as_millis() / 1_000),
        repair: row.repair,
        created_by: row.created_by,
        created_at: row.created_at.as_millis(),
    })
}
