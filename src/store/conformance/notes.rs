//! What is kept for a service apart from its record.

use super::*;

const UNTIL: Timestamp = Timestamp::MAX;

async fn note(f: &Fixture, name: &str) -> Option<String> {
    let note = f.store.load_note(&service(name)).await.unwrap();
    note.map(|note| note.expose().to_owned())
}

async fn keep(f: &Fixture, name: &str, note: Option<&str>) {
    let note = note.map(Secret::new);
    f.store.save_note(&service(name), note.as_ref(), UNTIL).await.unwrap();
}

pub(super) async fn a_note_is_kept_until_it_is_deleted(f: Fixture) {
    assert_eq!(note(&f, "a").await, None);
    keep(&f, "a", None).await;
    assert_eq!(note(&f, "a").await, None);
    keep(&f, "a", Some("rejected once")).await;
    assert_eq!(note(&f, "a").await.as_deref(), Some("rejected once"));
    keep(&f, "a", Some("rejected twice")).await;
    assert_eq!(note(&f, "a").await.as_deref(), Some("rejected twice"));
    keep(&f, "a", None).await;
    assert_eq!(note(&f, "a").await, None);
}

pub(super) async fn a_note_and_a_record_leave_each_other_alone(f: Fixture) {
    keep(&f, "a", Some("rejected")).await;
    assert_eq!(f.token(&service("a")).await, None);
    let first = f.save(&service("a"), "one", None).await.unwrap();
    assert_eq!(note(&f, "a").await.as_deref(), Some("rejected"));
    keep(&f, "a", Some("rejected again")).await;
    assert_eq!(f.store.load(&service("a")).await.unwrap().record.unwrap().1, first);
    f.save(&service("a"), "two", Some(first)).await.unwrap();
    f.store.remove(&service("a")).await.unwrap();
    assert_eq!(note(&f, "a").await.as_deref(), Some("rejected again"));
    keep(&f, "a", None).await;
    assert_eq!(f.token(&service("a")).await, None);
}

pub(super) async fn services_have_notes_of_their_own(f: Fixture) {
    keep(&f, "a", Some("rejected")).await;
    assert_eq!(note(&f, "b").await, None);
    keep(&f, "b", Some("rejected, too")).await;
    keep(&f, "b", None).await;
    assert_eq!(note(&f, "a").await.as_deref(), Some("rejected"));
}
