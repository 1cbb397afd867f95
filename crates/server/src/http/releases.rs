//! Releases of the agent: programs taken in, releases signed, and their way to the fleet.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body as RawBody;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use deployment::rollout::{Manner, Progress, Rollout, Standing};
use futures_util::StreamExt;
use model::{ComputerId, Digest, RunId, Span};
use store::rows::{AgentState, Document};
use store::{Page, Write};
use tokio::io::AsyncWriteExt;
use trust::{Release, ReleaseFile, Signed};

use super::problem::{Answer, Body, Code, Failure};
use super::{DONE, Shared, fleet};
use crate::clock::{Fresh, now, random};
use crate::hall::{ADMIN, About, Hall};
use crate::programs::{PROGRAM_BYTES_MAX, digest_of};
use crate::updates::{self, Current};

const KIND: &str = "release";

#[utoipa::path(get, path = "/api/installer", responses((status = 200, body = api::Installer)))]
pub async fn installer(State(hall): Shared) -> Answer<Json<api::Installer>> {
    let told = crate::gateway::installer::told(&hall).await;
    Ok(Json(told.map_err(|denied| Failure::new(Code::Internal, denied.why, ""))?))
}

#[utoipa::path(
    post, path = "/api/releases/programs", request_body = Vec<u8>,
    responses((status = 201, body = api::Program))
)]
pub async fn add_program(
    State(hall): Shared,
    body: RawBody,
) -> Answer<(StatusCode, Json<api::Program>)> {
    let chance: [u8; 8] = random()?;
    let part = hall.programs.arriving(&hex::encode(chance));
    let taken = receive(body, &part).await;
    if let Err(failure) = taken {
        // It may not even have been begun.
        let _gone = tokio::fs::remove_file(&part).await;
        return Err(failure);
    }
    let programs = hall.programs.clone();
    let taken = tokio::task::spawn_blocking(move || programs.take_in(&part)).await;
    let (digest, size) =
        taken.map_err(std::io::Error::other).and_then(|done| done).map_err(|error| disk(&error))?;
    Ok((StatusCode::CREATED, Json(api::Program { digest: digest.to_string(), size })))
}

fn disk(error: &std::io::Error) -> Failure {
    let hint = "is the disk of the data folder full?";
    Failure::new(Code::Internal, format!("the program could not be kept: {error}"), hint)
}

async fn receive(body: RawBody, part: &std::path::Path) -> Answer<()> {
    let mut file = tokio::fs::File::create(part).await.map_err(|error| disk(&error))?;
    let mut bytes = body.into_data_stream();
    let mut size = 0u64;
    while let Some(chunk) = bytes.next().await {
        let cut = |_| Failure::new(Code::Request, "the program did not arrive whole", "");
        let chunk = chunk.map_err(cut)?;
        size += chunk.len() as u64;
        if size > PROGRAM_BYTES_MAX {
            let text = format!("a program has at most {PROGRAM_BYTES_MAX} bytes");
            return Err(Failure::new(Code::Request, text, ""));
        }
        file.write_all(&chunk).await.map_err(|error| disk(&error))?;
    }
    file.sync_all().await.map_err(|error| disk(&error))?;
    if size == 0 {
        return Err(Failure::new(Code::Request, "the program is empty", ""));
    }
    Ok(())
}

#[utoipa::path(
    get, path = "/api/releases", responses((status = 200, body = api::Listing<api::Release>))
)]
pub async fn list(State(hall): Shared) -> Answer<Json<api::Listing<api::Release>>> {
    let kept = hall.store.documents(KIND).await?;
    let items = kept.iter().filter_map(|document| read(&document.body)).collect();
    Ok(Json(api::Listing { items, next: None }))
}

fn read(body: &[u8]) -> Option<api::Release> {
    let signed = Signed::decode(body).ok()?;
    Some(view(&signed, &Release::decode(signed.payload()).ok()?))
}

fn view(signed: &Signed, release: &Release) -> api::Release {
    let program =
        |file: &ReleaseFile| api::Program { digest: file.digest.to_string(), size: file.size };
    let programs = release.files().iter();
    api::Release {
        version: release.version().to_owned(),
        made_at: release.made_at().as_millis(),
        programs: programs.map(|(name, file)| (name.clone(), program(file))).collect(),
        signed_by: signed.signatures().iter().map(|(id, _)| id.to_string()).collect(),
    }
}

