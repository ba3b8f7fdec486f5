//! What a flight does: adopt what the store has, else ask the server, save, and only then answer.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::asking::Asking;
use super::events::EventKind;
use super::life::{Held, Source, Why};
use super::status::{Entry, LastError};
use super::turn::Turn;
use crate::config::Config;
use crate::domain::{Generation, Lifetime, Secret, Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::log::Level;
use crate::oauth::{Granted, ProofKey, Refusal};
use crate::runtime;
use crate::strategy::{Exchange, Obtained, RefreshWay, Search, Strategy};

/// Two token requests in a row are at least this far apart, however short the tokens live.
const SPACING: Duration = Duration::from_secs(1);

/// A refresh token whose answer was lost is sent once more: the server may have rotated it, and a second
/// repetition looks like theft (RFC 9700 §4.14.2).
const REFRESH_TRIES: u32 = 2;

const REFUSED: &str = "the refresh token was refused";

/// A token, and how it was had.
struct Gain {
    granted: Granted,
    strategy: Strategy,
    /// The refresh token that was spent for it; it stays good where the answer brings no other.
    spent: Option<Secret>,
    /// The key that it was asked for with.
    proof_key: Option<ProofKey>,
}

/// What became of the refresh token in hand.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and only for as long as it is looked at"
)]
enum Spent {
    /// There was none, or no way to spend it.
    None,
    /// It gave a token.
    Gained(Gain),
    /// It gave a token that is over, and the next refresh token.
    Rotated(Error, Secret),
    /// The server refuses it.
    Refused,
}

