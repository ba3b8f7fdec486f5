//! The token in memory and the record in the store: what is adopted from it, and what is saved to it.

mod candidate;
mod handing_in;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use super::observe::{EventKind, Observer};
use super::state::{HeldToken, SharedState};
use candidate::Candidate;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Jitter, Lifetime, Timestamp};
use crate::error::{Error, Result};
use crate::log::Level;
use crate::oauth::ProofKey;
use crate::store::{
    Fence, Leasing, Loaded, RecordObserver, Revision, StoreClient, StoredState, StoredToken, Subscription,
};
use crate::sync::Mutex;

/// How often the store is read for what other processes put there.
const LOOK_INTERVAL: Duration = Duration::from_millis(1_500);

/// When an attempt started, and which clearing it comes after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) epoch: u64,
    pub(super) started: Timestamp,
}

/// Keeps memory and store in step.
pub(super) struct StoreSync {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    state: SharedState,
    store: Arc<StoreClient>,
    observer: Arc<Observer>,
    /// Held while the lease of its own is used with which the service stores what it did not request just now.
    keeping: tokio::sync::Mutex<()>,
    next_look: Mutex<Timestamp>,
    /// What notifies of changes; none until the service starts, and for stores that cannot.
    watch: OnceLock<Subscription>,
    /// Whether it has notified since the last look.
    may_have_changed: AtomicBool,
}

impl RecordObserver for StoreSync {
    fn record_may_have_changed(&self) {
        self.may_have_changed.store(true, Ordering::Release);
        self.observer.plan_again();
    }
}

/// How it ended to store a token in place of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InPlace {
    Stored,
    /// The token in memory is stored, was cleared or has changed.
    Needless,
    /// There is another one, or another process has the lease.
    Taken,
    /// The store failed.
    Failed,
}

impl StoreSync {
    pub(super) fn new(
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
        state: SharedState,
        store: Arc<StoreClient>,
        observer: Arc<Observer>,
    ) -> Self {
        let next_look = Mutex::new(clock.now().plus(LOOK_INTERVAL));
        let (watch, may_have_changed) = (OnceLock::new(), AtomicBool::new(false));
        let keeping = tokio::sync::Mutex::default();
        Self { config, clock, state, store, observer, keeping, next_look, watch, may_have_changed }
    }

    /// Has the store notify when another process may have changed the record, if it can.
    pub(super) fn begin_watch(self: &Arc<Self>) -> Result<()> {
        let this: Weak<Self> = Arc::downgrade(self);
        if let Some(subscription) = self.store.watch(this)? {
            // A service starts once.
            let _ = self.watch.set(subscription);
        }
        Ok(())
    }

    /// The store, as a test looks at it.
    #[cfg(test)]
    pub(super) fn store(&self) -> &StoreClient {
        &self.store
    }

    /// An attempt that starts now.
    pub(super) fn attempt(&self) -> Attempt {
        Attempt { epoch: self.state.lock().epoch(), started: self.clock.now() }
    }

    // From the store.

    /// Adopts the stored token if it is later than the one in memory, or the only usable one. Whether that gave a usable
    /// token.
    pub(super) async fn adopt(&self, attempt: Attempt) -> bool {
        let last = self.state.lock().stored();
        let loaded = self.store.load().await;
        self.observer.report_store();
        match loaded {
            Ok(Loaded { record: Some((record, revision)), .. }) => {
                self.state.lock().see_readable(true);
                self.adopt_record(record, revision, attempt)
            }
            Ok(Loaded { cannot_be_decrypted: true, .. }) => {
                let mut state = self.state.lock();
                state.see(None);
                state.see_readable(false);
                false
            }
            Ok(Loaded { removal, .. }) => {
                self.state.lock().see_readable(true);
                self.note_absence(removal, last);
                false
            }
            Err(error) => {
                self.observer.log_error(Level::Debug, "could not read the store", &error);
                false
            }
        }
    }

