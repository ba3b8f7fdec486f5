//! Which sources of an expiry are plausible, and what to assume if none is.

use std::time::Duration;

use serde_json::Value;

use super::name::{self, KnownName, Unit};
use super::{Expired, Expiry, FoundExpiry, Moments, Path, SET_THE_PATH, TOLERANCE_SECONDS, Warning};
use crate::domain::MAX_LIFETIME;
use crate::oauth::fields::number;
use crate::oauth::jwt::{Dates, TokenClaims};
use crate::oauth::time_value::{FIRST_DATE_SECONDS, ParsedValue, epoch_seconds, parse_value, seconds};

/// Without a unit, numbers of at least this, and below those of dates, are milliseconds: Directus sends
/// 900000 for a quarter of an hour.
const FIRST_MILLISECONDS: f64 = 100_000.0;

/// A number of seconds of at least this that would be whole minutes in milliseconds, but is not a whole
/// number of days, is probably milliseconds: 3600000 is more likely an hour than 41 days and 16 hours.
const FIRST_LIKELY_MILLISECONDS: f64 = 600_000.0;
const MINUTE_MILLISECONDS: f64 = 60_000.0;
const DAY_SECONDS: f64 = 86_400.0;

/// Plausible lifetimes: at most a year and, if the unit is a guess, at least half a minute.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;
const MIN_GUESS_SECONDS: f64 = 30.0;

/// Less than this is nothing: times have millisecond precision.
const MIN_SECONDS: f64 = 0.001;

/// The verdict about one source.
pub(super) struct Reading {
    /// Its name in a message.
    source: String,
    outcome: Verdict,
}

impl Reading {
    /// Whether no other source is needed.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.outcome, Verdict::Ignored(_))
    }

    /// Whether it is not just a guess, which another source could confirm or correct.
    pub(super) fn is_sure(&self) -> bool {
        self.is_usable() && !matches!(self.outcome, Verdict::Guessed(..))
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    /// The token does not expire.
    Never,
    /// The token expires in this many seconds.
    Remaining(f64),
    /// The token has expired.
    Expired {
        /// The value is zero, which may mean that the token does not expire.
        is_zero: bool,
        /// The value is a date. Other sources take precedence, because clocks may be wrong and zero dates are
        /// meaningless.
        is_date: bool,
    },
    /// The token expires in this many seconds, if the guess is right.
    Guessed(f64, Doubt),
    /// The source is not usable.
    Ignored(Doubt),
}

/// Why a source is in doubt.
#[derive(Clone, Copy)]
enum Doubt {
    TooLong,
    TooLongInSeconds,
    LikelyMilliseconds,
    WithoutUnit,
    Unsure,
    Unreadable,
    Past,
}

impl Doubt {
    fn warning(self, source: &str) -> Warning {
        const NEVER: &str = "If the token does not expire, set neverExpires: true";
        const UNIT: &str =
            "Set login.expiresPath to a field that contains seconds or a date, if there is one";
        let (what, hint) = match self {
            Self::TooLong => {
                ("gives the token a lifetime of more than 366 days, which is not plausible", NEVER)
            }
            Self::TooLongInSeconds => {
                ("would be more than 366 days in seconds, so evertoken treats it as milliseconds", NEVER)
            }
            Self::WithoutUnit => {
                ("has no unit, so evertoken treats it as milliseconds, the shorter lifetime", UNIT)
            }
            Self::LikelyMilliseconds => (
                "would not be a whole number of days in seconds, so evertoken treats it as milliseconds, the shorter lifetime",
                UNIT,
            ),
            Self::Unsure => {
                ("may be the lifetime of the token, so evertoken treats it as one, in seconds", UNIT)
            }
            Self::Unreadable => ("is not a valid time", SET_THE_PATH),
            Self::Past => ("is in the past and may not be the expiry of the token", SET_THE_PATH),
        };
        Warning { what: format!("{source} {what}"), hint }
    }
}

/// Judges each source, and combines the verdicts.
pub(super) struct Judge {
    pub moments: Moments,
    pub never_expires: bool,
}

impl Judge {
    /// Reads a field of the response. `None` if it has no value. A vague name (`expiry`, `exp`) may mean
    /// something else, so it never marks a token as expired.
    pub(super) fn field(&self, name: &str, value: &Value, known: KnownName) -> Option<Reading> {
        let outcome = match self.value(value, known.unit)? {
            Verdict::Expired { .. } if !known.is_plain => Verdict::Ignored(Doubt::Past),
            outcome => outcome,
        };
        Some(Reading { source: format!("`{name}` of the response"), outcome })
    }

