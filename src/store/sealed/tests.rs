//! Sealed texts that are odd, and keys that take turns.

use super::super::conformance::{service, some_record};
use super::super::{FileStore, MemoryStore};
use super::*;
use crate::crypto::generate_key;

fn ring() -> Arc<KeyRing> {
    Arc::new(KeyRing::from_keys(vec![generate_key().unwrap()]).unwrap())
}

fn store(place: &Arc<MemoryStore>, ring: &Arc<KeyRing>) -> SealedStore {
    SealedStore::new(Arc::clone(place) as Arc<dyn Store>, Arc::clone(ring))
}

/// A store with a record whose envelope holds this text.
async fn holding(payload: &str) -> SealedStore {
    let (place, ring) = (Arc::new(MemoryStore::new()), ring());
    let store = store(&place, &ring);
    store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    let (row, revision) = place.load(&service("a")).await.unwrap().record().unwrap();
    let sealed = ring.seal(&Context::new(&service("a"), RECORD), &Secret::new(payload)).unwrap();
    let row = StoredRow { token: Secret::new(sealed), ..row };
    place.save(&service("a"), &row, Some(revision), None).await.unwrap();
    store
}

#[tokio::test]
async fn a_sealed_text_that_is_not_a_record_counts_as_one_that_does_not_open() {
    let payloads = [
        "",
        "a token",
        "[]",
        "{}",
        r#"{ "version": 1 }"#,
        r#"{ "version": -1 }"#,
        r#"{ "version": 1, "accessToken": "", "tokenType": "Bearer", "issuedAt": 0, "expiresAt": 0, "lastUsed": 0 }"#,
        r#"{ "version": 1, "accessToken": "a\nb", "tokenType": "Bearer", "issuedAt": 0, "expiresAt": 0, "lastUsed": 0 }"#,
        r#"{ "version": 1, "accessToken": "hunter2", "tokenType": "a b", "issuedAt": 0, "expiresAt": 0, "lastUsed": 0 }"#,
    ];
    for payload in payloads {
        let loaded = holding(payload).await.load(&service("a")).await.unwrap();
        assert!(loaded.cannot_be_decrypted && loaded.record.is_none(), "{payload}");
        assert!(!loaded.warnings[0].message().contains("hunter2"), "{payload}");
    }
}

