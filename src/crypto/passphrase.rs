//! Keys made of a text that a person chose, or a server gave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use once_cell::sync::OnceCell;
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, Key, random};
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};

pub(super) const SALT_BYTES: usize = 16;
pub(super) type Salt = [u8; SALT_BYTES];

/// OWASP's recommendation for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// One store has one salt; a few more are met while processes that began at once agree on one.
const REMEMBERED_SALTS: usize = 8;

/// Where the text is had when a key is derived from it.
pub(super) type Text = dyn Fn() -> Result<Secret> + Send + Sync;

/// A text, and the keys derived from it so far.
pub(super) struct Passphrase {
    text: Box<Text>,
    state: Mutex<State>,
    #[cfg(test)]
    derivations: std::sync::atomic::AtomicUsize,
}

#[derive(Default)]
struct State {
    sealing_salt: Option<Salt>,
    keys: HashMap<Salt, Arc<OnceCell<Key>>>,
}

impl Passphrase {
    pub(super) fn new(text: Secret) -> Self {
        Self::had_by(Box::new(move || Ok(text.clone())))
    }

    pub(super) fn had_by(text: Box<Text>) -> Self {
        Self {
            text,
            state: Mutex::default(),
            #[cfg(test)]
            derivations: std::sync::atomic::AtomicUsize::default(),
        }
    }

    /// The salt to seal with: that of the record opened last, else a random one, drawn once.
    pub(super) fn sealing_salt(&self) -> Result<Salt> {
        let mut state = self.state();
        if let Some(salt) = state.sealing_salt {
            return Ok(salt);
        }
        let salt = *random::<SALT_BYTES>()?;
        state.sealing_salt = Some(salt);
        Ok(salt)
    }

    /// From now on `salt` is sealed with: a record that carries it opened, so other processes have its key.
    pub(super) fn seal_with(&self, salt: Salt) {
        self.state().sealing_salt = Some(salt);
    }

    /// Hands the key for `salt` to `work`. It is derived once, however many threads ask at once: the others
    /// wait for it, and only those that need this very salt.
    pub(super) fn with_key<T>(&self, salt: &Salt, work: impl FnOnce(&Key) -> T) -> Result<T> {
        let cell = {
            let mut state = self.state();
            if state.keys.len() >= REMEMBERED_SALTS && !state.keys.contains_key(salt) {
                let current = state.sealing_salt;
                state.keys.retain(|known, _| Some(*known) == current);
            }
            Arc::clone(state.keys.entry(*salt).or_default())
        };
        cell.get_or_try_init(|| self.derive(salt)).map(work)
    }

    /// How many keys are derived or being derived.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.state().keys.len()
    }

    /// How many derivations there were.
    #[cfg(test)]
    pub(super) fn derivations(&self) -> usize {
        self.derivations.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn derive(&self, salt: &Salt) -> Result<Key> {
        #[cfg(test)]
        self.derivations.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let failed = |error: argon2::Error| {
            Error::new(ErrorKind::Internal, format!("the key of the store cannot be derived: {error}"))
        };
        let text = (self.text)()?;
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY_BYTES)).map_err(failed)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(text.expose().as_bytes(), salt, &mut *key)
            .map_err(failed)?;
        Ok(Key::new(key))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
