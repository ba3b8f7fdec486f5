//! Readers and writers that wait for each other.

use std::time::Duration;

use super::{new_disk, some_record};
use crate::error::ErrorKind;
use crate::store::Saved;
use crate::store::conformance::service;

#[tokio::test]
async fn a_database_that_another_holds_is_an_error_in_bounded_time_and_heals() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let holder = disk.sql();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let store = disk.open();
    let savers: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            let saving =
                async move { store.save(&service(&format!("s{n}")), &some_record("two"), None, None).await };
            crate::runtime::spawn(saving).unwrap()
        })
        .collect();
    let all = async {
        for saver in savers {
            let error = saver.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage);
            assert!(error.message().contains("locked by another process"), "{error}");
        }
    };
    tokio::time::timeout(Duration::from_secs(8), all).await.unwrap();
    assert_eq!(disk.token("a").await.as_deref(), Some("one"));
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(disk.save("b", "two", None).await.is_some());
}

#[tokio::test]
async fn without_a_log_readers_behind_a_writer_get_an_error_in_bounded_time() {
    let disk = new_disk();
    let holder = disk.sql();
    holder.execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE").unwrap();
    let loaders: Vec<_> = (0..8)
        .map(|n| {
            let store = disk.open();
            crate::runtime::spawn(async move { store.load(&service(&format!("s{n}"))).await }).unwrap()
        })
        .collect();
    let all = async {
        for loader in loaders {
            assert_eq!(loader.await.unwrap().unwrap_err().kind(), ErrorKind::Storage);
        }
    };
    tokio::time::timeout(Duration::from_secs(8), all).await.unwrap();
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(disk.token("a").await, None);
}

#[tokio::test]
async fn a_reader_that_takes_its_time_stops_no_save() {
    let disk = new_disk();
    let revision = disk.save("a", "one", None).await;
    let store = disk.open();
    store.load(&service("a")).await.unwrap();
    let reader = disk.sql();
    reader.execute_batch("BEGIN; SELECT count(*) FROM token_cache;").unwrap();
    let saving = async { store.save(&service("a"), &some_record("two"), revision, None).await };
    let saved = tokio::time::timeout(Duration::from_secs(2), saving).await.unwrap().unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert_eq!(
        reader
            .query_row("SELECT json_extract(token, '$.accessToken') FROM token_cache", [], |row| row
                .get::<_, String>(0))
            .unwrap(),
        "one"
    );
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(disk.token("a").await.as_deref(), Some("two"));
}
