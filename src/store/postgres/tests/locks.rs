//! Tables that another session locks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

/// How many sessions wait for a lock on the table.
async fn waiting(database: &TestDatabase) -> u32 {
    let sql = format!(
        "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = '{}'::regclass",
        database.table().as_sql()
    );
    database.sql(&sql).await.unwrap().parse().unwrap()
}

/// Locks the table, and reads it again and again for some time. Returns the most sessions that waited at once.
async fn most_that_wait(database: &TestDatabase, rows: &Arc<PostgresRows>, last: Duration) -> u32 {
    assert!(set(rows, "a", None, Some("1")).await);
    database.sql(&format!("BEGIN; LOCK TABLE {}", database.table().as_sql())).await;
    let has_ended = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..12)
        .map(|_| {
            let (rows, has_ended) = (Arc::clone(rows), Arc::clone(&has_ended));
            let read = async move {
                while !has_ended.load(Ordering::Relaxed) {
                    let error = rows.find(&name("a")).await.unwrap_err();
                    let said = error.message();
                    if !said.contains("did not answer within 4 s") && !said.contains("has not ended earlier")
                    {
                        return Some(error);
                    }
                }
                None
            };
            runtime::spawn(read).unwrap()
        })
        .collect();
    let begin = tokio::time::Instant::now();
    let mut most = 0;
    while begin.elapsed() < last {
        tokio::time::sleep(Duration::from_millis(100)).await;
        most = most.max(waiting(database).await);
    }
    has_ended.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap().is_none_or(|error| panic!("{error}")));
    }
    most
}

#[tokio::test]
async fn a_locked_table_keeps_no_more_sessions_than_there_are_connections() {
    let Some(database) = database().await else { return };
    let rows = database.process();
    let most = most_that_wait(&database, &rows, Duration::from_secs(14)).await;
    assert_eq!(most, 4);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(waiting(&database).await, 0, "the server has ended what was given up");
    database.sql("ROLLBACK").await;
    assert_eq!(token(&rows, "a").await.as_deref(), Some("1"));
    assert!(set(&rows, "a", Some("1"), Some("2")).await);
    database.end().await;
}

#[tokio::test]
async fn a_pooler_passes_on_that_a_statement_is_canceled() {
    let Some(database) = database().await else { return };
    let Some(pooler) = ways::setting("EVERTOKEN_TEST_PGBOUNCER") else { return };
    let rows = database.process_at(&pooler);
    assert!(most_that_wait(&database, &rows, Duration::from_secs(9)).await <= 4);
    for _ in 0..60 {
        if waiting(&database).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(waiting(&database).await, 0, "the server has ended what was given up");
    database.sql("ROLLBACK").await;
    assert_eq!(token(&rows, "a").await.as_deref(), Some("1"));
    database.end().await;
}
