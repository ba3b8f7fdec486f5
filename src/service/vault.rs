//! The store, as the service sees it: bounded in time, sick or well, never in the way.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::client_key::ClientKey;
use super::health::{Deed, Health};
use crate::config::{Config, PlainTokens, SigningKey, Storage};
use crate::crypto::KeyRing;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::store::{
    Claim, Fence, FileStore, Leasing, Loaded, MemoryStore, Owner, Record, Revision, Saved, SealedStore,
    SqliteStore, Store,
};

/// A disk or network that takes longer is as good as away; the flight goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for one that is known to be sick: a flight waits for it once, and not at each of its steps.
const PATIENCE_WITH_THE_SICK: Duration = Duration::from_secs(1);

/// A lease lasts this much longer than the token request it is for, so that a holder in good health always
/// ends first; and a dead one keeps the others waiting for little more than that request would have.
const MARGIN: Duration = Duration::from_secs(1);

pub(super) struct Vault {
    service: ServiceName,
    store: SealedStore,
    owner: Owner,
    /// Who stores what a flight could not: another owner, so that the two exclude each other.
    keeper: Owner,
    lease_length: Duration,
    health: Arc<Mutex<Health>>,
    /// What looks into the store have shown, and was not said yet.
    warnings: Arc<Mutex<Vec<Error>>>,
    /// What did not end in time and still goes on.
    late: Mutex<Vec<JoinHandle<()>>>,
    /// Held while a record is saved or removed, so that `clear` and a landing flight do not cross.
    turn: tokio::sync::Mutex<()>,
}

