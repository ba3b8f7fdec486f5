//! The store in the life of a service: what is adopted from it, and what is put there.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::attempt::entry;
use super::life::{Held, Source};
use crate::config::BaseUrl;
use crate::domain::{Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Result};
use crate::grants;
use crate::log::Level;
use crate::oauth::ProofKey;
use crate::store::{Fence, Leasing, Loaded, Revision, StoredState, StoredToken};

/// How often the store is looked at for what other processes put there.
const WATCH: Duration = Duration::from_secs(2);

impl Service {
    /// Adopts what is stored, where that is later than what is held; whether that gave a usable token.
    pub(super) async fn adopt_from_store(&self, epoch: u64, started: Timestamp) -> bool {
        let last = self.life().stored;
        match self.load().await {
            Ok(Loaded { record: Some((record, revision)), .. }) => {
                self.adopt(record, revision, epoch, started)
            }
            Ok(Loaded { is_undecryptable: true, .. }) => {
                self.life().see(None);
                false
            }
            Ok(Loaded { removal, .. }) => {
                self.notice_absence(removal, last);
                false
            }
            Err(_) => false,
        }
    }

    fn adopt(&self, record: StoredToken, revision: Revision, epoch: u64, started: Timestamp) -> bool {
        let now = self.clock.now();
        let mut lifetime = self.lifetime(record.issued_at, record.expires_at);
        // It was stored by somebody who did not look for all the fields that are wanted here. Where one of them says
        // where the API is, the token is of no use without it.
        let is_from_elsewhere = record.state.is_none();
        let state = record.state.unwrap_or_default();
        if !state.fields.cover(self.config.field_names()) {
            lifetime = match self.config.base_url {
                Some(BaseUrl::Template(_)) => self.lifetime(record.issued_at, Some(record.issued_at)),
                _ => lifetime.due_at_once(),
            };
        }
        let is_usable = lifetime.is_usable(now);
        {
            let mut life = self.life();
            // What was read before a `clear` is not brought back.
            if life.epoch != epoch {
                return false;
            }
            let is_later = life.see(Some(revision));
            // The token of another user, or for another purpose; the next one replaces it.
            if state.identity.is_some_and(|identity| identity != self.config.identity) {
                if is_later {
                    self.log(|log| log.write(Level::Info, "the stored token is another configuration's"));
                }
                return false;
            }
            // An earlier record (a copy that was put back) is better than nothing.
            let is_needed = life.held.as_ref().is_none_or(|held| {
                is_usable && !held.tokens.lifetime.is_usable(now) && held.revision != Some(revision)
            });
            if !is_later && !is_needed {
                return false;
            }
            let stored_key = state.proof_key.filter(|_| self.config.dpop);
            let proof_key = stored_key.and_then(|key| ProofKey::from_secret(&key).ok());
            // One had before it was to be bound, or bound where nothing is proven: a new one is asked for.
            if proof_key.is_none() && (self.config.dpop || record.scheme.is_dpop()) {
                return false;
            }
            // A token that another program stored was most likely obtained in the first way.
            let guess = if is_from_elsewhere { grants::first_request(&self.config) } else { None };
            let strategy = state.grant.or(guess);
            // Whoever can write to the store shall not say where the credentials go.
            let strategy = strategy.filter(|strategy| strategy.is_allowed(&self.config));
            let tokens = TokenSet {
                access_token: record.access_token,
                scheme: record.scheme,
                refresh_token: record.refresh_token,
                lifetime,
            };
            let generation = life.generation.next();
            life.hold(Held {
                tokens,
                generation,
                source: Source::Store,
                strategy,
                fields: state.fields.only(self.config.field_names()),
                proof_key,
                revision: Some(revision),
                refresh_has_failed: false,
            });
            if is_usable {
                life.succeed();
                life.counters.store_hits += 1;
                life.note(entry(started, now, "adopted", None));
            }
        }
        self.changed();
        if is_usable {
            self.log(|log| log.write(Level::Info, "took the token from the store"));
            self.announce_gain();
        }
        is_usable
    }

    async fn load(&self) -> Result<Loaded> {
        let loaded = self.vault.load().await;
        self.report_store_health();
        loaded.inspect_err(|error| self.log(|log| log.error(Level::Debug, "the store cannot be read", error)))
    }