    /// Reads the value at the configured path.
    pub(super) fn path(&self, path: &Path<'_>) -> Option<Reading> {
        let unit = path.name.and_then(name::known).map_or(Unit::BySize, |known| known.unit);
        let outcome = self.value(path.value.as_ref()?, unit)?;
        Some(Reading { source: "login.expiresPath".into(), outcome })
    }

    /// Reads the claims of the token.
    pub(super) fn claims(&self, claims: TokenClaims) -> Option<Reading> {
        let outcome = match claims {
            TokenClaims::Nothing => return None,
            TokenClaims::Unreadable => Verdict::Ignored(Doubt::Unreadable),
            TokenClaims::Dates(dates) if dates.expires <= 0.0 && self.never_expires => Verdict::Never,
            TokenClaims::Dates(dates) if dates.expires <= 0.0 => {
                Verdict::Expired { is_zero: true, is_date: false }
            }
            TokenClaims::Dates(dates) => self.remaining(jwt_remaining(dates, self.moments)),
        };
        Some(Reading { source: "`exp` of the token".into(), outcome })
    }

    /// Reads `Max-Age` or `Expires` of a cookie.
    pub(super) fn cookie(&self, name: &str, value: &Value) -> Option<Reading> {
        let unit = if name == "Max-Age" { Unit::Seconds } else { Unit::BySize };
        Some(Reading { source: format!("{name} of the cookie"), outcome: self.value(value, unit)? })
    }

    fn value(&self, value: &Value, unit: Unit) -> Option<Verdict> {
        Some(match parse_value(value) {
            ParsedValue::Nothing => return None,
            ParsedValue::Zero | ParsedValue::Never if self.never_expires => Verdict::Never,
            ParsedValue::Zero => {
                let is_date = unit == Unit::BySize || number(value).is_none();
                Verdict::Expired { is_zero: true, is_date }
            }
            ParsedValue::Never | ParsedValue::Unreadable => Verdict::Ignored(Doubt::Unreadable),
            ParsedValue::Number(number) => self.number(number, unit),
            ParsedValue::Duration(seconds) => self.remaining(seconds),
            ParsedValue::Date(date) => self.date(seconds(date)),
        })
    }

    fn number(&self, number: f64, unit: Unit) -> Verdict {
        let date = epoch_seconds(number);
        let is_near = (date - self.moments.server_now()).abs() <= MAX_SECONDS;
        match unit {
            Unit::BySize | Unit::Unsure if number >= FIRST_DATE_SECONDS => self.date(date),
            Unit::BySize | Unit::Unsure if number >= FIRST_MILLISECONDS => {
                Verdict::Guessed(number / 1000.0, Doubt::WithoutUnit)
            }
            Unit::Seconds if number >= FIRST_DATE_SECONDS && is_near => self.date(date),
            // Three weeks in milliseconds are as large a number as a date in seconds.
            Unit::Milliseconds | Unit::Minutes if number >= FIRST_DATE_SECONDS * 1000.0 && is_near => {
                self.date(date)
            }
            Unit::Milliseconds => self.remaining(number / 1000.0),
            Unit::Minutes => self.remaining(number * 60.0),
            Unit::Seconds if is_likely_milliseconds(number) => {
                Verdict::Guessed(number / 1000.0, Doubt::LikelyMilliseconds)
            }
            Unit::Unsure if is_guess(number) => Verdict::Guessed(number, Doubt::Unsure),
            Unit::Unsure => Verdict::Ignored(Doubt::Unreadable),
            Unit::Seconds | Unit::BySize => match self.remaining(number) {
                Verdict::Ignored(_) if is_guess(number / 1000.0) => {
                    Verdict::Guessed(number / 1000.0, Doubt::TooLongInSeconds)
                }
                outcome => outcome,
            },
        }
    }

    /// The verdict about a number of seconds from now.
    fn remaining(&self, left: f64) -> Verdict {
        match () {
            () if left < MIN_SECONDS => Verdict::Expired { is_zero: false, is_date: false },
            () if left <= MAX_SECONDS => Verdict::Remaining(left),
            () if self.never_expires => Verdict::Never,
            () => Verdict::Ignored(Doubt::TooLong),
        }
    }

