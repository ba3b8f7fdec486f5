//! Which services are notified, and when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Counts notices.
#[derive(Default)]
pub(in crate::store) struct Notices(AtomicU32);

impl RecordObserver for Notices {
    fn record_may_have_changed(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Notices {
    /// The number of notices since the last call.
    pub(in crate::store) fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// A place whose marks a test sets.
#[derive(Default)]
struct Scripted {
    watch: Watch,
    marks: Mutex<(u64, BTreeMap<String, u64>)>,
    looked_at: AtomicU32,
}

impl LocalPlace for Scripted {
    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn mark(&self) -> u64 {
        self.marks.lock().0
    }

    fn records_at_each_look(&self) -> usize {
        10
    }

    fn record_marks(&self, keys: &[Arc<str>]) -> Vec<u64> {
        self.looked_at.fetch_add(u32::try_from(keys.len()).unwrap(), Ordering::Relaxed);
        let marks = &self.marks.lock().1;
        keys.iter().map(|key| marks.get(&**key).copied().unwrap_or_default()).collect()
    }
}

impl Scripted {
    fn set(&self, key: &str, mark: u64) {
        self.marks.lock().1.insert(key.to_owned(), mark);
    }

    fn looked(&self) -> u32 {
        look(self);
        self.looked_at.swap(0, Ordering::Relaxed)
    }
}

fn subscribe(place: &Arc<Scripted>, key: &str) -> (Arc<Notices>, Subscription) {
    let notices = Arc::new(Notices::default());
    let observer: Weak<Notices> = Arc::downgrade(&notices);
    let subscription = Subscription::new(place, key, observer).unwrap();
    (notices, subscription)
}

/// A place, with as many services as given that have had their first look.
fn place_with(services: usize) -> (Arc<Scripted>, Vec<(Arc<Notices>, Subscription)>) {
    let place = Arc::new(Scripted::default());
    let subscribed: Vec<_> = (0..services).map(|n| subscribe(&place, &n.to_string())).collect();
    place.looked();
    assert!(subscribed.iter().all(|(notices, _)| notices.take() == 1), "the first look notifies all");
    (place, subscribed)
}

#[tokio::test]
async fn a_service_is_notified_once_of_a_change_of_its_record_and_of_no_other() {
    let (place, services) = place_with(3);
    place.set("1", 7);
    place.looked();
    place.looked();
    assert_eq!(services.iter().map(|(notices, _)| notices.take()).collect::<Vec<_>>(), [0, 1, 0]);
}

#[tokio::test]
async fn of_many_records_each_has_its_turn_and_a_change_of_the_place_looks_at_all() {
    let (place, services) = place_with(25);
    place.set("3", 7);
    assert_eq!([place.looked(), place.looked(), place.looked()], [10; 3]);
    assert_eq!(services[3].0.take(), 1);
    place.set("24", 7);
    place.marks.lock().0 = 1;
    assert_eq!(place.looked(), 25);
    assert_eq!(services[24].0.take(), 1);
}

#[tokio::test]
async fn a_service_that_comes_later_has_its_first_look_at_once() {
    let (place, _services) = place_with(25);
    let (notices, _subscription) = subscribe(&place, "new");
    assert_eq!(place.looked(), 11);
    assert_eq!(notices.take(), 1);
}

#[tokio::test]
async fn a_service_that_has_ended_is_forgotten_and_the_last_one_ends_the_watch() {
    let (place, services) = place_with(2);
    drop(services);
    place.set("1", 7);
    assert_eq!(place.looked(), 0);
    assert!(place.watch.0.lock().has_ended());
    let (_notices, _subscription) = subscribe(&place, "again");
    assert!(!place.watch.0.lock().has_ended() && place.watch.0.lock().is_running);
}
