//! Which sources of an expiry are believed, and what is assumed where none is.

use std::time::Duration;

use serde_json::Value;

use super::name::{self, KnownName, Unit};
use super::value::{ParsedValue, read};
use super::{
    Ended, Expiry, FIRST_DATE_SECONDS, FoundExpiry, Moments, Path, SET_THE_PATH, TOLERANCE_SECONDS, Warning,
    epoch_seconds, seconds,
};
use crate::domain::MAX_LIFETIME;
use crate::oauth::fields::number;
use crate::oauth::jwt::{Dates, TokenClaims};

/// From here on, and below the numbers of dates, a number under a name without a unit counts milliseconds: Directus
/// sends 900000 for a quarter of an hour.
const FIRST_MILLISECONDS: f64 = 100_000.0;

/// From here on a number of seconds that is a whole number of minutes in milliseconds, and no whole number of days, is
/// most likely milliseconds: 3600000 is an hour, and hardly ever 41 days and 16 hours.
const FIRST_LIKELY_MILLISECONDS: f64 = 600_000.0;
const MINUTE_MILLISECONDS: f64 = 60_000.0;
const DAY_SECONDS: f64 = 86_400.0;

/// The lives that are believed: a year at most, and where the unit is guessed, half a minute at least.
const LONGEST_SECONDS: f64 = 366.0 * 86_400.0;
const SHORTEST_GUESS_SECONDS: f64 = 30.0;

/// What is less is nothing: moments are kept to the millisecond.
const SHORTEST_SECONDS: f64 = 0.001;

/// What one source says.
pub(super) struct Reading {
    /// What it is called in a message.
    source: String,
    outcome: Verdict,
}

impl Reading {
    /// Whether no other source is needed.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.outcome, Verdict::Ignored(_))
    }

    /// Whether it is no guess, which another source could confirm or correct.
    pub(super) fn is_sure(&self) -> bool {
        self.is_usable() && !matches!(self.outcome, Verdict::Guessed(..))
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    /// The token does not expire.
    Endless,
    /// So many seconds are left.
    Sound(f64),
    /// None are.
    Ended {
        /// By a zero, which may mean that the token does not expire.
        is_zero: bool,
        /// By a date, which another source outweighs: clocks are wrong, and zero dates mean nothing.
        is_date: bool,
    },
    /// So many seconds are left, if this doubtful reading is right.
    Guessed(f64, Doubt),
    /// Nothing that can be used.
    Ignored(Doubt),
}

/// Why a source is not believed as it stands.
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
        const UNIT: &str = "Set login.expiresPath to a field that tells seconds or a date, if there is one";
        let (what, hint) = match self {
            Self::TooLong => ("gives the token a life of more than 366 days, which is not plausible", NEVER),
            Self::TooLongInSeconds => (
                "would be more than 366 days in seconds, which is not plausible: it is taken for milliseconds",
                NEVER,
            ),
            Self::WithoutUnit => {
                ("does not say what it counts: it is taken for milliseconds, the shorter life", UNIT)
            }
            Self::LikelyMilliseconds => (
                "would be an odd number of days in seconds: it is taken for milliseconds, the shorter life",
                UNIT,
            ),
            Self::Unsure => ("may be the life of the token: it is taken for that, in seconds", UNIT),
            Self::Unreadable => ("cannot be read as a time", SET_THE_PATH),
            Self::Past => ("lies in the past, and may not be the end of the token", SET_THE_PATH),
        };
        Warning { what: format!("{source} {what}"), hint }
    }
}

/// Judges single sources, and what comes of several.
pub(super) struct Judge {
    pub moments: Moments,
    pub never_expires: bool,
}

impl Judge {
    /// What a field of the answer says; `None` where it says nothing. A vague name (`expiry`, `exp`) may be that of
    /// something else, and does not end a token.
    pub(super) fn field(&self, name: &str, value: &Value, known: KnownName) -> Option<Reading> {
        let outcome = match self.value(value, known.unit)? {
            Verdict::Ended { .. } if !known.is_plain => Verdict::Ignored(Doubt::Past),
            outcome => outcome,
        };
        Some(Reading { source: format!("`{name}` of the answer"), outcome })
    }