#[utoipa::path(
    post, path = "/api/releases", request_body = api::NewRelease,
    responses((status = 201, body = api::Release))
)]
pub async fn add(
    State(hall): Shared,
    Body(asked): Body<api::NewRelease>,
) -> Answer<(StatusCode, Json<api::Release>)> {
    let files = files_of(&hall, &asked).await?;
    let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Request, error.to_string(), "");
    let made = Release::new(&asked.version, now(), files).map_err(|error| wrong(&error))?;
    let signed = match &asked.signed {
        None => hall.identity.sign_release(&made),
        Some(text) => {
            let bytes = hex::decode(text).map_err(|error| wrong(&error))?;
            Signed::decode(&bytes).map_err(|error| wrong(&error))?
        }
    };
    let release = trusted(&hall, &signed)?;
    let is_asked = release.version() == made.version() && release.files() == made.files();
    if !is_asked {
        let text = "what was signed is not what is asked for";
        return Err(Failure::new(Code::Request, text, ""));
    }
    let document = Document {
        kind: KIND.to_owned(),
        name: release.version().to_owned(),
        body: signed.encode(),
        updated_by: ADMIN.to_owned(),
        updated_at: now(),
    };
    let text = format!("version {} of the agent was added", release.version());
    let event = hall.event("update", About::NOTHING, ADMIN, text);
    hall.writer.submit(vec![Write::PutDocument(document), event]).await?;
    Ok((StatusCode::CREATED, Json(view(&signed, &release))))
}

/// As agents will judge it.
fn trusted(hall: &Hall, signed: &Signed) -> Answer<Release> {
    let refused = |error: &dyn std::fmt::Display| {
        let text = format!("no agent would take this release: {error}");
        let hint = "sign it with a key of the role `release`: `--key keypriv.key`";
        Failure::new(Code::Refused, text, hint)
    };
    Release::verify(signed, &hall.identity.document(), now()).map_err(|error| refused(&error))
}

async fn files_of(hall: &Hall, asked: &api::NewRelease) -> Answer<BTreeMap<String, ReleaseFile>> {
    let mut files = BTreeMap::new();
    for (platform, text) in &asked.programs {
        let missing = || Failure::not_found("program with the hash", text);
        let digest: Digest = text.parse().map_err(|_| missing())?;
        let path = hall.programs.path(&digest);
        let hashed =
            tokio::task::spawn_blocking(move || digest_of(&mut std::fs::File::open(path)?));
        let hashed = hashed.await.map_err(std::io::Error::other).and_then(|done| done);
        match hashed {
            Ok((found, size)) if found == digest => {
                files.insert(platform.clone(), ReleaseFile { digest, size });
            }
            _ => return Err(missing()),
        }
    }
    Ok(files)
}

#[utoipa::path(
    delete, path = "/api/releases/{version}", params(("version",)), responses((status = 204))
)]
pub async fn remove(State(hall): Shared, Path(version): Path<String>) -> Answer<StatusCode> {
    let missing = || Failure::not_found("release", &version);
    hall.store.document(KIND, &version).await?.ok_or_else(missing)?;
    let event =
        hall.event("update", About::NOTHING, ADMIN, format!("release {version} was removed"));
    let remove = Write::RemoveDocument { kind: KIND.to_owned(), name: version.clone() };
    hall.writer.submit(vec![remove, event]).await?;
    Ok(DONE)
}

#[utoipa::path(get, path = "/api/update", responses((status = 200, body = api::Update)))]
pub async fn show_update(State(hall): Shared) -> Answer<Json<api::Update>> {
    let current = hall.updates.current().await.ok_or_else(none)?;
    Ok(Json(told(&hall, &current).await?))
}

fn none() -> Failure {
    let text = "no version of the agent was ever offered to the fleet";
    Failure::new(Code::NotFound, text, "`deskhand agent update --to VERSION` offers one")
}