impl Vault {
    /// The configured place, or the one that the user's program provides. Nothing is opened or derived yet.
    pub(super) fn new(
        config: &Config,
        client_key: Option<Arc<ClientKey>>,
        provided: Option<Arc<dyn Store>>,
    ) -> Result<Self> {
        let sealed = |store: Arc<dyn Store>| -> Result<SealedStore> {
            let sealed = SealedStore::new(store, Arc::new(key_ring(config, client_key)?));
            Ok(sealed.accepting_plain_tokens(config.plain_tokens == PlainTokens::Accepted))
        };
        let store = match (provided, &config.storage) {
            (Some(store), _) => sealed(store)?,
            (None, Storage::Memory) => SealedStore::unsealed(Arc::new(MemoryStore::new())),
            (None, Storage::File(path)) => sealed(Arc::new(FileStore::new(path)))?,
            (None, Storage::Sqlite(path)) => sealed(Arc::new(SqliteStore::new(path)))?,
            (None, Storage::Provided(kind)) => {
                let fault = format!("is {}, and nothing was handed over", kind.as_str());
                return Err(Error::config("storage.kind", fault));
            }
        };
        Ok(Self {
            service: config.service.clone(),
            store,
            owner: Owner::random(),
            keeper: Owner::random(),
            lease_length: config.timeout + MARGIN,
            health: Arc::new(Mutex::new(Health { is_told: true, ..Health::default() })),
            warnings: Arc::default(),
            late: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether other processes can write to it.
    pub(super) fn is_shared(&self) -> bool {
        self.store.kind() != "memory"
    }

    /// What is stored.
    pub(super) async fn load(&self) -> Result<Loaded> {
        let ((store, service), warnings) = (self.both(), Arc::clone(&self.warnings));
        self.watched(Deed::Read, async move { look(&store, &service, &warnings).await }).await
    }

    /// Takes the lease, where it can be had.
    pub(super) async fn lease(&self, now: Timestamp) -> Result<Leasing> {
        let ((store, service), claim) = (self.both(), self.claim(now));
        self.watched(Deed::Lease, async move { store.lease(&service, &claim).await }).await
    }

    /// Takes the lease to store what is held already; while a flight has it, it is another's.
    pub(super) async fn lease_to_keep(&self, now: Timestamp) -> Result<Leasing> {
        let (store, service) = self.both();
        let claim = Claim { owner: self.keeper, now, length: self.lease_length };
        self.watched(Deed::Lease, async move { store.lease(&service, &claim).await }).await
    }

    /// How often a lease is renewed: two renewals may be lost before it is.
    pub(super) fn renewal_interval(&self) -> Duration {
        self.lease_length / 3
    }

    /// Makes a lease last; `false` when it is another's by now.
    pub(super) async fn renew(&self, fence: Fence, now: Timestamp) -> Result<bool> {
        let ((store, service), claim) = (self.both(), self.claim(now));
        self.watched(Deed::Lease, async move { store.renew(&service, &claim, fence).await }).await
    }

    /// Ends a lease, with a note for the next holder.
    pub(super) async fn release(&self, fence: Fence, note: Option<Secret>) -> Result<()> {
        let (store, service) = self.both();
        self.watched(Deed::Lease, async move { store.release(&service, fence, note).await }).await
    }

    /// Stores the record over whatever is there: under a fence nobody else asks meanwhile, and without one the
    /// last of two writers wins, as a conflict only tells that there was another. `None` when the fence is
    /// another's by now, or the record that was to be replaced was removed.
    pub(super) async fn save(
        &self,
        record: &Record,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Option<Revision>> {
        let ((store, service), record) = (self.both(), record.clone());
        let warnings = Arc::clone(&self.warnings);
        self.watched(Deed::Write, async move {
            let mut expected = expected;
            for _ in 0..SAVES {
                match store.save(&service, &record, expected, fence).await? {
                    Saved::Stored(revision) => return Ok(Some(revision)),
                    Saved::Fenced => return Ok(None),
                    Saved::Conflict => {
                        let found = look(&store, &service, &warnings).await?;
                        let is_removed =
                            |removal: Revision| expected.is_some_and(|e| removal.number > e.number);
                        if found.removal.is_some_and(is_removed) {
                            return Ok(None);
                        }
                        expected = found.record.map(|(_, revision)| revision);
                    }
                }
            }
            Err(Error::new(ErrorKind::Storage, "others kept writing the stored record"))
        })
        .await
    }

    /// Stores the record in place of the one of this revision, and over no other. `None` when there is another.
    pub(super) async fn save_in_place(
        &self,
        record: &Record,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Option<Revision>> {
        let ((store, service), record) = (self.both(), record.clone());
        self.watched(Deed::Write, async move {
            Ok(match store.save(&service, &record, expected, fence).await? {
                Saved::Stored(revision) => Some(revision),
                Saved::Fenced | Saved::Conflict => None,
            })
        })
        .await
    }

    pub(super) async fn remove(&self) -> Result<()> {
        let (store, service) = self.both();
        self.watched(Deed::Write, async move { store.remove(&service).await }).await
    }

    /// The note that is kept beside the record.
    pub(super) async fn load_note(&self) -> Result<Option<Secret>> {
        let (store, service) = self.both();
        self.watched(Deed::Read, async move { store.load_note(&service).await }).await
    }

    /// Keeps a note beside the record, of no use after `until`; none takes it away.
    pub(super) async fn save_note(&self, note: Option<Secret>, until: Timestamp) -> Result<()> {
        let (store, service) = self.both();
        self.watched(Deed::Lease, async move { store.save_note(&service, note.as_ref(), until).await }).await
    }

    /// What a person should know of, though nothing failed by it.
    pub(super) fn take_warnings(&self) -> Vec<Error> {
        let shown = std::mem::take(&mut *locked(&self.warnings));
        shown.into_iter().chain(self.store.take_warnings()).collect()
    }

    /// Derives the key ahead of need.
    pub(super) async fn warm_up(&self) -> Result<()> {
        self.store.warm_up().await
    }

    pub(super) fn kind(&self) -> &'static str {
        self.store.kind()
    }

    pub(super) fn location(&self) -> String {
        self.store.location()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.store.is_encrypted()
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.fault().is_none()
    }

    /// What is wrong with the store, if anything.
    pub(super) fn fault(&self) -> Option<Error> {
        self.health().fault().cloned()
    }

    /// Why the store could not be read, if it could not.
    pub(super) fn read_fault(&self) -> Option<Error> {
        self.health().faults[Deed::Read as usize].clone()
    }

    /// What could not be written need not be any more: a store that can be read is well again.
    pub(super) fn forgive(&self) {
        self.health().change(|faults| {
            if faults[Deed::Read as usize].is_none() {
                *faults = Default::default();
            }
        });
    }

    /// Whether it turned well or sick since this was last asked.
    pub(super) fn turned(&self) -> Option<bool> {
        let mut health = self.health();
        if health.is_told {
            return None;
        }
        health.is_told = true;
        Some(health.fault().is_none())
    }

    fn both(&self) -> (SealedStore, ServiceName) {
        (self.store.clone(), self.service.clone())
    }

    fn claim(&self, now: Timestamp) -> Claim {
        Claim { owner: self.owner, now, length: self.lease_length }
    }

    async fn watched<T: Send + 'static>(
        &self,
        deed: Deed,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let health = Arc::clone(&self.health);
        let noted = async move {
            let result = work.await;
            let fault = result.as_ref().err().cloned();
            // Also when it came too late for whoever asked: that it came says how the store is now.
            locked(&health).note(deed, fault);
            result
        };
        let result = self.in_time(noted).await;
        if let Err(error) = &result {
            self.health().note(deed, Some(error.clone()));
        }
        result
    }

    /// Runs `work` to its end, whoever waits for how long. While one that came late is still not done, no
    /// other is begun: what hangs on a dead disk holds a thread, and there are few.
    async fn in_time<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if self.has_late() {
            return Err(Error::new(ErrorKind::Storage, "the store has still not answered"));
        }
        let (answer, answered) = oneshot::channel();
        let handle = runtime::spawn(async move {
            // Nobody may be waiting any more.
            let _ = answer.send(work.await);
        })?;
        let patience = if self.is_healthy() { PATIENCE } else { PATIENCE_WITH_THE_SICK };
        match tokio::time::timeout(patience, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::new(ErrorKind::Internal, "the store broke off")),
            Err(_) => {
                self.late().push(handle);
                let waited = patience.as_secs();
                Err(Error::new(ErrorKind::Storage, format!("the store did not answer within {waited} s")))
            }
        }
    }

    pub(super) fn has_late(&self) -> bool {
        let mut late = self.late();
        late.retain(|handle| !handle.is_finished());
        !late.is_empty()
    }

    fn late(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        locked(&self.health)
    }
}

/// How often a conflicting save is repeated.
const SAVES: u32 = 3;

/// The configured keys, else one derived from the credential, so that a copy of the store alone opens
/// nothing.
fn key_ring(config: &Config, client_key: Option<Arc<ClientKey>>) -> Result<KeyRing> {
    if !config.encryption_keys.is_empty() {
        return KeyRing::configured(config.encryption_keys.clone());
    }
    Ok(match (config.credentials.secrets().next(), client_key) {
        (Some(secret), _) => KeyRing::derived(secret.clone()),
        (None, Some(key)) => KeyRing::derived_from(move || key.get_blocking().map(SigningKey::as_credential)),
        (None, None) => KeyRing::derived(Secret::new(String::new())),
    })
}

/// What is stored; what a person should know of it is kept until it is said.
async fn look(store: &SealedStore, service: &ServiceName, warnings: &Mutex<Vec<Error>>) -> Result<Loaded> {
    let mut loaded = store.load(service).await?;
    locked(warnings).append(&mut loaded.warnings);
    Ok(loaded)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
