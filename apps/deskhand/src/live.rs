//! Watching a deployment until its last result.
//!
//! Owns the loop: live changes come in, the [`Board`] keeps where every target stands, the
//! [`Screen`] shows it on standard error. The server may go away and come back meanwhile; the
//! deployment is none of this program's business, which only watches.

mod board;
mod screen;

use std::time::{Duration, Instant};

use anyhow::Result;
use api::{Change, DeploymentDetail, Run};
use client::{Changes, Client, RequestError};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::output;

use board::Board;
pub use board::natural;
use screen::Screen;

const FRAME: Duration = Duration::from_millis(100);
/// How long a server may be away before watching ends, and how often it is looked for.
const AWAY_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);

/// How watching ended.
pub enum Watched {
    /// All runs have ended.
    Over(Vec<Run>),
    /// Interrupted from the keyboard; the deployment goes on.
    Left(Vec<Run>),
}

/// Shows progress until every run has ended.
pub async fn follow(client: &Client, deployment: &str) -> Result<Watched> {
    let (mut changes, detail) = begin(client, deployment).await?;
    let mut board = Board::new(detail);
    let mut screen = Screen::new();
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    screen.begin(&board);
    while !board.is_over() {
        tokio::select! {
            change = changes.next() => match change {
                Ok(Some(Change::Run { run })) => {
                    if let Some(run) = board.update(run) {
                        screen.changed(&board, &run);
                    }
                }
                Ok(Some(Change::Deployment { deployment })) => board.deployment(deployment),
                Ok(Some(
                    Change::Output { .. } | Change::Schedule { .. } | Change::Message { .. },
                )) => {}
                Ok(Some(Change::Missed)) => board.replace(client.deployment(deployment).await?),
                Ok(None) | Err(_) => {
                    screen.away(&board);
                    let (again, detail) = reconnect(client, deployment).await?;
                    changes = again;
                    board.replace(detail);
                    screen.back();
                }
            },
            _ = frames.tick() => screen.paint(&board, output::now()),
            _ = tokio::signal::ctrl_c() => {
                screen.end();
                return Ok(Watched::Left(board.into_runs()));
            }
        }
    }
    screen.end();
    Ok(Watched::Over(board.into_runs()))
}

async fn reconnect(
    client: &Client,
    deployment: &str,
) -> Result<(Changes, DeploymentDetail), RequestError> {
    let since = Instant::now();
    loop {
        match begin(client, deployment).await {
            Err(RequestError::Connect { .. } | RequestError::Lost { .. })
                if since.elapsed() < AWAY_MAX =>
            {
                sleep(LOOK).await;
            }
            other => return other,
        }
    }
}

/// Changes first, then where everything stands, so that nothing falls between.
async fn begin(
    client: &Client,
    deployment: &str,
) -> Result<(Changes, DeploymentDetail), RequestError> {
    let changes = client.changes(Some(deployment)).await?;
    Ok((changes, client.deployment(deployment).await?))
}
