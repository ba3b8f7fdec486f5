//! What those who can write to a database put there for this process to run.

use std::time::Duration;

use tokio::time::Instant;

use super::{Disk, new_disk, some_record};
use crate::error::ErrorKind;
use crate::store::Store;
use crate::store::conformance::service;

/// Never ends.
const ENDLESS: &str = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT";

/// Every operation is refused, soon, with words that say what is wrong.
async fn is_refused(disk: &Disk, words: &str) {
    let store = disk.open();
    let began = Instant::now();
    let errors = [
        store.load(&service("a")).await.unwrap_err(),
        store.save(&service("a"), &some_record("two"), None, None).await.unwrap_err(),
        store.remove(&service("a")).await.unwrap_err(),
        store.load_note(&service("a")).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains(words), "{error}");
        assert!(!error.message().contains("hunter2"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_view_in_place_of_a_table_is_an_error_and_is_not_run() {
    let tables = ["token_cache", "evertoken_state", "evertoken_note", "evertoken_aside", "evertoken_schema"];
    for table in tables {
        for name in [table.to_owned(), table.to_uppercase()] {
            let disk = new_disk();
            disk.save("a", "one", None).await.unwrap();
            let plant = format!(
                "ALTER TABLE {table} RENAME TO other; CREATE VIEW {name} AS {ENDLESS} * FROM other, c WHERE i < 0"
            );
            disk.sql().execute_batch(&plant).unwrap();
            is_refused(&disk, &format!("a view in place of the table {table}")).await;
            assert!(disk.damaged().is_empty(), "it is left for someone to look at");
        }
    }
}

#[tokio::test]
async fn a_virtual_table_in_place_of_a_table_is_an_error() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    // Written into the schema by hand: this SQLite has no module that another program may have.
    let plant = "DROP TABLE token_cache; PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES \
                 ('table', 'token_cache', 'token_cache', 0, 'CREATE VIRTUAL TABLE token_cache USING fts5(service, token)')";
    disk.sql().execute_batch(plant).unwrap();
    is_refused(&disk, "a virtual table in place of the table token_cache").await;
}

#[tokio::test]
async fn a_trigger_on_a_table_is_an_error_and_nothing_is_lost() {
    let triggers = [
        "BEFORE UPDATE ON token_cache BEGIN SELECT RAISE(ABORT, 'hunter2'); END".to_owned(),
        format!("AFTER INSERT ON Token_Cache BEGIN INSERT INTO evertoken_schema {ENDLESS} i FROM c; END"),
        "AFTER DELETE ON evertoken_note BEGIN SELECT 'hunter2'; END".to_owned(),
    ];
    for trigger in triggers {
        let disk = new_disk();
        let revision = disk.save("a", "one", None).await;
        let running = disk.open();
        running.load(&service("a")).await.unwrap();
        disk.sql().execute_batch(&format!("CREATE TRIGGER hunter2 {trigger}")).unwrap();
        assert!(running.load(&service("a")).await.is_err(), "it is noticed by a process that runs, too");
        is_refused(&disk, "a trigger on ").await;
        disk.sql().execute_batch("DROP TRIGGER hunter2").unwrap();
        assert_eq!(disk.token("a").await.as_deref(), Some("one"));
        assert!(disk.save("a", "two", revision).await.is_some());
    }
}

#[tokio::test]
async fn views_and_triggers_of_others_are_left_alone() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let theirs = "CREATE TABLE users (name TEXT); CREATE VIEW tokens AS SELECT service FROM token_cache; \
                  CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM users; END";
    disk.sql().execute_batch(theirs).unwrap();
    assert_eq!(disk.token("a").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_statement_that_does_not_end_is_stopped_and_the_next_one_is_answered() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let place = disk.database();
    let began = Instant::now();
    let error = place.run_sql(&format!("{ENDLESS} count(*) FROM c")).await.unwrap_err();
    let took = began.elapsed();
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
    assert!(error.message().contains("took longer than 2 s"), "{error}");
    assert!(place.load(&service("a")).await.unwrap().record().is_some());
}

#[tokio::test]
async fn what_the_schema_says_is_not_trusted() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let settings = [
        ("PRAGMA trusted_schema", "0"),
        ("PRAGMA cell_size_check", "1"),
        ("PRAGMA secure_delete", "1"),
        ("PRAGMA temp_store", "2"),
    ];
    let place = disk.database();
    for (query, value) in settings {
        assert_eq!(place.run_sql(query).await.unwrap().as_deref(), Some(value), "{query}");
    }
    // A value of 20 MiB, and a change of the schema itself.
    for refused in ["SELECT length(zeroblob(20971520))", "DELETE FROM sqlite_schema"] {
        assert!(place.run_sql(refused).await.is_err(), "{refused}");
    }
}
