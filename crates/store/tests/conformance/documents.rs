//! Laws of named documents.

use store::{Refusal, Write};

use crate::place::Place;
use crate::samples::*;

pub async fn documents_are_named_without_case_within_their_kind(place: &impl Place) {
    let store = place.open().await;
    let put = |kind, name, body| Write::PutDocument(document(kind, name, body));
    let writes = [
        put("action", "Tell", 1),
        put("action", "mail", 1),
        put("actions", "Other", 1),
        put("channel", "tell", 2),
        put("action", "TELL", 3),
    ];
    accept(store.as_ref(), writes).await;
    let actions = [document("action", "mail", 1), document("action", "TELL", 3)];
    assert_eq!(store.documents("action").await.unwrap(), actions);
    assert_eq!(store.documents("channel").await.unwrap(), [document("channel", "tell", 2)]);
    assert_eq!(store.documents("none").await.unwrap(), []);
    let found = store.document("action", "tEll").await.unwrap();
    assert_eq!(found, Some(document("action", "TELL", 3)));
    assert_eq!(store.document("channel", "mail").await.unwrap(), None);
}

pub async fn documents_that_are_not_there_cannot_be_removed(place: &impl Place) {
    let store = place.open().await;
    let remove = |name: &str| Write::RemoveDocument { kind: "action".into(), name: name.into() };
    let refused = refusal(store.as_ref(), remove("Tell")).await;
    assert_eq!(refused, Refusal::NoDocument { kind: "action".into(), name: "Tell".into() });
    accept(store.as_ref(), [Write::PutDocument(document("action", "Tell", 1))]).await;
    accept(store.as_ref(), [remove("tELL")]).await;
    assert_eq!(store.document("action", "Tell").await.unwrap(), None);
    refusal(store.as_ref(), remove("Tell")).await;
}
