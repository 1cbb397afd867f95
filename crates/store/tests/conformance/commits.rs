//! Laws of every commit.

use store::rows::{ApplicationState, Assigned, Association, Setting};
use store::{CommitError, Fence, Refusal, Write};

use crate::place::Place;
use crate::samples::*;

pub async fn everything_reads_back_after_reopening(place: &impl Place) {
    accept(place.open().await.as_ref(), every_kind()).await;

    let store = place.open().await;
    assert_eq!(store.server(server_id(1)).await.unwrap(), Some(server(1, 4)));
    assert_eq!(store.computer(computer_id(2)).await.unwrap(), Some(computer(2, "pc2", Some(1))));
    assert_eq!(store.computer(computer_id(3)).await.unwrap(), None);
    let agent = store.agent_by_key([2; 32]).await.unwrap().unwrap();
    assert_eq!((agent.last_seen, agent.counter), (at(30), 8));
    assert_eq!(agent.capabilities, crate::samples::agent(2, 2).capabilities);
    let used = store.token_by_secret(token(1, 0).secret_digest).await.unwrap().unwrap();
    assert_eq!(used, token(1, 2));
    assert!(store.token(token_id(2)).await.unwrap().unwrap().revoked);
    let install = store.workflow("install", None).await.unwrap();
    assert_eq!(install, Some(workflow("Install", 1)));
    assert_eq!(store.deployment(deployment_id(1)).await.unwrap(), Some(deployment(1)));
    assert_eq!(store.deployment_records(deployment_id(1), 0).await.unwrap().len(), 1);
    assert_eq!(store.warrants(deployment_id(1)).await.unwrap(), [warrant(1, 1)]);
    assert_eq!(store.run(run_id(2)).await.unwrap(), Some(run(2, None)));
    assert_eq!(store.journal(run_id(2), 0).await.unwrap()[0].bytes, [2, 1]);
    assert_eq!(store.effects(run_id(2)).await.unwrap(), [effect(2, 1)]);
    let slots = Setting { key: "slots".into(), value: vec![5] };
    assert_eq!(store.setting("slots").await.unwrap(), Some(slots));
    assert_eq!(store.setting("other").await.unwrap(), None);
    let told = store.document("action", "tell").await.unwrap();
    assert_eq!(told, Some(document("action", "Tell", 1)));
    let viewer = store.application(application_id(1), None).await.unwrap();
    assert_eq!(viewer, Some(application(1, 1, "Viewer")));
    let held = store.wanted_set(computer_id(2)).await.unwrap();
    assert_eq!(held.unwrap().taken, 1);
}

pub async fn putting_the_same_again_changes_nothing(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), every_kind()).await;
    let before = picture(store.as_ref()).await;
    let repeatable = every_kind().into_iter().filter(|write| {
        matches!(
            write,
            Write::PutServer(_)
                | Write::PutDeployment(_)
                | Write::PutWarrant(_)
                | Write::PutRun(_)
                | Write::PutEffect(_)
                | Write::PutSetting(_)
                | Write::PutMessage(_)
                | Write::ReadMessage { .. }
                | Write::PutAssociation(Association { to: Assigned::Group(_), .. })
                | Write::WantedSetTaken { .. }
                | Write::PutApplicationState(ApplicationState { installed: None, .. })
        )
    });
    accept(store.as_ref(), repeatable).await;
    assert_eq!(picture(store.as_ref()).await, before);
}

/// Whatever kinds of write stand before the one that is refused.
pub async fn a_refused_write_leaves_nothing(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), [Write::PutComputer(group(9, "Old", None)), journal(9, 1)]).await;
    let before = picture(store.as_ref()).await;
    for bad in [Write::RevokeToken(token_id(99)), journal(9, 5)] {
        for count in 0..=every_kind().len() {
            let mut writes = every_kind();
            writes.truncate(count);
            writes.push(bad.clone());
            let (index, _) = refused(store.commit(writes).await);
            assert_eq!(index, count);
            assert_eq!(picture(store.as_ref()).await, before, "{count} writes before {bad:?}");
        }
    }
    accept(store.as_ref(), every_kind()).await;
}

/// However far the commit came when its future was dropped.
pub async fn a_dropped_commit_is_done_or_not(place: &impl Place) {
    let store = place.open().await;
    for round in 0..60 {
        let pair = [(round + 1, 1), (round + 1, 2)].map(|(number, seq)| journal(number, seq));
        let mut commit = std::pin::pin!(store.commit(pair.to_vec()));
        tokio::select! {
            biased;
            ended = &mut commit => ended.unwrap(),
            () = yields(u32::from(round) * 40) => {}
        }
    }
    accept(store.as_ref(), [journal(100, 1)]).await;
    let store = place.open().await;
    for round in 0..60 {
        let count = store.journal(run_id(round + 1), 0).await.unwrap().len();
        assert!(count == 0 || count == 2, "{count} records of round {round}");
    }
    assert_eq!(store.journal(run_id(100), 0).await.unwrap().len(), 1);
}

async fn yields(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

pub async fn a_lower_fence_writes_nothing(place: &impl Place) {
    let store = place.open().await;
    let setting = || vec![Write::PutSetting(Setting { key: "a".into(), value: vec![1] })];
    let fence = |fence| Fence { server: server_id(1), fence };

    let ended = store.commit_fenced(fence(1), setting()).await;
    assert!(matches!(ended, Err(CommitError::UnknownServer { .. })), "{ended:?}");
    accept(store.as_ref(), [Write::PutServer(server(1, 1))]).await;
    store.commit_fenced(fence(1), vec![Write::PutServer(server(1, 2))]).await.unwrap();
    let ended = store.commit_fenced(fence(1), setting()).await;
    assert!(matches!(ended, Err(CommitError::Fenced { held: 2, ours: 1, .. })), "{ended:?}");
    assert_eq!(store.setting("a").await.unwrap(), None);
    store.commit_fenced(fence(2), setting()).await.unwrap();

    let back = refusal(store.as_ref(), Write::PutServer(server(1, 1))).await;
    assert_eq!(back, Refusal::FenceWentBack { server: server_id(1), held: 2, got: 1 });
}

pub async fn numbers_that_do_not_fit_are_refused(place: &impl Place) {
    let store = place.open().await;
    let refused = refusal(store.as_ref(), Write::PutServer(server(1, u64::MAX))).await;
    assert_eq!(refused, Refusal::TooLarge { what: "fence", number: u64::MAX });
    let refused = refusal(store.as_ref(), journal(1, u64::MAX)).await;
    assert!(matches!(refused, Refusal::JournalGap { expected: 1, .. }), "{refused}");
    assert!(store.journal(run_id(1), u64::MAX).await.unwrap().is_empty());
}
