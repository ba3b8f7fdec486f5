//! What other processes hear of a change.

use std::sync::Weak;
use std::time::Duration;

use super::super::super::watch::tests::Notices;
use super::super::super::watch::{Subscription, WatchedPlace};
use super::*;

/// A place that is never looked at: only notices tell of changes.
struct Heard(Arc<Watch>);

#[async_trait]
impl WatchedPlace for Heard {
    fn watch(&self) -> &Watch {
        &self.0
    }

    async fn look(self: Arc<Self>) {}
}

/// Waits until a number of notices has come, or some time has passed.
async fn heard(notices: &Notices, at_least: u32) -> u32 {
    let mut sum = 0;
    for _ in 0..150 {
        sum += notices.take();
        if sum >= at_least {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sum
}

#[tokio::test]
async fn others_hear_of_a_changed_record_at_once_and_of_nothing_else() {
    let Some(database) = database().await else { return };
    let (listening, writing) = (database.process(), database.process());
    set(&writing, "other", None, Some("0")).await;
    let place = Arc::new(Heard(Arc::new(Watch::default())));
    let notices = Arc::new(Notices::default());
    let observer: Weak<Notices> = Arc::downgrade(&notices);
    let _subscription = Subscription::new(&place, "a", observer).unwrap();
    listening.notify(&place.0).unwrap();
    let mut last = None;
    let mut change = async |to: &str| {
        assert!(set(&writing, "a", last.as_deref(), Some(to)).await);
        last = Some(to.to_owned());
    };
    let mut tries = 0;
    while heard(&notices, 1).await == 0 {
        tries += 1;
        assert!(tries < 10, "no notice came");
        change(&format!("try {tries}")).await;
    }
    change("2").await;
    assert_eq!(heard(&notices, 1).await, 1);
    // Its own changes, other services, leases, and another table of the database.
    set(&listening, "a", Some("2"), Some("3")).await;
    set(&writing, "other", Some("0"), Some("1")).await;
    let lease = name("a").reserved_for_lease();
    writing.compare_and_set(&lease, None, Some(&row("lease"))).await.unwrap();
    let elsewhere = PostgresTable::parse(&format!("{}.elsewhere", database.schema)).unwrap();
    let pool = PostgresPool::new(PostgresUrl::parse(&database.url).unwrap(), StoreTls::default());
    let elsewhere = PostgresRows::new(Arc::new(pool), elsewhere);
    set(&elsewhere, "a", None, Some("elsewhere")).await;
    set(&writing, "a", Some("3"), None).await;
    assert_eq!(heard(&notices, 2).await, 1, "only the removal");
    // The connection is lost, and comes back.
    let sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' \
                    AND pid <> pg_backend_pid() AND application_name = 'evertoken'";
    database.sql(sessions).await;
    let mut tries = 0;
    while heard(&notices, 1).await == 0 {
        tries += 1;
        assert!(tries < 10, "no notice came after the connection was lost");
        set(&writing, "b", None, None).await;
        let _ = set(&writing, "a", None, Some("x")).await || set(&writing, "a", Some("x"), None).await;
    }
    database.end().await;
}
