//! The rows of `token_cache`, as Prisma reads and writes them, and the number that is stored for each.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::super::record::{Columns, KEPT_ASIDE};
use super::super::{Revision, Slot, StoredRow};
use crate::domain::{Secret, ServiceName, Timestamp, TokenType};

/// What is found for a service.
pub(super) enum DatabaseRow {
    Slot(Slot),
    /// Not in the shape of a record.
    Malformed,
}

/// Always one row.
const FIND: &str = "
SELECT t.token, t.expiresAt, t.refreshToken, t.tokenType, t.createdAt, t.lastUsed, s.revision,
    t.service IS NOT NULL
FROM (SELECT ?1 AS service) AS asked
LEFT JOIN token_cache AS t ON t.service = asked.service
LEFT JOIN evertoken_state AS s ON s.service = asked.service";

/// What is stored for a service. A row that was edited by hand has the number of our last write, and is thus a later
/// revision. One that was inserted before our first write has number 0. If the row is missing, the last write was a
/// removal, unless someone deleted the row by hand.
pub(super) fn find(connection: &Connection, service: &ServiceName) -> rusqlite::Result<DatabaseRow> {
    connection.prepare_cached(FIND)?.query_row([service.as_str()], |columns| {
        let number = number(columns.get_ref(6)?);
        if !columns.get::<_, bool>(7)? {
            let removal = number.map(|number| Slot::Removed(Revision { number, digest: 0 }));
            return Ok(DatabaseRow::Slot(removal.unwrap_or_default()));
        }
        Ok(read(columns)?.map_or(DatabaseRow::Malformed, |row| {
            let revision = Revision::new(number.unwrap_or_default(), &row);
            DatabaseRow::Slot(Slot::Record(row, revision))
        }))
    })
}

fn number(value: ValueRef<'_>) -> Option<u64> {
    value.as_i64().ok().and_then(|number| u64::try_from(number).ok())
}

/// `None` if there is no token.
fn read(columns: &rusqlite::Row<'_>) -> rusqlite::Result<Option<StoredRow>> {
    let text =
        |n| Ok::<_, rusqlite::Error>(columns.get_ref(n)?.as_str().ok().filter(|text| !text.is_empty()));
    let moment = |n| columns.get_ref(n).map(read_moment);
    let Some(token) = text(0)?.map(Secret::new) else { return Ok(None) };
    let found = Columns {
        expires_at: moment(1)?,
        refresh_token: match columns.get_ref(2)? {
            ValueRef::Null => Ok(None),
            _ => text(2)?.map(|text| Some(Secret::new(text))).ok_or(()),
        },
        token_type: text(3)?.and_then(TokenType::parse),
        created_at: moment(4)?,
        last_used: moment(5)?,
    };
    Ok(Some(StoredRow::from_columns(token, found)))
}

/// Prisma writes ISO 8601, and earlier versions wrote milliseconds. SQLite's own `CURRENT_TIMESTAMP` is in UTC and
/// has no offset.
fn read_moment(value: ValueRef<'_>) -> Option<Timestamp> {
    match value {
        ValueRef::Text(_) => {
            let text = value.as_str().ok()?;
            Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z")))
        }
        ValueRef::Integer(millisecond) => Some(Timestamp::from_millisecond(millisecond)),
        ValueRef::Real(millisecond) => Some(Timestamp::from_second(millisecond / 1000.0)),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

/// As Prisma writes it: `2026-01-31T08:00:00.000+00:00`.
fn write_moment(moment: Timestamp) -> String {
    moment.to_string().replace('Z', "+00:00")
}

const UPDATE: &str = "
UPDATE token_cache SET token = :token, expiresAt = :expires, refreshToken = :refresh, tokenType = :type,
    createdAt = :created, lastUsed = :used
WHERE service = :service";

/// The id looks like Prisma's `cuid()`. It only has to be unique.
const INSERT: &str = "
INSERT INTO token_cache (id, service, token, expiresAt, refreshToken, tokenType, createdAt, lastUsed)
VALUES ('c' || lower(hex(randomblob(12))), :service, :token, :expires, :refresh, :type, :created, :used)";

const REMEMBER: &str = "
INSERT INTO evertoken_state (service, revision) VALUES (?1, ?2)
ON CONFLICT (service) DO UPDATE SET revision = excluded.revision";

/// Writes the row under the next number, and keeps its `id`.
pub(super) fn put(
    connection: &Connection,
    service: &ServiceName,
    row: &StoredRow,
) -> rusqlite::Result<Revision> {
    let last = last_number(connection, service)?;
    let number = Revision::number_after(last, row.last_used);
    let [created, expires, used] = [row.created_at, row.expires_at, row.last_used].map(write_moment);
    let values = named_params! {
        ":service": service.as_str(),
        ":token": row.token.expose(),
        ":expires": expires,
        ":refresh": row.refresh_token.as_ref().map(Secret::expose),
        ":type": row.token_type.as_str(),
        ":created": created,
        ":used": used,
    };
    // Not an upsert, which needs the index: a table made by hand may not have it.
    if connection.prepare_cached(UPDATE)?.execute(values)? == 0 {
        connection.prepare_cached(INSERT)?.execute(values)?;
    }
    connection.prepare_cached(REMEMBER)?.execute(params![service.as_str(), number.cast_signed()])?;
    Ok(Revision::new(number, row))
}

/// Removes the row, under the next number.
pub(super) fn remove(connection: &Connection, service: &ServiceName) -> rusqlite::Result<()> {
    if !delete(connection, service)? {
        return Ok(());
    }
    let removal = Revision::of_removal(last_number(connection, service)?.unwrap_or_default());
    connection.prepare_cached(REMEMBER)?.execute(params![service.as_str(), removal.number.cast_signed()])?;
    Ok(())
}

/// The number of the last write.
fn last_number(connection: &Connection, service: &ServiceName) -> rusqlite::Result<Option<u64>> {
    let last = connection
        .prepare_cached("SELECT revision FROM evertoken_state WHERE service = ?1")?
        .query_row([service.as_str()], |columns| Ok(number(columns.get_ref(0)?)))
        .optional()?;
    Ok(last.flatten())
}

/// Deletes the row. Returns whether there was one.
fn delete(connection: &Connection, service: &ServiceName) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("DELETE FROM token_cache WHERE service = ?1")?;
    Ok(statement.execute([service.as_str()])? > 0)
}

const COPY_ASIDE: &str = "
INSERT INTO evertoken_aside
    (service, token, expiresAt, refreshToken, tokenType, createdAt, lastUsed)
SELECT service, token, expiresAt, refreshToken, tokenType, createdAt, lastUsed
FROM token_cache WHERE service = ?1";

const DROP_SURPLUS: &str = "
DELETE FROM evertoken_aside WHERE service = ?1 AND number NOT IN
    (SELECT number FROM evertoken_aside WHERE service = ?1 ORDER BY number DESC LIMIT ?2)";

/// Moves the row to where someone can look at it.
pub(super) fn set_aside(connection: &Connection, service: &ServiceName) -> rusqlite::Result<()> {
    connection.prepare_cached(COPY_ASIDE)?.execute([service.as_str()])?;
    connection.prepare_cached(DROP_SURPLUS)?.execute(params![service.as_str(), KEPT_ASIDE])?;
    delete(connection, service).map(drop)
}