#[utoipa::path(
    post, path = "/api/update", request_body = api::NewUpdate,
    responses((status = 201, body = api::Update))
)]
pub async fn begin_update(
    State(hall): Shared,
    Body(asked): Body<api::NewUpdate>,
) -> Answer<(StatusCode, Json<api::Update>)> {
    let missing = || Failure::not_found("release", &asked.version);
    let kept = hall.store.document(KIND, &asked.version).await?.ok_or_else(missing)?;
    let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Request, error.to_string(), "");
    trusted(&hall, &Signed::decode(&kept.body).map_err(|error| wrong(&error))?)?;
    let within = Span::from_secs(asked.within_s);
    let manner = Manner::new(asked.waves.clone(), within, asked.failures_max);
    let manner = manner.map_err(|error| wrong(&error))?;
    let machines = machines_of(&hall, &asked.computers).await?;
    let id = RunId::fresh(now())?.to_string();
    let rollout = Rollout::new(manner, machines);
    let new = Current::new(id, asked.version.clone(), kept.body, ADMIN, rollout);
    if !hall.updates.begin(&hall, new.clone()).await? {
        let text = "another version is on its way to the fleet";
        let hint = "`deskhand agent update halt` ends that";
        return Err(Failure::new(Code::Refused, text, hint));
    }
    Ok((StatusCode::CREATED, Json(told(&hall, &new).await?)))
}

/// The machines whose agents can take a new version.
async fn machines_of(hall: &Hall, names: &[String]) -> Answer<Vec<ComputerId>> {
    let mut wanted = Vec::new();
    for name in names {
        wanted.push(fleet::find(hall, name).await?.computer.id);
    }
    let can = |agent: &store::rows::Agent| {
        agent.state == AgentState::Enrolled
            && agent.capabilities.iter().any(|name| name == updates::CAPABILITY)
            && (wanted.is_empty() || wanted.contains(&agent.computer))
    };
    let agents = hall.store.agents(Page::all()).await?;
    let machines: Vec<_> = agents.iter().filter(|agent| can(agent)).map(|it| it.computer).collect();
    if machines.is_empty() {
        let text = "none of these machines has an agent that can change its version";
        let hint = "agents name `self-update` among their capabilities once they have connected";
        return Err(Failure::new(Code::NoTargets, text, hint));
    }
    Ok(machines)
}

#[utoipa::path(
    post, path = "/api/update/{order}", params(("order", description = "`halt` or `resume`")),
    responses((status = 200, body = api::Update))
)]
pub async fn change_update(
    State(hall): Shared,
    Path(order): Path<String>,
) -> Answer<Json<api::Update>> {
    let by = format!("halted by {ADMIN}");
    let changed = match order.as_str() {
        "halt" => {
            let halt = |rollout: &mut Rollout| rollout.halt(by.clone());
            hall.updates.change(&hall, ADMIN, "is offered to nobody any more", halt).await
        }
        "resume" => {
            let resume = |rollout: &mut Rollout| rollout.resume();
            hall.updates.change(&hall, ADMIN, "is offered again", resume).await
        }
        other => {
            let text = format!("`{other}` is no order to an update");
            return Err(Failure::new(Code::Request, text, "there are `halt` and `resume`"));
        }
    };
    if !changed {
        return Err(none());
    }
    show_update(State(hall)).await
}

async fn told(hall: &Hall, current: &Current) -> Answer<api::Update> {
    let (manner, standing) = (current.rollout.manner(), current.rollout.standing());
    let mut machines = Vec::new();
    for (computer, progress) in current.rollout.machines() {
        let row = hall.store.computer(*computer).await?;
        let why = match progress {
            Progress::Failed { why } => Some(why.clone()),
            _ => None,
        };
        machines.push(api::UpdateMachine {
            computer: computer.to_string(),
            name: row.map_or(String::new(), |row| row.computer.name),
            state: updates::state_of(progress).to_owned(),
            why,
        });
    }
    let (text, wave, why) = match standing {
        Standing::Running { wave } => ("running", wave, None),
        Standing::Halted { why } => ("halted", 0, Some(why)),
        Standing::Done => ("done", manner.waves.len(), None),
    };
    Ok(api::Update {
        id: current.id.clone(),
        version: current.version.clone(),
        standing: text.to_owned(),
        wave,
        waves: manner.waves.clone(),
        within_s: manner.within.as_millis() / 1_000,
        failures_max: manner.failures_max,
        why,
        begun_at: current.begun_at.as_millis(),
        begun_by: current.begun_by.clone(),
        machines,
    })
}