    fn adopt_record(&self, record: StoredToken, revision: Revision, attempt: Attempt) -> bool {
        let now = self.clock.now();
        let is_usable = {
            let mut state = self.state.lock();
            // What was read before a clearing is not brought back.
            if state.epoch() != attempt.epoch {
                return false;
            }
            match self.candidate(&mut state, record, revision, now) {
                Candidate::Token(token) => {
                    let is_usable = token.is_usable(now);
                    state.adopt(*token, attempt.started, now);
                    is_usable
                }
                Candidate::Nothing => return false,
                Candidate::Other(why) => return self.leave_record(why),
            }
        };
        if is_usable {
            self.observer.announce_token("using the stored token");
        } else {
            self.observer.changed();
        }
        self.observer.check_consent(false);
        is_usable
    }

    fn leave_record(&self, why: &str) -> bool {
        self.observer.log(Level::Info, why);
        false
    }

    /// The lifetime of a token, with a refresh point of its own.
    pub(super) fn lifetime(&self, issued_at: Timestamp, expires_at: Option<Timestamp>) -> Lifetime {
        Lifetime::new(issued_at, expires_at, &self.config.policy, Jitter::random().value())
    }

    /// Nothing is stored where `last` was as the look began. What this process has stored or cleared meanwhile is later
    /// than the look.
    fn note_absence(&self, removal: Option<Revision>, last: Option<Revision>) {
        let is_cleared = {
            let mut state = self.state.lock();
            state.stored() == last && state.see_absence(removal, self.clock.now())
        };
        if is_cleared {
            self.observer.changed();
            self.observer.announce(EventKind::Cleared, None);
            self.observer.log(Level::Info, "the stored token was cleared and is no longer used");
        }
    }

    // To the store.

    /// Drops the token, in memory and in the store. Returns it, and whether the record was removed.
    ///
    /// # Errors
    /// `Shutdown`.
    pub(super) async fn clear(&self) -> Result<(Option<HeldToken>, Result<()>)> {
        let held = {
            let mut state = self.state.lock();
            if state.is_closed() {
                return Err(Error::shutdown());
            }
            state.clear(self.clock.now())
        };
        self.observer.changed();
        let removed = {
            let _turn = self.store.turn().await;
            let removed = self.store.remove().await;
            if removed.is_ok() {
                // A look may have adopted it once more while it was being removed.
                self.state.lock().forget();
            }
            removed
        };
        self.observer.changed();
        self.observer.report_store();
        self.observer.announce(EventKind::Cleared, None);
        self.observer.log(Level::Info, "the token was cleared");
        Ok((held, removed))
    }

    /// Stores a new token; a store that fails costs no caller anything. `None` if another holder has taken the lease.
    ///
    /// The caller holds [`StoreClient::turn`].
    pub(super) async fn save(
        &self,
        token: &HeldToken,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Option<Revision>> {
        let record = self.record_of(token);
        let saved = self.store.save(&record, expected, fence).await;
        self.observer.report_store();
        if let Ok(Some(revision)) = saved {
            self.state.lock().see(Some(revision));
            self.expect_notice();
        }
        saved.inspect_err(|error| {
            self.observer.log_error(Level::Debug, "could not store the token", error);
        })
    }

    /// Stores the token in memory if it is not stored as it is, for example after a change of the refresh token. A
    /// later token of another process stays.
    pub(super) async fn store_in_place(
        &self,
        expected: Option<Revision>,
        fence: Option<Fence>,
        epoch: u64,
    ) -> InPlace {
        let _guard = self.store.turn().await;
        let token = {
            let state = self.state.lock();
            state.held().filter(|_| state.is_unsaved() && state.epoch() == epoch).cloned()
        };
        let Some(token) = token else { return InPlace::Needless };
        let saved = self.store.save_in_place(&self.record_of(&token), expected, fence).await;
        self.observer.report_store();
        match saved {
            Ok(Some(revision)) => {
                self.state.lock().mark_stored(token.generation, revision);
                self.expect_notice();
                InPlace::Stored
            }
            Ok(None) => InPlace::Taken,
            // A later look stores it.
            Err(error) => {
                if error.may_have_happened() {
                    self.state.lock().mark_shared(token.generation);
                }
                InPlace::Failed
            }
        }
    }

    fn expect_notice(&self) {
        if let Some(watch) = self.watch.get() {
            watch.expect_notice();
        }
    }

    fn record_of(&self, token: &HeldToken) -> StoredToken {
        StoredToken {
            access_token: token.tokens.access_token.clone(),
            scheme: token.tokens.scheme.clone(),
            refresh_token: token.tokens.refresh_token.clone(),
            issued_at: token.tokens.lifetime.issued_at(),
            expires_at: token.tokens.lifetime.expires_at(),
            last_used: self.clock.now(),
            state: Some(StoredState {
                grant: token.grant.clone(),
                identity: Some(self.config.identity.clone()),
                proof_key: token.proof_key.as_ref().map(ProofKey::to_secret),
                fields: token.fields.clone(),
                consent: token.consent.clone(),
            }),
        }
    }

    // From time to time.

    /// When to look into the store again without a notice; never where no other process can write to it.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        self.looks_by_itself().then(|| *self.next_look.lock())
    }

