//! Laws of group commit.

use store::rows::Setting;
use store::{CommitError, Fence, Write, Writer};

use crate::place::Place;
use crate::samples::*;

fn setting(key: &str) -> Write {
    Write::PutSetting(Setting { key: key.into(), value: Vec::new() })
}

pub async fn only_the_wrong_submission_is_refused(place: &impl Place) {
    let store = place.open().await;
    let writer = Writer::start(store.clone(), None);
    let before = writer.submit(vec![setting("a"), journal(1, 1)]);
    let wrong = writer.submit(vec![setting("b"), journal(1, 5)]);
    let after = writer.submit(vec![setting("c"), journal(1, 2)]);
    before.await.unwrap();
    assert_eq!(refused(wrong.await).0, 1);
    after.await.unwrap();
    let keys: Vec<_> = store.settings().await.unwrap().into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["a", "c"]);
    assert_eq!(store.journal(run_id(1), 0).await.unwrap().len(), 2);
}

/// Also of those that nobody awaits, and when the queue is longer than a group.
pub async fn submissions_keep_their_order(place: &impl Place) {
    let store = place.open().await;
    let writer = Writer::start(store.clone(), None);
    for seq in 1..10_000 {
        drop(writer.submit(vec![journal(1, seq)]));
    }
    writer.submit(vec![journal(1, 10_000)]).await.unwrap();
    assert_eq!(store.journal(run_id(1), 0).await.unwrap().len(), 10_000);
}

pub async fn many_appenders_lose_nothing(place: &impl Place) {
    let store = place.open().await;
    let writer = Writer::start(store.clone(), None);
    let appenders = (1..=40).map(|number| {
        let writer = writer.clone();
        tokio::spawn(async move {
            for seq in 1..=20 {
                writer.submit(vec![journal(number, seq)]).await.unwrap();
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.unwrap();
    }
    for number in 1..=40 {
        assert_eq!(store.journal(run_id(number), 0).await.unwrap().len(), 20);
    }
}

pub async fn a_fenced_writer_writes_nothing(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), [Write::PutServer(server(1, 1))]).await;
    let fence = Fence { server: server_id(1), fence: 1 };
    let writer = Writer::start(store.clone(), Some(fence));
    writer.submit(vec![setting("a")]).await.unwrap();
    accept(store.as_ref(), [Write::PutServer(server(1, 2))]).await;
    for submission in [writer.submit(vec![setting("b")]), writer.submit(vec![setting("c")])] {
        let ended = submission.await;
        assert!(matches!(ended, Err(CommitError::Fenced { .. })), "{ended:?}");
    }
    assert_eq!(store.settings().await.unwrap().len(), 1);
}
