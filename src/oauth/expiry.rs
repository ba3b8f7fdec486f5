//! When a token expires: what the response says, what the token says, which clock is wrong, and what to
//! assume if no source is plausible.

mod judge;
mod name;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Map, Value};

use self::judge::{Judge, Reading};
use super::fields::ResponseFields;
use super::jwt::TokenClaims;
use super::time_value::{ParsedValue, parse_value, seconds};
use crate::domain::Timestamp;
use crate::transport::Response;

/// A smaller difference between clocks is ignored, because networks are slow and dates are truncated to
/// seconds.
const TOLERANCE_SECONDS: f64 = 30.0;
const TOLERANCE_MILLISECONDS: u64 = 30_000;

/// When a token expires, according to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// After this time.
    In(Duration),
    /// There is no plausible information.
    Unknown,
    /// Never. The configuration says that this is what a missing expiry means.
    Never,
}

impl Expiry {
    /// How long the token is used; `None` if it never expires. `default` is the configured lifetime for an unknown
    /// expiry.
    pub fn lifetime(self, default: Duration) -> Option<Duration> {
        match self {
            Self::In(lifetime) => Some(lifetime),
            Self::Unknown => Some(default),
            Self::Never => None,
        }
    }
}

/// The current time by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    /// When the response arrived, by the local clock.
    pub now: Timestamp,
    /// When it was sent, by the server's clock (`Date`, RFC 9110 §6.6.1).
    pub server: Option<Timestamp>,
}

impl Moments {
    fn now(self) -> f64 {
        seconds(self.now)
    }

    /// The current time by the server's clock: its `Date`, if that differs from the local clock.
    fn server_now(self) -> f64 {
        self.server
            .map(seconds)
            .filter(|date| (date - self.now()).abs() > TOLERANCE_SECONDS)
            .unwrap_or(self.now())
    }
}

/// Whether a difference of this many milliseconds between two clocks matters.
pub fn clocks_differ(milliseconds: i64) -> bool {
    milliseconds.unsigned_abs() > TOLERANCE_MILLISECONDS
}

/// How far the server's clock is ahead of the local one, in milliseconds, by its `Date`. Zero if the
/// difference does not matter.
pub fn server_clock(response: &Response, now: Timestamp) -> Option<i64> {
    let server = response.header("date").and_then(Timestamp::parse)?;
    let ahead = server.as_millisecond() - now.as_millisecond();
    Some(if clocks_differ(ahead) { ahead } else { 0 })
}

/// Everything in a response that may contain the expiry.
pub(super) struct Sources<'a> {
    /// The value at `login.expiresPath`, if that is set.
    pub path: Option<Path<'a>>,
    /// The fields around the token.
    pub fields: ResponseFields<'a>,
    /// The claims of the token.
    pub claims: TokenClaims,
    /// `Max-Age` or `Expires` of the cookie that contains the token.
    pub cookie: Option<(&'static str, Value)>,
    /// `neverExpires`.
    pub never_expires: bool,
    /// Whether a name may appear in a message.
    pub may_show_name: &'a dyn Fn(&str) -> bool,
}

/// `login.expiresPath`, applied to a response.
pub(super) struct Path<'a> {
    /// Its last name.
    pub name: Option<&'a str>,
    /// The value at the path.
    pub value: Option<Value>,
    /// Whether the path describes this response. The response of a refresh may have another structure.
    pub describes_response: bool,
}

/// Why an expiry is in doubt: the implausible source, what is assumed instead, and what to do. Contains field
/// names but no values.
#[derive(Debug, PartialEq)]
pub(super) struct Warning {
    what: String,
    hint: &'static str,
}

const SET_THE_PATH: &str = "Set login.expiresPath to the field that contains the expiry";

/// The result of all sources.
#[derive(Debug, PartialEq)]
pub(super) struct FoundExpiry {
    /// When the token expires. Zero if it has already expired.
    pub expiry: Expiry,
    /// Why that is in doubt.
    pub warning: Option<Warning>,
    /// The source by which the token has already expired.
    pub expired: Option<Expired>,
}