impl Service {
    /// One attempt, from take-off to landing.
    pub(super) async fn attempt(&self, why: Why) -> Result<()> {
        let started = self.clock.now();
        let epoch = self.life().epoch;
        if why == Why::Start {
            self.begin_with_store().await;
        }
        self.adopt_from_store(epoch, started).await;
        if why == Why::Start {
            // The first look decides the salt; the derivation then runs beside the first request.
            let vault = Arc::clone(&self.vault);
            return runtime::spawn(async move { vault.warm_up().await }).map(drop);
        }
        if self.is_satisfied(why, false) {
            return Ok(());
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
                // The rest of a cool-down that began in another process.
                if let (ErrorKind::Credentials, Retry::After(wait)) = (error.kind(), error.retry()) {
                    self.life().limits.pause(self.clock.now(), wait);
                }
                return Err(error);
            }
        };
        if let Err(error) = self.admit(why).await {
            self.leave_turn(turn).await;
            return Err(error);
        }
        match self.obtain(&turn, epoch, started).await {
            Ok(Some(gain)) => self.keep(gain, turn, epoch, started).await,
            Ok(None) => self.leave_turn(turn).await,
            Err(error) => {
                self.note_failure(&error, started);
                self.end_turn(turn, &error).await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether what is held makes a request needless; `joined` when another process's was waited for.
    pub(super) fn is_satisfied(&self, why: Why, joined: bool) -> bool {
        let now = self.clock.now();
        self.life().held.as_ref().is_some_and(|held| {
            let is_usable = held.tokens.lifetime.is_usable(now);
            why.is_satisfied_by(held, now)
                || (joined && is_usable && matches!(why, Why::Asked | Why::Interval(_)))
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

    /// Asks the server: with the refresh token first, then with the credentials. `None` when another process
    /// turned out to have done so, and its token was adopted.
    async fn obtain(&self, turn: &Turn, epoch: u64, started: Timestamp) -> Result<Option<Gain>> {
        let asking = Asking { proof_key: self.proof_key_in_hand()?, ..Asking::begin(self) };
        let mut tries = 1;
        let config = loop {
            match self.informed(&asking).await {
                Ok(config) => break config,
                Err(error) => {
                    self.wait_to_retry(&asking, error, &mut tries, self.config.retry.attempts).await?;
                }
            }
        };
        let spent =
            if turn.may_spend { self.spend_refresh_token(&asking, &config).await? } else { Spent::None };
        match spent {
            Spent::Gained(gain) => return Ok(Some(gain)),
            Spent::Rotated(error, refresh_token) => {
                self.rotate(refresh_token, turn, epoch).await;
                return Err(error);
            }
            // Another process may have rotated it meanwhile: its token is as good as one of our own.
            Spent::Refused if self.adopt_from_store(epoch, started).await => return Ok(None),
            Spent::Refused => self.log(|log| log.say(Level::Warn, "the credentials are used again")),
            Spent::None => {}
        }
        let remembered = self.life().strategy.clone();
        let mut search = Search::new(&config, remembered.as_ref());
        tries = 1;
        loop {
            match search.obtain(&asking).await {
                Ok(obtained) => {
                    let Obtained { granted, strategy } = obtained;
                    return Ok(Some(Gain { granted, strategy, spent: None, proof_key: asking.proof_key }));
                }
                Err(error) => {
                    self.wait_to_retry(&asking, error, &mut tries, self.config.retry.attempts).await?;
                }
            }
        }
    }

    /// Holds the attempt to the configured rate. A token that reached its own refresh point is replaced
    /// whatever the rate: its server sets that pace, and one request a second is the most.
    async fn admit(&self, why: Why) -> Result<()> {
        let now = self.clock.now();
        let wait = {
            let mut life = self.life();
            let is_natural = why == Why::Due && life.held.is_some() && life.limits.failures() == 0;
            if let Why::Rejected(_) = why {
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

    /// Spends the refresh token in hand, where there is one and a way to spend it.
    async fn spend_refresh_token(&self, asking: &Asking<'_>, config: &Config) -> Result<Spent> {
        let Some((refresh_token, mut strategy)) = self.refresh_token_in_hand() else {
            return Ok(Spent::None);
        };
        // A refresh token goes where its issuer has the endpoint today.
        if let (Some(_), Some(endpoint)) = (&config.issuer, &config.endpoint) {
            strategy.endpoint.clone_from(endpoint);
        }
        let Some(way) = RefreshWay::of(&strategy, config) else { return Ok(Spent::None) };
        let mut tries = 1;
        loop {
            let refusal = match asking.exchange(way.request(&strategy, &refresh_token, config)).await {
                Ok(granted) => {
                    self.life().refresh_is_settled = true;
                    let strategy = Strategy { refreshes: true, ..strategy };
                    let (spent, proof_key) = (Some(refresh_token), asking.proof_key.clone());
                    return Ok(Spent::Gained(Gain { granted, strategy, spent, proof_key }));
                }
                Err(refusal) => refusal,
            };
            match refusal {
                Refusal::Failed(error) | Refusal::NoToken(error) => {
                    let most = REFRESH_TRIES.min(self.config.retry.attempts);
                    self.wait_to_retry(asking, error, &mut tries, most).await?;
                }
                Refusal::Over(error, refresh_token) => return Ok(Spent::Rotated(error, refresh_token)),
                refused => {
                    self.note_refused_refresh(refused, &strategy, &way);
                    return Ok(Spent::Refused);
                }
            }
        }
    }

    fn refresh_token_in_hand(&self) -> Option<(Secret, Strategy)> {
        let life = self.life();
        let held = life.held.as_ref()?;
        Some((held.tokens.refresh_token.clone()?, held.strategy.clone().or_else(|| life.strategy.clone())?))
    }

    /// The refresh token is spent or void: it is not sent again. Where none was ever taken, this one was most
    /// likely not understood, which heals only when a person hears of it.
    fn note_refused_refresh(&self, refusal: Refusal, strategy: &Strategy, way: &RefreshWay) {
        let is_about_the_client = matches!(refusal, Refusal::InvalidClient(_));
        let is_first_use = {
            let mut life = self.life();
            if let Some(held) = &mut life.held {
                held.tokens.refresh_token = None;
            }
            let is_first_use = !strategy.refreshes && !life.refresh_is_settled && !is_about_the_client;
            life.refresh_is_settled |= is_first_use;
            is_first_use
        };
        let fault = if is_first_use { way.refused_at_first_use() } else { REFUSED.to_owned() };
        self.log(|log| log.error(Level::Warn, &fault, &refusal.into_error()));
    }

    /// Waits before the next try of this attempt, or ends it with `error`: when it would not help, when the
    /// tries are used up, or when the time is.
    async fn wait_to_retry(
        &self,
        asking: &Asking<'_>,
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
        let is_rotated = granted.refresh_token.is_some();
        let life_span = granted.expiry.lifetime(self.config.policy.default_lifetime);
        let tokens = TokenSet {
            access_token: granted.access_token,
            scheme: granted.scheme,
            refresh_token: granted.refresh_token.or(spent),
            lifetime: self.lifetime(now, now.plus(life_span)),
        };
        let mut held = Held {
            tokens,
            generation: Generation::default(),
            source: Source::Request,
            strategy: Some(strategy),
            proof_key,
            revision: None,
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
                self.log(|log| log.say(Level::Warn, "another process took the refresh over meanwhile"));
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
        self.changed();
        self.log(|log| log.say(Level::Info, "got a new token"));
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

    pub(super) fn lifetime(&self, issued_at: Timestamp, expires_at: Timestamp) -> Lifetime {
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
) -> Entry {
    Entry { at: now, outcome, duration_ms: started.until(now).as_millis() as u64, code }
}