    /// The verdict about a date, in seconds.
    fn date(&self, date: f64) -> Verdict {
        match self.remaining(date - self.moments.server_now()) {
            Verdict::Expired { is_zero, .. } => Verdict::Expired { is_zero, is_date: true },
            outcome => outcome,
        }
    }

    /// The earliest plausible expiry, else the shortest guess, else never, if that is configured.
    pub(super) fn combine(&self, readings: &[Reading]) -> FoundExpiry {
        if let Some(expired) = readings.iter().find(|reading| reading.outcome.is_expired(false)) {
            return expired.expired();
        }
        if let Some(left) = readings.iter().filter_map(Reading::left).min_by(f64::total_cmp) {
            return FoundExpiry { expiry: Expiry::In(duration(left)), warning: None, expired: None };
        }
        // An ambiguous name counts only if there is no other guess.
        let guesses = |is_unsure| readings.iter().filter(move |reading| reading.is_unsure() == is_unsure);
        let shortest = |is_unsure| {
            guesses(is_unsure).filter_map(Reading::guess).min_by(|one, other| one.0.total_cmp(&other.0))
        };
        if let Some((left, warning)) = shortest(false).or_else(|| shortest(true)) {
            return FoundExpiry { expiry: Expiry::In(duration(left)), warning: Some(warning), expired: None };
        }
        if let Some(expired) = readings.iter().find(|reading| reading.outcome.is_expired(true)) {
            return expired.expired();
        }
        let warning = readings.iter().find_map(Reading::doubt);
        let expiry = if self.never_expires && warning.is_none() { Expiry::Never } else { Expiry::Unknown };
        FoundExpiry { expiry, warning, expired: None }
    }
}

impl Verdict {
    fn is_expired(self, by_date: bool) -> bool {
        matches!(self, Self::Expired { is_date, .. } if is_date == by_date)
    }
}

impl Reading {
    fn left(&self) -> Option<f64> {
        if let Verdict::Remaining(left) = self.outcome { Some(left) } else { None }
    }

    fn is_unsure(&self) -> bool {
        matches!(self.outcome, Verdict::Guessed(_, Doubt::Unsure))
    }

    fn guess(&self) -> Option<(f64, Warning)> {
        match self.outcome {
            Verdict::Guessed(left, doubt) => Some((left, doubt.warning(&self.source))),
            _ => None,
        }
    }

    fn doubt(&self) -> Option<Warning> {
        if let Verdict::Ignored(doubt) = self.outcome { Some(doubt.warning(&self.source)) } else { None }
    }

    /// The result if this source says that the token has expired.
    fn expired(&self) -> FoundExpiry {
        let is_zero = matches!(self.outcome, Verdict::Expired { is_zero: true, .. });
        let expired = Some(Expired { source: self.source.clone(), is_zero });
        FoundExpiry { expiry: Expiry::In(Duration::ZERO), warning: None, expired }
    }
}

fn is_likely_milliseconds(number: f64) -> bool {
    let is_multiple_of = |unit: f64| number % unit < f64::EPSILON;
    (FIRST_LIKELY_MILLISECONDS..=MAX_SECONDS).contains(&number)
        && is_multiple_of(MINUTE_MILLISECONDS)
        && !is_multiple_of(DAY_SECONDS)
}

fn is_guess(seconds: f64) -> bool {
    (MIN_GUESS_SECONDS..=MAX_SECONDS).contains(&seconds)
}

/// Converts seconds to a duration, limited to plausible lifetimes.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME.as_secs_f64())).unwrap_or(Duration::ZERO)
}

/// The remaining lifetime of a JWT, whose dates are by the issuer's clock. If neither the local clock nor the
/// response's `Date` fits them, the token is assumed to have been issued just now.
fn jwt_remaining(dates: Dates, moments: Moments) -> f64 {
    let Dates { expires, issued } = dates;
    let server_now = moments.server_now();
    let is_valid = |at: f64, issued: f64| issued - TOLERANCE_SECONDS <= at && at < expires;
    match issued {
        Some(issued) if is_valid(server_now, issued) => (expires - server_now).min(expires - issued),
        Some(issued) if is_valid(moments.now(), issued) => (expires - moments.now()).min(expires - issued),
        Some(issued) => expires - issued,
        None => expires - server_now,
    }
}
