//! Keys that are derived from a text: a passphrase, or a credential.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use argon2::{Algorithm, Argon2, Params, Version};
use once_cell::sync::OnceCell;
use zeroize::Zeroizing;

use super::jws::sha256;
use super::key::{KEY_BYTES, Key, random};
use super::memory::Blocks;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Mutex, MutexGuard, WeakMap};

pub(super) const SALT_BYTES: usize = 16;
pub(super) type Salt = [u8; SALT_BYTES];

/// OWASP's recommendation for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A store has one salt. Processes that start at the same time use a few more until they agree on one.
const REMEMBERED_SALTS: usize = 8;

/// The keys in use, by the SHA-256 of the text they are derived from. They are dropped with the last service that
/// uses them.
static KEYS: LazyLock<Mutex<WeakMap<Vec<u8>, Keys>>> = LazyLock::new(Mutex::default);

/// Derivations run one at a time: each needs a core and 19 MiB.
static TURN: Mutex<()> = Mutex::new(());

/// A text that keys are derived from.
pub(super) struct Passphrase {
    text: Secret,
    keys: OnceCell<Arc<Keys>>,
}

impl Passphrase {
    pub(super) fn new(text: Secret) -> Self {
        Self { text, keys: OnceCell::new() }
    }

    /// Its keys, which equal texts share. The text is read once.
    pub(super) fn keys(&self) -> &Keys {
        self.keys.get_or_init(|| Keys::of(self.text.clone()))
    }

    /// Whether the key for `salt` (by default the one to seal with) is available without a derivation.
    pub(super) fn is_derived(&self, salt: Option<&Salt>) -> bool {
        self.keys.get().is_some_and(|keys| keys.is_derived(salt))
    }

    /// A passphrase that shares no keys, as in another process.
    #[cfg(test)]
    pub(super) fn in_another_process(text: Secret) -> Self {
        Self { keys: OnceCell::with_value(Arc::new(Keys::new(text.clone()))), ..Self::new(text) }
    }
}

/// The keys derived from one text so far.
pub(super) struct Keys {
    text: Secret,
    state: Mutex<KeyCache>,
    #[cfg(test)]
    derivations: std::sync::atomic::AtomicUsize,
}

#[derive(Default)]
struct KeyCache {
    sealing_salt: Option<Salt>,
    by_salt: HashMap<Salt, Arc<OnceCell<Key>>>,
}

impl Keys {
    fn new(text: Secret) -> Self {
        Self {
            text,
            state: Mutex::default(),
            #[cfg(test)]
            derivations: std::sync::atomic::AtomicUsize::default(),
        }
    }

    fn of(text: Secret) -> Arc<Self> {
        let digest = sha256(text.expose().as_bytes());
        KEYS.lock().get_or_insert_with(digest, || Arc::new(Self::new(text)))
    }

    /// The salt to seal with: that of the record that was opened last, else a random one, which is drawn once.
    pub(super) fn sealing_salt(&self) -> Result<Salt> {
        let mut state = self.state();
        if let Some(salt) = state.sealing_salt {
            return Ok(salt);
        }
        let salt = *random::<SALT_BYTES>()?;
        state.sealing_salt = Some(salt);
        Ok(salt)
    }

    /// Seals with `salt` from now on: a record with this salt was opened, so other processes have its key.
    pub(super) fn seal_with(&self, salt: Salt) {
        self.state().sealing_salt = Some(salt);
    }

    /// Calls `work` with the key for `salt`. The key is derived once: other threads that need this salt wait for it,
    /// and those that need another do not.
    pub(super) fn with_key<T>(&self, salt: &Salt, work: impl FnOnce(&Key) -> T) -> Result<T> {
        let cell = {
            let mut state = self.state();
            if state.by_salt.len() >= REMEMBERED_SALTS && !state.by_salt.contains_key(salt) {
                let current = state.sealing_salt;
                state.by_salt.retain(|known, _| Some(*known) == current);
            }
            Arc::clone(state.by_salt.entry(*salt).or_default())
        };
        cell.get_or_try_init(|| self.derive(salt)).map(work)
    }

    fn is_derived(&self, salt: Option<&Salt>) -> bool {
        let state = self.state();
        let salt = salt.or(state.sealing_salt.as_ref());
        salt.and_then(|salt| state.by_salt.get(salt)).is_some_and(|cell| cell.get().is_some())
    }

    /// How many keys are derived or being derived.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.state().by_salt.len()
    }

    /// How many derivations there were.
    #[cfg(test)]
    pub(super) fn derivations(&self) -> usize {
        self.derivations.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn derive(&self, salt: &Salt) -> Result<Key> {
        #[cfg(test)]
        self.derivations.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Internal, format!("could not derive the store's key: {error}"))
        };
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY_BYTES)).map_err(|error| failed(&error))?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let _turn = TURN.lock();
        let blocks = Blocks::new(params.block_count()).map_err(|error| failed(&error.kind()))?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(self.text.expose().as_bytes(), salt, &mut *key, blocks)
            .map_err(|error| failed(&error))?;
        Ok(Key::new(key))
    }

    fn state(&self) -> MutexGuard<'_, KeyCache> {
        self.state.lock()
    }
}
