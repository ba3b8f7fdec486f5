//! The state of a service's token: rules only. No I/O, no clock, no lock: time is an argument.

mod consent;
mod held;
mod history;
mod limits;
mod reason;
mod refresh_token;
mod revisions;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::domain::{Generation, Jitter, Secret, Timestamp, TokenPhase};
use crate::error::{Error, Result};
use crate::grants::GrantRequest;
use crate::store::Revision;
use crate::sync::Mutex;

use consent::ConsentState;
use limits::Limits;
use revisions::Revisions;

pub(super) use consent::consent_ended;
pub use held::Source;
pub(super) use held::{HeldToken, Sharing};
pub(super) use history::History;
pub use history::{Counters, HistoryEntry, LastError, Outcome};
pub(super) use limits::{cool_down, is_rejection};
pub(super) use reason::RefreshReason;

/// Refreshes at a token's own refresh point are at least this far apart, however short the lifetimes.
const MIN_REQUEST_SPACING: Duration = Duration::from_secs(1);

/// The state of a token, which the parts of its service share.
pub(super) type SharedState = Arc<Mutex<TokenState>>;

/// Everything about a token that changes.
pub(super) struct TokenState {
    held: Option<HeldToken>,
    generation: Generation,
    /// The request that obtained a token last.
    grant: Option<GrantRequest>,
    revisions: Revisions,
    limits: Limits,
    history: History,
    /// Raised when the token is cleared: what an attempt brings that started before is not kept.
    epoch: u64,
    /// Whether the token was cleared: the scheduler does not obtain another before its next look.
    is_cleared: bool,
    /// The record of the token that was cleared. If it could not be removed, it is not adopted again.
    cleared: Option<Revision>,
    is_closed: bool,
    /// Whether the server has ever accepted a refresh token, or its first refusal was reported.
    has_settled_refresh: bool,
    consent: ConsentState,
}

