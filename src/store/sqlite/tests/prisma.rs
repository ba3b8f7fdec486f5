//! A Prisma client at the same table, and others in the same database.

use super::{Disk, new_disk, some_record};
use crate::domain::Timestamp;
use crate::error::ErrorKind;
use crate::store::Saved;
use crate::store::conformance::service;

const TABLE: &str = r#"CREATE TABLE "token_cache" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "service" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "refreshToken" TEXT,
    "tokenType" TEXT NOT NULL DEFAULT 'Bearer',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUsed" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
)"#;
const INDEX: &str = r#"CREATE UNIQUE INDEX "token_cache_service_key" ON "token_cache"("service")"#;

fn migrated_by_prisma() -> Disk {
    let disk = new_disk();
    disk.sql().execute_batch(&format!("{TABLE}; {INDEX};")).unwrap();
    disk
}

#[tokio::test]
async fn the_table_is_to_the_letter_the_one_that_prisma_makes() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    assert_eq!(disk.text("SELECT sql FROM sqlite_schema WHERE name = 'token_cache'"), TABLE);
    assert_eq!(disk.text("SELECT sql FROM sqlite_schema WHERE name = 'token_cache_service_key'"), INDEX);
}

#[tokio::test]
async fn times_are_written_as_prisma_writes_them() {
    let disk = new_disk();
    disk.save("a", "one", None).await.unwrap();
    let row = disk.text(
        "SELECT length(id) || ' ' || (refreshToken IS NULL) || ' ' || tokenType || ' ' || createdAt || ' ' || \
         expiresAt || ' ' || lastUsed FROM token_cache",
    );
    assert_eq!(
        row,
        "25 1 Bearer 2027-01-15T08:00:00.250+00:00 2027-01-15T09:00:00.500+00:00 \
         2027-01-15T08:00:01.000+00:00"
    );
}

#[tokio::test]
async fn rows_that_others_wrote_are_read_however_they_wrote_the_time() {
    let disk = migrated_by_prisma();
    let expected = Timestamp::from_second(4_070_908_800.0);
    let spellings = [
        "'2099-01-01T00:00:00.000+00:00'",
        "'2099-01-01T00:00:00Z'",
        "'2099-01-01 01:00:00+01:00'",
        "'2099-01-01 00:00:00'",
        "'2099-01-01 00:00:00.000'",
        "4070908800000",
        "4070908800000.25",
    ];
    for (n, spelling) in spellings.iter().enumerate() {
        let insert = format!(
            "INSERT INTO token_cache (id, service, token, expiresAt) VALUES ('{n}', 's{n}', 'by-hand', {spelling})"
        );
        disk.sql().execute_batch(&insert).unwrap();
        let store = disk.open_accepting();
        let (record, revision) = store.load(&service(&format!("s{n}"))).await.unwrap().record.unwrap();
        assert_eq!(record.access_token.as_ref().unwrap().secret().expose(), "by-hand");
        assert_eq!((record.scheme.as_str(), record.expires_at), ("Bearer", Some(expected)), "{spelling}");
        assert!(record.refresh_token.is_none() && record.state.is_none());
        assert!(record.issued_at > Timestamp::from_second(1_700_000_000.0), "CURRENT_TIMESTAMP is read, too");
        assert_eq!(revision.number, 0);
        assert!(disk.save(&format!("s{n}"), "ours", Some(revision)).await.is_some());
        assert_eq!(disk.text(&format!("SELECT id FROM token_cache WHERE service = 's{n}'")), n.to_string());
    }
}

#[tokio::test]
async fn a_row_edited_by_hand_is_later() {
    let disk = new_disk();
    let ours = disk.save("a", "one", None).await.unwrap();
    disk.sql().execute_batch("UPDATE token_cache SET token = 'Bearer by-hand', refreshToken = NULL").unwrap();
    let (record, edited) = disk.open_accepting().load(&service("a")).await.unwrap().record.unwrap();
    assert_eq!(record.access_token.as_ref().unwrap().secret().expose(), "by-hand");
    assert!(edited.is_later_than(ours) && edited.number == ours.number);
    assert_eq!(disk.save("a", "two", Some(ours)).await, None);
    assert!(disk.save("a", "two", Some(edited)).await.unwrap().is_later_than(edited));
}

