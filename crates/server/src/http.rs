//! The HTTP API for people and programs: who may, and what they are told.
//!
//! Every operation but `GET /api/health` asks for the administrator's token before anything else is
//! looked at. Operations are described where they are carried out; the document made of these
//! descriptions is what clients and tests are made of. Nothing here knows how runs work.

mod actions;
mod applications;
mod associations;
mod changes;
mod deployments;
mod events;
mod fleet;
mod keys;
mod messages;
mod operators;
mod problem;
mod reach;
mod releases;
mod runs;
mod schedules;
mod secrets;
mod server;
mod servers;
mod signatures;
mod ssh;
mod workflows;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use tokio::net::TcpListener;
use tokio::sync::watch;
use utoipa::OpenApi;
use utoipa::openapi::{PathItem, RefOr};

use crate::hall::Hall;
use problem::{Code, Failure};

type Shared = State<Arc<Hall>>;

/// Rows of a page, unless asked for fewer or more.
const PAGE_ROWS: u32 = 1_000;
const PAGE_ROWS_MAX: u32 = 10_000;

#[derive(OpenApi)]
#[openapi(
    info(title = "Deskhand", description = "Fleet software distribution: the server's API."),
    paths(
        server::health,
        server::document,
        server::show,
        server::change,
        servers::list,
        servers::show,
        servers::change,
        servers::status,
        servers::reload,
        servers::refresh,
        servers::set_log,
        fleet::list,
        fleet::show,
        fleet::add,
        fleet::set,
        fleet::remove,
        keys::show,
        keys::rotate,
        keys::revoke,
        keys::prepare,
        keys::submit,
        signatures::list,
        signatures::show,
        signatures::sign,
        operators::agents,
        operators::approve,
        operators::revoke,
        reach::connect,
        reach::wake_up,
        operators::tokens,
        operators::make_token,
        operators::revoke_token,
        ssh::show,
        ssh::set,
        ssh::remove,
        ssh::test,
        ssh::policy,
        ssh::set_policy,
        ssh::trust,
        ssh::forget,
        actions::list,
        actions::set,
        actions::show,
        actions::remove,
        actions::run,
        messages::list,
        messages::show,
        messages::read,
        messages::list_channels,
        messages::set_channel,
        messages::remove_channel,
        messages::test_channel,
        secrets::list,
        secrets::set,
        secrets::remove,
        secrets::test,
        workflows::check,
        workflows::apply,
        workflows::list,
        workflows::show,
        workflows::export,
        deployments::deploy,
        deployments::plan,
        deployments::list,
        deployments::show,
        deployments::control,
        deployments::stop,
        deployments::restart,
        deployments::edit,
        deployments::export,
        schedules::list,
        schedules::show,
        schedules::add,
        schedules::set,
        schedules::remove,
        schedules::order,
        runs::show,
        runs::log,
        runs::paths,
        events::list,
        applications::publish,
        applications::list,
        applications::show,
        applications::withdraw,
        applications::states,
        applications::of_computer,
        associations::list,
        associations::add,
        associations::remove,
        releases::installer,
        releases::add_program,
        releases::list,
        releases::add,
        releases::remove,
        releases::show_update,
        releases::begin_update,
        releases::change_update,
        changes::watch,
    ),
    components(schemas(
        api::Problem,
        api::Call,
        api::ActionRun,
        api::Change,
        api::Channel,
        api::ChannelTest,
        api::ControlRequest,
        api::Log,
        api::KeyRevocation,
        api::KeyRotation,
        api::NewAction,
        api::NewApplication,
        api::NewAssociation,
        api::AssociationGone,
        api::NewComputer,
        api::NewDeployment,
        api::NewSchedule,
        api::NewSecret,
        api::SshWay,
        api::SshPolicy,
        api::SshTrust,
        api::NewToken,
        api::NewRelease,
        api::NewUpdate,
        api::NewWorkflow,
        api::Restart,
        api::LogSettings,
        api::ServerChange,
        api::SecretTest,
        api::ServerSettings,
        api::SignedDocument,
        api::Wake,
    ))
)]
struct Document;