    /// What stands at the configured path says.
    pub(super) fn path(&self, path: &Path<'_>) -> Option<Reading> {
        let unit = path.name.and_then(name::known).map_or(Unit::BySize, |known| known.unit);
        let outcome = self.value(path.value.as_ref()?, unit)?;
        Some(Reading { source: "login.expiresPath".into(), outcome })
    }

    /// What the token says.
    pub(super) fn claims(&self, claims: TokenClaims) -> Option<Reading> {
        let outcome = match claims {
            TokenClaims::Nothing => return None,
            TokenClaims::Unreadable => Verdict::Ignored(Doubt::Unreadable),
            TokenClaims::Dates(dates) if dates.expires <= 0.0 && self.never_expires => Verdict::Endless,
            TokenClaims::Dates(dates) if dates.expires <= 0.0 => {
                Verdict::Ended { is_zero: true, is_date: false }
            }
            TokenClaims::Dates(dates) => self.life(remaining(dates, self.moments)),
        };
        Some(Reading { source: "`exp` of the token".into(), outcome })
    }

    /// What `Max-Age` or `Expires` of a cookie says.
    pub(super) fn cookie(&self, name: &str, value: &Value) -> Option<Reading> {
        let unit = if name == "Max-Age" { Unit::Seconds } else { Unit::BySize };
        Some(Reading { source: format!("{name} of the cookie"), outcome: self.value(value, unit)? })
    }

    fn value(&self, value: &Value, unit: Unit) -> Option<Verdict> {
        Some(match read(value) {
            ParsedValue::Nothing => return None,
            ParsedValue::Zero | ParsedValue::Never if self.never_expires => Verdict::Endless,
            ParsedValue::Zero => {
                let is_date = unit == Unit::BySize || number(value).is_none();
                Verdict::Ended { is_zero: true, is_date }
            }
            ParsedValue::Never | ParsedValue::Unreadable => Verdict::Ignored(Doubt::Unreadable),
            ParsedValue::Number(number) => self.number(number, unit),
            ParsedValue::Life(life) => self.life(life),
            ParsedValue::Moment(moment) => self.date(seconds(moment)),
        })
    }

    fn number(&self, number: f64, unit: Unit) -> Verdict {
        let date = epoch_seconds(number);
        let is_near = (date - self.moments.server_now()).abs() <= LONGEST_SECONDS;
        match unit {
            Unit::BySize | Unit::Unsure if number >= FIRST_DATE_SECONDS => self.date(date),
            Unit::BySize | Unit::Unsure if number >= FIRST_MILLISECONDS => {
                Verdict::Guessed(number / 1000.0, Doubt::WithoutUnit)
            }
            Unit::Seconds if number >= FIRST_DATE_SECONDS && is_near => self.date(date),
            // Three weeks in milliseconds are as great a number as a date in seconds.
            Unit::Milliseconds | Unit::Minutes if number >= FIRST_DATE_SECONDS * 1000.0 && is_near => {
                self.date(date)
            }
            Unit::Milliseconds => self.life(number / 1000.0),
            Unit::Minutes => self.life(number * 60.0),
            Unit::Seconds if is_likely_milliseconds(number) => {
                Verdict::Guessed(number / 1000.0, Doubt::LikelyMilliseconds)
            }
            Unit::Unsure if is_guess(number) => Verdict::Guessed(number, Doubt::Unsure),
            Unit::Unsure => Verdict::Ignored(Doubt::Unreadable),
            Unit::Seconds | Unit::BySize => match self.life(number) {
                Verdict::Ignored(_) if is_guess(number / 1000.0) => {
                    Verdict::Guessed(number / 1000.0, Doubt::TooLongInSeconds)
                }
                outcome => outcome,
            },
        }
    }

