//! The decorator that seals what goes into a store and opens what comes out.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::{
    Claim, Fence, Leasing, RecordObserver, Revision, Saved, Slot, Store, StoredRow, StoredToken, Subscription,
};
use crate::crypto::{Context, KeyRing, StoreKeys, is_envelope};
use crate::domain::{AccessToken, MAX_LIFETIME, Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::gate::Gate;
use crate::runtime;
use crate::sync::{Mutex, MutexGuard};

mod consent;
mod notes;
mod payload;
mod state;
#[cfg(test)]
mod tests;

// What a sealed text is for. The names are part of every sealed text, so they never change, and a text of one kind
// does not open as another.
const RECORD: &str = "record";
const NOTE: &str = "note";
const KEPT_NOTE: &str = "keptNote";

/// Evertoken does not write larger records: a token endpoint's response has at most 1 MiB.
const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Sealing or opening so much takes less time than finding another thread for it.
const SHORT_BYTES: usize = 16 * 1024;

/// Derivations run one after another. Those that wait do not occupy a thread.
static DERIVATIONS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The result of a load.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The record and its revision.
    pub record: Option<(StoredToken, Revision)>,
    /// Whether there is a record that cannot be opened.
    pub cannot_be_decrypted: bool,
    /// The removal that left no record.
    pub removal: Option<Revision>,
    /// What the caller should log: a record that cannot be opened, or a damaged store that was set aside.
    pub warnings: Vec<Error>,
}

/// A store of [`StoredToken`]s. It derives keys, and seals and opens long texts, outside the runtime's thread.
#[derive(Clone)]
pub struct SealedStore {
    store: Arc<dyn Store>,
    keys: Option<Arc<StoreKeys>>,
    accepts_plain_tokens: bool,
    /// The records that could not be opened. A load does not remove them: another process may have their key, so they
    /// stay until a save replaces them.
    unreadable: Arc<Mutex<HashMap<ServiceName, Revision>>>,
}

impl SealedStore {
    /// Seals with these keys.
    pub fn new(store: Arc<dyn Store>, keys: impl Into<StoreKeys>) -> Self {
        let keys = Some(Arc::new(keys.into()));
        Self { store, keys, accepts_plain_tokens: false, unreadable: Arc::default() }
    }

    /// Whether to use a plain token, with its columns, that another program stored. Anyone who can write to the store
    /// then decides which token is sent.
    #[must_use]
    pub fn with_plain_tokens(self, accepts_plain_tokens: bool) -> Self {
        Self { accepts_plain_tokens, unreadable: Arc::default(), ..self }
    }

    /// A store that seals nothing: for memory, which no other process reads. It cannot open a sealed text.
    pub fn without_sealing(store: Arc<dyn Store>) -> Self {
        Self { store, keys: None, accepts_plain_tokens: false, unreadable: Arc::default() }
    }

    /// The store's kind.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// Where the store is, without credentials.
    pub fn location(&self) -> String {
        self.store.location()
    }

    /// Whether what is saved is sealed.
    pub fn is_encrypted(&self) -> bool {
        self.keys.is_some()
    }

