//! Rows as the fields of a hash.

use std::time::Duration;

use zeroize::Zeroizing;

use super::super::StoredRow;
use super::super::record::Columns;
use super::super::rows::Content;
use crate::domain::{Secret, Timestamp, TokenType};

/// A text of an answer, without the sign that it begins with.
pub(super) type Answer = Option<Zeroizing<String>>;

/// A longer token is not fetched: no server issues one.
pub(super) const LONGEST_TOKEN: usize = 4 * 1024 * 1024;

/// The lifetime of a token that another program stored without its time of issue.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);

/// What the script that finds a row answered, without the time. `None` if it has another form.
pub(super) fn read(answer: &[Answer]) -> Option<Content> {
    let malformed = |fault| Some(Content::Malformed { fault, seen: None });
    match answer.first()?.as_ref()?.as_str() {
        "long" => return malformed("the token of a record is longer than 4 MiB"),
        "row" => {}
        _ => return None,
    }
    // Some clients leave out what is missing at the end.
    let field = |index: usize| answer.get(index).and_then(Option::as_deref);
    let Some(token) = field(1) else {
        let is_empty = (2..=6).all(|index| field(index).is_none());
        return if is_empty { Some(Content::Nothing) } else { malformed("a record has no token") };
    };
    if token.is_empty() {
        return malformed("the token of a record is empty");
    }
    let expires_at = field(2).and_then(|text| moment(text));
    let created_at = field(4).map_or(expires_at.map(|end| end.minus(ASSUMED_LIFETIME)), |text| moment(text));
    let columns = Columns {
        refresh_token: Ok(field(6).filter(|text| !text.is_empty()).map(|text| Secret::new(text.as_str()))),
        token_type: field(3).map_or(Some(TokenType::bearer()), |text| TokenType::parse(text)),
        created_at,
        expires_at,
        last_used: field(5).map_or(created_at, |text| moment(text)),
    };
    let token = Secret::new(token.as_str());
    Some(Content::Row { row: StoredRow::from_columns(token.clone(), columns), seen: token })
}

/// The values of the fields of a row, in the order of the script that sets them.
pub(super) fn write(row: &StoredRow) -> Vec<Zeroizing<String>> {
    let mut values = vec![
        row.token.expose().to_owned(),
        row.expires_at.to_string(),
        row.token_type.as_str().to_owned(),
        row.created_at.to_string(),
        row.last_used.to_string(),
    ];
    values.extend(row.refresh_token.as_ref().map(|token| token.expose().to_owned()));
    values.into_iter().map(Zeroizing::new).collect()
}

/// A time in ISO 8601, or in milliseconds.
fn moment(text: &str) -> Option<Timestamp> {
    let millisecond = text.parse().ok().map(Timestamp::from_millisecond);
    millisecond.or_else(|| Timestamp::parse(text))
}