/// The OpenAPI document, as JSON.
pub fn openapi() -> String {
    let mut document = Document::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.paths.paths.values_mut().for_each(describe_responses);
    document.to_pretty_json().unwrap_or_default()
}

/// OpenAPI wants a description of each response: where none is written, what its status means.
fn describe_responses(path: &mut PathItem) {
    let operations =
        [&mut path.get, &mut path.put, &mut path.post, &mut path.patch, &mut path.delete];
    for operation in operations.into_iter().flatten() {
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                let known = StatusCode::from_bytes(status.as_bytes()).ok();
                let meaning = known.and_then(|status| status.canonical_reason());
                response.description = meaning.unwrap_or("Otherwise").to_owned();
            }
        }
    }
}

/// Serves until `stopping`, then lets requests in progress end.
pub async fn run(hall: Arc<Hall>, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
    let router = router(hall, stopping.clone());
    let stopped = async move {
        // The sender gone means the same.
        let _stopping = stopping.wait_for(|stopping| *stopping).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the API ended");
    }
}

fn router(hall: Arc<Hall>, stopping: watch::Receiver<bool>) -> Router {
    let open = Router::new().route("/api/health", get(server::health));
    let guarded = of_the_fleet()
        .merge(of_the_work())
        .layer(axum::Extension(changes::Stopping(stopping)))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .layer(middleware::from_fn_with_state(hall.clone(), guard));
    open.merge(guarded).with_state(hall)
}

/// The server itself, computers, agents, keys.
fn of_the_fleet() -> Router<Arc<Hall>> {
    Router::new()
        .route("/api/openapi.json", get(server::document))
        .route("/api/server", get(server::show).patch(server::change))
        .route("/api/server/status", get(servers::status))
        .route("/api/server/reload", post(servers::reload))
        .route("/api/server/refresh", post(servers::refresh))
        .route("/api/server/log", put(servers::set_log))
        .route("/api/servers", get(servers::list))
        .route("/api/servers/{name}", get(servers::show).patch(servers::change))
        .route("/api/computers", get(fleet::list).post(fleet::add))
        .route("/api/computers/{name}", get(fleet::show).put(fleet::set).delete(fleet::remove))
        .route("/api/computers/{name}/applications", get(applications::of_computer))
        .route("/api/computers/{name}/ssh", get(ssh::show).put(ssh::set).delete(ssh::remove))
        .route("/api/computers/{name}/ssh/test", post(ssh::test))
        .route("/api/ssh/policy", get(ssh::policy).put(ssh::set_policy))
        .route("/api/ssh/hosts", post(ssh::trust))
        .route("/api/ssh/hosts/{host}", delete(ssh::forget))
        .route("/api/computers/{name}/wake", post(reach::wake_up))
        .route("/api/agents", get(operators::agents))
        .route("/api/agents/connect", post(reach::connect))
        .route("/api/agents/{computer}/approve", post(operators::approve))
        .route("/api/agents/{computer}/revoke", post(operators::revoke))
        .route("/api/keys", get(keys::show))
        .route("/api/keys/rotate", post(keys::rotate))
        .route("/api/keys/revoke", post(keys::revoke))
        .route("/api/keys/prepare", post(keys::prepare))
        .route("/api/keys/submit", post(keys::submit))
        .route("/api/signatures", get(signatures::list))
        .route("/api/signatures/{id}", get(signatures::show).post(signatures::sign))
        .route("/api/tokens", get(operators::tokens).post(operators::make_token))
        .route("/api/tokens/{id}", delete(operators::revoke_token))
}

