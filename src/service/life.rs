//! Everything about a service that changes, behind one lock: rules only, no I/O, time as an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;

use super::discovery::ResolvedConfig;
use super::limits::{Limits, RejectionSpacing};
use super::status::{Counters, HistoryEntry, LastError};
use crate::config::Config;
use crate::domain::{AnswerFields, Generation, Secret, Timestamp, TokenPhase, TokenSet};
use crate::error::{Error, Result, Retry};
use crate::grants::GrantRequest;
use crate::oauth::ProofKey;
use crate::store::Revision;

/// How many lines of history are kept.
const HISTORY: usize = 50;

/// Where a token came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This process asked for it.
    Request,
    /// It was in the store.
    Store,
    /// It is the configured one.
    Manual,
}

impl Source {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Store => "store",
            Self::Manual => "manual",
        }
    }
}

/// A token in memory.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) tokens: TokenSet,
    pub(super) generation: Generation,
    pub(super) source: Source,
    pub(super) strategy: Option<GrantRequest>,
    /// What else of the answer is kept.
    pub(super) fields: AnswerFields,
    /// The key that the tokens are bound to, with `dpop`.
    pub(super) proof_key: Option<ProofKey>,
    /// The revision of the stored record that holds this very token; none while it is not stored.
    pub(super) revision: Option<Revision>,
    /// Whether a refresh failed without a verdict on the refresh token.
    pub(super) refresh_has_failed: bool,
}

impl Held {
    /// Whether this is its refresh token.
    pub(super) fn has_refresh_token(&self, token: &Secret) -> bool {
        self.tokens.refresh_token.as_ref().is_some_and(|known| known.matches(token))
    }

    /// The refresh token is spent, may be, or is void. The record is to be stored without it, lest another process or
    /// the next start sends it.
    pub(super) fn drop_refresh_token(&mut self) {
        self.tokens.refresh_token = None;
        self.revision = None;
    }
}

/// Why a flight takes off, which decides what may hold it back and what satisfies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefreshReason {
    /// The service has just begun: what is stored is adopted, nothing is requested.
    Start,
    /// A caller has no usable token, the refresh point is past, or the scheduler looks.
    Due,
    /// An upstream answered 401 to this generation.
    Rejected(Generation),
    /// Every interval of this length, due or not.
    Interval(Duration),
    /// A person asked.
    Asked,
}

impl RefreshReason {
    /// Whether it goes through a pause.
    fn is_urgent(self) -> bool {
        matches!(self, Self::Asked | Self::Start)
    }

    /// Whether this token makes a request needless.
    pub(super) fn is_satisfied_by(self, held: &Held, now: Timestamp) -> bool {
        let lifetime = &held.tokens.lifetime;
        match self {
            Self::Start => true,
            Self::Due => lifetime.is_usable(now) && !lifetime.is_due(now),
            Self::Rejected(generation) => lifetime.is_usable(now) && held.generation > generation,
            // Of the processes that share a store, one refreshes in each interval.
            Self::Interval(length) => {
                held.source == Source::Store
                    && lifetime.is_usable(now)
                    && now < lifetime.issued_at().plus(length / 2)
            }
            Self::Asked => false,
        }
    }
}

/// A flight under way, and how to learn its end.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) why: RefreshReason,
    pub(super) end: watch::Receiver<Option<Result<()>>>,
}

/// Who told the webhook of the incident: of all processes that share a store, one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AlertDelivery {
    #[default]
    Nobody,
    Here,
    Elsewhere,
}

/// What a caller is to do.
pub(super) enum Admission {
    /// Wait for the flight under way.
    Join(Flight),
    /// Begin one, with this end to announce.
    Begin(Flight, watch::Sender<Option<Result<()>>>),
    /// Nothing is tried now; this is why.
    Paused(Error),
}

