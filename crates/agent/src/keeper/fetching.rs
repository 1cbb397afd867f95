//! Bringing documents and files of what is wanted, ahead of their use and in the order of the set.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::News;
use super::stock::Stock;
use super::wanted::Current;
use crate::backoff::Backoff;
use crate::effect::sentence;
use crate::transfer::Transfers;

const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Goes on until nobody tells or hears anything any more.
pub(super) async fn fetch(
    stock: Stock,
    transfers: Arc<Transfers>,
    mut current: Current,
    tell: mpsc::Sender<News>,
) {
    let mut backoff = Backoff::new(WAIT_MIN, WAIT_MAX);
    current.mark_changed();
    loop {
        let set = current.borrow_and_update().clone();
        let work = async {
            let mut is_whole = true;
            for wanted in set.iter().flat_map(|set| &set.applications) {
                if stock.ready(wanted).is_some() {
                    continue;
                }
                let news = match stock.fetch(&transfers, wanted).await {
                    Ok(()) => News::Fetched,
                    Err(error) => {
                        is_whole = false;
                        let why = format!("its files: {}", sentence(&error));
                        tracing::warn!("{}: {why}", wanted.name);
                        News::NotFetched(wanted.application, why)
                    }
                };
                if tell.send(news).await.is_err() {
                    return;
                }
            }
            if is_whole {
                backoff.reset();
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(backoff.step()).await;
        };
        tokio::select! {
            changed = current.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = work => {}
        }
        if tell.is_closed() {
            return;
        }
    }
}
