//! Notices what other processes store, once for all services of this process that keep their records in one place.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::THREADS;
use crate::domain::Jitter;
use crate::error::Result;
use crate::runtime;
use crate::sync::Mutex;

/// Between two looks at a place.
const WATCH_INTERVAL: Duration = Duration::from_millis(1_500);

/// Gets notices about a record.
pub trait RecordObserver: Send + Sync {
    /// Another process may have stored or removed the record, or it cannot be read any more.
    fn record_may_have_changed(&self);
}

/// A place that several services use.
#[async_trait]
pub(in crate::store) trait WatchedPlace: Send + Sync + 'static {
    /// What watches it.
    fn watch(&self) -> &Watch;

    /// Looks at it, and notifies of what has changed. It reads no record, and costs little. If it fails, the next look
    /// makes up for it.
    async fn look(self: Arc<Self>);
}

/// A place on this machine, looking at which blocks.
pub(in crate::store) trait LocalPlace: Send + Sync + 'static {
    /// What watches it.
    fn watch(&self) -> &Watch;

    /// A number that differs after other processes stored or removed a record.
    fn mark(&self) -> u64;

    /// How many records are looked at although that number is the same. Of more records, each is looked at in its turn.
    fn records_at_each_look(&self) -> usize;

    /// For the record of each of these keys, a number that differs after each change of it.
    fn record_marks(&self, keys: &[Arc<str>]) -> Vec<u64>;
}

/// The services that are notified of changes of one place.
#[derive(Default)]
pub(in crate::store) struct Watch(Mutex<Watched>, WatchEnd);

/// Ends what listens for a watch when the watch is dropped.
#[derive(Default)]
struct WatchEnd(Arc<Notify>);

impl Drop for WatchEnd {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[derive(Default)]
struct Watched {
    last_id: u64,
    services: BTreeMap<u64, WatchedService>,
    is_running: bool,
    mark: Option<u64>,
    /// The last service that was looked at in its turn.
    turn: u64,
}

struct WatchedService {
    /// What the place calls its record.
    key: Arc<str>,
    observer: Weak<dyn RecordObserver>,
    /// Not known until the first look, which therefore reports a change: the service may have read the record before.
    mark: Option<u64>,
}

/// Ends with this value.
pub struct Subscription {
    place: Weak<dyn WatchedPlace>,
    id: u64,
}

impl Subscription {
    /// Notifies `observer` of changes of the record of this key from now on.
    pub(in crate::store) fn new(
        place: &Arc<impl WatchedPlace>,
        key: &str,
        observer: Weak<dyn RecordObserver>,
    ) -> Result<Self> {
        let place: Arc<dyn WatchedPlace> = Arc::clone(place) as _;
        let (id, is_first) = {
            let mut watched = place.watch().0.lock();
            watched.last_id += 1;
            let id = watched.last_id;
            watched.services.insert(id, WatchedService { key: key.into(), observer, mark: None });
            (id, !std::mem::replace(&mut watched.is_running, true))
        };
        let subscription = Self { place: Arc::downgrade(&place), id };
        if is_first {
            runtime::spawn(run(Arc::downgrade(&place)))?;
        }
        Ok(subscription)
    }
}

impl Subscription {
    /// This process itself has changed the record: the next look notifies in any case. Otherwise, a record that is lost
    /// again before that look would seem unchanged.
    pub fn expect_notice(&self) {
        if let Some(place) = self.place.upgrade()
            && let Some(watched) = place.watch().0.lock().services.get_mut(&self.id)
        {
            watched.mark = None;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(place) = self.place.upgrade() {
            place.watch().0.lock().services.remove(&self.id);
        }
    }
}

/// Looks at the place until no service uses it.
async fn run(place: Weak<dyn WatchedPlace>) {
    loop {
        tokio::time::sleep(Jitter::random().around(WATCH_INTERVAL)).await;
        let Some(place) = place.upgrade() else { return };
        if place.watch().0.lock().has_ended() {
            return;
        }
        place.look().await;
    }
}

#[async_trait]
impl<P: LocalPlace> WatchedPlace for P {
    fn watch(&self) -> &Watch {
        LocalPlace::watch(self)
    }

    async fn look(self: Arc<Self>) {
        // Never closed.
        let _thread = THREADS.acquire().await;
        let _ = runtime::blocking(move || {
            look(&*self);
            Ok(())
        })
        .await;
    }
}

fn look(place: &dyn LocalPlace) {
    // Before the records: what changes in between is found by the next look.
    let mark = place.mark();
    let most = place.records_at_each_look();
    let chosen = place.watch().0.lock().begin_look(mark, most);
    if chosen.is_empty() {
        return;
    }
    let (ids, keys): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
    let marks = place.record_marks(&keys);
    place.watch().end_look(ids.into_iter().zip(marks));
}

impl Watch {
    /// The services whose records are looked at now, with what the place calls them, at a place where each look shows
    /// all.
    pub(in crate::store) fn services(&self) -> Vec<(u64, Arc<str>)> {
        self.0.lock().services.iter().map(|(id, watched)| (*id, Arc::clone(&watched.key))).collect()
    }

    /// Notifies of the records whose marks differ from those of the last look.
    pub(in crate::store) fn end_look(&self, marks: impl Iterator<Item = (u64, u64)>) {
        let changed = self.0.lock().end_look(marks);
        for observer in changed {
            observer.record_may_have_changed();
        }
    }

    /// What listens for changes of the place, to its end or that of the watch. Called once: one task listens for a
    /// watch.
    pub(in crate::store) fn until_ended(
        &self,
        listening: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let ended = Arc::clone(&self.1.0);
        async move {
            futures_util::future::select(pin!(ended.notified()), pin!(listening)).await;
        }
    }

    /// Another process has said that it changed the record of this key.
    pub(in crate::store) fn notice(&self, key: &str) {
        let observers: Vec<_> = {
            let watched = self.0.lock();
            let of_key = watched.services.values().filter(|service| &*service.key == key);
            of_key.filter_map(|service| service.observer.upgrade()).collect()
        };
        for observer in observers {
            observer.record_may_have_changed();
        }
    }
}

impl Watched {
    /// The next subscription starts another task.
    fn has_ended(&mut self) -> bool {
        self.is_running = !self.services.is_empty();
        !self.is_running
    }

    /// The services whose records are looked at now.
    fn begin_look(&mut self, mark: u64, most: usize) -> Vec<(u64, Arc<str>)> {
        let has_changed = self.mark.replace(mark) != Some(mark);
        let named = |(id, watched): (&u64, &WatchedService)| (*id, Arc::clone(&watched.key));
        if has_changed || self.services.len() <= most {
            return self.services.iter().map(named).collect();
        }
        let in_turn = self.services.range(self.turn + 1..).chain(self.services.range(..=self.turn));
        let mut chosen: Vec<_> = in_turn.take(most).map(named).collect();
        self.turn = chosen.last().map_or(0, |(id, _)| *id);
        // A service that was added since may not be among them.
        let new = self.services.iter().filter(|(_, watched)| watched.mark.is_none()).map(named);
        chosen.extend(new);
        chosen
    }

    /// The observers of the records that have changed.
    fn end_look(&mut self, marks: impl Iterator<Item = (u64, u64)>) -> Vec<Arc<dyn RecordObserver>> {
        let mut changed = Vec::new();
        for (id, mark) in marks {
            let Some(watched) = self.services.get_mut(&id) else { continue };
            if watched.mark.replace(mark) != Some(mark) {
                changed.extend(watched.observer.upgrade());
            }
        }
        changed
    }
}

#[cfg(test)]
pub(super) mod tests;
