//! One refresh, however many processes: the turn to ask the token server, as the store gives it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::Service;
use super::life::{AlertDelivery, Held, RefreshReason};
use super::limits::is_rejection;
use crate::clock::Clock;
use crate::config::CredentialDigest;
use crate::domain::{Secret, Timestamp};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::log::Level;
use crate::runtime;
use crate::store::StoreClient;
use crate::store::{Fence, LeaseGrant, Leasing, Revision};

/// Between two looks at the record of a process that waits for another's token: the first ones are close, as
/// most requests take milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The right to ask the token server.
pub(super) struct Turn {
    lease: Option<Lease>,
    /// The revision that the new record is to replace.
    pub(super) expected: Option<Revision>,
    /// Whether the refresh token may be spent: not where another process may have done so unseen.
    pub(super) may_spend: bool,
}

/// A lease that this process holds, renewed until it is dropped.
struct Lease {
    vault: Arc<StoreClient>,
    fence: Fence,
    /// What the last holder left.
    note: Option<Secret>,
    renewal: JoinHandle<()>,
    is_over: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
        if !self.is_over {
            // The attempt was broken off, or what it brought was not wanted any more.
            let (vault, fence, note) = (Arc::clone(&self.vault), self.fence, self.note.take());
            let _ = runtime::spawn(async move { vault.release(fence, note).await });
        }
    }
}

impl Turn {
    /// What to save under.
    pub(super) fn fence(&self) -> Option<Fence> {
        self.lease.as_ref().map(|lease| lease.fence)
    }

    /// The record is saved under the fence, which ended the lease.
    pub(super) fn saved(mut self) {
        if let Some(lease) = &mut self.lease {
            lease.is_over = true;
        }
    }
}

/// How an attempt failed, as its process leaves it to the next holder of the lease.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastFailure {
    /// The lease it was made under: who waited for that very one shares its failure.
    fence: Fence,
    code: String,
    message: String,
    status: Option<u16>,
    retry_after_ms: Option<u64>,
    /// Whether the credential is not to be sent again before a cool-down.
    cools_down: bool,
    /// Whether the webhook was told of that.
    #[serde(default)]
    is_told: bool,
    /// What was sent: with another credential, all is open again.
    credential: CredentialDigest,
}