    /// So many seconds from now on.
    fn life(&self, left: f64) -> Verdict {
        match () {
            () if left < SHORTEST_SECONDS => Verdict::Ended { is_zero: false, is_date: false },
            () if left <= LONGEST_SECONDS => Verdict::Sound(left),
            () if self.never_expires => Verdict::Endless,
            () => Verdict::Ignored(Doubt::TooLong),
        }
    }

    /// The end as a date, in seconds.
    fn date(&self, date: f64) -> Verdict {
        match self.life(date - self.moments.server_now()) {
            Verdict::Ended { is_zero, .. } => Verdict::Ended { is_zero, is_date: true },
            outcome => outcome,
        }
    }

    /// The earliest of what can be believed; else the shortest guess; else that there is no end, where that is
    /// configured.
    pub(super) fn combine(&self, tellings: &[Reading]) -> FoundExpiry {
        if let Some(ended) = tellings.iter().find(|telling| telling.outcome.is_over(false)) {
            return ended.end();
        }
        if let Some(left) = tellings.iter().filter_map(Reading::left).min_by(f64::total_cmp) {
            return FoundExpiry { expiry: Expiry::In(span(left)), warning: None, ended: None };
        }
        // A name that may mean something else counts only where no other does.
        let guesses = |is_unsure| tellings.iter().filter(move |telling| telling.is_unsure() == is_unsure);
        let shortest = |is_unsure| {
            guesses(is_unsure).filter_map(Reading::guess).min_by(|one, other| one.0.total_cmp(&other.0))
        };
        if let Some((left, warning)) = shortest(false).or_else(|| shortest(true)) {
            return FoundExpiry { expiry: Expiry::In(span(left)), warning: Some(warning), ended: None };
        }
        if let Some(ended) = tellings.iter().find(|telling| telling.outcome.is_over(true)) {
            return ended.end();
        }
        let warning = tellings.iter().find_map(Reading::doubt);
        let expiry = if self.never_expires && warning.is_none() { Expiry::Never } else { Expiry::Unknown };
        FoundExpiry { expiry, warning, ended: None }
    }
}

impl Verdict {
    fn is_over(self, by_date: bool) -> bool {
        matches!(self, Self::Ended { is_date, .. } if is_date == by_date)
    }
}

impl Reading {
    fn left(&self) -> Option<f64> {
        if let Verdict::Sound(left) = self.outcome { Some(left) } else { None }
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

    /// What comes of it where it says that the token has ended.
    fn end(&self) -> FoundExpiry {
        let is_zero = matches!(self.outcome, Verdict::Ended { is_zero: true, .. });
        let ended = Some(Ended { source: self.source.clone(), is_zero });
        FoundExpiry { expiry: Expiry::In(Duration::ZERO), warning: None, ended }
    }
}

fn is_likely_milliseconds(number: f64) -> bool {
    let is_multiple_of = |unit: f64| number % unit < f64::EPSILON;
    (FIRST_LIKELY_MILLISECONDS..=LONGEST_SECONDS).contains(&number)
        && is_multiple_of(MINUTE_MILLISECONDS)
        && !is_multiple_of(DAY_SECONDS)
}

fn is_guess(seconds: f64) -> bool {
    (SHORTEST_GUESS_SECONDS..=LONGEST_SECONDS).contains(&seconds)
}

/// Seconds to live, cut to what makes sense: never negative, never without end.
fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, MAX_LIFETIME.as_secs_f64())).unwrap_or(Duration::ZERO)
}

/// What is left of a JWT. Its dates are the issuer's: where `iat` shows that the issuer's clock is not ours,
/// and the answer's `Date` does not vouch for it either, the token was issued just now.
fn remaining(dates: Dates, moments: Moments) -> f64 {
    let Dates { expires, issued } = dates;
    let server_now = moments.server_now();
    let alive = |at: f64, issued: f64| issued - TOLERANCE_SECONDS <= at && at < expires;
    match issued {
        Some(issued) if alive(server_now, issued) => (expires - server_now).min(expires - issued),
        Some(issued) if alive(moments.now(), issued) => (expires - moments.now()).min(expires - issued),
        Some(issued) => expires - issued,
        None => expires - server_now,
    }
}
