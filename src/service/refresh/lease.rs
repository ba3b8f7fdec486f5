//! One refresh for all processes: the lease that the store grants to the one that requests a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::rejected_credentials::CredentialMemory;
use super::request_gate::{RequestGate, RequestPass};
use crate::clock::{Clock, Moment};
use crate::config::{Config, CredentialDigest};
use crate::domain::{Backoff, Jitter, Secret};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::log::Level;
use crate::runtime;
use crate::service::observe::Observer;
use crate::service::state::{HeldToken, RefreshReason, SharedState, Sharing, is_rejection};
use crate::service::store_sync::{Attempt, StoreSync};
use crate::store::{Fence, LeaseGrant, Leasing, Revision, StoreClient};
use crate::sync::Mutex;

/// Between two looks at the record while another process requests a token. The first ones are close together, as most
/// requests take milliseconds.
const RECORD_LOOKS: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(250));

/// How often a lease is renewed right before a request, until it lasts.
const CONFIRMATIONS: u32 = 3;

/// How many leases of its own length a process waits for that of another. The holder may use up two, with a refresh and
/// then a login; one with a longer `timeoutMs` may hold it for longer.
const PATIENCE_IN_LEASES: u32 = 3;

/// The right to request a token.
pub(super) struct RefreshLease {
    /// None where the store has no leases, or is away.
    held: Option<HeldLease>,
    /// The revision that the new record is to replace.
    pub(super) expected: Option<Revision>,
    /// Whether the refresh token may be spent: not if another process may have done so unseen.
    pub(super) may_spend: bool,
}

impl RefreshLease {
    /// Looks at the clock once more, right before a request that may take as long as `longest`: if this process was frozen
    /// since it got the lease, another one may have taken it, and sent the same refresh token. Renews the lease if it
    /// would not last.
    ///
    /// # Errors
    /// If another process has taken it, or if that is unknown: nothing must be sent that can be used once.
    pub(super) async fn confirm(&self, longest: Duration) -> Result<()> {
        match &self.held {
            Some(lease) => lease.confirm(longest).await.map_err(Error::unsent),
            None => Ok(()),
        }
    }

    /// Whether another process has taken the lease, as [`confirm`](Self::confirm) found.
    pub(super) fn is_lost(&self) -> bool {
        self.held.as_ref().is_some_and(|lease| lease.is_lost.load(Ordering::Relaxed))
    }

    /// What to save under.
    pub(super) fn fence(&self) -> Option<Fence> {
        self.held.as_ref().map(|lease| lease.fence)
    }

    /// The record was saved under the fence, which ended the lease.
    pub(super) fn end_by_save(mut self) {
        if let Some(lease) = &mut self.held {
            lease.has_ended = true;
        }
    }
}

impl RefreshLease {
    /// Leaves the lease as it is: a clearing that is under way takes it away and ends it. Released before that, it would
    /// let another process send the refresh token that is being removed.
    pub(super) fn leave(self) {
        self.end_by_save();
    }
}

/// A lease that this process holds, renewed until it is dropped.
struct HeldLease {
    store: Arc<StoreClient>,
    fence: Fence,
    /// What the last holder left.
    note: Option<Secret>,
    renewal: JoinHandle<()>,
    clock: Arc<dyn Clock>,
    /// When this process last asked for it and got it. It lasts from then on at least.
    since: Arc<Mutex<Moment>>,
    is_lost: AtomicBool,
    has_ended: bool,
}

impl HeldLease {
    async fn confirm(&self, longest: Duration) -> Result<()> {
        const TAKEN: &str = "another process has taken over the refresh";
        const TOO_SLOW: &str = "the store was too slow to say whether the lease is still held";
        for _ in 0..CONFIRMATIONS {
            let moment = self.clock.moment();
            if moment.since(*self.since.lock()) + longest <= self.store.lease_length() {
                return Ok(());
            }
            if !self.store.renew(self.fence, moment).await? {
                self.is_lost.store(true, Ordering::Relaxed);
                return Err(Error::new(ErrorKind::Storage, TAKEN));
            }
            // This process may have been frozen while it was renewed: it looks once more.
            *self.since.lock() = moment;
        }
        Err(Error::new(ErrorKind::Storage, TOO_SLOW))
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.renewal.abort();
        if !self.has_ended {
            // The attempt was broken off, or its token is no longer wanted.
            let (store, fence, note) = (Arc::clone(&self.store), self.fence, self.note.take());
            let _ = runtime::spawn(async move { store.release(fence, note).await });
        }
    }
}

/// How an attempt failed, as its process leaves it to the next holder of the lease.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastFailure {
    /// The lease it was made under: a process that waited for that very one shares its failure.
    fence: Fence,
    code: String,
    message: String,
    status: Option<u16>,
    retry_after_ms: Option<u64>,
    /// Whether the credential must not be sent again before a cool-down.
    cools_down: bool,
    /// Whether the webhook got the alert.
    #[serde(default)]
    is_alert_posted: bool,
    /// What was sent: with another credential, the failure says nothing.
    credential: CredentialDigest,
}

