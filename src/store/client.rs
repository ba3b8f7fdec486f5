//! The store as the service sees it: every operation ends in time, and its health is known.

mod keys;
mod late;
mod unclaimed_lease;

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use super::health::{StoreHealth, StoreOperation};
use super::{
    Claim, Fence, FileStore, Leasing, Loaded, MemoryStore, Owner, RecordObserver, Revision, Saved,
    SealedStore, SqliteStore, Store, StoredToken, Subscription,
};
use crate::clock::Moment;
use crate::config::{Config, PlainTokens, Storage};
use crate::crypto::ClientKey;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::UserFunctions;
use crate::runtime;
use crate::sync::{Mutex, MutexGuard};
use crate::transport::Environment;

use late::LateOperations;
use unclaimed_lease::UnclaimedLease;

/// A disk or network that takes longer counts as unavailable, and the refresh continues without it.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// The same for a store that is known to fail: a refresh waits for it once, not at each of its steps.
const FAILING_STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// A lease lasts this much longer than the token request it is for. A healthy holder therefore always ends it first,
/// and a dead one delays the others by little more than one request.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

pub(crate) struct StoreClient {
    service: ServiceName,
    store: SealedStore,
    owner: Owner,
    /// The owner that stores what a refresh could not. It differs from `owner`, so that the two exclude each other.
    keeper: Owner,
    lease_length: Duration,
    health: Arc<Mutex<StoreHealth>>,
    /// Warnings of earlier loads that have not been reported yet.
    warnings: Arc<Mutex<Vec<Error>>>,
    /// Operations that timed out and are still running.
    late: LateOperations,
    /// The same for renewals of leases: a save that hangs must not cost the lease that keeps others from a request.
    late_renewals: LateOperations,
    /// Held while a record is saved or removed, so that `clear` and the end of a refresh do not interleave.
    turn: tokio::sync::Mutex<()>,
}