impl LastFailure {
    fn error(&self) -> Error {
        let kind = ErrorKind::of_code(&self.code).unwrap_or(ErrorKind::Internal);
        let mut error = Error::new(kind, format!("{} (as another process was told)", self.message));
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

impl Service {
    /// Waits for the turn to ask; none when another process asked meanwhile, and its token was adopted.
    ///
    /// # Errors
    /// How another process's attempt failed while this one waited for it; `Storage`, where the refresh token in hand may be spent by others and the store that
    /// would tell is away.
    pub(super) async fn take_turn(
        &self,
        why: RefreshReason,
        epoch: u64,
        started: Timestamp,
    ) -> Result<Option<Turn>> {
        let mut waited_for = None;
        let mut longest = FIRST_PAUSE;
        loop {
            match self.vault.lease(self.clock.now()).await {
                Ok(Leasing::Granted(grant)) => {
                    let lease = self.begin_lease(grant)?;
                    return self.inside(lease, waited_for, why, epoch, started).await;
                }
                Ok(Leasing::Unknown) => {
                    // Who has no lease is told by the record alone, and it could not be read.
                    if let Some(error) = self.vault.read_fault() {
                        return self.without_store(error, why).map(Some);
                    }
                    let expected = self.life().stored;
                    return Ok(Some(Turn { lease: None, expected, may_spend: true }));
                }
                // The first of those that are waited for: how that one ended is told by its successors, too.
                Ok(Leasing::Held(fence)) => waited_for = waited_for.or(Some(fence)),
                Err(error) => return self.without_store(error, why).map(Some),
            }
            self.clock.sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            longest = (longest * 2).min(LONGEST_PAUSE);
            let has_adopted = self.adopt_from_store(epoch, started).await;
            if has_adopted && self.is_satisfied(why, true) || self.life().epoch != epoch {
                return Ok(None);
            }
            if self.life().closed {
                return Err(Error::shutdown());
            }
        }
    }

    /// The lease is ours: what has happened since it was asked for decides whether it is used.
    async fn inside(
        &self,
        lease: Lease,
        waited_for: Option<Fence>,
        why: RefreshReason,
        epoch: u64,
        started: Timestamp,
    ) -> Result<Option<Turn>> {
        let has_adopted = self.adopt_from_store(epoch, started).await;
        if self.is_satisfied(why, has_adopted && waited_for.is_some()) || self.life().epoch != epoch {
            self.give_back(lease).await;
            return Ok(None);
        }
        if let Some(error) = self.told(&lease, waited_for) {
            self.give_back(lease).await;
            return Err(error);
        }
        let expected = self.life().stored;
        match self.vault.read_fault() {
            Some(error) => Ok(Some(Turn { lease: Some(lease), ..self.without_store(error, why)? })),
            None => Ok(Some(Turn { lease: Some(lease), expected, may_spend: true })),
        }
    }

    /// How the attempt that was waited for has failed, where it has.
    fn told(&self, lease: &Lease, waited_for: Option<Fence>) -> Option<Error> {
        let note: LastFailure = serde_json::from_str(lease.note.as_ref()?.expose()).ok()?;
        if note.credential != self.config.credential {
            return None;
        }
        if note.is_told {
            let mut life = self.life();
            life.told =
                if life.told == AlertDelivery::Here { AlertDelivery::Here } else { AlertDelivery::Elsewhere };
        }
        waited_for.is_some_and(|fence| note.fence >= fence).then(|| note.error())
    }

    /// The store is away. A grant that can be repeated is made all the same. A refresh token that is stored may
    /// be spent by others meanwhile, and a second use looks like theft (RFC 9700 §4.14.2): as long as the token
    /// lives, and the API does not refuse it, it is not touched; then the credentials are used.
    fn without_store(&self, error: Error, why: RefreshReason) -> Result<Turn> {
        let now = self.clock.now();
        let is_shared = {
            let life = self.life();
            let held = life.held.as_ref().filter(|held| held.tokens.refresh_token.is_some());
            let is_good = |held: &Held| {
                held.tokens.lifetime.is_usable(now) && why != RefreshReason::Rejected(held.generation)
            };
            if held.is_some_and(|held| held.revision.is_some() && is_good(held)) {
                return Err(error);
            }
            held.is_some_and(|held| held.revision.is_some())
        };
        Ok(Turn { lease: None, expected: None, may_spend: !is_shared })
    }

    fn begin_lease(&self, grant: LeaseGrant) -> Result<Lease> {
        let (vault, clock) = (Arc::clone(&self.vault), Arc::clone(&self.clock));
        let renewal = runtime::spawn(renew(vault, clock, grant.fence))?;
        let vault = Arc::clone(&self.vault);
        Ok(Lease { vault, fence: grant.fence, note: grant.note, renewal, is_over: false })
    }

    /// Ends a turn that came to nothing and says why, for those who wait for it and those who come later.
    pub(super) async fn end_turn(&self, turn: Turn, error: &Error) {
        let Some(mut lease) = turn.lease else { return };
        let is_told = self.life().told != AlertDelivery::Nobody;
        let note = LastFailure {
            fence: lease.fence,
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            status: error.status(),
            retry_after_ms: error.retry_after().and_then(|wait| u64::try_from(wait.as_millis()).ok()),
            cools_down: is_rejection(error),
            is_told,
            credential: self.config.credential.clone(),
        };
        lease.note = serde_json::to_string(&note).ok().map(Secret::new);
        self.give_back(lease).await;
    }

    /// Ends a turn that was not used.
    pub(super) async fn leave_turn(&self, turn: Turn) {
        if let Some(lease) = turn.lease {
            self.give_back(lease).await;
        }
    }

    async fn give_back(&self, mut lease: Lease) {
        lease.is_over = true;
        let released = self.vault.release(lease.fence, lease.note.take()).await;
        if let Err(error) = released {
            // It ends by itself.
            self.log(|log| log.error(Level::Debug, "the lease could not be released", &error));
        }
    }
}

/// Makes a lease last until it is given back, or is another's.
async fn renew(vault: Arc<StoreClient>, clock: Arc<dyn Clock>, fence: Fence) {
    loop {
        clock.sleep(vault.renewal_interval()).await;
        if let Ok(false) = vault.renew(fence, clock.now()).await {
            return;
        }
    }
}
