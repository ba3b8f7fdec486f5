//! When a token ends: what the answer says, what the token says, whose clock is wrong, and what to assume where
//! none of it can be believed.

mod judge;
mod name;
#[cfg(test)]
mod tests;
mod value;

use std::time::Duration;

use serde_json::{Map, Value};

use self::judge::{Judge, Reading};
use super::fields::ResponseFields;
use super::jwt::TokenClaims;
use crate::domain::Timestamp;
use crate::transport::Response;

pub(super) use self::value::{ParsedValue, read as value_said};

/// Clocks that differ by less agree: networks are slow and dates are cut to the second.
const TOLERANCE_SECONDS: f64 = 30.0;
const TOLERANCE_MILLISECONDS: u64 = 30_000;

/// Numbers from here on are dates in seconds (2001), and from a thousand times that in milliseconds.
const FIRST_DATE_SECONDS: f64 = 1e9;

/// When a token ends, as far as an answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// After this time.
    In(Duration),
    /// Nothing tells, or nothing that can be believed.
    Unknown,
    /// It does not: the configuration says what the silence of the answer means.
    Never,
}

impl Expiry {
    /// How long the token is used for, `default` being the configured guess; `None` if it never expires.
    pub fn lifetime(self, default: Duration) -> Option<Duration> {
        match self {
            Self::In(life) => Some(life),
            Self::Unknown => Some(default),
            Self::Never => None,
        }
    }
}

/// The moments an expiry is judged by.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    /// When the answer came, by the local clock.
    pub now: Timestamp,
    /// When it was sent, by the server's (`Date`, RFC 9110 §6.6.1).
    pub server: Option<Timestamp>,
}

impl Moments {
    fn now(self) -> f64 {
        seconds(self.now)
    }

    /// The server's present, as far as it tells: its `Date` where that is far from the local clock.
    fn server_now(self) -> f64 {
        self.server
            .map(seconds)
            .filter(|date| (date - self.now()).abs() > TOLERANCE_SECONDS)
            .unwrap_or(self.now())
    }
}

/// Whether two clocks that are this many milliseconds apart disagree.
pub fn clocks_differ(milliseconds: i64) -> bool {
    milliseconds.unsigned_abs() > TOLERANCE_MILLISECONDS
}

/// How far the server's clock is ahead of the local one, in milliseconds, where its `Date` tells that the two do
/// not agree; zero where they do.
pub fn server_clock(response: &Response, now: Timestamp) -> Option<i64> {
    let server = response.header("date").and_then(Timestamp::parse)?;
    let ahead = server.as_millisecond() - now.as_millisecond();
    Some(if clocks_differ(ahead) { ahead } else { 0 })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds up to the year 9999 fit a double exactly")]
pub(super) fn seconds(moment: Timestamp) -> f64 {
    moment.as_millisecond() as f64 / 1000.0
}

/// A date as a number, in seconds, from one that counts seconds, milliseconds, microseconds or nanoseconds.
pub(super) fn epoch_seconds(number: f64) -> f64 {
    let is_too_great = |scaled: f64| scaled >= FIRST_DATE_SECONDS * 1000.0;
    let scales = [1.0, 1e3, 1e6, 1e9].map(|scale| number / scale);
    scales.into_iter().find(|scaled| !is_too_great(*scaled)).unwrap_or(number)
}

/// What an answer has that may tell an expiry.
pub(super) struct Sources<'a> {
    /// What `login.expiresPath` leads to, where it is set.
    pub path: Option<Path<'a>>,
    /// The fields around the token.
    pub fields: ResponseFields<'a>,
    /// What the token says.
    pub claims: TokenClaims,
    /// `Max-Age` or `Expires` of the cookie that the token came in.
    pub cookie: Option<(&'static str, Value)>,
    /// `neverExpires`.
    pub never_expires: bool,
    /// Whether a name may be told.
    pub is_tellable: &'a dyn Fn(&str) -> bool,
}

/// `login.expiresPath`, in an answer.
pub(super) struct Path<'a> {
    /// Its last name.
    pub name: Option<&'a str>,
    /// What stands there.
    pub value: Option<Value>,
    /// Whether it describes this answer: that of a refresh may be laid out in another way.
    pub is_binding: bool,
}

/// Why an expiry is in doubt: the source that is not believed, what is assumed, and what to do. It contains the names
/// of fields and none of their values.
#[derive(Debug, PartialEq)]
pub(super) struct Warning {
    what: String,
    hint: &'static str,
}