impl LastFailure {
    fn error(&self) -> Error {
        let kind = ErrorKind::of_code(&self.code).unwrap_or(ErrorKind::Internal);
        let mut error = Error::new(kind, format!("{} (reported by another process)", self.message));
        if let Some(status) = self.status {
            error = error.with_status(status);
        }
        match self.retry_after_ms {
            _ if self.cools_down => error.with_retry(Retry::CoolDown),
            Some(wait) => error.with_retry(Retry::After(Duration::from_millis(wait))),
            None => error,
        }
    }
}

/// What an attempt waited for until it got the lease.
#[derive(Clone, Copy)]
struct Waited {
    /// The lease of another process.
    lease: Option<Fence>,
    /// The revision of the token that was held before.
    before: Option<Revision>,
}

/// Takes leases, and ends them.
pub(super) struct LeaseManager {
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: SharedState,
    pub(super) store: Arc<StoreClient>,
    pub(super) sync: Arc<StoreSync>,
    pub(super) observer: Arc<Observer>,
    pub(super) credentials: Arc<CredentialMemory>,
    pub(super) gate: Arc<RequestGate>,
}

impl LeaseManager {
    /// Waits for the right to request a token; none if another process requested one meanwhile, and it was adopted. It
    /// comes with the pass of the request: while another process holds the lease, this one does not occupy the place of
    /// a request. `lost` is the lease that this attempt had.
    ///
    /// # Errors
    /// How another process's attempt failed while this one waited for it; `Storage` if other processes may spend the
    /// refresh token as well and the store is away; `Timeout` if another process holds the lease for too long; those of
    /// [`RequestGate::enter`].
    pub(super) async fn take(
        &self,
        reason: RefreshReason,
        attempt: Attempt,
        mut pass: RequestPass,
        lost: Option<RefreshLease>,
    ) -> Result<Option<(RefreshLease, RequestPass)>> {
        // Another process took the lost one: what it brought is waited for as well.
        let mut waited_for = lost.as_ref().and_then(RefreshLease::fence);
        let before = lost.map_or_else(|| self.held_revision(), |lease| lease.expected);
        let (mut looks, began) = (0, self.clock.elapsed());
        let patience = self.store.lease_length() * PATIENCE_IN_LEASES;
        // A clearing ends the lease of the attempt before, which has the same owner.
        drop(self.store.turn().await);
        loop {
            let moment = self.clock.moment();
            match self.store.lease(moment).await {
                Ok(Leasing::Granted(grant)) => {
                    let lease = self.hold(grant, moment)?;
                    let waited = Waited { lease: waited_for, before };
                    let lease = self.use_or_release(lease, waited, reason, attempt).await?;
                    return Ok(lease.map(|lease| (lease, pass)));
                }
                Ok(Leasing::Unknown) => {
                    // Without leases only the record tells what others do, and it could not be read.
                    if let Some(error) = self.store.read_fault() {
                        return Ok(Some((self.without_store(error, reason)?, pass)));
                    }
                    let expected = self.state.lock().stored();
                    let lease = RefreshLease { held: None, expected, may_spend: true };
                    return Ok(Some((lease, pass)));
                }
                // The first of those that are waited for: its successors also tell how that one ended.
                Ok(Leasing::Held(fence)) => waited_for = waited_for.or(Some(fence)),
                Err(error) => return Ok(Some((self.without_store(error, reason)?, pass))),
            }
            drop(pass);
            if self.clock.elapsed().saturating_sub(began) > patience {
                return Err(another_is_slow(patience));
            }
            self.clock.sleep(Jitter::random().half(RECORD_LOOKS.wait(looks))).await;
            self.sync.adopt(attempt).await;
            {
                let (state, now) = (self.state.lock(), self.clock.now());
                // A look of the service may have adopted it before this one.
                let is_satisfied = state.has_stored_since(before) && state.satisfies(reason, true, now);
                if is_satisfied || state.epoch() != attempt.epoch {
                    return Ok(None);
                }
                if state.is_closed() {
                    return Err(Error::shutdown());
                }
            }
            looks += 1;
            pass = self.gate.enter().await?;
        }
    }

    /// The lease is held: what has happened since it was requested decides whether it is used.
    async fn use_or_release(
        &self,
        lease: HeldLease,
        waited: Waited,
        reason: RefreshReason,
        attempt: Attempt,
    ) -> Result<Option<RefreshLease>> {
        self.sync.adopt(attempt).await;
        let is_needless = {
            let (state, now) = (self.state.lock(), self.clock.now());
            let by_another = waited.lease.is_some() && state.has_stored_since(waited.before);
            state.satisfies(reason, by_another, now) || state.epoch() != attempt.epoch
        };
        if is_needless {
            self.release_held(lease).await;
            return Ok(None);
        }
        if let Some(error) = self.failure_of_another(&lease, waited.lease) {
            self.release_held(lease).await;
            return Err(error);
        }
        let expected = self.state.lock().stored();
        match self.store.read_fault() {
            Some(error) => Ok(Some(RefreshLease { held: Some(lease), ..self.without_store(error, reason)? })),
            None => Ok(Some(RefreshLease { held: Some(lease), expected, may_spend: true })),
        }
    }