    /// The usable record of a service. One that cannot be opened stays, and is a warning once.
    ///
    /// # Errors
    /// `Storage` if the store cannot be read; `Internal` if the machine cannot derive the key at present, which
    /// leaves the record as it is.
    pub async fn load(&self, service: &ServiceName) -> Result<Loaded> {
        let found = self.store.load(service).await?;
        let mut warnings = self.store.take_warnings();
        let (row, revision) = match found {
            Slot::Record(row, revision) => (row, revision),
            Slot::Removed(removal) => {
                return Ok(Loaded { removal: Some(removal), warnings, ..Loaded::default() });
            }
            Slot::Empty => return Ok(Loaded { warnings, ..Loaded::default() }),
        };
        // It is not tried again, as a key may be slow to derive.
        if self.unreadable().get(service) == Some(&revision) {
            return Ok(Loaded { cannot_be_decrypted: true, warnings, ..Loaded::default() });
        }
        match self.open(service, row).await {
            Ok(record) => {
                let record = record.on_clock_ahead(-self.store.clock_ahead_ms());
                Ok(Loaded { record: Some((record, revision)), warnings, ..Loaded::default() })
            }
            Err(error) if error.kind() == ErrorKind::Decrypt => {
                self.unreadable().insert(service.clone(), revision);
                let message =
                    format!("{}; the record stays until the next token replaces it", error.message());
                warnings.push(Error::new(error.kind(), message));
                Ok(Loaded { cannot_be_decrypted: true, warnings, ..Loaded::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Seals and stores a record: [`Store::save`]. A record in its place that cannot be opened is set aside.
    pub async fn save(
        &self,
        service: &ServiceName,
        record: &StoredToken,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let record = record.on_clock_ahead(self.store.clock_ahead_ms());
        let row = self.seal(service, &record).await?;
        let saved = self.store.save(service, &row, expected, fence).await?;
        let unreadable = self.unreadable().get(service).copied();
        let (Saved::Conflict, Some(unreadable)) = (saved, unreadable) else { return Ok(saved) };
        self.store.set_aside(service, unreadable).await?;
        self.store.save(service, &row, None, fence).await
    }

    /// Takes the lease: [`Store::lease`]. A note that cannot be opened was left with another credential, and is
    /// ignored.
    pub async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let mut leasing = self.store.lease(service, claim).await?;
        if let (Leasing::Granted(grant), Some(ring)) = (&mut leasing, self.ring().await?)
            && let Some(sealed) = grant.note.take()
        {
            let context = Context::new(service, NOTE);
            let is_ready = ring.is_ready_to_open(sealed.expose());
            grant.note =
                run_in_turn(is_ready, sealed.len(), move || Ok(ring.open(&context, sealed.expose()).ok()))
                    .await?;
        }
        Ok(leasing)
    }

    /// Extends the lease: [`Store::renew`].
    pub async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        self.store.renew(service, claim, fence).await
    }

    /// Ends the lease, with a note that only processes with the same key can read: [`Store::release`].
    pub async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        let note = match (note, self.ring().await?) {
            (Some(plain), Some(ring)) => {
                let context = Context::new(service, NOTE);
                let sealed =
                    run_in_turn(ring.is_ready_to_seal(), plain.len(), move || ring.seal(&context, &plain))
                        .await?;
                Some(Secret::new(sealed))
            }
            (note, _) => note,
        };
        self.store.release(service, fence, note).await
    }

    /// The text that [`save_note`](Self::save_note) kept for the service under this store's key.
    /// [`remove`](Self::remove) does not affect it. A note that cannot be opened was left with another credential,
    /// and is ignored.
    ///
    /// # Errors
    /// `Storage` if the store cannot be read; `Internal` if the machine cannot derive the key at present.
    pub async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        let Some(kept) = self.store.load_note(service).await? else { return Ok(None) };
        let Some(ring) = self.ring().await? else { return Ok(Some(kept)) };
        let context = Context::new(service, KEPT_NOTE);
        run_in_turn(notes::is_ready(&ring, &kept), kept.len(), move || notes::find(&ring, &context, &kept))
            .await
    }

    /// Keeps one text for the service, separately from its record; `None` deletes it. `until` says when the text
    /// becomes useless; it is for display only. Processes that share the store and have another key keep their own
    /// texts.
    pub async fn save_note(
        &self,
        service: &ServiceName,
        note: Option<&Secret>,
        until: Timestamp,
    ) -> Result<()> {
        let Some(ring) = self.ring().await? else { return self.store.save_note(service, note, until).await };
        let before = self.store.load_note(service).await?;
        let (context, note) = (Context::new(service, KEPT_NOTE), note.cloned());
        let is_ready =
            ring.is_ready_to_seal() && before.as_ref().is_none_or(|kept| notes::is_ready(&ring, kept));
        let length = before.as_ref().or(note.as_ref()).map_or(0, Secret::len);
        let kept = run_in_turn(is_ready, length, move || {
            notes::replace(&ring, &context, before.as_ref(), note.as_ref())
        })
        .await?;
        self.store.save_note(service, kept.as_ref(), until).await
    }

    /// Removes a service's record.
    pub async fn remove(&self, service: &ServiceName) -> Result<()> {
        self.store.remove(service).await
    }

    /// What users should know about since the last call: [`Store::take_warnings`].
    pub fn take_warnings(&self) -> Vec<Error> {
        self.store.take_warnings()
    }

    /// What limits how many operations run at once on the place: [`Store::gate`].
    pub fn gate(&self) -> Option<&Arc<Gate>> {
        self.store.gate()
    }

    /// Notifies `observer` when another process may have changed the record: [`Store::watch`].
    pub fn watch(
        &self,
        service: &ServiceName,
        observer: Weak<dyn RecordObserver>,
    ) -> Result<Option<Subscription>> {
        self.store.watch(service, observer)
    }

    /// Derives the key of the next save before it is needed. It is best called after a first load, which decides the
    /// salt.
    pub async fn warm_up(&self) -> Result<()> {
        match self.ring().await? {
            Some(ring) => run_in_turn(ring.is_ready_to_seal(), 0, move || ring.warm_up()).await,
            None => Ok(()),
        }
    }

    fn unreadable(&self) -> MutexGuard<'_, HashMap<ServiceName, Revision>> {
        self.unreadable.lock()
    }

