//! Laws of messages.

use store::rows::{KeptMessage, Message, Reading};
use store::{Page, Refusal, Write};

use crate::place::Place;
use crate::samples::*;

pub async fn messages_are_kept_once_and_numbered(place: &impl Place) {
    let store = place.open().await;
    let again = Message { subject: "Other".into(), ..message(1) };
    let all = [message(1), message(2), again].map(Write::PutMessage);
    accept(store.as_ref(), all).await;
    let kept = |seq, number| KeptMessage { seq, message: message(number), read: None };
    assert_eq!(store.messages(false, Page::all()).await.unwrap(), [kept(2, 2), kept(1, 1)]);
    assert_eq!(store.message_by_key(message(2).key).await.unwrap(), Some(kept(2, 2)));
    assert_eq!(store.message_by_key(message(3).key).await.unwrap(), None);
    assert_eq!(store.message(3).await.unwrap(), None);

    let later = Reading { by: "bob".into(), at: at(100) };
    let readings = [reading(), later].map(|reading| Write::ReadMessage { seq: 1, reading });
    accept(store.as_ref(), readings).await;
    let read = KeptMessage { read: Some(reading()), ..kept(1, 1) };
    assert_eq!(store.message(1).await.unwrap(), Some(read));
    let missing = Write::ReadMessage { seq: 7, reading: reading() };
    assert_eq!(refusal(store.as_ref(), missing).await, Refusal::NoMessage(7));
}

pub async fn unread_messages_come_in_pages_latest_first(place: &impl Place) {
    let store = place.open().await;
    accept(store.as_ref(), (1..=5).map(|number| Write::PutMessage(message(number)))).await;
    accept(store.as_ref(), [Write::ReadMessage { seq: 4, reading: reading() }]).await;
    let numbers = async |is_unread, page| {
        let rows = store.messages(is_unread, page).await.unwrap();
        rows.into_iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(numbers(true, Page::first(2)).await, [5, 3]);
    assert_eq!(numbers(true, Page::after(3, 9)).await, [2, 1]);
    assert_eq!(numbers(false, Page::after(5, 2)).await, [4, 3]);
}