/// What is done, and what is kept for it.
fn of_the_work() -> Router<Arc<Hall>> {
    Router::new()
        .route("/api/actions", get(actions::list).post(actions::set))
        .route("/api/actions/{name}", get(actions::show).delete(actions::remove))
        .route("/api/actions/{name}/run", post(actions::run))
        .route("/api/applications", get(applications::list).post(applications::publish))
        .route("/api/applications/{name}", get(applications::show).delete(applications::withdraw))
        .route("/api/application-states", get(applications::states))
        .route("/api/associations", get(associations::list).post(associations::add))
        .route("/api/associations/remove", post(associations::remove))
        .route("/api/messages", get(messages::list))
        .route("/api/messages/{number}", get(messages::show))
        .route("/api/messages/{number}/read", put(messages::read))
        .route("/api/channels", get(messages::list_channels))
        .route("/api/channels/{name}", put(messages::set_channel).delete(messages::remove_channel))
        .route("/api/channels/{name}/test", post(messages::test_channel))
        .route("/api/secrets", get(secrets::list))
        .route("/api/secrets/{name}", put(secrets::set).delete(secrets::remove))
        .route("/api/secrets/{name}/test", post(secrets::test))
        .route("/api/workflows", get(workflows::list).post(workflows::apply))
        .route("/api/workflows/check", post(workflows::check))
        .route("/api/workflows/{name}", get(workflows::show))
        .route("/api/workflows/{name}/source", get(workflows::export))
        .route("/api/deployments", get(deployments::list).post(deployments::deploy))
        .route("/api/deployments/plan", post(deployments::plan))
        .route("/api/deployments/{id}", get(deployments::show))
        .route("/api/deployments/{id}/control", post(deployments::control))
        .route("/api/deployments/{id}/stop", put(deployments::stop))
        .route("/api/deployments/{id}/restart", post(deployments::restart))
        .route("/api/deployments/{id}/source", get(deployments::export).put(deployments::edit))
        .route("/api/deployments/{id}/paths", get(runs::paths))
        .route("/api/schedules", get(schedules::list).post(schedules::add))
        .route(
            "/api/schedules/{name}",
            get(schedules::show).put(schedules::set).delete(schedules::remove),
        )
        .route("/api/schedules/{name}/{order}", post(schedules::order))
        .route("/api/runs/{id}", get(runs::show))
        .route("/api/runs/{id}/log", get(runs::log))
        .route("/api/events", get(events::list))
        .route("/api/installer", get(releases::installer))
        .route("/api/releases", get(releases::list).post(releases::add))
        .route("/api/releases/programs", post(releases::add_program))
        .route("/api/releases/{version}", delete(releases::remove))
        .route("/api/update", get(releases::show_update).post(releases::begin_update))
        .route("/api/update/{order}", post(releases::change_update))
        .route("/api/changes", get(changes::watch))
}

/// Lets administrators through and nobody else.
async fn guard(State(hall): Shared, request: Request, next: Next) -> Response {
    if is_admin(&hall, request.headers()) {
        return next.run(request).await;
    }
    let mut answer = Failure::new(
        Code::Unauthorized,
        "the administrator's token is missing or wrong",
        "send `Authorization: Bearer …` with the text of `admin.token` from the data folder",
    )
    .into_response();
    let scheme = axum::http::HeaderValue::from_static("Bearer");
    answer.headers_mut().insert(axum::http::header::WWW_AUTHENTICATE, scheme);
    answer
}

fn is_admin(hall: &Hall, headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    // Comparing hashes takes the same time wherever they differ.
    token.is_some_and(|token| blake3::hash(token.as_bytes()) == hall.admin)
}

async fn nothing(request: Request) -> Response {
    let text = format!("there is no operation {} {}", request.method(), request.uri().path());
    let hint = "the operations are listed in /api/openapi.json";
    Failure::new(Code::NotFound, text, hint).into_response()
}

/// Done, with nothing to tell.
const DONE: StatusCode = StatusCode::NO_CONTENT;
