//! What a store tells the services of other processes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Disk;
use crate::store::conformance::service;
use crate::store::watch::tests::Told;
use crate::store::{Store, Subscription};

/// Waits until it is told something.
async fn told_something(told: &Told) {
    let told = async {
        while told.take() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("told within seconds");
}

/// Whether nothing came for as long as two looks take.
async fn is_left_alone(told: &Told) -> bool {
    tokio::time::sleep(Duration::from_secs(5)).await;
    told.take() == 0
}

fn watch(store: &Arc<dyn Store>, name: &str) -> (Arc<Told>, Subscription) {
    let told = Arc::new(Told::default());
    let observer: Weak<Told> = Arc::downgrade(&told);
    (told, store.watch(&service(name), observer).unwrap().unwrap())
}

pub(super) async fn a_service_is_told_what_another_process_stores_and_removes(disk: Disk) {
    let store = (disk.engine.store)(&disk.path);
    let (told, _subscription) = watch(&store, "a");
    told_something(&told).await;
    disk.save("a", "one", None).await.unwrap();
    told_something(&told).await;
    assert!(is_left_alone(&told).await);
    disk.open().remove(&service("a")).await.unwrap();
    told_something(&told).await;
    std::fs::remove_dir_all(disk.directory.path()).unwrap();
    told_something(&told).await;
}
