//! Laws of journals: the truth about runs and deployments.

use model::Outcome;
use store::{Page, Refusal, Store, Write};

use crate::place::Place;
use crate::samples::*;

pub async fn journals_have_no_gaps(place: &impl Place) {
    let store = place.open().await;
    let gap = |expected, got| Refusal::JournalGap { run: run_id(1), expected, got };
    for seq in [0, 2] {
        assert_eq!(refusal(store.as_ref(), journal(1, seq)).await, gap(1, seq));
    }
    accept(store.as_ref(), [journal(1, 1), journal(2, 1), journal(1, 2), journal(1, 3)]).await;
    for seq in [0, 1, 3, 5] {
        assert_eq!(refusal(store.as_ref(), journal(1, seq)).await, gap(4, seq));
    }
    let inner = store.commit(vec![journal(2, 2), journal(1, 4), journal(2, 3), journal(1, 6)]);
    assert_eq!(refused(inner.await), (3, gap(5, 6)));
    let twice = store.commit(vec![journal(1, 4), journal(1, 4)]);
    assert_eq!(refused(twice.await), (1, gap(5, 4)));

    let long = (4..=700).map(|seq| journal(1, seq));
    accept(store.as_ref(), long.chain((1..=700).map(|seq| journal(3, seq)))).await;
    let seqs = async |from| {
        let records = store.journal(run_id(1), from).await.unwrap();
        assert!(records.iter().all(|row| row.bytes == [1, row.seq.to_le_bytes()[0]]));
        records.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0).await, (1..=700).collect::<Vec<_>>());
    assert_eq!(seqs(699).await, [699, 700]);
    assert!(seqs(701).await.is_empty());
}

pub async fn deployment_records_have_no_gaps(place: &impl Place) {
    let store = place.open().await;
    let append = |seq, byte| Write::AppendDeploymentRecord {
        deployment: deployment_id(1),
        seq,
        bytes: vec![byte],
    };
    accept(store.as_ref(), [append(1, 10), append(2, 20)]).await;
    for seq in [0, 2, 4] {
        let expected =
            Refusal::DeploymentGap { deployment: deployment_id(1), expected: 3, got: seq };
        assert_eq!(refusal(store.as_ref(), append(seq, 0)).await, expected);
    }
    let records = store.deployment_records(deployment_id(1), 2).await.unwrap();
    assert_eq!((records[0].seq, &records[0].bytes[..]), (2, &[20][..]));
}

pub async fn journals_outlive_their_projection(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), [Write::PutRun(run(1, None)), journal(1, 1), journal(2, 1)]).await;
    let before = store.journals(Page::all()).await.unwrap();
    assert_eq!(before.len(), 2);
    store.clear_projections().await.unwrap();
    assert_eq!(store.run(run_id(1)).await.unwrap(), None);
    assert!(store.journals_of_open_runs(Page::all()).await.unwrap().is_empty());
    assert_eq!(place.open().await.journals(Page::all()).await.unwrap(), before);
    accept(store.as_ref(), [Write::PutRun(run(1, None)), journal(1, 2)]).await;
    assert_eq!(store.journals_of_open_runs(Page::all()).await.unwrap()[0].records.len(), 2);
}

pub async fn journals_of_open_runs_come_in_pages(place: &impl Place) {
    let store = place.open().await;
    let ended = |number: u8| number.is_multiple_of(3).then_some(Outcome::Success);
    for number in 1..=20 {
        accept(store.as_ref(), [Write::PutRun(run(number, ended(number)))]).await;
        // The first has no record yet.
        accept(store.as_ref(), (1..u64::from(number)).map(|seq| journal(number, seq))).await;
    }
    let (open, all) =
        (read_pages(store.as_ref(), true).await, read_pages(store.as_ref(), false).await);
    let expected = (1..=20).filter(|number| ended(*number).is_none());
    assert_eq!(
        open,
        expected.map(|number| (run_id(number), usize::from(number) - 1)).collect::<Vec<_>>()
    );
    assert_eq!(
        all,
        (2..=20).map(|number| (run_id(number), usize::from(number) - 1)).collect::<Vec<_>>()
    );
}

async fn read_pages(store: &dyn Store, open: bool) -> Vec<(model::RunId, usize)> {
    let mut read = Vec::new();
    let mut page = Page::first(3);
    loop {
        let journals = match open {
            true => store.journals_of_open_runs(page).await.unwrap(),
            false => store.journals(page).await.unwrap(),
        };
        assert!(journals.len() <= 3);
        let Some(last) = journals.last() else { return read };
        page = Page::after(last.run, 3);
        read.extend(journals.iter().map(|journal| (journal.run, journal.records.len())));
    }
}