    /// Says once what a look into the store has shown.
    pub(super) fn warn_of(&self, warning: &Error) {
        {
            let mut life = self.life();
            // Another process has stored a token under a key that is not known here: what was held was spent for
            // it, most likely.
            if warning.kind() == ErrorKind::Decrypt
                && let Some(held) = life.held.as_mut().filter(|held| held.revision.is_some())
            {
                held.tokens.refresh_token = None;
            }
            if life.warned_of.replace(warning.clone()).as_ref() == Some(warning) {
                return;
            }
        }
        let about_what = match warning.kind() {
            ErrorKind::Storage => "about the store",
            _ => "the stored token is not used",
        };
        self.log(|log| log.error(Level::Warn, about_what, warning));
    }

    /// Stores the token; a store that fails costs no caller anything. `None` when the fence is another's by now.
    pub(super) async fn save(
        &self,
        held: &Held,
        expected: Option<Revision>,
        fence: Option<Fence>,
        now: Timestamp,
    ) -> Result<Option<Revision>> {
        let record = self.record_of(held, now);
        let saved = self.vault.save(&record, expected, fence).await;
        self.report_store_health();
        if let Ok(Some(revision)) = saved {
            self.life().see(Some(revision));
        }
        saved.inspect_err(|error| {
            self.log(|log| log.error(Level::Debug, "the token could not be stored", error));
        })
    }

    fn record_of(&self, held: &Held, now: Timestamp) -> StoredToken {
        StoredToken {
            access_token: held.tokens.access_token.clone(),
            scheme: held.tokens.scheme.clone(),
            refresh_token: held.tokens.refresh_token.clone(),
            issued_at: held.tokens.lifetime.issued_at(),
            expires_at: held.tokens.lifetime.expires_at(),
            last_used: now,
            state: Some(StoredState {
                grant: held.strategy.clone(),
                identity: Some(self.config.identity.clone()),
                proof_key: held.proof_key.as_ref().map(ProofKey::to_secret),
                fields: held.fields.clone(),
            }),
        }
    }

    /// Stores what is held and not stored as it is, such as what has become of the refresh token. Where another
    /// process has stored a later token, it is left there.
    pub(super) async fn store_in_place(
        &self,
        expected: Option<Revision>,
        fence: Option<Fence>,
        epoch: u64,
    ) -> bool {
        let _guard = self.vault.turn().await;
        let held = {
            let life = self.life();
            let is_unsaved = |held: &&Held| held.revision.is_none() && life.epoch == epoch;
            life.held.as_ref().filter(is_unsaved).cloned()
        };
        let Some(held) = held else { return false };
        let record = self.record_of(&held, self.clock.now());
        let saved = self.vault.save_in_place(&record, expected, fence).await;
        self.report_store_health();
        // Where this fails it is stored at a later look.
        let Ok(Some(revision)) = saved else { return false };
        let mut life = self.life();
        life.see(Some(revision));
        life.stored_as(held.generation, revision);
        true
    }

    /// Looks at the store every few seconds, until the service ends: another process's refresh is adopted long
    /// before this one's refresh point (some servers end the old token with it), and what a sick store could
    /// not take is stored when it is well again.
    pub(super) async fn watch_store(self: Arc<Self>) {
        let mut changes = self.changes.subscribe();
        loop {
            tokio::select! {
                () = self.clock.sleep(WATCH.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
                _ = changes.wait_for(|_| self.life().closed) => return,
            }
            // A flight looks for itself.
            if self.life().flight.is_none() {
                self.look_into_store().await;
            }
        }
    }

    /// Adopts what is later in the store than what is held, else stores what is held and not stored yet.
    pub(super) async fn look_into_store(&self) {
        let (epoch, started) = (self.life().epoch, self.clock.now());
        self.adopt_from_store(epoch, started).await;
        let is_unsaved = self.life().held.as_ref().is_some_and(|held| held.revision.is_none());
        if is_unsaved {
            self.store_again(epoch).await;
        } else {
            self.vault.forgive_writes();
            self.report_store_health();
        }
    }

    /// Stores a token that could not be stored when it came, unless another process is about to store its own.
    async fn store_again(&self, epoch: u64) {
        let fence = match self.vault.lease_to_keep(self.clock.now()).await {
            Ok(Leasing::Granted(grant)) => Some(grant.fence),
            Ok(Leasing::Unknown) => None,
            Ok(Leasing::Held(_)) | Err(_) => return,
        };
        // Another process may have stored a later one since the look that led here.
        self.adopt_from_store(epoch, self.clock.now()).await;
        let can_tell = self.vault.read_fault().is_none();
        let expected = self.life().stored;
        let is_stored = can_tell && self.store_in_place(expected, fence, epoch).await;
        if let Some(fence) = fence.filter(|_| !is_stored) {
            // It ends by itself where this fails.
            let _ = self.vault.release(fence, None).await;
        }
    }
}
