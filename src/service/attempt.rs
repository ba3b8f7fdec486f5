//! What a flight does: adopt what the store has, else ask the server, save, and only then answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Service;
use super::events::EventKind;
use super::life::{Held, Source, Why};
use super::status::{Entry, LastError};
use crate::domain::{Generation, Lifetime, Secret, Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::log::Level;
use crate::oauth::{self, Granted, Reading, Refusal};
use crate::runtime;
use crate::store::{Record, Revision};
use crate::strategy::{Exchange, RefreshWay, Search, Strategy};
use crate::transport::Request;

/// Two token requests in a row are at least this far apart, however short the tokens live.
const SPACING: Duration = Duration::from_secs(1);

/// A refresh token whose answer was lost is sent once more: the server may have rotated it, and a second
/// repetition looks like theft (RFC 9700 §4.14.2).
const REFRESH_TRIES: u32 = 2;

/// A token, and how it was had.
struct Gain {
    granted: Granted,
    strategy: Strategy,
    /// The refresh token that was spent for it; it stays good where the answer brings no other.
    spent: Option<Secret>,
}

impl Service {
    /// One attempt, from take-off to landing.
    pub(super) async fn attempt(&self, why: Why) -> Result<()> {
        let started = self.clock.now();
        let epoch = self.life().epoch;
        if why == Why::Start {
            self.begin_with_store().await;
        }
        let is_satisfied = self.look_in_store(why, started).await;
        if why == Why::Start {
            // The first look decides the salt; the derivation then runs beside the first request.
            let vault = Arc::clone(&self.vault);
            return runtime::spawn(async move { vault.warm_up().await }).map(drop);
        }
        if is_satisfied {
            return Ok(());
        }
        self.admit(why).await?;
        match self.obtain().await {
            Ok(gain) => {
                self.keep(gain, epoch, started).await;
                Ok(())
            }
            Err(error) => {
                self.note_failure(&error, started);
                Err(error)
            }
        }
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

    /// Adopts what is stored, where that is later than what is held; whether the flight may end with it.
    async fn look_in_store(&self, why: Why, started: Timestamp) -> bool {
        if let Some((record, revision)) = self.load().await {
            self.adopt(record, revision, started);
        }
        let now = self.clock.now();
        self.life().held.as_ref().is_some_and(|held| why.is_satisfied_by(held, now))
    }

    fn adopt(&self, record: Record, revision: Revision, started: Timestamp) {
        let now = self.clock.now();
        let generation = Generation(record.generation);
        let lifetime = self.lifetime(record.issued_at, record.expires_at);
        let is_usable = lifetime.is_usable(now);
        {
            let mut life = self.life();
            let is_later = life.held.as_ref().is_none_or(|held| {
                generation > held.generation || (!held.tokens.lifetime.is_usable(now) && is_usable)
            });
            if !is_later {
                return;
            }
            let strategy = record.strategy.and_then(|value| serde_json::from_value(value).ok());
            let tokens = TokenSet {
                access_token: record.access_token,
                scheme: record.scheme,
                refresh_token: record.refresh_token,
                lifetime,
            };
            life.hold(Held { tokens, generation, source: Source::Store, strategy, revision: Some(revision) });
            if is_usable {
                life.counters.store_hits += 1;
                life.note(entry(started, now, "adopted", None));
            }
        }
        self.changed();
        if is_usable {
            self.log(|log| log.say(Level::Info, "took the token from the store"));
            self.announce_gain();
        }
    }

    async fn load(&self) -> Option<(Record, Revision)> {
        let loaded = self.vault.load().await;
        self.report_store_health();
        match loaded {
            Ok(loaded) => {
                if let Some(warning) = loaded.warning {
                    self.log(|log| log.error(Level::Warn, "the stored token is not used", &warning));
                }
                loaded.record
            }
            Err(error) => {
                self.log(|log| log.error(Level::Warn, "the store cannot be read", &error));
                None
            }
        }
    }

    /// Asks the server: with the refresh token first, then with the credentials.
    async fn obtain(&self) -> Result<Gain> {
        let deadline = self.clock.now().plus(self.config.timeout);
        let asking = Asking { service: self, deadline };
        if let Some(gain) = self.spend_refresh_token(&asking).await? {
            return Ok(gain);
        }
        let remembered = self.life().strategy.clone();
        let mut search = Search::new(&self.config, remembered.as_ref());
        let mut tries = 1;
        loop {
            match search.obtain(&asking).await {
                Ok(obtained) => {
                    return Ok(Gain { granted: obtained.granted, strategy: obtained.strategy, spent: None });
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

    /// Spends the refresh token in hand, where there is one and a way to spend it. `None` when there is not,
    /// or when the server refuses it: the credentials are next.
    async fn spend_refresh_token(&self, asking: &Asking<'_>) -> Result<Option<Gain>> {
        let Some((refresh_token, strategy)) = self.refresh_token_in_hand() else { return Ok(None) };
        let Some(way) = RefreshWay::of(&strategy, &self.config) else { return Ok(None) };
        let mut tries = 1;
        loop {
            let refusal = match asking.exchange(way.request(&strategy, &refresh_token, &self.config)).await {
                Ok(granted) => {
                    return Ok(Some(Gain { granted, strategy, spent: Some(refresh_token) }));
                }
                Err(refusal) => refusal,
            };
            match refusal {
                Refusal::Failed(error) | Refusal::NoToken(error) => {
                    let most = REFRESH_TRIES.min(self.config.retry.attempts);
                    self.wait_to_retry(asking, error, &mut tries, most).await?;
                }
                refused => {
                    self.note_refused_refresh(&refused.into_error());
                    return Ok(None);
                }
            }
        }
    }

    fn refresh_token_in_hand(&self) -> Option<(Secret, Strategy)> {
        let life = self.life();
        let held = life.held.as_ref()?;
        Some((held.tokens.refresh_token.clone()?, held.strategy.clone().or_else(|| life.strategy.clone())?))
    }

    /// The refresh token is spent or void: it is not sent again.
    fn note_refused_refresh(&self, error: &Error) {
        if let Some(held) = &mut self.life().held {
            held.tokens.refresh_token = None;
        }
        self.log(|log| {
            log.error(Level::Warn, "the refresh token was refused, the credentials are used again", error);
        });
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
    async fn keep(&self, gain: Gain, epoch: u64, started: Timestamp) {
        let now = self.clock.now();
        let Gain { granted, strategy, spent } = gain;
        let life_span = granted.lifetime.unwrap_or(self.config.policy.default_lifetime);
        let tokens = TokenSet {
            access_token: granted.access_token,
            scheme: granted.scheme,
            refresh_token: granted.refresh_token.or(spent),
            lifetime: self.lifetime(now, now.plus(life_span)),
        };
        let (generation, expected) = {
            let life = self.life();
            (life.generation.next(), life.held.as_ref().and_then(|held| held.revision))
        };
        let mut held = Held {
            tokens,
            generation,
            source: Source::Request,
            strategy: Some(strategy),
            revision: expected,
        };
        // `clear` takes the same lock: either it comes first and raised the epoch, or it removes what is
        // saved here.
        let turn = self.vault.turn().await;
        if self.life().epoch != epoch {
            return;
        }
        held.revision = self.save(&held, expected, now).await;
        {
            let mut life = self.life();
            if life.epoch != epoch {
                return;
            }
            life.hold(held);
            life.counters.refreshes += 1;
            life.last_refresh_at = Some(now);
            life.note(entry(started, now, "refreshed", None));
        }
        drop(turn);
        self.changed();
        self.log(|log| log.say(Level::Info, "got a new token"));
        self.announce_gain();
    }

    /// Stores the token; a store that fails costs no caller anything.
    async fn save(&self, held: &Held, expected: Option<Revision>, now: Timestamp) -> Option<Revision> {
        let record = Record {
            access_token: held.tokens.access_token.clone(),
            scheme: held.tokens.scheme.clone(),
            refresh_token: held.tokens.refresh_token.clone(),
            issued_at: held.tokens.lifetime.issued_at(),
            expires_at: held.tokens.lifetime.expires_at(),
            last_used: now,
            strategy: held.strategy.as_ref().and_then(|strategy| serde_json::to_value(strategy).ok()),
            generation: held.generation.0,
        };
        let saved = self.vault.save(&record, expected).await;
        self.report_store_health();
        saved
            .inspect_err(|error| {
                self.log(|log| log.error(Level::Warn, "the token could not be stored", error));
            })
            .ok()
    }

    /// Stores a token that could not be stored when it came, or else looks whether a sick store is well.
    pub(super) async fn store_again(&self) {
        let turn = self.vault.turn().await;
        let unsaved = self.life().held.clone().filter(|held| held.revision.is_none());
        if let Some(held) = unsaved {
            let revision = self.save(&held, None, self.clock.now()).await;
            if let Some(current) = &mut self.life().held
                && current.generation == held.generation
            {
                current.revision = revision;
            }
        } else if !self.vault.is_healthy() {
            drop(turn);
            if let Some((record, revision)) = self.load().await {
                self.adopt(record, revision, self.clock.now());
            }
        }
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

    fn announce_gain(&self) {
        self.announce(EventKind::Refreshed, None);
        self.end_incident();
    }

    fn lifetime(&self, issued_at: Timestamp, expires_at: Timestamp) -> Lifetime {
        Lifetime::new(issued_at, expires_at, &self.config.policy, fastrand::f64())
    }
}

/// One attempt's requests: counted, timed, read.
struct Asking<'s> {
    service: &'s Service,
    deadline: Timestamp,
}

impl Asking<'_> {
    /// What is left of the attempt's time; no more than the whole of it, wherever the clock was set to.
    fn time_left(&self) -> Duration {
        self.service.clock.now().until(self.deadline).min(self.service.config.timeout)
    }
}

#[async_trait]
impl Exchange for Asking<'_> {
    async fn exchange(&self, request: Request) -> Result<Granted, Refusal> {
        let service = self.service;
        let url = request.url.clone();
        let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let time_left = self.time_left();
        if time_left.is_zero() {
            let timeout = service.config.timeout.as_millis();
            return Err(Refusal::Failed(Error::new(
                ErrorKind::Timeout,
                format!("{place} gave no token within {timeout} ms"),
            )));
        }
        service.life().counters.token_requests += 1;
        service.log(|log| log.say(Level::Debug, format!("POST {place}")));
        let response = service.transport.send(request, time_left).await.map_err(Refusal::Failed)?;
        let reading = Reading {
            login: &service.config.login,
            scheme: service.config.scheme.as_ref(),
            secrets: service.config.credentials.secrets().collect(),
            place,
            now: service.clock.now(),
        };
        oauth::read(&response, &reading)
    }
}

fn too_many(what: &str, wait: Duration) -> Error {
    let message = format!("too many {what} a token; the next is allowed in {} s", wait.as_secs_f64().ceil());
    Error::new(ErrorKind::RateLimited, message).with_retry(Retry::After(wait))
}

#[expect(clippy::cast_possible_truncation, reason = "a flight of 500 million years would be cut")]
fn entry(started: Timestamp, now: Timestamp, outcome: &'static str, code: Option<&'static str>) -> Entry {
    Entry { at: now, outcome, duration_ms: started.until(now).as_millis() as u64, code }
}
