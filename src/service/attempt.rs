//! What a flight does: adopt what the store has, else ask the server, save, and only then answer.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::asking::TokenRequest;
use super::events::EventKind;
use super::life::{Held, RefreshReason, Source};
use super::limits::is_rejection;
use super::refresh_token::Refreshed;
use super::rejected::CredentialTurn;
use super::status::{HistoryEntry, LastError};
use super::turn::Turn;
use crate::config::Config;
use crate::domain::{Generation, Lifetime, Secret, Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::grants::{GrantRequest, Obtained, Search};
use crate::log::Level;
use crate::oauth::{Granted, ProofKey};
use crate::runtime;

/// Two token requests in a row are at least this far apart, however short the tokens live.
const SPACING: Duration = Duration::from_secs(1);

/// A token, and how it was had.
pub(super) struct Gain {
    pub(super) granted: Granted,
    pub(super) strategy: GrantRequest,
    /// The refresh token that was spent for it; it stays good where the answer brings no other.
    pub(super) spent: Option<Secret>,
    /// The key that it was asked for with.
    pub(super) proof_key: Option<ProofKey>,
}

impl Service {
    /// One attempt, from take-off to landing.
    pub(super) async fn attempt(&self, why: RefreshReason) -> Result<()> {
        let started = self.clock.now();
        let epoch = self.life().epoch;
        if why == RefreshReason::Start {
            self.begin_with_store().await;
        }
        self.adopt_from_store(epoch, started).await;
        if why == RefreshReason::Start {
            self.begin_with_rejection(started).await;
            // The first look decides the salt; the derivation then runs beside the first request.
            let vault = Arc::clone(&self.vault);
            return runtime::spawn(async move { vault.warm_up().await }).map(drop);
        }
        if self.is_satisfied(why, false) {
            return Ok(());
        }
        if self.waited_for_predecessors().await {
            self.adopt_from_store(epoch, started).await;
            if self.is_satisfied(why, true) {
                return Ok(());
            }
            // It was replaced in its turn meanwhile.
            if self.life().closed {
                return Err(Error::shutdown());
            }
        }
        // Nothing was asked for yet: what that look found to be cleared is no reason not to ask now.
        let epoch = self.life().epoch;
        let turn = match self.take_turn(why, epoch, started).await {
            Ok(Some(turn)) => turn,
            Ok(None) => return Ok(()),
            Err(error) => {
                if error.kind() == ErrorKind::Shutdown {
                    return Err(error);
                }
                self.note_failure(&error, started);
                return Err(error);
            }
        };
        if let Err(error) = self.admit(why).await {
            self.leave_turn(turn).await;
            return Err(error);
        }
        // Held until the outcome is noted.
        let mut credential_turn = None;
        match self.obtain(why, &turn, (epoch, started), &mut credential_turn).await {
            Ok(Some(gain)) => self.keep(gain, turn, epoch, started).await,
            Ok(None) => self.leave_turn(turn).await,
            Err(error) => {
                let error = self.verdict(error);
                self.note_failure(&error, started);
                let is_rejection = is_rejection(&error);
                if is_rejection {
                    self.remember_rejection(&error).await;
                }
                self.end_turn(turn, &error).await;
                return Err(if is_rejection { self.with_wait(error) } else { error });
            }
        }
        Ok(())
    }

    /// An answer of success without a token is a refusal of the credentials when it comes twice in a row: many
    /// login endpoints have no other way to say it.
    fn verdict(&self, error: Error) -> Error {
        let is_repeated = is_rejection(&error) && self.life().limits.rejections() > 0;
        let is_success = error.status().is_some_and(|status| (200..300).contains(&status));
        if !is_repeated || !is_success || error.kind() == ErrorKind::Credentials {
            return error;
        }
        let message = format!("{}, for the second time: the credentials count as rejected", error.message());
        Error::new(ErrorKind::Credentials, message).with_details_of(&error)
    }

    /// The error as callers get it: with how long nothing is tried.
    fn with_wait(&self, error: Error) -> Error {
        let now = self.clock.now();
        match self.life().limits.paused_until(now) {
            Some(until) => error.with_retry(Retry::After(now.until(until))),
            None => error,
        }
    }

    /// No process sends the credential again before its cool-down ends.
    async fn remember_rejection(&self, error: &Error) {
        let now = self.clock.now();
        let (times, until) = {
            let life = self.life();
            (life.limits.rejections(), life.limits.paused_until(now))
        };
        self.credential_memory.remember(error, times, now, until.unwrap_or(now)).await;
    }

    /// Whether what is held makes a request needless; `joined` when another process's was waited for.
    pub(super) fn is_satisfied(&self, why: RefreshReason, joined: bool) -> bool {
        let now = self.clock.now();
        self.life().held.as_ref().is_some_and(|held| {
            let is_usable = held.tokens.lifetime.is_usable(now);
            why.is_satisfied_by(held, now)
                || (joined && is_usable && matches!(why, RefreshReason::Asked | RefreshReason::Interval(_)))
        })
    }

    async fn begin_with_store(&self) {
        if self.config.clear_on_start
            && let Err(error) = self.vault.remove().await
        {
            self.log(|log| {
                log.error(Level::Warn, "the stored token could not be cleared at the start", &error);
            });
        }
    }

    /// A credential that was rejected before the start is not sent again, and the status says so from the start on.
    async fn begin_with_rejection(&self, started: Timestamp) {
        let now = self.clock.now();
        // A refresh token is tried all the same.
        let needs_login =
            |held: &Held| !held.tokens.lifetime.is_usable(now) && held.tokens.refresh_token.is_none();
        if !self.life().held.as_ref().is_none_or(needs_login) {
            return;
        }
        let Some(rejection) = self.credential_memory.last_rejection(now).await else { return };
        if let Some(wait) = rejection.cool_down(now) {
            self.life().limits.rejected_before(rejection.times);
            self.note_failure(&rejection.error(wait), started);
        }
    }

    /// Asks the server: with the refresh token first, then with the credentials. `None` when another process
    /// turned out to have done so, and its token was adopted.
    async fn obtain(
        &self,
        why: RefreshReason,
        turn: &Turn,
        (epoch, started): (u64, Timestamp),
        credential_turn: &mut Option<CredentialTurn>,
    ) -> Result<Option<Gain>> {
        let asking = TokenRequest { proof_key: self.proof_key_in_hand()?, ..TokenRequest::begin(self) };
        let mut tries = 1;
        let config = loop {
            match self.informed(&asking).await {
                Ok(config) => break config,
                Err(error) => {
                    self.wait_to_retry(&asking, error, &mut tries, self.config.retry.attempts).await?;
                }
            }
        };
        if turn.may_spend {
            match self.refresh_first(&asking, &config, why, turn, (epoch, started)).await? {
                Refreshed::Gained(gain) => return Ok(Some(gain)),
                Refreshed::Adopted => return Ok(None),
                Refreshed::NotAtAll => {}
            }
        }
        *credential_turn = self.credential_memory.turn(&*self.clock, self.config.timeout).await;
        self.respect_rejection(why).await?;
        // The refresh may have used up its time; the login has its own.
        let asking = TokenRequest { proof_key: asking.proof_key, ..TokenRequest::begin(self) };
        self.log_in(asking, &config).await.map(Some)
    }

    /// Holds back a credential that was rejected, unless somebody asks for it by name.
    async fn respect_rejection(&self, why: RefreshReason) -> Result<()> {
        let now = self.clock.now();
        let Some(rejection) = self.credential_memory.last_rejection(now).await else { return Ok(()) };
        self.life().limits.rejected_before(rejection.times);
        match rejection.cool_down(now) {
            Some(wait) if why != RefreshReason::Asked => Err(rejection.error(wait)),
            _ => Ok(()),
        }
    }

    /// Asks with the credentials, in whichever way works.
    async fn log_in(&self, asking: TokenRequest<'_>, config: &Config) -> Result<Gain> {
        let remembered = self.life().strategy.clone();
        let mut search = Search::new(config, remembered.as_ref());
        let mut tries = 1;
        loop {
            match search.obtain(&asking).await {
                Ok(obtained) => {
                    let Obtained { granted, strategy } = obtained;
                    return Ok(Gain { granted, strategy, spent: None, proof_key: asking.proof_key });
                }
                Err(error) => {
                    self.wait_to_retry(&asking, error, &mut tries, self.config.retry.attempts).await?;
                }
            }
        }
    }

    /// Holds the attempt to the configured rate. A token that reached its own refresh point is replaced
    /// whatever the rate: its server sets that pace, and one request a second is the most.
    async fn admit(&self, why: RefreshReason) -> Result<()> {
        let now = self.clock.now();
        let wait = {
            let mut life = self.life();
            let is_natural = why == RefreshReason::Due && life.held.is_some() && life.limits.failures() == 0;
            if let RefreshReason::Rejected(_) = why {
                life.rejections.admit(now).map_err(|wait| too_many("401 answers ask for", wait))?;
            }
            if !is_natural && let Err(wait) = life.limits.admit(now) {
                let error = too_many("attempts to get", wait);
                life.hold_off(&error, wait, now);
                return Err(error);
            }
            let last = life.last_refresh_at.filter(|last| is_natural && *last <= now);
            last.map_or(Duration::ZERO, |last| now.until(last.plus(SPACING)))
        };
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// Waits before the next try of this attempt, or ends it with `error`: when it would not help, when the
    /// tries are used up, or when the time is.
    pub(super) async fn wait_to_retry(
        &self,
        asking: &TokenRequest<'_>,
        error: Error,
        tries: &mut u32,
        most: u32,
    ) -> Result<()> {
        let wait = match (error.retry(), error.kind()) {
            (Retry::After(wait), _) => Some(wait),
            (Retry::BackOff, ErrorKind::Network) => {
                Some(self.life().limits.retry_wait(*tries, fastrand::f64()))
            }
            (Retry::BackOff, ErrorKind::Response) if error.status().is_some_and(|status| status >= 400) => {
                Some(self.life().limits.retry_wait(*tries, fastrand::f64()))
            }
            _ => None,
        };
        let Some(wait) = wait.filter(|wait| *tries < most && *wait < asking.time_left()) else {
            return Err(error);
        };
        *tries += 1;
        self.log(|log| log.error(Level::Debug, "trying once more", &error));
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// Saves what was gained, then makes it the token that is handed out.
    async fn keep(&self, gain: Gain, turn: Turn, epoch: u64, started: Timestamp) {
        let now = self.clock.now();
        let Gain { granted, strategy, spent, proof_key } = gain;
        self.warn_of_unbound(&granted.scheme);
        self.warn_of_withheld(&granted.withheld);
        self.warn_of_expiry(granted.expiry_warning.as_deref());
        let (is_login, is_rotated) = (spent.is_none(), granted.refresh_token.is_some());
        let fields = self.with_earlier_fields(granted.kept);
        let life_span = granted.expiry.lifetime(self.config.policy.default_lifetime);
        let tokens = TokenSet {
            access_token: granted.access_token,
            scheme: granted.scheme,
            refresh_token: granted.refresh_token.or(spent),
            lifetime: self.lifetime(now, life_span.map(|span| now.plus(span))),
        };
        let mut held = Held {
            tokens,
            generation: Generation::default(),
            source: Source::Request,
            strategy: Some(strategy),
            fields,
            proof_key,
            revision: None,
            refresh_has_failed: false,
        };
        // `clear` takes the same lock: either it comes first and raised the epoch, or it removes what is
        // saved here.
        let guard = self.vault.turn().await;
        if self.life().epoch != epoch {
            return;
        }
        match self.save(&held, turn.expected, turn.fence(), now).await {
            Ok(Some(revision)) => {
                held.revision = Some(revision);
                turn.saved();
            }
            // This process stalled, and another took over: what that one stores is the later token. Or the record
            // was removed: then what was asked for before is not kept.
            Ok(None) => {
                let has_adopted = self.adopt_from_store(epoch, started).await;
                if self.life().epoch != epoch {
                    return;
                }
                self.log(|log| log.write(Level::Warn, "another process took the refresh over meanwhile"));
                if has_adopted {
                    return;
                }
            }
            Err(error) if is_rotated => self.log(|log| {
                let fault =
                    "the new refresh token could not be stored: another process may spend the old one";
                log.error(Level::Error, fault, &error);
            }),
            Err(_) => {}
        }
        {
            let mut life = self.life();
            if life.epoch != epoch {
                return;
            }
            held.generation = life.generation.next();
            life.hold(held);
            life.succeed();
            life.counters.refreshes += 1;
            life.last_refresh_at = Some(now);
            life.note(entry(started, now, "refreshed", None));
        }
        drop(guard);
        if is_login {
            self.credential_memory.forget(now).await;
        }
        self.changed();
        self.log(|log| log.write(Level::Info, "got a new token"));
        self.announce_gain();
    }

    /// Notes that no token was had. The token in hand stays: a failed refresh never evicts what still works.
    pub(super) fn note_failure(&self, error: &Error, started: Timestamp) {
        let now = self.clock.now();
        let begins_incident = {
            let mut life = self.life();
            life.limits.failed(error, now, fastrand::f64());
            life.last_error = Some((error.clone(), LastError::new(error, now)));
            life.counters.failures += 1;
            life.note(entry(started, now, "failed", Some(error.code())));
            let begins = !life.alerting && life.limits.failures() >= self.config.alert_after_failures;
            life.alerting |= begins;
            begins
        };
        if error.kind() == ErrorKind::Endpoint {
            self.doubt_metadata();
        }
        self.changed();
        self.log(|log| log.error(Level::Warn, "no new token could be had", error));
        self.announce(EventKind::RefreshFailed, Some(error));
        if begins_incident {
            self.log(|log| {
                log.error(Level::Error, "no new token could be had several times in a row", error);
            });
            self.announce(EventKind::Alert, Some(error));
        }
    }

    pub(super) fn announce_gain(&self) {
        self.announce(EventKind::Refreshed, None);
        self.end_incident();
    }

    pub(super) fn lifetime(&self, issued_at: Timestamp, expires_at: Option<Timestamp>) -> Lifetime {
        Lifetime::new(issued_at, expires_at, &self.config.policy, fastrand::f64())
    }
}

fn too_many(what: &str, wait: Duration) -> Error {
    let message = format!("too many {what} a token; the next is allowed in {} s", wait.as_secs_f64().ceil());
    Error::new(ErrorKind::RateLimited, message).with_retry(Retry::After(wait))
}

#[expect(clippy::cast_possible_truncation, reason = "a flight of 500 million years would be cut")]
pub(super) fn entry(
    started: Timestamp,
    now: Timestamp,
    outcome: &'static str,
    code: Option<&'static str>,
) -> HistoryEntry {
    HistoryEntry { at: now, outcome, duration_ms: started.until(now).as_millis() as u64, code }
}