    /// Whether a look is due, which is then taken: a token of another process is adopted long before the refresh point
    /// (some servers end the old token with a refresh), and a token is stored that a failing store did not take.
    ///
    /// Also during an attempt: its request may take long, and a clearing must not wait for it.
    pub(super) fn take_due_look(&self, now: Timestamp) -> bool {
        let is_time = {
            let mut next = self.next_look.lock();
            // A clock that was set back would put the look off.
            let is_time = *next <= now || now.until(*next) > LOOK_INTERVAL * 2;
            if is_time {
                *next = now.plus(Jitter::random().around(LOOK_INTERVAL));
            }
            is_time
        };
        let is_notified = self.may_have_changed.swap(false, Ordering::AcqRel);
        is_notified || (is_time && self.looks_by_itself())
    }

    /// Whether only looking shows what has changed: in a store that does not notify, or does not work; and to store a token
    /// that is not stored yet.
    pub(super) fn looks_by_itself(&self) -> bool {
        let is_notified =
            self.watch.get().is_some() && self.store.is_healthy() && !self.state.lock().is_unsaved();
        self.store.is_shared() && !is_notified
    }

    /// Adopts a later token from the store, or else stores the token that is not stored yet.
    pub(super) async fn look(&self) {
        let attempt = self.attempt();
        self.adopt(attempt).await;
        if self.state.lock().is_unsaved() {
            self.store_again(attempt.epoch).await;
        } else {
            self.store.forgive_writes();
            self.observer.report_store();
        }
    }

    /// Stores a token that could not be stored when it was obtained, unless another process is about to store its own.
    async fn store_again(&self, epoch: u64) {
        // If tokens are being handed in, they replace this one.
        let Ok(_one_at_a_time) = self.keeping.try_lock() else { return };
        let grant = match self.store.lease_to_keep(self.clock.moment()).await {
            Ok(Leasing::Granted(grant)) => Some(grant),
            Ok(Leasing::Unknown) => None,
            Ok(Leasing::Held(_)) | Err(_) => return,
        };
        let fence = grant.as_ref().map(|grant| grant.fence);
        // Another process may have stored a later one since the last look.
        self.adopt(Attempt { epoch, started: self.clock.now() }).await;
        let can_tell = self.store.read_fault().is_none();
        let expected = self.state.lock().stored();
        let is_stored = can_tell && self.store_in_place(expected, fence, epoch).await == InPlace::Stored;
        if let Some(grant) = grant.filter(|_| !is_stored) {
            // The next holder still needs to know how the last request failed. If this fails, the lease ends by itself.
            let _ = self.store.release(grant.fence, grant.note).await;
        }
    }
}
