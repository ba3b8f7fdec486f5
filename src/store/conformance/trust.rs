//! What those who can write to a store can do: make a record useless, and nothing else.

use super::*;

pub(super) async fn a_plain_token_is_used_only_where_it_is_accepted(f: Fixture) {
    f.save(&service("a"), "one", None).await.unwrap();
    let (mut row, revision) = f.place.load(&service("a")).await.unwrap().record().unwrap();
    assert!(row.refresh_token.is_none() && row.column_fault.is_none());
    row.token = Secret::new("Bearer by-hand");
    row.refresh_token = Some(Secret::new("refresh by hand"));
    f.place.save(&service("a"), &row, Some(revision), None).await.unwrap();
    let loaded = f.store.load(&service("a")).await.unwrap();
    assert!(loaded.record.is_none() && loaded.cannot_be_decrypted && loaded.warnings.len() == 1);
    assert!(!loaded.warnings[0].message().contains("by-hand"));
    if !f.store.is_encrypted() {
        return;
    }
    let accepting = f.store.clone().with_plain_tokens(true);
    let (found, _) = accepting.load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(found.access_token.as_ref().unwrap().secret().expose(), "by-hand");
    assert_eq!(found.refresh_token.as_ref().map(Secret::expose), Some("refresh by hand"));
    assert_eq!((found.expires_at, found.scheme.as_str()), (Some(row.expires_at), "Bearer"));
}

pub(super) async fn the_columns_of_a_sealed_record_are_not_trusted(f: Fixture) {
    f.save(&service("a"), "one", None).await.unwrap();
    let (row, revision) = f.place.load(&service("a")).await.unwrap().record().unwrap();
    let edited = StoredRow {
        refresh_token: Some(Secret::new("planted")),
        token_type: TokenType::parse("Planted").unwrap(),
        created_at: Timestamp::MIN,
        expires_at: Timestamp::MAX,
        ..row
    };
    f.place.save(&service("a"), &edited, Some(revision), None).await.unwrap();
    let (found, _) = f.store.load(&service("a")).await.unwrap().record.unwrap();
    let original = some_record("one");
    assert!(found.refresh_token.unwrap().matches(&original.refresh_token.unwrap()));
    assert_eq!(found.scheme, original.scheme);
    assert_eq!((found.issued_at, found.expires_at), (original.issued_at, original.expires_at));
}

pub(super) async fn a_record_moved_to_another_service_is_not_used(f: Fixture) {
    if !f.store.is_encrypted() {
        return;
    }
    f.save(&service("a"), "one", None).await.unwrap();
    let (row, _) = f.place.load(&service("a")).await.unwrap().record().unwrap();
    f.place.save(&service("b"), &row, None, None).await.unwrap();
    assert!(f.store.load(&service("b")).await.unwrap().cannot_be_decrypted);
    // Nor as what is kept apart from the record, and the reverse.
    f.place.save_note(&service("a"), Some(&row.token), Timestamp::MAX).await.unwrap();
    assert!(f.store.load_note(&service("a")).await.unwrap().is_none());
    f.store.save_note(&service("c"), Some(&Secret::new("a note")), Timestamp::MAX).await.unwrap();
    let note = f.place.load_note(&service("c")).await.unwrap().unwrap();
    f.place.save(&service("c"), &StoredRow { token: note, ..row }, None, None).await.unwrap();
    assert!(f.store.load(&service("c")).await.unwrap().cannot_be_decrypted);
}

pub(super) async fn no_column_reveals_anything_about_a_sealed_record(f: Fixture) {
    if !f.store.is_encrypted() {
        return;
    }
    f.save(&service("a"), "hunter2", None).await.unwrap();
    let (row, _) = f.place.load(&service("a")).await.unwrap().record().unwrap();
    assert!(row.refresh_token.is_none() && !row.token.expose().contains("hunter2"));
}

pub(super) async fn an_edit_of_the_columns_of_a_sealed_record_is_not_a_new_revision(f: Fixture) {
    if !f.store.is_encrypted() {
        return;
    }
    f.save(&service("a"), "one", None).await.unwrap();
    let (row, revision) = f.place.load(&service("a")).await.unwrap().record().unwrap();
    assert_eq!(Revision::new(revision.number, &StoredRow { expires_at: Timestamp::MAX, ..row }), revision);
}
