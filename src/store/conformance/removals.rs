//! Records that are removed, set aside or useless.

use super::*;

pub(super) async fn a_removed_record_is_gone_and_its_revision_never_comes_again(f: Fixture) {
    let first = f.save(&service("a"), "one", None).await.unwrap();
    f.store.remove(&service("a")).await.unwrap();
    assert_eq!(f.token(&service("a")).await, None);
    assert_eq!(f.save(&service("a"), "late", Some(first)).await, None);
    let second = f.save(&service("a"), "one", None).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(f.save(&service("a"), "late", Some(first)).await, None);
}

pub(super) async fn a_removal_is_later_than_the_record_and_earlier_than_the_next(f: Fixture) {
    let removal = async || f.store.load(&service("a")).await.unwrap().removal;
    f.store.remove(&service("a")).await.unwrap();
    assert_eq!(removal().await, None, "there was nothing to remove");
    let first = f.save(&service("a"), "one", None).await.unwrap();
    assert_eq!(removal().await, None);
    f.save(&service("b"), "other", None).await.unwrap();
    f.store.remove(&service("a")).await.unwrap();
    let removed = removal().await.unwrap();
    assert!(removed.number > first.number);
    assert_eq!(removal().await, Some(removed));
    let second = f.save(&service("a"), "two", None).await.unwrap();
    assert!(second.is_later_than(removed));
    assert_eq!(removal().await, None);
}

pub(super) async fn a_record_set_aside_is_not_loaded_and_makes_room_for_the_next(f: Fixture) {
    for _ in 0..6 {
        let revision = f.save(&service("a"), "bad", None).await.unwrap();
        f.place.set_aside(&service("a"), revision).await.unwrap();
        assert_eq!(f.token(&service("a")).await, None);
    }
    f.save(&service("a"), "good", None).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("good"));
}

pub(super) async fn a_record_written_meanwhile_is_not_set_aside(f: Fixture) {
    let seen = f.save(&service("a"), "bad", None).await.unwrap();
    f.save(&service("a"), "good", Some(seen)).await.unwrap();
    f.place.set_aside(&service("a"), seen).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("good"));
}

pub(super) async fn a_sealed_record_that_does_not_open_stays_until_a_save_replaces_it(f: Fixture) {
    f.save(&service("a"), "one", None).await.unwrap();
    let (mut row, revision) = f.place.load(&service("a")).await.unwrap().record().unwrap();
    row.token = Secret::new("et1.k.AAAAAAAA.AAAA");
    f.place.save(&service("a"), &row, Some(revision), None).await.unwrap();
    let loaded = f.store.load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none());
    assert_eq!(loaded.warnings[0].kind(), crate::error::ErrorKind::Decrypt);
    let again = f.store.load(&service("a")).await.unwrap();
    assert!(again.record.is_none() && again.warnings.is_empty(), "{:?}", again.warnings);
    // A load does not remove it: a process that has the key still finds it.
    let (found, _) = f.place.load(&service("a")).await.unwrap().record().unwrap();
    assert_eq!(found.token.expose(), "et1.k.AAAAAAAA.AAAA");
    f.save(&service("a"), "two", None).await.unwrap();
    assert_eq!(f.token(&service("a")).await.as_deref(), Some("two"));
}
