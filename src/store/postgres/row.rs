//! A row of `token_cache`, as the statements return it and take it.

use super::super::StoredRow;
use super::super::record::{Columns, digest};
use super::super::rows::{Content, Found};
use super::connection::SqlRow;
use crate::domain::{Secret, Timestamp, TokenType};

/// What [`find`](super::sql::Statements) returned.
pub(super) struct FoundRow {
    pub(super) found: Found,
    /// The server follows another one, and may lag behind it.
    pub(super) is_replica: bool,
    /// A column for a moment holds only its day.
    pub(super) has_days: bool,
}

/// Reads the one row of `find`. `None` if it is not in that shape.
pub(super) fn read(columns: SqlRow) -> Option<FoundRow> {
    let [now, replica, exists, length, token, expires, no_refresh, refresh, kind, created, used, days]: [Option<
        String,
    >; 12] = columns.try_into().ok()?;
    let token = token.map(Secret::new);
    let content = match token {
        _ if exists.as_deref() != Some("true") => Content::Nothing,
        None if length.is_some() => Content::Malformed {
            fault: "its table contains a record whose token is longer than 4 MiB",
            seen: None,
        },
        None => Content::Malformed { fault: NO_TOKEN, seen: None },
        Some(token) if token.is_empty() => Content::Malformed { fault: NO_TOKEN, seen: Some(token) },
        Some(token) => {
            let is_faulty = refresh.is_none() && no_refresh.as_deref() != Some("true");
            let columns = Columns {
                refresh_token: if is_faulty { Err(()) } else { Ok(refresh.map(Secret::new)) },
                token_type: kind.as_deref().and_then(TokenType::parse),
                created_at: moment(created.as_deref()),
                expires_at: moment(expires.as_deref()),
                last_used: moment(used.as_deref()),
            };
            Content::Row { seen: token.clone(), row: StoredRow::from_columns(token, columns) }
        }
    };
    let found = Found { content, now: moment(now.as_deref()) };
    let is_true = |text: Option<String>| text.as_deref() == Some("true");
    Some(FoundRow { found, is_replica: is_true(replica), has_days: is_true(days) })
}

const NO_TOKEN: &str = "its table contains a record without a token";

fn moment(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok().map(Timestamp::from_millisecond)
}

/// What differs after each change of a row, from the columns of `marks` after the name.
pub(super) fn mark(columns: &[Option<String>]) -> u64 {
    let text = |n: usize| columns.get(n).and_then(Option::as_deref).unwrap_or_default();
    // Zero is for a row that does not exist.
    digest([text(1), text(2), text(3)]).max(1)
}

/// The columns of a row that are no text, as text.
pub(super) struct RowTexts {
    times: [String; 3],
}

impl RowTexts {
    pub(super) fn new(row: &StoredRow) -> Self {
        // ISO 8601 in UTC.
        Self { times: [row.expires_at, row.created_at, row.last_used].map(|time| time.to_string()) }
    }

    /// `$1` to `$9` of the statements that write a row.
    pub(super) fn values<'v>(
        &'v self,
        name: &'v str,
        row: &'v StoredRow,
        notice: Option<&'v str>,
        last: &'v str,
    ) -> [Option<&'v str>; 9] {
        let [expires, created, used] = &self.times;
        [
            Some(name),
            Some(row.token.expose()),
            Some(expires),
            row.refresh_token.as_ref().map(Secret::expose),
            Some(row.token_type.as_str()),
            Some(created),
            Some(used),
            notice,
            Some(last),
        ]
    }
}

/// It looks like Prisma's `cuid()`. It only has to be unique.
pub(super) fn new_id() -> String {
    format!("c{:024x}", fastrand::u128(..1 << 96))
}