    /// How the attempt failed that was waited for, if it did.
    fn failure_of_another(&self, lease: &HeldLease, waited_for: Option<Fence>) -> Option<Error> {
        let last: LastFailure = serde_json::from_str(lease.note.as_ref()?.expose()).ok()?;
        // A rejection is in the store, by the secret: one that is read may be another one meanwhile.
        let may_be_other = last.cools_down && self.config.credential_sources.is_read();
        if may_be_other || last.credential != self.credentials.digest() {
            return None;
        }
        if last.is_alert_posted {
            self.observer.note_alert_posted_elsewhere();
        }
        waited_for.is_some_and(|fence| last.fence >= fence).then(|| last.error())
    }

    /// The store is away. A grant that can be repeated is made all the same. A stored refresh token may be spent by
    /// other processes meanwhile, and a second use looks like theft (RFC 9700 §4.14.2): while the token lives and the
    /// API accepts it, the refresh token is left alone; then the credentials are used. They are used before its last
    /// moments, too: the pause after a failure would outlast it.
    fn without_store(&self, error: Error, reason: RefreshReason) -> Result<RefreshLease> {
        let now = self.clock.now();
        let state = self.state.lock();
        let is_shared =
            |held: &&HeldToken| held.tokens.refresh_token.is_some() && held.sharing != Sharing::No;
        let shared = state.held().filter(is_shared);
        // Someone would have to consent again: it waits for the store. A configured refresh token may be spent already.
        let is_safe =
            state.held().is_some_and(|held| held.tokens.refresh_token.is_some()) && shared.is_none();
        if self.config.needs_consent() && !is_safe {
            return Err(error);
        }
        let time_left = state.time_left(reason, now);
        let longest_pause =
            if reason == RefreshReason::Requested { Duration::ZERO } else { self.config.retry.max };
        if shared.is_some() && time_left > longest_pause {
            return Err(error);
        }
        Ok(RefreshLease { held: None, expected: None, may_spend: shared.is_none() })
    }

    fn held_revision(&self) -> Option<Revision> {
        self.state.lock().held().and_then(|held| held.revision)
    }

    fn hold(&self, LeaseGrant { fence, note }: LeaseGrant, moment: Moment) -> Result<HeldLease> {
        let (store, clock, since) =
            (Arc::clone(&self.store), Arc::clone(&self.clock), Arc::new(Mutex::new(moment)));
        let renewal = renew(Arc::clone(&store), Arc::clone(&clock), fence, Arc::clone(&since));
        let renewal = runtime::spawn(renewal)?;
        let is_lost = AtomicBool::new(false);
        Ok(HeldLease { store, fence, note, renewal, clock, since, is_lost, has_ended: false })
    }

    /// Ends the lease of an attempt that failed, and tells the processes that wait or come later why.
    pub(super) async fn fail(&self, lease: RefreshLease, error: &Error) {
        let Some(mut lease) = lease.held else { return };
        let last = LastFailure {
            fence: lease.fence,
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            status: error.status(),
            retry_after_ms: error.retry_after().and_then(|wait| u64::try_from(wait.as_millis()).ok()),
            cools_down: is_rejection(error),
            is_alert_posted: self.observer.is_alert_posted(),
            credential: self.credentials.digest(),
        };
        lease.note = serde_json::to_string(&last).ok().map(Secret::new);
        self.release_held(lease).await;
    }

    /// Ends a lease that was not used.
    pub(super) async fn release(&self, lease: RefreshLease) {
        if let Some(lease) = lease.held {
            self.release_held(lease).await;
        }
    }

    async fn release_held(&self, mut lease: HeldLease) {
        lease.has_ended = true;
        if let Err(error) = self.store.release(lease.fence, lease.note.take()).await {
            // It ends by itself.
            self.observer.log_error(Level::Debug, "could not release the lease", &error);
        }
    }
}

fn another_is_slow(waited: Duration) -> Error {
    let message = format!(
        "another process has held the lease of this service for {} s, so this one requests no token",
        waited.as_secs()
    );
    Error::new(ErrorKind::Timeout, message).unsent()
}

/// Makes a lease last until it is released, or another process has taken it.
async fn renew(store: Arc<StoreClient>, clock: Arc<dyn Clock>, fence: Fence, since: Arc<Mutex<Moment>>) {
    loop {
        clock.sleep(store.renewal_interval()).await;
        let moment = clock.moment();
        match store.renew(fence, moment).await {
            Ok(true) => *since.lock() = moment,
            Ok(false) => return,
            Err(_) => {}
        }
    }
}