/// The changing part of a service.
#[expect(clippy::struct_excessive_bools, reason = "five facts that come and go independently")]
pub(super) struct Life {
    pub(super) held: Option<Held>,
    pub(super) generation: Generation,
    /// What the store had when it was last looked at, or written.
    pub(super) stored: Option<Revision>,
    /// The latest that was ever seen there.
    pub(super) seen: Option<Revision>,
    /// What was said last of a record that cannot be used: it is said once.
    pub(super) warned_of: Option<Error>,
    pub(super) strategy: Option<GrantRequest>,
    pub(super) informed: Option<ResolvedConfig>,
    pub(super) flight: Option<Flight>,
    pub(super) limits: Limits,
    pub(super) rejections: RejectionSpacing,
    pub(super) last_error: Option<(Error, LastError)>,
    pub(super) last_refresh_at: Option<Timestamp>,
    pub(super) counters: Counters,
    pub(super) history: VecDeque<HistoryEntry>,
    /// Raised by `clear`: what a flight that took off before brings is not kept.
    pub(super) epoch: u64,
    /// Whether the token was cleared: the scheduler does not fetch another before its next look.
    pub(super) cleared: bool,
    pub(super) closed: bool,
    pub(super) alerting: bool,
    /// Whether it was said that the server binds no token to its key.
    pub(super) warned_of_unbound: bool,
    /// Whether it was said that the server does not grant the whole scope.
    pub(super) warned_of_scope: bool,
    /// What was said last of an expiry.
    pub(super) warned_of_expiry: Option<String>,
    /// What was said last of the fields that no answer had.
    pub(super) warned_of_fields: Option<String>,
    /// Whether the webhook was told of the incident.
    pub(super) told: AlertDelivery,
    /// Whether the refresh point of the token in hand was announced.
    pub(super) expiry_announced: bool,
    /// Whether a refresh token was ever taken, or it was said that none was.
    pub(super) refresh_is_settled: bool,
}

