//! A place with compare-and-set at the other end of a simulated network.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::simulated::{Process, sleep};
use crate::store::lease::LeaseEntry;
use crate::store::rows::{Content, Found, Rows};
use crate::store::watch::Watch;
use crate::store::{RowStore, Store, StoredRow};
use crate::sync::Mutex;

/// What happens to one operation on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trip {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
    /// Whether it reaches the place.
    pub(crate) arrives: bool,
    /// Whether the answer reaches the process, which gets an error else.
    pub(crate) is_answered: bool,
}

/// The way from one process to the place.
pub(crate) trait Network: Send + Sync + 'static {
    /// The process at this end.
    fn process(&self) -> &Arc<Process>;

    /// What happens to the next operation.
    fn trip(&self, operation: &'static str) -> Trip;

    /// How long a notice takes to this process, if it arrives.
    fn notice(&self) -> Option<Duration>;

    /// An operation of this process has changed a row, as said.
    fn has_changed(&self, what: &str);
}

/// What the place can do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Abilities {
    /// Whether it has a clock, and how far that is ahead.
    pub(crate) clock: Option<Duration>,
    pub(crate) has_marks: bool,
    pub(crate) notifies: bool,
}

/// A process that is notified.
type Listener = (Arc<dyn Network>, Weak<Watch>);

#[derive(Clone, Default)]
struct Contents {
    rows: BTreeMap<String, (StoredRow, u64)>,
    last_mark: u64,
}

/// The place itself.
pub(crate) struct SimulatedPlace {
    world: Arc<Process>,
    start: Instant,
    epoch: Timestamp,
    abilities: Abilities,
    contents: Mutex<Contents>,
    /// What it held before each of the last changes.
    history: Mutex<Vec<(Instant, Contents)>>,
    listeners: Mutex<Vec<Listener>>,
    operations: Mutex<Vec<Instant>>,
}

impl SimulatedPlace {
    /// An empty place, whose clock starts at `epoch`. Its operations happen in the process of the world.
    pub(crate) fn new(world: &Arc<Process>, epoch: Timestamp, abilities: Abilities) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            start: Instant::now(),
            epoch,
            abilities,
            contents: Mutex::default(),
            history: Mutex::default(),
            listeners: Mutex::default(),
            operations: Mutex::default(),
        })
    }

    /// The store of one process.
    pub(crate) fn store(
        self: &Arc<Self>,
        network: Arc<dyn Network>,
        clock: Arc<dyn Clock>,
    ) -> Arc<dyn Store> {
        let rows = Arc::new(SimulatedRows { place: Arc::clone(self), network });
        Arc::new(RowStore::on_clock(rows, clock))
    }

    /// What was stored in the last `span` is lost, as when a replica that lags behind becomes the primary.
    pub(crate) fn lose_since(&self, span: Duration) {
        let moment = Instant::now().checked_sub(span).unwrap_or(self.start);
        let mut history = self.history.lock();
        let kept = history.iter().position(|(at, _)| *at >= moment).unwrap_or(history.len());
        if let Some((_, earlier)) = history.drain(kept..).next() {
            let mut contents = self.contents.lock();
            *contents = Contents { last_mark: contents.last_mark + 1, ..earlier };
        }
    }

    /// All is lost.
    pub(crate) fn lose_all(&self) {
        let mut contents = self.contents.lock();
        *contents = Contents { last_mark: contents.last_mark, ..Contents::default() };
    }

    /// Forgets who listens: they know the place, and the place them.
    pub(crate) fn close(&self) {
        self.listeners.lock().clear();
    }

    /// When each operation came since the last call.
    pub(crate) fn take_operations(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.operations.lock())
    }

    fn now(&self) -> Option<Timestamp> {
        self.abilities.clock.map(|ahead| self.epoch.plus(ahead).plus(self.start.elapsed()))
    }

    fn find(&self, name: &str) -> Found {
        let row = self.contents.lock().rows.get(name).map(|(row, _)| row.clone());
        let content = row.map_or(Content::Nothing, |row| Content::Row { seen: row.token.clone(), row });
        Found { content, now: self.now() }
    }

    fn compare_and_set(&self, name: &str, expected: Option<&Secret>, next: Option<&StoredRow>) -> bool {
        let mut contents = self.contents.lock();
        let is_expected = match (contents.rows.get(name), expected) {
            (None, None) => true,
            (Some((row, _)), Some(expected)) => row.token.matches(expected),
            _ => false,
        };
        if is_expected {
            self.history.lock().push((Instant::now(), contents.clone()));
            contents.last_mark += 1;
            let mark = contents.last_mark;
            match next {
                Some(row) => contents.rows.insert(name.to_owned(), (row.clone(), mark)),
                None => contents.rows.remove(name),
            };
        }
        is_expected
    }

    fn notify(&self, name: &Arc<str>, writer: &Arc<dyn Network>) {
        let mut listeners = self.listeners.lock();
        listeners.retain(|(_, watch)| watch.strong_count() > 0);
        for (network, watch) in listeners.iter().filter(|(network, _)| !Arc::ptr_eq(network, writer)) {
            let (Some(delay), name, watch) = (network.notice(), Arc::clone(name), Weak::clone(watch)) else {
                continue;
            };
            network.process().detach(async move {
                sleep(delay).await;
                if let Some(watch) = watch.upgrade() {
                    watch.notice(&name);
                }
            });
        }
    }
}