#[tokio::test]
async fn a_row_without_a_token_is_set_aside_and_costs_other_services_nothing() {
    let disk = new_disk();
    disk.save("b", "two", None).await.unwrap();
    for edit in ["token = x'00'", "token = ''", "token = x'ff'", "token = zeroblob(9)", "token = x''"] {
        disk.save("a", "hunter2", None).await.unwrap();
        disk.sql().execute_batch(&format!("UPDATE token_cache SET {edit} WHERE service = 'a'")).unwrap();
        let loaded = disk.open().load(&service("a")).await.unwrap();
        assert!(loaded.record.is_none(), "{edit}");
        assert!(!loaded.warnings[0].message().contains("hunter2"), "{edit}");
        assert_eq!(disk.token("b").await.as_deref(), Some("two"));
    }
    assert_eq!(disk.text("SELECT count(*) || '' FROM evertoken_aside WHERE service = 'a'"), "4");
    assert!(disk.damaged().is_empty());
}

#[tokio::test]
async fn columns_that_cannot_be_read_spoil_a_plain_token_and_no_sealed_one() {
    let edits = [
        ("expiresAt", "'tomorrow'"),
        ("expiresAt", "x'00'"),
        ("tokenType", "'two words'"),
        ("createdAt", "'never'"),
        ("lastUsed", "x'00'"),
        ("refreshToken", "x'ff'"),
    ];
    for (column, value) in edits {
        let disk = new_disk();
        let store = disk.open_accepting();
        store.save(&service("a"), &some_record("one"), None, None).await.unwrap();
        disk.sql().execute_batch(&format!("UPDATE token_cache SET {column} = {value}")).unwrap();
        assert!(store.load(&service("a")).await.unwrap().record.is_some(), "{column}");
        disk.sql().execute_batch("UPDATE token_cache SET token = 'hunter2'").unwrap();
        let loaded = store.load(&service("a")).await.unwrap();
        let [warning] = &loaded.warnings[..] else { panic!("{column}") };
        assert!(loaded.cannot_be_decrypted && warning.message().contains(column), "{warning}");
        assert!(!warning.message().contains("hunter2"), "{warning}");
    }
}

#[tokio::test]
async fn tables_of_others_are_never_touched() {
    let disk = migrated_by_prisma();
    let theirs = "PRAGMA user_version = 7; CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('ann');";
    disk.sql().execute_batch(theirs).unwrap();
    let revision = disk.save("a", "one", None).await;
    disk.save("a", "two", revision).await.unwrap();
    disk.open().remove(&service("a")).await.unwrap();
    assert_eq!(disk.text("SELECT group_concat(name) FROM users"), "ann");
    assert_eq!(disk.sql().query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    for newer in ["PRAGMA user_version = 999", "UPDATE evertoken_schema SET version = 999"] {
        let disk = new_disk();
        disk.save("a", "one", None).await.unwrap();
        let running = disk.open();
        running.load(&service("a")).await.unwrap();
        disk.sql().execute_batch(newer).unwrap();
        for store in [running, disk.open()] {
            let error = store.load(&service("a")).await.unwrap_err();
            assert!(error.message().contains("newer"), "{error}");
            let saved = store.save(&service("a"), &some_record("two"), None, None).await;
            assert_eq!(saved.unwrap_err().kind(), ErrorKind::Storage);
            assert_eq!(store.remove(&service("a")).await.unwrap_err().kind(), ErrorKind::Storage);
        }
        assert_eq!(disk.tokens(), "one");
        assert!(disk.damaged().is_empty());
    }
}

#[tokio::test]
async fn tables_that_a_reset_dropped_are_made_again_under_a_running_process() {
    let disk = new_disk();
    let running = disk.open();
    running.save(&service("a"), &some_record("one"), None, None).await.unwrap();
    for table in ["evertoken_state", "evertoken_schema", "evertoken_aside", "token_cache"] {
        disk.sql().execute_batch(&format!("DROP TABLE {table}")).unwrap();
        running.load(&service("a")).await.unwrap();
    }
    let saved = running.save(&service("a"), &some_record("two"), None, None).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
}
