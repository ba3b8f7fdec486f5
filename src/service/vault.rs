//! The store, as the service sees it: bounded in time, sick or well, never in the way.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::{Config, Storage};
use crate::crypto::KeyRing;
use crate::domain::{Secret, ServiceName};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{FileStore, Loaded, MemoryStore, Record, Revision, Saved, SealedStore, Store};

/// A disk or network that takes longer is as good as away; the flight goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Vault {
    service: ServiceName,
    store: SealedStore,
    health: Mutex<Health>,
    /// Held while a record is saved or removed, so that `clear` and a landing flight do not cross.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Health {
    last_error: Option<Error>,
    /// Whether it was said how things stand since they last changed.
    is_told: bool,
}

impl Vault {
    /// The configured place; `provided` is the store that the configuration cannot make. Nothing is opened or
    /// derived yet.
    pub(super) fn new(config: &Config, provided: Option<Arc<dyn Store>>) -> Result<Self> {
        let store = match &config.storage {
            Storage::Memory => SealedStore::unsealed(Arc::new(MemoryStore::new())),
            Storage::File(path) => {
                SealedStore::new(Arc::new(FileStore::new(path)), Arc::new(key_ring(config)?))
            }
            Storage::Provided(kind) => {
                let store = provided.ok_or_else(|| {
                    Error::config(
                        "storage.kind",
                        format!("is {}, and nothing was handed over", kind.as_str()),
                    )
                })?;
                SealedStore::new(store, Arc::new(key_ring(config)?))
            }
        };
        Ok(Self {
            service: config.service.clone(),
            store,
            health: Mutex::new(Health { last_error: None, is_told: true }),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What is stored.
    pub(super) async fn load(&self) -> Result<Loaded> {
        self.watched(self.store.load(&self.service)).await
    }

    /// Stores the record, over whatever is there: without a lease, the last of two writers wins, and a
    /// conflict only tells that there was another.
    pub(super) async fn save(&self, record: &Record, expected: Option<Revision>) -> Result<Revision> {
        self.watched(async {
            let mut expected = expected;
            for _ in 0..SAVES {
                match self.store.save(&self.service, record, expected, None).await? {
                    Saved::Stored(revision) => return Ok(revision),
                    Saved::Conflict | Saved::Fenced => {
                        expected = self.store.load(&self.service).await?.record.map(|(_, revision)| revision);
                    }
                }
            }
            Err(Error::new(ErrorKind::Storage, "others kept writing the stored record"))
        })
        .await
    }

    pub(super) async fn remove(&self) -> Result<()> {
        self.watched(self.store.remove(&self.service)).await
    }

    /// What a person should know of, though nothing failed by it.
    pub(super) fn take_warnings(&self) -> Vec<Error> {
        self.store.take_warnings()
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
        self.health().last_error.is_none()
    }

    pub(super) fn last_error(&self) -> Option<Error> {
        self.health().last_error.clone()
    }

    /// Whether it turned well or sick since this was last asked.
    pub(super) fn turned(&self) -> Option<bool> {
        let mut health = self.health();
        if health.is_told {
            return None;
        }
        health.is_told = true;
        Some(health.last_error.is_none())
    }

    async fn watched<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let result = tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Storage,
                format!("the store did not answer within {} s", PATIENCE.as_secs()),
            ))
        });
        let error = result.as_ref().err().cloned();
        let mut health = self.health();
        health.is_told &= health.last_error.is_some() == error.is_some();
        health.last_error = error;
        drop(health);
        result
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a conflicting save is repeated.
const SAVES: u32 = 3;

/// The configured keys, else one derived from the credential, so that a copy of the store alone opens
/// nothing.
fn key_ring(config: &Config) -> Result<KeyRing> {
    if !config.encryption_keys.is_empty() {
        return KeyRing::configured(config.encryption_keys.clone());
    }
    let credential = config.credentials.secrets().next().cloned();
    Ok(KeyRing::derived(credential.unwrap_or_else(|| Secret::new(String::new()))))
}
