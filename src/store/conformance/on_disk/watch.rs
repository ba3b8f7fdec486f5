//! What a store tells the services of other processes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Disk;
use crate::store::conformance::service;
use crate::store::{RecordObserver, Store, Subscription};

#[derive(Default)]
struct Told(AtomicU32);

impl RecordObserver for Told {
    fn record_may_have_changed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Told {
    /// Waits until it is told something.
    async fn is_told(&self) {
        let told = async {
            while self.0.swap(0, Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.expect("told within seconds");
    }

    /// Whether nothing came for as long as two looks take.
    async fn is_left_alone(&self) -> bool {
        tokio::time::sleep(Duration::from_secs(5)).await;
        self.0.load(Ordering::Relaxed) == 0
    }
}

fn watch(store: &Arc<dyn Store>, name: &str) -> (Arc<Told>, Subscription) {
    let told = Arc::new(Told::default());
    let observer: Weak<Told> = Arc::downgrade(&told);
    (told, store.watch(&service(name), observer).unwrap().unwrap())
}

pub(super) async fn a_service_is_told_what_another_process_stores_and_removes(disk: Disk) {
    let store = (disk.engine.store)(&disk.path);
    let (told, _subscription) = watch(&store, "a");
    told.is_told().await;
    disk.save("a", "one", None).await.unwrap();
    told.is_told().await;
    assert!(told.is_left_alone().await);
    disk.open().remove(&service("a")).await.unwrap();
    told.is_told().await;
    std::fs::remove_dir_all(disk.directory.path()).unwrap();
    told.is_told().await;
}