#[tokio::test]
async fn a_record_of_a_newer_release_is_an_error_and_is_left_alone() {
    let store = holding(r#"{ "version": 2, "more": true }"#).await;
    let error = store.load(&service("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.message().contains("newer"), "{error}");
}

#[tokio::test]
async fn a_record_over_four_mebibytes_is_neither_stored_nor_opened() {
    let (place, ring) = (Arc::new(MemoryStore::new()), ring());
    let store = store(&place, &ring);
    let large = StoredToken { refresh_token: Some(Secret::new("x".repeat(5 << 20))), ..some_record("one") };
    let error = store.save(&service("a"), &large, None, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    let (row, revision) = place.load(&service("a")).await.unwrap().record().unwrap();
    let row = StoredRow { token: Secret::new("x".repeat(5 << 20)), ..row };
    place.save(&service("a"), &row, Some(revision), None).await.unwrap();
    let loaded = store.clone().with_plain_tokens(true).load(&service("a")).await.unwrap();
    assert!(loaded.cannot_be_decrypted && loaded.warnings[0].message().contains("4 MiB"));
}

#[tokio::test]
async fn keys_that_take_turns_keep_each_others_notes() {
    let place = Arc::new(MemoryStore::new());
    let stores: Vec<_> = (0..3).map(|_| store(&place, &ring())).collect();
    let until = crate::domain::Timestamp::MAX;
    for (n, store) in stores.iter().enumerate() {
        store.save_note(&service("a"), Some(&Secret::new(format!("note {n}"))), until).await.unwrap();
    }
    let note = async |n: usize| {
        let note = stores[n].load_note(&service("a")).await.unwrap();
        note.map(|note| note.expose().to_owned())
    };
    for n in 0..3 {
        assert_eq!(note(n).await, Some(format!("note {n}")));
    }
    stores[1].save_note(&service("a"), Some(&Secret::new("later")), until).await.unwrap();
    assert_eq!((note(0).await.as_deref(), note(1).await.as_deref()), (Some("note 0"), Some("later")));
    stores[0].save_note(&service("a"), None, until).await.unwrap();
    assert_eq!((note(0).await, note(2).await.as_deref()), (None, Some("note 2")));
    // A fourth key takes the place of the oldest note, so that they do not pile up.
    for _ in 0..4 {
        store(&place, &ring()).save_note(&service("a"), Some(&Secret::new("other")), until).await.unwrap();
    }
    assert_eq!(note(1).await, None);
    assert!(place.load_note(&service("a")).await.unwrap().unwrap().len() < 1000);
}

#[tokio::test]
async fn a_note_survives_a_restart_and_damage_to_it_is_not_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token-cache.json");
    let ring = ring();
    let begin = || SealedStore::new(Arc::new(FileStore::new(&path)), Arc::clone(&ring));
    let until = crate::domain::Timestamp::MAX;
    begin().save_note(&service("a"), Some(&Secret::new("rejected")), until).await.unwrap();
    let note = begin().load_note(&service("a")).await.unwrap();
    assert_eq!(note.as_ref().map(Secret::expose), Some("rejected"));
    let sealed = std::fs::read_to_string(&path).unwrap();
    assert!(sealed.contains("et1.") && !sealed.contains("rejected"));
    for damaged in ["\"plain\"", "7", "null", "\"et1.k.AAAAAAAA.AAAA et1.\""] {
        std::fs::write(&path, format!(r#"{{"version":1,"services":{{}},"notes":{{"a":{damaged}}}}}"#))
            .unwrap();
        assert!(begin().load_note(&service("a")).await.unwrap().is_none(), "{damaged}");
    }
    begin().save_note(&service("a"), Some(&Secret::new("again")), until).await.unwrap();
    let note = begin().load_note(&service("a")).await.unwrap();
    assert_eq!(note.as_ref().map(Secret::expose), Some("again"));
}

/// The record in a payload with this state.
async fn record_with(state: &str) -> StoredToken {
    let payload = format!(
        r#"{{ "version": 1, "accessToken": "hunter2", "tokenType": "Bearer", "refreshToken": "next",
              "issuedAt": 0, "expiresAt": 3600000, "lastUsed": 0, "state": {state} }}"#
    );
    let loaded = holding(&payload).await.load(&service("a")).await.unwrap();
    assert!(loaded.warnings.is_empty() && !loaded.cannot_be_decrypted, "{state}");
    loaded.record.unwrap().0
}

/// A state of this release, except for what `change` makes of it.
fn state(change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> String {
    let mut state = serde_json::json!({
        "version": 1, "identity": "ours", "proofKey": "a key", "fields": { "region": "eu" },
        "grant": { "endpoint": "https://api.example/login", "format": "json_email" },
    });
    change(state.as_object_mut().unwrap());
    state.to_string()
}

#[tokio::test]
async fn a_state_of_this_release_is_read_whole_and_may_have_more_members() {
    for added in [None, Some("more")] {
        let state = state(|state| state.extend(added.map(|name| (name.to_owned(), true.into()))));
        let found = record_with(&state).await.state.unwrap();
        assert_eq!(found.grant.unwrap().endpoint.as_str(), "https://api.example/login");
        assert_eq!(found.identity.as_deref(), Some("ours"));
        assert_eq!(found.proof_key.as_ref().map(Secret::expose), Some("a key"));
        assert!(found.fields.cover(["region"]));
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_read_costs_no_token_and_still_says_for_whom_it_is() {
    let unreadable = [
        state(|state| drop(state.insert("version".to_owned(), 2.into()))),
        state(|state| drop(state.remove("version"))),
        state(|state| drop(state.insert("proofKey".to_owned(), 7.into()))),
        state(|state| drop(state.insert("fields".to_owned(), "eu".into()))),
    ];
    for state in unreadable {
        let record = record_with(&state).await;
        assert_eq!(record.access_token.as_ref().unwrap().secret().expose(), "hunter2");
        assert!(record.refresh_token.is_some());
        let found = record.state.unwrap();
        assert_eq!(found.identity.as_deref(), Some("ours"), "{state}");
        assert!(found.grant.is_none() && found.proof_key.is_none() && found.fields.is_empty(), "{state}");
    }
    for state in ["7", "[]", "\"text\"", "{}"] {
        let found = record_with(state).await.state.unwrap();
        assert!(found.grant.is_none() && found.identity.is_none(), "{state}");
    }
}

#[tokio::test]
async fn a_grant_that_this_release_does_not_know_spoils_nothing_else_of_the_state() {
    for grant in ["{\"endpoint\":\"https://api.example\",\"format\":\"carrier_pigeon\"}", "7", "null"] {
        let grant: serde_json::Value = serde_json::from_str(grant).unwrap();
        let record = record_with(&state(|state| drop(state.insert("grant".to_owned(), grant)))).await;
        let found = record.state.unwrap();
        assert!(found.grant.is_none() && found.proof_key.is_some() && found.fields.cover(["region"]));
    }
}

#[tokio::test]
async fn a_record_without_a_state_has_none() {
    assert!(record_with("null").await.state.is_none());
}
