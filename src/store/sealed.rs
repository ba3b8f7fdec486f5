//! The decorator that seals what goes into a store and opens what comes out.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Claim, Fence, Leasing, Revision, Saved, Slot, Store, StoredRow, StoredToken};
use crate::crypto::{Context, KeyRing, is_envelope};
use crate::domain::{AccessToken, Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::sync::{Mutex, MutexGuard};

mod notes;
mod payload;
mod state;
#[cfg(test)]
mod tests;

// The names that seal and open: sealed texts carry them, so they never change, and one never opens as another.
const RECORD: &str = "record";
const NOTE: &str = "note";
const KEPT_NOTE: &str = "keptNote";

/// What is larger was not written by evertoken: the answer of a token endpoint has 1 MiB at most.
const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Who derives a key waits here for the one before, and holds no thread meanwhile.
static DERIVATIONS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What a look into the store gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The record and its revision.
    pub record: Option<(StoredToken, Revision)>,
    /// Whether there is a record that does not open.
    pub is_undecryptable: bool,
    /// The removal that left no record.
    pub removal: Option<Revision>,
    /// What the caller should log: a record does not open, or a damaged store was set aside.
    pub warnings: Vec<Error>,
}

/// A store that takes and gives [`StoredToken`]s. Derivation, sealing and opening run beside the runtime's thread.
#[derive(Clone)]
pub struct SealedStore {
    store: Arc<dyn Store>,
    ring: Option<Arc<KeyRing>>,
    accepts_plain_tokens: bool,
    /// The records that were found not to open. To look is not to evict: another process may have their key, so
    /// they stay until a save replaces them.
    undecryptable: Arc<Mutex<HashMap<ServiceName, Revision>>>,
}

impl SealedStore {
    /// Seals with `ring`.
    pub fn new(store: Arc<dyn Store>, ring: Arc<KeyRing>) -> Self {
        Self { store, ring: Some(ring), accepts_plain_tokens: false, undecryptable: Arc::default() }
    }

    /// Whether a plain token is used that another program put into the store, with the columns beside it. Whoever
    /// can write to the store then decides which token is sent.
    #[must_use]
    pub fn with_plain_tokens(self, accepts_plain_tokens: bool) -> Self {
        Self { accepts_plain_tokens, undecryptable: Arc::default(), ..self }
    }

    /// Seals nothing: for memory, which no other process reads. A sealed text met here does not open.
    pub fn without_sealing(store: Arc<dyn Store>) -> Self {
        Self { store, ring: None, accepts_plain_tokens: false, undecryptable: Arc::default() }
    }

    /// The store's kind.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// The store's place, without credentials.
    pub fn location(&self) -> String {
        self.store.location()
    }

    /// Whether what is saved is sealed.
    pub fn is_encrypted(&self) -> bool {
        self.ring.is_some()
    }