const SET_THE_PATH: &str = "Set login.expiresPath to the field that tells the expiry";

/// What comes of all sources.
#[derive(Debug, PartialEq)]
pub(super) struct FoundExpiry {
    /// When the token ends; in no time, where it has ended already.
    pub expiry: Expiry,
    /// Why that is in doubt.
    pub warning: Option<Warning>,
    /// By which source the token has ended already, and whether it may mean something else by it.
    pub ended: Option<Ended>,
}

impl FoundExpiry {
    /// The warning as a text, about the answer of `place`.
    pub(super) fn warning_text(&self, place: &str) -> Option<String> {
        let Warning { what, hint } = self.warning.as_ref()?;
        let is_unknown = self.expiry == Expiry::Unknown;
        let assumed = if is_unknown { ": defaultLifetimeSeconds is used instead" } else { "" };
        Some(format!("{place}: {what}{assumed}. {hint}"))
    }
}

/// The source by which a token has ended.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    /// What it is called in a message.
    pub source: String,
    /// Whether it is a zero, by which some servers mean that the token does not expire.
    pub is_zero: bool,
}

/// Finds when a token ends: by the configured path, by the names that are usual, nearest to the token first, and by
/// what the token says; of several that can be believed the earliest counts.
pub(super) fn find(sources: &Sources<'_>, moments: Moments) -> FoundExpiry {
    let judge = Judge { moments, never_expires: sources.never_expires };
    let by_path = sources.path.as_ref().and_then(|path| judge.path(path));
    let mut tellings = Vec::from_iter(by_path);
    let needs_usual = !tellings.iter().any(Reading::is_usable);
    if needs_usual {
        tellings.extend(usual(&sources.fields, &judge));
    }
    tellings.extend(judge.claims(sources.claims));
    if !tellings.iter().any(Reading::is_usable) {
        tellings.extend(sources.cookie.iter().filter_map(|(name, value)| judge.cookie(name, value)));
    }
    let mut found = judge.combine(&tellings);
    if found.warning.is_none() {
        let path = sources.path.as_ref().filter(|_| needs_usual);
        let is_unknown = found.expiry == Expiry::Unknown;
        found.warning = path
            .and_then(|path| missing_path_warning(path, found.expiry))
            .or_else(|| if is_unknown { unknown_name(sources) } else { None });
    }
    found
}

/// The warning of a configured path that is of no use. The answer of a refresh may be laid out in another way than
/// the login's, which the path describes.
fn missing_path_warning(path: &Path<'_>, expiry: Expiry) -> Option<Warning> {
    let what = if path.value.is_some() { "finds no time" } else { "finds nothing" };
    let instead = match expiry {
        Expiry::In(_) if path.is_binding => ": the usual fields are used instead",
        Expiry::Unknown => "",
        Expiry::In(_) | Expiry::Never => return None,
    };
    let what = format!("login.expiresPath {what} in the answer{instead}");
    Some(Warning { what, hint: "Correct the path, or leave it out" })
}

/// What the nearest object says that says anything: the plain names first, and the vague ones without them.
fn usual(fields: &ResponseFields<'_>, judge: &Judge) -> Vec<Reading> {
    let mut all = Vec::new();
    for (level, is_plain) in fields.levels.iter().flat_map(|level| [(level, true), (level, false)]) {
        all.extend(readings_at(level, is_plain, judge));
        if all.iter().any(Reading::is_sure) {
            break;
        }
    }
    all
}

fn readings_at(level: &Map<String, Value>, is_plain: bool, judge: &Judge) -> Vec<Reading> {
    let known = level.iter().filter_map(|(name, value)| Some((name, value, name::known(name)?)));
    known
        .filter(|(_, _, known)| known.is_plain == is_plain)
        .filter_map(|(name, value, known)| judge.field(&plain(name), value, known))
        .collect()
}

/// A name as a message may hold it. It is a known one, and no secret.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).take(40).collect()
}

/// A warning of a name that is not known and looks like that of an expiry.
fn unknown_name(sources: &Sources<'_>) -> Option<Warning> {
    let says_something =
        |value: &Value| !matches!(value_said(value), ParsedValue::Nothing) && !value.is_boolean();
    let mut fields = sources.fields.levels.iter().flat_map(|level| level.iter());
    let (name, _) = fields.find(|(name, value)| {
        name::looks_like_an_expiry(name) && says_something(value) && (sources.is_tellable)(name)
    })?;
    let what = format!("`{name}` of the answer looks like an expiry and is not known as one");
    Some(Warning { what, hint: SET_THE_PATH })
}
