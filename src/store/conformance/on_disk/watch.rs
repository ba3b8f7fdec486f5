//! What a store notifies the services of other processes of.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Disk;
use crate::store::conformance::service;
use crate::store::watch::tests::Notices;
use crate::store::{Store, Subscription};

/// Waits for a notice.
async fn wait_for(notices: &Notices) {
    let wait = async {
        while notices.take() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("notified within seconds");
}

/// Whether nothing came for as long as two looks take.
async fn is_left_alone(notices: &Notices) -> bool {
    tokio::time::sleep(Duration::from_secs(5)).await;
    notices.take() == 0
}

pub(super) async fn a_record_that_is_lost_right_after_a_save_is_noticed(disk: Disk) {
    let store = (disk.engine.store)(&disk.path);
    let (notices, subscription) = watch(&store, "a");
    wait_for(&notices).await;
    // As this process itself does, between two looks.
    disk.save("a", "one", None).await.unwrap();
    subscription.expect_notice();
    for name in disk.names() {
        std::fs::remove_file(disk.directory.path().join(name)).unwrap();
    }
    wait_for(&notices).await;
}

fn watch(store: &Arc<dyn Store>, name: &str) -> (Arc<Notices>, Subscription) {
    let notices = Arc::new(Notices::default());
    let observer: Weak<Notices> = Arc::downgrade(&notices);
    (notices, store.watch(&service(name), observer).unwrap().unwrap())
}

pub(super) async fn a_service_is_notified_of_what_another_process_stores_and_removes(disk: Disk) {
    let store = (disk.engine.store)(&disk.path);
    let (notices, _subscription) = watch(&store, "a");
    wait_for(&notices).await;
    disk.save("a", "one", None).await.unwrap();
    wait_for(&notices).await;
    assert!(is_left_alone(&notices).await);
    disk.open().remove(&service("a")).await.unwrap();
    wait_for(&notices).await;
    std::fs::remove_dir_all(disk.directory.path()).unwrap();
    wait_for(&notices).await;
}