impl TokenState {
    /// The state of a service that has just started.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            held: None,
            generation: Generation::default(),
            grant: None,
            revisions: Revisions::default(),
            limits: Limits::new(&config.retry, config.rate_limit.clone()),
            history: History::default(),
            epoch: 0,
            is_cleared: false,
            cleared: None,
            is_closed: false,
            has_settled_refresh: false,
            consent: ConsentState::new(config),
        }
    }

    // What is held.

    /// The token in memory, usable or not.
    pub(super) fn held(&self) -> Option<&HeldToken> {
        self.held.as_ref()
    }

    /// The token that may be sent.
    pub(super) fn usable(&self, now: Timestamp) -> Option<&HeldToken> {
        self.held.as_ref().filter(|held| held.is_usable(now))
    }

    /// Whether a token later than `generation` may be sent.
    pub(super) fn has_later_than(&self, generation: Generation, now: Timestamp) -> bool {
        self.usable(now).is_some_and(|held| held.generation > generation)
    }

    /// How long the token may still be sent: not at all if the API has just refused it.
    pub(super) fn time_left(&self, reason: RefreshReason, now: Timestamp) -> Duration {
        let usable = self.usable(now).filter(|held| reason != RefreshReason::Rejected(held.generation));
        usable.map_or(Duration::ZERO, |held| {
            held.tokens.lifetime.usable_until().map_or(Duration::MAX, |until| now.until(until))
        })
    }

    /// The refresh token to spend, and the request that obtained it.
    pub(super) fn refresh_token(&self, now: Timestamp) -> Option<(Secret, GrantRequest)> {
        let held = self.held.as_ref()?;
        if held.refresh_has_failed && !held.is_usable(now) {
            return None;
        }
        let grant = held.grant.clone().or_else(|| self.grant.clone())?;
        Some((held.tokens.refresh_token.clone()?, grant))
    }

    /// The phase of the token itself; whether the manual token stands in is not decided here.
    pub(super) fn phase(&self, now: Timestamp) -> TokenPhase {
        match &self.held {
            Some(held) if held.tokens.access_token.is_none() => TokenPhase::Missing,
            None => TokenPhase::Missing,
            Some(held) if !held.is_usable(now) => TokenPhase::Expired,
            Some(held) if held.tokens.lifetime.is_due(now) => TokenPhase::Expiring,
            Some(_) => TokenPhase::Valid,
        }
    }

    /// The next moment at which something about the token changes by itself.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let lifetime = self.held.as_ref().map(|held| held.tokens.lifetime);
        let moments = [
            lifetime.and_then(|l| l.refresh_at()),
            lifetime.and_then(|l| l.usable_until()),
            self.paused_until(now),
        ];
        moments.into_iter().flatten().filter(|moment| *moment > now).min()
    }

    // What is remembered.
    pub(super) fn grant(&self) -> Option<&GrantRequest> {
        self.grant.as_ref()
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn count_token_request(&mut self) {
        self.history.counters.token_requests += 1;
    }

    /// A 401 was answered with a later token.
    pub(super) fn count_retry_on_401(&mut self) {
        self.history.counters.retries_on_401 += 1;
    }

    // The service's end, and what a clearing cuts off.

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Which clearing an attempt comes after: it keeps nothing once that has changed.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Drops the token because it was cleared at `now`. What was requested before is not kept either.
    pub(super) fn clear(&mut self, now: Timestamp) -> Option<HeldToken> {
        self.note(Outcome::Cleared, now, now, None);
        self.is_cleared = true;
        self.cleared = self.revisions.stored();
        self.forget()
    }

    /// Drops a token that was read from the store while its record was being removed.
    pub(super) fn forget(&mut self) -> Option<HeldToken> {
        self.epoch += 1;
        self.consent.begin_again();
        self.is_cleared |= self.held.is_some();
        self.held.take()
    }

    // When to refresh.

    /// Whether a refresh is due, or no token is held yet.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.held.as_ref().is_none_or(|held| held.tokens.lifetime.is_due(now) || !held.is_usable(now))
    }

    /// When a refresh is due and allowed: at once for a token that may not be sent, also if the clock was set back; never
    /// after the token was cleared, if it does not expire, or if someone has to consent.
    pub(super) fn next_refresh(&self, now: Timestamp) -> Option<Timestamp> {
        let due = match &self.held {
            Some(held) if !held.is_usable(now) => now,
            Some(held) => held.tokens.lifetime.refresh_at()?,
            None if self.is_cleared => return None,
            None => now,
        };
        if self.missing_consent().is_some() {
            return None;
        }
        Some(self.paused_until(now).map_or(due, |until| until.max(due)))
    }

    /// Until when only an explicit request starts an attempt.
    pub(super) fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.limits.pause_at(now).map(limits::Pause::until)
    }

    /// Whether only an explicit request starts an attempt: in a pause, or if someone has to consent.
    pub(super) fn is_held_back(&self, now: Timestamp) -> bool {
        self.paused_until(now).is_some() || self.missing_consent().is_some()
    }

    /// Whether a refresh may start now.
    ///
    /// # Errors
    /// `Shutdown`; `Consent` if someone has to consent; and in a pause, the error that caused it with the rest of the
    /// wait.
    pub(super) fn may_refresh(&self, reason: RefreshReason, now: Timestamp) -> Result<()> {
        if self.is_closed {
            return Err(Error::shutdown());
        }
        if reason.is_urgent() {
            return Ok(());
        }
        match (self.missing_consent(), self.limits.pause_at(now)) {
            (Some(error), _) => Err(error),
            (None, Some(pause)) => Err(pause.error(now)),
            (None, None) => Ok(()),
        }
    }

    /// Whether the token makes a request needless; `another` if another process was waited for.
    pub(super) fn satisfies(&self, reason: RefreshReason, another: bool, now: Timestamp) -> bool {
        self.held.as_ref().is_some_and(|held| {
            reason.is_satisfied_by(held, now) || (another && reason.is_satisfied_by_another(held, now))
        })
    }

    /// Counts an attempt against the configured rate, and returns how long to wait before its request. A token that
    /// reaches its own refresh point is replaced at any rate: its server sets that pace, and one request a second is
    /// the most.
    ///
    /// # Errors
    /// `RateLimited`, with the wait until the next attempt is allowed.
    pub(super) fn admit(&mut self, reason: RefreshReason, now: Timestamp) -> Result<Duration> {
        let is_natural = reason == RefreshReason::Due && self.held.is_some() && self.limits.failures() == 0;
        if let RefreshReason::Rejected(_) = reason {
            self.limits.admit_rejection(now)?;
        }
        if !is_natural && let Err(error) = self.limits.admit(now) {
            self.history.last_error = Some(LastError::new(&error, now));
            return Err(error);
        }
        let last = self.history.last_refresh_at.filter(|last| is_natural && *last <= now);
        Ok(last.map_or(Duration::ZERO, |last| now.until(last.plus(MIN_REQUEST_SPACING))))
    }

    /// The wait before try `number` of the same request.
    pub(super) fn retry_wait(&self, number: u32, jitter: Jitter) -> Duration {
        self.limits.retry_wait(number, jitter)
    }

    // How attempts end.

    /// The number of failed attempts in a row.
    pub(super) fn failures(&self) -> u32 {
        self.limits.failures()
    }

    /// The number of rejections of the credential in a row.
    pub(super) fn rejections(&self) -> u32 {
        self.limits.rejections()
    }

    /// The credential was rejected this often in a row, by this process or another.
    pub(super) fn set_rejections(&mut self, times: u32) {
        self.limits.set_rejections(times);
    }

    /// Another service of this process had the credential accepted.
    pub(super) fn lift_rejection(&mut self) {
        self.limits.lift_rejection();
    }

    /// An attempt failed. The token stays: a failed refresh never evicts a token that still works.
    pub(super) fn fail(&mut self, error: &Error, started: Timestamp, now: Timestamp, jitter: Jitter) {
        self.limits.fail(error, now, jitter);
        self.history.last_error = Some(LastError::new(error, now));
        self.history.counters.failures += 1;
        self.note(Outcome::Failed, started, now, Some(error.code()));
    }

    /// An attempt obtained this token, and its record was stored, where that was possible.
    pub(super) fn refresh(&mut self, token: HeldToken, started: Timestamp, now: Timestamp) {
        self.hold(token);
        self.succeed();
        self.history.counters.refreshes += 1;
        self.history.last_refresh_at = Some(now);
        self.note(Outcome::Refreshed, started, now, None);
    }

    /// The store had this token, and it is the one to use.
    pub(super) fn adopt(&mut self, token: HeldToken, started: Timestamp, now: Timestamp) {
        let is_usable = token.is_usable(now);
        let was_held_up = self.missing_consent().is_some();
        self.hold(token);
        if was_held_up && self.missing_consent().is_none() {
            self.succeed();
        }
        if is_usable {
            self.succeed();
            self.history.counters.store_hits += 1;
            self.note(Outcome::Adopted, started, now, None);
        }
        if let Some(at) = self.consent_ended_at() {
            self.history.last_error = Some(LastError::new(&consent_ended(None, None), at));
        }
    }

    fn hold(&mut self, token: HeldToken) {
        self.generation = self.generation.next();
        self.consent.see_held(&token);
        if token.grant.is_some() {
            self.grant.clone_from(&token.grant);
        }
        self.held = Some(HeldToken { generation: self.generation, ..token });
        self.is_cleared = false;
    }

    fn succeed(&mut self) {
        self.limits.succeed();
        self.history.last_error = None;
    }

    fn note(&mut self, outcome: Outcome, started: Timestamp, now: Timestamp, code: Option<&'static str>) {
        self.history.add(HistoryEntry::new(outcome, started, now, code));
    }

    /// Forgets what worked before: the endpoint and format, and a refresh token that keeps failing. Whether there
    /// was anything to forget.
    pub(super) fn begin_again(&mut self) -> bool {
        let failing = self.held.as_ref().filter(|held| held.refresh_has_failed);
        let had_refresh_token = failing.is_some_and(|held| held.tokens.refresh_token.is_some());
        if let Some(held) = self.held.as_mut().filter(|_| had_refresh_token) {
            held.set_refresh_token(None);
        }
        self.grant.take().is_some() || had_refresh_token
    }

    // What the store holds.

    /// The revision that the store had when it was last read or written.
    pub(super) fn stored(&self) -> Option<Revision> {
        self.revisions.stored()
    }

    /// Whether the record of this revision is that of a token that was cleared.
    pub(super) fn was_cleared(&self, revision: Revision) -> bool {
        self.cleared == Some(revision)
    }

    /// Notes what the store has; whether that is later than all that was seen before.
    pub(super) fn see(&mut self, stored: Option<Revision>) -> bool {
        self.revisions.see(stored)
    }

    /// Nothing is stored. If the record was removed after all that was seen before, the token was cleared, and is
    /// dropped; else the record was lost, and the token has to be stored again. Whether a token was dropped.
    pub(super) fn see_absence(&mut self, removal: Option<Revision>, now: Timestamp) -> bool {
        if !removal.is_some_and(|removal| self.revisions.see_removal(removal)) {
            self.revisions.see_loss();
            if let Some(held) = &mut self.held {
                held.revision = None;
            }
            return false;
        }
        let is_dropped = self.forget().is_some();
        if is_dropped {
            self.note(Outcome::Cleared, now, now, None);
        }
        is_dropped
    }

    /// Whether a token is held that another process has stored since the record had the revision `last`: usable or not, as
    /// the clocks may be apart.
    pub(super) fn has_stored_since(&self, last: Option<Revision>) -> bool {
        self.held.as_ref().is_some_and(|held| held.revision.is_some() && held.revision != last)
    }

    /// Whether the token is not stored as it is.
    pub(super) fn is_unsaved(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.revision.is_none())
    }

    /// The token of this generation may have been stored.
    pub(super) fn mark_shared(&mut self, generation: Generation) {
        if let Some(held) = self.held.as_mut().filter(|held| held.generation == generation) {
            held.sharing = Sharing::Perhaps;
        }
    }

    /// The token of this generation was stored under `revision`.
    pub(super) fn mark_stored(&mut self, generation: Generation, revision: Revision) {
        self.revisions.see(Some(revision));
        if let Some(held) = self.held.as_mut().filter(|held| held.generation == generation) {
            held.revision = Some(revision);
            held.sharing = Sharing::Yes;
        }
    }
}