    /// The usable record of a service. One that does not open stays, and is a warning once.
    ///
    /// # Errors
    /// `Storage` when the store cannot be read; `Internal` when the machine cannot derive the key now, which
    /// leaves the record where it is.
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
        // It is not tried again: a key may be slow to derive.
        if self.undecryptable().get(service) == Some(&revision) {
            return Ok(Loaded { is_undecryptable: true, warnings, ..Loaded::default() });
        }
        match self.open(service, row).await {
            Ok(record) => Ok(Loaded { record: Some((record, revision)), warnings, ..Loaded::default() }),
            Err(error) if error.kind() == ErrorKind::Decrypt => {
                self.undecryptable().insert(service.clone(), revision);
                let message = format!("{}; it stays until the next token replaces it", error.message());
                warnings.push(Error::new(error.kind(), message));
                Ok(Loaded { is_undecryptable: true, warnings, ..Loaded::default() })
            }
            Err(error) => Err(error),
        }
    }

    /// Seals and stores a record: [`Store::save`]. One in its place that does not open is set aside.
    pub async fn save(
        &self,
        service: &ServiceName,
        record: &StoredToken,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let row = self.seal(service, record).await?;
        let saved = self.store.save(service, &row, expected, fence).await?;
        let undecryptable = self.undecryptable().get(service).copied();
        let (Saved::Conflict, Some(undecryptable)) = (saved, undecryptable) else { return Ok(saved) };
        self.store.set_aside(service, undecryptable).await?;
        self.store.save(service, &row, None, fence).await
    }

    /// Takes the lease: [`Store::lease`]. A note that does not open was left by a process with another
    /// credential, and is none.
    pub async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let mut leasing = self.store.lease(service, claim).await?;
        if let (Leasing::Granted(grant), Some(ring)) = (&mut leasing, self.ring.clone())
            && let Some(sealed) = grant.note.take()
        {
            let context = Context::new(service, NOTE);
            let is_ready = ring.is_ready_to_open(sealed.expose());
            grant.note = run_in_turn(is_ready, move || Ok(ring.open(&context, sealed.expose()).ok())).await?;
        }
        Ok(leasing)
    }

    /// Makes the lease last: [`Store::renew`].
    pub async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        self.store.renew(service, claim, fence).await
    }

    /// Ends the lease, with a note that only holders of the same key can read: [`Store::release`].
    pub async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        let note = match (note, self.ring.clone()) {
            (Some(plain), Some(ring)) => {
                let context = Context::new(service, NOTE);
                let sealed =
                    run_in_turn(ring.is_ready_to_seal(), move || ring.seal(&context, &plain)).await?;
                Some(Secret::new(sealed))
            }
            (note, _) => note,
        };
        self.store.release(service, fence, note).await
    }

    /// What [`save_note`](Self::save_note) kept for the service under the key of this store. It also survives
    /// [`remove`](Self::remove). A note that does not open was left with another credential, and is none.
    ///
    /// # Errors
    /// `Storage` when the store cannot be read; `Internal` when the machine cannot derive the key now.
    pub async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        let Some(kept) = self.store.load_note(service).await? else { return Ok(None) };
        let Some(ring) = self.ring.clone() else { return Ok(Some(kept)) };
        let context = Context::new(service, KEPT_NOTE);
        run_in_turn(notes::is_ready(&ring, &kept), move || notes::find(&ring, &context, &kept)).await
    }

    /// Keeps one text for the service, apart from its record; `None` deletes it. After `until` it is of no use:
    /// that is for people to see, and [`load_note`](Self::load_note) does not look at it. Others who share the
    /// store with another key keep theirs.
    pub async fn save_note(
        &self,
        service: &ServiceName,
        note: Option<&Secret>,
        until: Timestamp,
    ) -> Result<()> {
        let Some(ring) = self.ring.clone() else { return self.store.save_note(service, note, until).await };
        let before = self.store.load_note(service).await?;
        let (context, note) = (Context::new(service, KEPT_NOTE), note.cloned());
        let is_ready =
            ring.is_ready_to_seal() && before.as_ref().is_none_or(|kept| notes::is_ready(&ring, kept));
        let kept =
            run_in_turn(is_ready, move || notes::replace(&ring, &context, before.as_ref(), note.as_ref()))
                .await?;
        self.store.save_note(service, kept.as_ref(), until).await
    }

    /// Removes a service's record.
    pub async fn remove(&self, service: &ServiceName) -> Result<()> {
        self.store.remove(service).await
    }

    /// What a person should know of since the last look: [`Store::take_warnings`].
    pub fn take_warnings(&self) -> Vec<Error> {
        self.store.take_warnings()
    }

    /// Derives what the next save needs, while nobody waits; best after a first load, which decides the salt.
    pub async fn warm_up(&self) -> Result<()> {
        match self.ring.clone() {
            Some(ring) => run_in_turn(ring.is_ready_to_seal(), move || ring.warm_up()).await,
            None => Ok(()),
        }
    }

    fn undecryptable(&self) -> MutexGuard<'_, HashMap<ServiceName, Revision>> {
        self.undecryptable.lock()
    }

    async fn seal(&self, service: &ServiceName, record: &StoredToken) -> Result<StoredRow> {
        let payload = payload::write(record)?;
        let token = match self.ring.clone() {
            Some(ring) => {
                let context = Context::new(service, RECORD);
                let sealed =
                    run_in_turn(ring.is_ready_to_seal(), move || ring.seal(&context, &payload)).await?;
                Secret::new(sealed)
            }
            None => payload,
        };
        if token.len() > MAX_RECORD_BYTES {
            return Err(Error::new(
                ErrorKind::Storage,
                "the token is too long to be stored: over 4 MiB sealed",
            ));
        }
        Ok(StoredRow {
            token,
            refresh_token: None,
            token_type: record.scheme.clone(),
            created_at: record.issued_at,
            expires_at: record.expires_at,
            last_used: record.last_used,
            // Nothing else of the state may be visible: the endpoint may hold a key.
            format: record.state.as_ref().and_then(|state| state.grant.as_ref()).map(|grant| grant.format),
            column_fault: None,
        })
    }

    async fn open(&self, service: &ServiceName, row: StoredRow) -> Result<StoredToken> {
        if row.token.len() > MAX_RECORD_BYTES {
            return Err(Error::new(ErrorKind::Decrypt, "the stored record is larger than 4 MiB"));
        }
        let is_sealed = is_envelope(row.token.expose());
        let ring = match self.ring.clone() {
            Some(_) if !is_sealed => return self.plain_record(row),
            Some(ring) => ring,
            None if is_sealed => {
                let message = "the stored token is sealed, and there is no key to open it";
                return Err(Error::new(ErrorKind::Decrypt, message));
            }
            None => return payload::read(&row.token),
        };
        let context = Context::new(service, RECORD);
        let is_ready = ring.is_ready_to_open(row.token.expose());
        run_in_turn(is_ready, move || payload::read(&ring.open(&context, row.token.expose())?)).await
    }

    /// A token that evertoken did not seal, where such ones are accepted.
    fn plain_record(&self, row: StoredRow) -> Result<StoredToken> {
        let unused = |fault: String| Error::new(ErrorKind::Decrypt, fault);
        if !self.accepts_plain_tokens {
            let message =
                "it is not sealed, or it was altered; only storage.acceptPlainTokens allows a plain token";
            return Err(unused(message.to_owned()));
        }
        if let Some(fault) = row.column_fault {
            return Err(unused(format!("its {fault}")));
        }
        let access_token = AccessToken::parse(row.token.expose())
            .map_err(|fault| unused(format!("the stored text is not a token: {fault}")))?;
        Ok(StoredToken {
            access_token,
            scheme: row.token_type,
            refresh_token: row.refresh_token,
            issued_at: row.created_at,
            expires_at: row.expires_at,
            last_used: row.last_used,
            state: None,
        })
    }
}

/// Runs work of a key ring beside the runtime's thread; where it `is_ready` at once, and else after the derivations
/// that were asked for before.
async fn run_in_turn<T: Send + 'static>(
    is_ready: bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let _turn = if is_ready { None } else { Some(DERIVATIONS.lock().await) };
    runtime::blocking(work).await
}
