//! The tables: the one of Prisma's model, and evertoken's own.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::fault::SqliteError;

/// In version 0 there are no tables of evertoken's own: the database is empty, or Prisma made it.
const VERSION: i64 = 1;

/// Exactly what Prisma's migration makes of the model, so that its `db push` finds nothing to change.
const TOKEN_CACHE: &str = r#"
CREATE TABLE "token_cache" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "service" TEXT NOT NULL,
    "token" TEXT NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "refreshToken" TEXT,
    "tokenType" TEXT NOT NULL DEFAULT 'Bearer',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUsed" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX "token_cache_service_key" ON "token_cache"("service");
"#;

/// Times are milliseconds since 1970. A service's row in `evertoken_state` stays when its token is removed: numbers
/// and fences only grow. The columns of `evertoken_aside` have no types, so that they keep every value as it is.
const OWN: &str = r#"
CREATE TABLE IF NOT EXISTS "evertoken_state" (
    "service" TEXT NOT NULL PRIMARY KEY,
    "revision" INTEGER,
    "fence" INTEGER,
    "owner" INTEGER,
    "since" INTEGER,
    "until" INTEGER,
    "note" TEXT
);
CREATE TABLE IF NOT EXISTS "evertoken_aside" (
    "number" INTEGER PRIMARY KEY,
    "setAside" TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "service", "token", "expiresAt", "refreshToken", "tokenType", "createdAt", "lastUsed"
);
CREATE TABLE IF NOT EXISTS "evertoken_note" (
    "service" TEXT NOT NULL PRIMARY KEY,
    "note" TEXT NOT NULL,
    "until" INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS "evertoken_schema" ("version" INTEGER NOT NULL);
DELETE FROM "evertoken_schema";
"#;

const SURVEY: &str = "
SELECT count(*) FILTER (WHERE lower(name) = 'token_cache'),
       count(*) FILTER (WHERE lower(name) = 'evertoken_schema'),
       count(*) FILTER (WHERE lower(name) IN ('evertoken_state', 'evertoken_aside', 'evertoken_note'))
FROM sqlite_schema WHERE type = 'table'";

/// Finds what is not a plain table in the place of one of ours, and what would run when one is changed. A virtual
/// table has no page of its own.
const PLANTED: &str = "
SELECT type, CASE type WHEN 'trigger' THEN lower(tbl_name) ELSE lower(name) END AS ours FROM sqlite_schema
WHERE ours IN ('token_cache', 'evertoken_schema', 'evertoken_state', 'evertoken_aside', 'evertoken_note')
    AND NOT (type = 'index' OR type = 'table' AND rootpage > 0)
LIMIT 1";

const HAS_FOREIGN_TABLES: &str = r"
SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
    AND lower(name) NOT IN ('token_cache', 'evertoken_schema', 'evertoken_state', 'evertoken_aside', 'evertoken_note'))";

/// Which tables exist.
struct Standing {
    has_tokens: bool,
    is_current: bool,
}

/// Whether the database contains tables of others.
pub(super) fn has_foreign_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached(HAS_FOREIGN_TABLES)?.query_row([], |row| row.get(0))
}

/// Fails if a newer evertoken has written to the database.
pub(super) fn refuse_newer(connection: &Connection) -> Result<(), SqliteError> {
    survey(connection).map(drop)
}

/// Creates the missing tables. Every operation checks for them: a tool that resets the database drops the tables of a
/// running process.
pub(super) fn make_current(connection: &Connection) -> Result<(), SqliteError> {
    if survey(connection)?.is_current {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let standing = survey(&transaction)?;
    if !standing.is_current {
        if !standing.has_tokens {
            transaction.execute_batch(TOKEN_CACHE)?;
        }
        transaction.execute_batch(OWN)?;
        transaction.execute("INSERT INTO evertoken_schema (version) VALUES (?1)", [VERSION])?;
    }
    Ok(transaction.commit()?)
}

/// Fails if someone has added code that would run in this process.
fn refuse_planted(connection: &Connection) -> Result<(), SqliteError> {
    let planted = connection
        .prepare_cached(PLANTED)?
        .query_row([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    match planted {
        None => Ok(()),
        Some((kind, table)) if kind == "trigger" => {
            Err(SqliteError::Planted(format!("a trigger on {table}")))
        }
        Some((kind, table)) if kind == "view" => {
            Err(SqliteError::Planted(format!("a view in place of the table {table}")))
        }
        Some((_, table)) => {
            Err(SqliteError::Planted(format!("a virtual table in place of the table {table}")))
        }
    }
}

fn survey(connection: &Connection) -> Result<Standing, SqliteError> {
    refuse_planted(connection)?;
    let (has_tokens, has_version, own): (bool, bool, i64) = connection
        .prepare_cached(SURVEY)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let version: i64 = if has_version {
        let mut statement =
            connection.prepare_cached("SELECT ifnull(max(version), 0) FROM evertoken_schema")?;
        statement.query_row([], |row| row.get(0))?
    } else {
        0
    };
    if version > VERSION {
        return Err(SqliteError::Newer(version));
    }
    // Evertoken never sets it. With no other tables, only a newer evertoken can have done so.
    let user_version: i64 =
        connection.prepare_cached("PRAGMA user_version")?.query_row([], |row| row.get(0))?;
    if user_version > VERSION && !has_foreign_tables(connection)? {
        return Err(SqliteError::Newer(user_version));
    }
    Ok(Standing { has_tokens, is_current: has_tokens && version == VERSION && own == 3 })
}