    async fn seal(&self, service: &ServiceName, record: &StoredToken) -> Result<StoredRow> {
        let payload = payload::write(record)?;
        let token = match self.ring().await? {
            Some(ring) => {
                let context = Context::new(service, RECORD);
                let sealed = run_in_turn(ring.is_ready_to_seal(), payload.len(), move || {
                    ring.seal(&context, &payload)
                })
                .await?;
                Secret::new(sealed)
            }
            None => payload,
        };
        if token.len() > MAX_RECORD_BYTES {
            return Err(Error::new(
                ErrorKind::Storage,
                "the encrypted token is longer than 4 MiB and cannot be stored",
            ));
        }
        Ok(StoredRow {
            token,
            refresh_token: None,
            token_type: record.scheme.clone(),
            created_at: record.issued_at,
            // The column must have a date: Prisma's model does not allow null.
            expires_at: record.expires_at.unwrap_or(record.issued_at.plus(MAX_LIFETIME)),
            last_used: record.last_used,
            // Nothing else of the state may be visible: the endpoint may contain a key.
            format: record.state.as_ref().and_then(|state| state.grant.as_ref()).map(|grant| grant.format),
            column_fault: None,
        })
    }

    async fn open(&self, service: &ServiceName, row: StoredRow) -> Result<StoredToken> {
        if row.token.len() > MAX_RECORD_BYTES {
            return Err(Error::new(ErrorKind::Decrypt, "the stored record is larger than 4 MiB"));
        }
        let is_sealed = is_envelope(row.token.expose());
        let keys = match &self.keys {
            Some(_) if !is_sealed => return self.plain_record(row),
            Some(keys) => keys,
            None if is_sealed => {
                let message = "the stored token is encrypted, but no key is configured";
                return Err(Error::new(ErrorKind::Decrypt, message));
            }
            None => return payload::read(&row.token),
        };
        match open_with(keys.get().await?, service, row.token.clone()).await {
            Err(error) if error.kind() == ErrorKind::Decrypt => match keys.read_again().await {
                Some(ring) => open_with(ring, service, row.token).await,
                None => Err(error),
            },
            opened => opened,
        }
    }

    /// Reads the keys, if that was not done yet.
    ///
    /// # Errors
    /// `Config` if they cannot be read, or are no keys.
    pub async fn open_keys(&self) -> Result<()> {
        self.ring().await.map(drop)
    }

    async fn ring(&self) -> Result<Option<Arc<KeyRing>>> {
        match &self.keys {
            Some(keys) => keys.get().await.map(Some),
            None => Ok(None),
        }
    }

    /// A token that evertoken did not seal, if the configuration accepts those.
    fn plain_record(&self, row: StoredRow) -> Result<StoredToken> {
        let unused = |fault: String| Error::new(ErrorKind::Decrypt, fault);
        if !self.accepts_plain_tokens {
            let message = "it is not encrypted, or it was altered. If another program stores plain tokens there, set \
                           storage.acceptPlainTokens: true";
            return Err(unused(message.to_owned()));
        }
        if let Some(fault) = row.column_fault {
            return Err(unused(format!("its {fault}")));
        }
        let access_token = AccessToken::parse(row.token.expose())
            .map_err(|fault| unused(format!("it is not a valid token: {fault}")))?;
        Ok(StoredToken {
            access_token: Some(access_token),
            scheme: row.token_type,
            refresh_token: row.refresh_token,
            issued_at: row.created_at,
            expires_at: Some(row.expires_at),
            last_used: row.last_used,
            state: None,
        })
    }
}

async fn open_with(ring: Arc<KeyRing>, service: &ServiceName, sealed: Secret) -> Result<StoredToken> {
    let context = Context::new(service, RECORD);
    let is_ready = ring.is_ready_to_open(sealed.expose());
    run_in_turn(is_ready, sealed.len(), move || payload::read(&ring.open(&context, sealed.expose())?)).await
}

/// Runs work with a key ring on a text of `length` bytes: on this thread if the keys are derived and the text is short,
/// else on another one, and after the derivations that were requested before.
async fn run_in_turn<T: Send + 'static>(
    is_ready: bool,
    length: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if is_ready && length <= SHORT_BYTES {
        return work();
    }
    let _turn = if is_ready { None } else { Some(DERIVATIONS.lock().await) };
    runtime::blocking(work).await
}
