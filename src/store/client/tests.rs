//! Many services at a store that does not work.

use std::time::Instant;

use rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::clock::{Clock, SystemClock};

fn client(path: &std::path::Path, index: usize) -> StoreClient {
    let config = json!({
        "service": format!("tenant-{index}"), "authUrl": "https://login.example.com/token",
        "clientId": "app", "clientSecret": "secret", "storage": { "kind": "sqlite", "path": path },
    });
    StoreClient::new(&Config::from_json(config).unwrap(), None, None, None).unwrap()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test measures")]
async fn at_a_database_that_another_process_locks_many_services_fail_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token-cache.db");
    let clients: Vec<_> = (0..12).map(|index| Arc::new(client(&path, index))).collect();
    clients[0].remove().await.unwrap();
    clients[0].save_note(Some(Secret::new("note")), Timestamp::from_second(1_900_000_000.0)).await.unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let moment = SystemClock.moment();
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in &clients {
        let client = Arc::clone(client);
        tasks.spawn(async move { client.lease(moment).await.is_err() });
    }
    assert!(tasks.join_all().await.into_iter().all(|has_failed| has_failed));
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
}