/// What one process reaches of the place.
struct SimulatedRows {
    place: Arc<SimulatedPlace>,
    network: Arc<dyn Network>,
}

impl SimulatedRows {
    /// The operation happens even if the process ends meanwhile.
    async fn send<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Arc<SimulatedPlace>) -> T + Send + 'static,
    ) -> Result<T> {
        let trip = self.network.trip(operation);
        let (answer, answered) = oneshot::channel();
        let place = Arc::clone(&self.place);
        self.place.world.detach(async move {
            sleep(trip.there).await;
            let result = trip.arrives.then(|| {
                place.operations.lock().push(Instant::now());
                work(&place)
            });
            sleep(trip.back).await;
            let _ = answer.send(result.filter(|_| trip.is_answered));
        });
        let result = answered.await.ok().flatten();
        result.ok_or_else(|| Error::new(ErrorKind::Storage, "the connection was closed"))
    }
}

#[async_trait]
impl Rows for SimulatedRows {
    fn kind(&self) -> &'static str {
        "custom"
    }

    fn location(&self) -> String {
        "simulated place".to_owned()
    }

    async fn find(&self, name: &ServiceName) -> Result<Found> {
        let name = name.clone();
        self.send("look", move |place| place.find(name.as_str())).await
    }

    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool> {
        let (name, expected, next) = (name.clone(), expected.cloned(), next.cloned());
        let network = Arc::clone(&self.network);
        self.send("change", move |place| {
            let is_set = place.compare_and_set(name.as_str(), expected.as_ref(), next.as_ref());
            if is_set {
                network.has_changed(&description(&name, next.as_ref()));
                place.notify(&name.as_str().into(), &network);
            }
            is_set
        })
        .await
    }

    async fn discard(&self, name: &ServiceName) -> Result<()> {
        let name = name.clone();
        let work = move |place: &Arc<SimulatedPlace>| drop(place.contents.lock().rows.remove(name.as_str()));
        self.send("discard", work).await
    }

    fn has_marks(&self) -> bool {
        self.place.abilities.has_marks
    }

    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>> {
        let names = names.to_vec();
        self.send("marks", move |place| {
            let contents = place.contents.lock();
            names.iter().map(|name| contents.rows.get(&**name).map_or(0, |(_, mark)| *mark)).collect()
        })
        .await
    }

    fn notify(&self, watch: &Arc<Watch>) -> Result<()> {
        if self.place.abilities.notifies {
            let listener = (Arc::clone(&self.network), Arc::downgrade(watch));
            self.place.listeners.lock().push(listener);
        }
        Ok(())
    }
}

/// What a change is about, without what it says.
fn description(name: &ServiceName, next: Option<&StoredRow>) -> String {
    let Some(row) = next else { return format!("deletes{}", name.as_str()) };
    let lease: Option<LeaseEntry> = serde_json::from_str(row.token.expose()).ok();
    match (name.as_str(), lease) {
        (_, Some(lease)) if lease.owner.is_some() => format!("holds the lease {}", lease.fence.0),
        (_, Some(lease)) => format!("ends the lease {}", lease.fence.0),
        (name, None) if name.starts_with(' ') => "stores a note".to_owned(),
        _ if row.token.expose().starts_with("removed ") => "removes the record".to_owned(),
        _ => "stores a record".to_owned(),
    }
}