impl Life {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            held: None,
            generation: Generation::default(),
            stored: None,
            seen: None,
            warned_of: None,
            strategy: None,
            informed: None,
            flight: None,
            limits: Limits::new(config.retry.clone(), config.rate_limit.clone()),
            rejections: RejectionSpacing::default(),
            last_error: None,
            last_refresh_at: None,
            counters: Counters::default(),
            history: VecDeque::with_capacity(HISTORY),
            epoch: 0,
            cleared: false,
            closed: false,
            alerting: false,
            warned_of_unbound: false,
            warned_of_scope: false,
            warned_of_expiry: None,
            warned_of_fields: None,
            told: AlertDelivery::default(),
            expiry_announced: false,
            refresh_is_settled: false,
        }
    }

    /// The token that may be sent.
    pub(super) fn usable(&self, now: Timestamp) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.tokens.lifetime.is_usable(now))
    }

    /// Whether a refresh is due, or there is nothing to refresh yet.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.held.as_ref().is_none_or(|held| {
            let lifetime = &held.tokens.lifetime;
            lifetime.is_due(now) || !lifetime.is_usable(now)
        })
    }

    /// The state of the token alone; the manual one stands in elsewhere.
    pub(super) fn state(&self, now: Timestamp) -> TokenPhase {
        match &self.held {
            None => TokenPhase::Missing,
            Some(held) if !held.tokens.lifetime.is_usable(now) => TokenPhase::Expired,
            Some(held) if held.tokens.lifetime.is_due(now) => TokenPhase::Expiring,
            Some(_) => TokenPhase::Valid,
        }
    }

    /// The next moment at which something about the token changes by itself.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let lifetime = self.held.as_ref().map(|held| held.tokens.lifetime);
        let pause = self.limits.paused_until(now);
        [lifetime.and_then(|life| life.refresh_at()), lifetime.and_then(|life| life.usable_until()), pause]
            .into_iter()
            .flatten()
            .filter(|moment| *moment > now)
            .min()
    }

    /// The next moment at which a refresh is due and allowed; none after the token was cleared, or if it never expires.
    pub(super) fn next_refresh(&self, now: Timestamp) -> Option<Timestamp> {
        let due = match &self.held {
            Some(held) => held.tokens.lifetime.refresh_at()?,
            None if self.cleared => return None,
            None => now,
        };
        Some(self.limits.paused_until(now).map_or(due, |until| until.max(due)))
    }

    /// Joins the flight under way or begins one.
    pub(super) fn board(&mut self, why: RefreshReason, now: Timestamp) -> Admission {
        if let Some(flight) = &self.flight {
            return Admission::Join(flight.clone());
        }
        if let Some(until) = self.limits.paused_until(now).filter(|_| !why.is_urgent()) {
            let error = self.last_error.as_ref().map_or_else(Error::shutdown, |(error, _)| error.clone());
            return Admission::Paused(error.with_retry(Retry::After(now.until(until))));
        }
        let (announce, end) = watch::channel(None);
        let flight = Flight { why, end };
        self.flight = Some(flight.clone());
        Admission::Begin(flight, announce)
    }

    /// Notes what the store has; whether that is later than whatever was seen before.
    pub(super) fn see(&mut self, stored: Option<Revision>) -> bool {
        self.stored = stored;
        let is_later = stored.is_some_and(|stored| self.seen.is_none_or(|seen| stored.is_later_than(seen)));
        if is_later {
            self.seen = stored;
        }
        is_later
    }

    /// Takes a token over; it is the latest from now on.
    pub(super) fn hold(&mut self, held: Held) {
        self.generation = held.generation;
        if held.strategy.is_some() {
            self.strategy.clone_from(&held.strategy);
        }
        self.held = Some(held);
        self.expiry_announced = false;
        self.cleared = false;
    }

    /// Notes that what the store had was removed; whether that is later than whatever was seen before.
    pub(super) fn see_removal(&mut self, removal: Revision) -> bool {
        self.stored = None;
        let is_later = self.seen.is_none_or(|seen| removal.number > seen.number);
        if is_later {
            self.seen = Some(removal);
        }
        is_later
    }

    /// Notes that the store has nothing, as if nothing had ever been stored.
    pub(super) fn see_loss(&mut self) {
        self.stored = None;
        if let Some(held) = &mut self.held {
            held.revision = None;
        }
    }

    /// The token of this generation rests in the store.
    pub(super) fn stored_as(&mut self, generation: Generation, revision: Revision) {
        if let Some(held) = self.held.as_mut().filter(|held| held.generation == generation) {
            held.revision = Some(revision);
        }
    }

    /// Lets go of the token that was cleared; what was asked for before is not kept either.
    pub(super) fn forget(&mut self) -> Option<Held> {
        self.epoch += 1;
        self.cleared |= self.held.is_some();
        self.held.take()
    }

    /// A token that can be sent was had: what went wrong before is over.
    pub(super) fn succeed(&mut self) {
        self.limits.succeeded();
        self.last_error = None;
        if self.told == AlertDelivery::Elsewhere {
            self.told = AlertDelivery::Nobody;
        }
    }

    /// Nothing is tried for this long; callers hear this error meanwhile.
    pub(super) fn hold_off(&mut self, error: &Error, wait: Duration, now: Timestamp) {
        self.limits.pause(now, wait);
        self.last_error = Some((error.clone(), LastError::new(error, now)));
    }

    /// Forgets what worked before: the endpoint and format, and the refresh token that keeps failing. Whether there
    /// was anything to forget.
    pub(super) fn begin_anew(&mut self) -> bool {
        let failing = self.held.as_mut().filter(|held| held.refresh_has_failed);
        let had_refresh_token = failing.and_then(|held| held.tokens.refresh_token.take()).is_some();
        self.strategy.take().is_some() || had_refresh_token
    }

    /// Writes a line of history.
    pub(super) fn note(&mut self, entry: HistoryEntry) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(entry);
    }
}
