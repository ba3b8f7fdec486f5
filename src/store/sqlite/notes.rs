//! The notes, in `evertoken_note`: for each service a sealed text, separate from its record.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::{Secret, ServiceName, Timestamp};

pub(super) fn find(connection: &Connection, service: &ServiceName) -> rusqlite::Result<Option<Secret>> {
    let mut statement = connection.prepare_cached("SELECT note FROM evertoken_note WHERE service = ?1")?;
    let note = statement
        .query_row([service.as_str()], |columns| Ok(columns.get_ref(0)?.as_str().ok().map(Secret::new)))
        .optional()?;
    Ok(note.flatten())
}

const KEEP: &str = "
INSERT INTO evertoken_note (service, note, until) VALUES (?1, ?2, ?3)
ON CONFLICT (service) DO UPDATE SET note = excluded.note, until = excluded.until";

/// Replaces the note; `None` deletes it.
pub(super) fn put(
    connection: &Connection,
    service: &ServiceName,
    note: Option<&Secret>,
    until: Timestamp,
) -> rusqlite::Result<()> {
    match note {
        Some(note) => connection.prepare_cached(KEEP)?.execute(params![
            service.as_str(),
            note.expose(),
            until.as_millisecond()
        ])?,
        None => connection
            .prepare_cached("DELETE FROM evertoken_note WHERE service = ?1")?
            .execute([service.as_str()])?,
    };
    Ok(())
}