impl FoundExpiry {
    /// The warning as a text about the response of `place`.
    pub(super) fn warning_text(&self, place: &str) -> Option<String> {
        let Warning { what, hint } = self.warning.as_ref()?;
        let is_unknown = self.expiry == Expiry::Unknown;
        let assumed = if is_unknown { ": defaultLifetimeSeconds is used instead" } else { "" };
        Some(format!("{place}: {what}{assumed}. {hint}"))
    }
}

/// A source by which a token has expired.
#[derive(Debug, PartialEq)]
pub(super) struct Expired {
    /// Its name in a message.
    pub source: String,
    /// Whether the value is zero, by which some servers mean that the token does not expire.
    pub is_zero: bool,
}

/// Finds the expiry: at the configured path, in fields with common names, nearest to the token first, and in
/// the token's claims. The earliest plausible one counts.
pub(super) fn find(sources: &Sources<'_>, moments: Moments) -> FoundExpiry {
    let judge = Judge { moments, never_expires: sources.never_expires };
    let by_path = sources.path.as_ref().and_then(|path| judge.path(path));
    let mut readings = Vec::from_iter(by_path);
    let needs_common = !readings.iter().any(Reading::is_usable);
    if needs_common {
        readings.extend(common(&sources.fields, &judge));
    }
    readings.extend(judge.claims(sources.claims));
    if !readings.iter().any(Reading::is_usable) {
        readings.extend(sources.cookie.iter().filter_map(|(name, value)| judge.cookie(name, value)));
    }
    let mut found = judge.combine(&readings);
    if found.warning.is_none() {
        let path = sources.path.as_ref().filter(|_| needs_common);
        let is_unknown = found.expiry == Expiry::Unknown;
        found.warning = path
            .and_then(|path| missing_path_warning(path, found.expiry))
            .or_else(|| if is_unknown { unknown_name(sources) } else { None });
    }
    found
}

/// The warning about a configured path without a usable value. The response of a refresh may have another
/// structure than that of the login, which the path describes.
fn missing_path_warning(path: &Path<'_>, expiry: Expiry) -> Option<Warning> {
    let what = if path.value.is_some() { "finds no valid time" } else { "finds nothing" };
    let instead = match expiry {
        Expiry::In(_) if path.describes_response => ": the usual fields are used instead",
        Expiry::Unknown => "",
        Expiry::In(_) | Expiry::Never => return None,
    };
    let what = format!("login.expiresPath {what} in the response{instead}");
    Some(Warning { what, hint: "Correct or remove the path" })
}

/// The readings of the nearest object that has any: of the unambiguous names first, and else of the vague
/// ones.
fn common(fields: &ResponseFields<'_>, judge: &Judge) -> Vec<Reading> {
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

/// The first member of an answer that is certainly meant to be the expiry, and cannot be read as one.
pub(super) fn unreadable(answer: &Map<String, Value>) -> Option<&str> {
    let is_plain = |name: &str| name::known(name).is_some_and(|known| known.is_plain);
    let is_unreadable = |value: &Value| parse_value(value) == ParsedValue::Unreadable;
    let mut members = answer.iter();
    members.find(|(name, value)| is_plain(name) && is_unreadable(value)).map(|(name, _)| name.as_str())
}

/// A name in a form that is safe for a message. It is a known name and therefore not a secret.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c)).take(40).collect()
}

/// The warning about an unknown name that looks like an expiry.
fn unknown_name(sources: &Sources<'_>) -> Option<Warning> {
    let has_value =
        |value: &Value| !matches!(parse_value(value), ParsedValue::Nothing) && !value.is_boolean();
    let mut fields = sources.fields.levels.iter().flat_map(|level| level.iter());
    let (name, _) = fields.find(|(name, value)| {
        name::looks_like_an_expiry(name) && has_value(value) && (sources.may_show_name)(name)
    })?;
    let what =
        format!("`{name}` of the response looks like an expiry, but evertoken does not know this name");
    Some(Warning { what, hint: SET_THE_PATH })
}