impl StoreClient {
    /// The configured store, or the one that the user's program provides. Nothing is opened or derived yet.
    pub(crate) fn new(
        config: &Config,
        client_key: Option<Arc<ClientKey>>,
        functions: Option<Arc<dyn UserFunctions>>,
        provided: Option<Arc<dyn Store>>,
    ) -> Result<Self> {
        let sealed = |store: Arc<dyn Store>| -> Result<SealedStore> {
            let sealed = SealedStore::new(store, keys::of(config, client_key, functions)?);
            Ok(sealed.with_plain_tokens(config.plain_tokens == PlainTokens::Accepted))
        };
        // A store on a server that was not passed in is reached without regard to the environment.
        let provided = provided.or_else(|| super::on_server(config, &Environment::default()));
        let store = match (provided, &config.storage) {
            (Some(store), _) => sealed(store)?,
            (None, Storage::Memory) => SealedStore::without_sealing(Arc::new(MemoryStore::new())),
            (None, Storage::File(path)) => sealed(Arc::new(FileStore::of_service(path, &config.service)))?,
            (None, Storage::Sqlite(path)) => sealed(Arc::new(SqliteStore::new(path)))?,
            (None, Storage::External(_) | Storage::Postgres(..) | Storage::Redis(..)) => {
                return Err(Error::config("storage.kind", "names a store that was not passed to evertoken"));
            }
        };
        Ok(Self {
            service: config.service.clone(),
            store,
            owner: Owner::random(),
            keeper: Owner::random(),
            lease_length: config.timeout + LEASE_MARGIN,
            health: Arc::new(Mutex::new(StoreHealth { is_reported: true, ..StoreHealth::default() })),
            warnings: Arc::default(),
            late: LateOperations::default(),
            late_renewals: LateOperations::default(),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether other processes can write to it.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.kind() != "memory"
    }

    /// What is stored.
    pub(crate) async fn load(&self) -> Result<Loaded> {
        let ((store, service), warnings) = (self.handles(), Arc::clone(&self.warnings));
        self.record_health(StoreOperation::Read, async move { load(&store, &service, &warnings).await }).await
    }

    /// Takes the lease if it is available.
    pub(crate) async fn lease(&self, moment: Moment) -> Result<Leasing> {
        self.take_lease(self.claim(moment)).await
    }

    /// Takes the lease to store a token that is in memory already. It is not available during a refresh.
    pub(crate) async fn lease_to_keep(&self, moment: Moment) -> Result<Leasing> {
        self.take_lease(Claim { owner: self.keeper, ..self.claim(moment) }).await
    }

    async fn take_lease(&self, claim: Claim) -> Result<Leasing> {
        let (store, service) = self.handles();
        let taking = async move {
            let leasing = store.lease(&service, &claim).await?;
            Ok(UnclaimedLease::new(store, service, leasing))
        };
        self.record_health(StoreOperation::Lease, taking).await.map(UnclaimedLease::claim)
    }

    /// How long a lease lasts since it was taken or renewed.
    pub(crate) fn lease_length(&self) -> Duration {
        self.lease_length
    }

    /// How often a lease is renewed: it survives two failed renewals.
    pub(crate) fn renewal_interval(&self) -> Duration {
        self.lease_length / 3
    }

    /// Extends a lease. Returns `false` if another holder has taken it.
    pub(crate) async fn renew(&self, fence: Fence, moment: Moment) -> Result<bool> {
        let ((store, service), claim) = (self.handles(), self.claim(moment));
        let renewing = async move { store.renew(&service, &claim, fence).await };
        self.record_health_of(StoreOperation::Lease, &self.late_renewals, renewing).await
    }

    /// Ends a lease, with a note for the next holder.
    pub(crate) async fn release(&self, fence: Fence, note: Option<Secret>) -> Result<()> {
        let (store, service) = self.handles();
        self.record_health(StoreOperation::Lease, async move { store.release(&service, fence, note).await })
            .await
    }

    /// Stores the record in place of any other. Under a fence no other process requests a token at the same time;
    /// without one, the last of two writers wins. Returns `None` if another holder has taken the lease, or if the
    /// record to replace was removed.
    pub(crate) async fn save(
        &self,
        record: &StoredToken,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Option<Revision>> {
        let ((store, service), record) = (self.handles(), record.clone());
        let warnings = Arc::clone(&self.warnings);
        self.record_health(StoreOperation::Write, async move {
            let mut expected = expected;
            for _ in 0..SAVES {
                match store.save(&service, &record, expected, fence).await? {
                    Saved::Stored(revision) => return Ok(Some(revision)),
                    Saved::Fenced => return Ok(None),
                    Saved::Conflict => {
                        let found = load(&store, &service, &warnings).await?;
                        let is_removed =
                            |removal: Revision| expected.is_some_and(|e| removal.number > e.number);
                        if found.removal.is_some_and(is_removed) {
                            return Ok(None);
                        }
                        expected = found.record.map(|(_, revision)| revision);
                    }
                }
            }
            Err(Error::new(ErrorKind::Storage, "other processes keep changing the stored record; try again"))
        })
        .await
    }

    /// Stores the record if the stored one has the revision `expected`. Returns `None` if it has another.
    pub(crate) async fn save_in_place(
        &self,
        record: &StoredToken,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Option<Revision>> {
        let ((store, service), record) = (self.handles(), record.clone());
        self.record_health(StoreOperation::Write, async move {
            Ok(match store.save(&service, &record, expected, fence).await? {
                Saved::Stored(revision) => Some(revision),
                Saved::Fenced | Saved::Conflict => None,
            })
        })
        .await
    }

    pub(crate) async fn remove(&self) -> Result<()> {
        let (store, service) = self.handles();
        self.record_health(StoreOperation::Write, async move { store.remove(&service).await }).await
    }

    /// The note that is kept separately from the record.
    pub(crate) async fn load_note(&self) -> Result<Option<Secret>> {
        let (store, service) = self.handles();
        self.record_health(StoreOperation::Read, async move { store.load_note(&service).await }).await
    }

    /// Replaces that note, which is useless after `until`; `None` deletes it.
    pub(crate) async fn save_note(&self, note: Option<Secret>, until: Timestamp) -> Result<()> {
        let (store, service) = self.handles();
        self.record_health(StoreOperation::Lease, async move {
            store.save_note(&service, note.as_ref(), until).await
        })
        .await
    }

    /// What users should know about although nothing failed.
    pub(crate) fn take_warnings(&self) -> Vec<Error> {
        let shown = std::mem::take(&mut *self.warnings.lock());
        shown.into_iter().chain(self.store.take_warnings()).collect()
    }

    /// Reads the keys, if they are read and that was not done yet: [`SealedStore::open_keys`].
    pub(crate) async fn open_keys(&self) -> Result<()> {
        self.store.open_keys().await
    }

    /// Derives the key before it is needed.
    pub(crate) async fn warm_up(&self) -> Result<()> {
        self.store.warm_up().await
    }

    /// Notifies `observer` when another process may have changed the record: [`Store::watch`].
    pub(crate) fn watch(&self, observer: Weak<dyn RecordObserver>) -> Result<Option<Subscription>> {
        self.store.watch(&self.service, observer)
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.store.kind()
    }

    pub(crate) fn location(&self) -> String {
        self.store.location()
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.store.is_encrypted()
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.fault().is_none()
    }

    /// Why the store last failed, if it is failing.
    pub(crate) fn fault(&self) -> Option<Error> {
        self.health().fault().cloned()
    }

    /// Why the store could not be read, if that failed.
    pub(crate) fn read_fault(&self) -> Option<Error> {
        self.health().faults[StoreOperation::Read as usize].clone()
    }

    /// Forgets failed writes once nothing is left to store: a store that can be read is healthy again.
    pub(crate) fn forgive_writes(&self) {
        self.health().change(|faults| {
            if faults[StoreOperation::Read as usize].is_none() {
                *faults = Default::default();
            }
        });
    }

    /// Whether the store is healthy, if that has changed since the last call.
    pub(crate) fn take_transition(&self) -> Option<bool> {
        let mut health = self.health();
        if health.is_reported {
            return None;
        }
        health.is_reported = true;
        Some(health.fault().is_none())
    }

    fn handles(&self) -> (SealedStore, ServiceName) {
        (self.store.clone(), self.service.clone())
    }

    fn claim(&self, Moment { now, elapsed }: Moment) -> Claim {
        Claim { owner: self.owner, now, elapsed, length: self.lease_length }
    }

    #[cfg(test)]
    pub(crate) fn has_late(&self) -> bool {
        self.late.is_any()
    }

    async fn record_health<T: Send + 'static>(
        &self,
        operation: StoreOperation,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.record_health_of(operation, &self.late, work).await
    }

    async fn record_health_of<T: Send + 'static>(
        &self,
        operation: StoreOperation,
        late: &LateOperations,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let health = Arc::clone(&self.health);
        let noted = async move {
            let result = work.await;
            let fault = result.as_ref().err().cloned();
            // Even a result that comes too late for the caller shows how the store is now.
            health.lock().note(operation, fault);
            result
        };
        let result = self.with_timeout(late, noted).await;
        if let Err(error) = &result {
            self.health().note(operation, Some(error.clone()));
        }
        result
    }

    /// Runs `work` to its end even if no caller waits that long. While one that timed out is still running, no other
    /// starts: each may hold a thread for as long as a dead disk hangs, and there are few threads.
    ///
    /// The time counts from when the place of the store is free for it. Waiting for that is not a fault of the store
    /// while it continues to work for others.
    async fn with_timeout<T: Send + 'static>(
        &self,
        late: &LateOperations,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if !self.is_shared() {
            // Memory responds at once.
            return work.await;
        }
        if late.is_any() {
            return Err(Error::new(ErrorKind::Storage, "the store is still not responding"));
        }
        let patience = if self.is_healthy() { STORE_TIMEOUT } else { FAILING_STORE_TIMEOUT };
        let timeout = || {
            let waited = patience.as_secs();
            Error::new(ErrorKind::Storage, format!("the store did not respond within {waited} s"))
        };
        let pass = match self.store.gate() {
            Some(gate) => Some(gate.enter(patience).await.ok_or_else(timeout)?),
            None => None,
        };
        let (answer, answered) = oneshot::channel();
        let handle = runtime::spawn(async move {
            let result = work.await;
            match pass {
                // What waits for a place that fails gives up in time, and does not fail one after another.
                Some(pass) if result.is_err() => pass.leave_in_vain(),
                pass => drop(pass),
            }
            // The caller may have stopped waiting.
            let _ = answer.send(result);
        })?;
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::new(ErrorKind::Internal, "the store operation was aborted")),
            Err(_) => {
                late.add(handle);
                Err(timeout().uncertain())
            }
        }
    }

    fn health(&self) -> MutexGuard<'_, StoreHealth> {
        self.health.lock()
    }
}

/// How often a save that conflicts is tried.
const SAVES: u32 = 3;

/// What is stored. The warnings are kept until they are reported.
async fn load(store: &SealedStore, service: &ServiceName, warnings: &Mutex<Vec<Error>>) -> Result<Loaded> {
    let mut loaded = store.load(service).await?;
    warnings.lock().append(&mut loaded.warnings);
    Ok(loaded)
}

#[cfg(test)]
mod tests;
