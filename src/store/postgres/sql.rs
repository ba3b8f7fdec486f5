//! The statements. Every value crosses as text, so that they serve each client of PostgreSQL, and none needs a session:
//! each is one statement, and thus one transaction.

use crate::config::PostgresTable;

/// The channel of the notices.
pub(super) const CHANNEL: &str = "evertoken";

/// More than a token endpoint can return: evertoken did not write a longer text, and none is fetched.
const MAX_TOKEN_BYTES: u32 = 4 * 1024 * 1024;

/// The key of the advisory lock that is held while the table is created.
const CREATION_LOCK: i64 = 0x6576_6572_746f_6b65;

/// The statements on one table. The columns of results are named `a`, `b`, `c` and so on, as some clients return
/// objects.
#[derive(Debug)]
pub(super) struct Statements {
    /// `$1` is the name. Always one row: see [`super::row`].
    pub(super) find: String,
    /// `$1` to `$7` are the name and the other columns, `$8` is the notice, `$9` the id. One row if there was no row of
    /// this name.
    pub(super) insert: String,
    /// The same, except that `$9` is the token to replace. One row if that was stored.
    pub(super) update: String,
    /// `$1` is the name, `$2` the token to delete, `$3` the notice.
    pub(super) delete: String,
    /// `$1` is the name.
    pub(super) discard: String,
    /// `$1` is an array of names.
    pub(super) marks: String,
    /// For each column its name, the type behind a domain, and the type as it was declared.
    pub(super) columns: String,
    /// The number that the table has in the database, or null.
    pub(super) table_id: String,
    /// Creates the table if it is missing.
    pub(super) create: String,
    /// What an administrator runs to create it.
    pub(super) definition: String,
}

impl Statements {
    pub(super) fn on(table: &PostgresTable) -> Self {
        let table = table.as_sql();
        let (definition, times) = (definition(table), times(table));
        Self {
            find: find(table),
            insert: changing(
                &format!(
                    "INSERT INTO {table} AS t (\"id\", \"service\", \"token\", \"expiresAt\", \"refreshToken\", \
                     \"tokenType\", \"createdAt\", \"lastUsed\") \
                     SELECT $9::text, $1::text, $2::text, v.\"expiresAt\", $4::text, $5::text, v.\"createdAt\", \
                     v.\"lastUsed\" FROM {times} AS v \
                     ON CONFLICT (\"service\") DO NOTHING",
                ),
                8,
            ),
            update: changing(
                &format!(
                    "UPDATE {table} AS t SET \"token\" = $2::text, \"expiresAt\" = v.\"expiresAt\", \
                     \"refreshToken\" = $4::text, \"tokenType\" = $5::text, \"createdAt\" = v.\"createdAt\", \
                     \"lastUsed\" = v.\"lastUsed\" FROM {times} AS v \
                     WHERE t.\"service\" = $1::text AND t.\"token\" = $9::text",
                ),
                8,
            ),
            delete: changing(
                &format!(
                    "DELETE FROM {table} AS t WHERE t.\"service\" = $1::text AND t.\"token\" = $2::text"
                ),
                3,
            ),
            discard: format!("DELETE FROM {table} WHERE \"service\" = $1::text"),
            marks: format!(
                "SELECT t.\"service\" AS a, {} AS b, {} AS c, right(t.\"token\", 24) AS d \
                 FROM {table} AS t WHERE t.\"service\" = ANY($1::text::text[])",
                millisecond("t.\"lastUsed\""),
                millisecond("t.\"expiresAt\""),
            ),
            columns: format!(
                "SELECT a.attname::text AS a, \
                 format_type(coalesce(nullif(y.typbasetype, 0), y.oid), NULL)::text AS b, \
                 format_type(a.atttypid, a.atttypmod)::text AS c \
                 FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid \
                 WHERE a.attrelid = to_regclass('{table}') AND a.attnum > 0 AND NOT a.attisdropped \
                 ORDER BY a.attnum"
            ),
            table_id: format!("SELECT to_regclass('{table}')::oid::text AS a"),
            create: format!(
                "DO $evertoken$ BEGIN \
                 PERFORM pg_advisory_xact_lock({CREATION_LOCK}); \
                 IF to_regclass('{table}') IS NULL THEN {definition} END IF; \
                 END $evertoken$"
            ),
            definition,
        }
    }
}

fn find(table: &str) -> String {
    format!(
        "SELECT {now} AS a, pg_is_in_recovery()::text AS b, (t.\"service\" IS NOT NULL)::text AS c, \
         octet_length(t.\"token\")::text AS d, {token} AS e, {expires} AS f, \
         (t.\"refreshToken\" IS NULL)::text AS g, {refresh} AS h, t.\"tokenType\"::text AS i, {created} AS j, \
         {used} AS k, \
         ('date'::regtype IN (pg_typeof(t.\"expiresAt\"), pg_typeof(t.\"createdAt\"), pg_typeof(t.\"lastUsed\")))::text \
         AS l \
         FROM (SELECT 1) AS one LEFT JOIN {table} AS t ON t.\"service\" = $1::text",
        now = millisecond("clock_timestamp()"),
        token = short("t.\"token\""),
        refresh = short("t.\"refreshToken\""),
        expires = millisecond("t.\"expiresAt\""),
        created = millisecond("t.\"createdAt\""),
        used = millisecond("t.\"lastUsed\""),
    )
}

/// A change that returns a row for each row that it changed, and sends the notice in parameter `notice` with each,
/// unless that is null.
fn changing(change: &str, notice: u8) -> String {
    // The number of the table comes first: other tables of the database have the same channel.
    format!(
        "WITH changed AS ({change} RETURNING t.tableoid::text AS place) \
         SELECT CASE WHEN ${notice}::text IS NOT NULL \
         THEN pg_notify('{CHANNEL}', place || ' ' || ${notice}::text)::text END AS a FROM changed"
    )
}

/// A moment in milliseconds since 1970; null for `infinity`, which is not a number.
fn millisecond(moment: &str) -> String {
    format!("CASE WHEN isfinite({moment}) THEN floor(extract(epoch FROM {moment}) * 1000)::bigint::text END")
}

/// The moments in parameters 3, 6 and 7, which are ISO 8601 in UTC, in the types of their columns. A column without a
/// time zone ignores the `Z`, and one with a time zone needs it: a cast between the two would depend on the session.
fn times(table: &str) -> String {
    format!(
        "json_populate_record(NULL::{table}, json_build_object('expiresAt', $3::text, 'createdAt', $6::text, \
         'lastUsed', $7::text))"
    )
}

fn short(column: &str) -> String {
    format!("CASE WHEN octet_length({column}) <= {MAX_TOKEN_BYTES} THEN {column}::text END")
}

/// What Prisma's model makes, with the same names.
fn definition(table: &str) -> String {
    let name: String =
        table.rsplit('.').next().unwrap_or(table).chars().filter(|c| *c != '"').take(50).collect();
    format!(
        "CREATE TABLE {table} (\"id\" TEXT NOT NULL PRIMARY KEY, \"service\" TEXT NOT NULL, \
         \"token\" TEXT NOT NULL, \"expiresAt\" TIMESTAMP(3) NOT NULL, \"refreshToken\" TEXT, \
         \"tokenType\" TEXT NOT NULL DEFAULT 'Bearer', \
         \"createdAt\" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, \
         \"lastUsed\" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP); \
         CREATE UNIQUE INDEX \"{name}_service_key\" ON {table} (\"service\");"
    )
}

/// An array of texts, as PostgreSQL reads it.
pub(super) fn array<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let quoted: Vec<_> =
        texts.map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_the_index_is_called_as_prisma_calls_it() {
        let statements = Statements::on(&PostgresTable::parse("app.token_cache").unwrap());
        assert!(statements.definition.contains("CREATE TABLE \"app\".\"token_cache\" ("));
        assert!(
            statements.definition.contains("INDEX \"token_cache_service_key\" ON \"app\".\"token_cache\" (")
        );
        assert!(statements.create.contains("to_regclass('\"app\".\"token_cache\"') IS NULL"));
        let long = Statements::on(&PostgresTable::parse(&"t".repeat(63)).unwrap());
        assert!(long.definition.contains(&format!("\"{}_service_key\"", "t".repeat(50))));
    }

    #[test]
    fn an_array_holds_any_name() {
        assert_eq!(
            array(["a", "b\"\\c", " lease x", "{,}"].into_iter()),
            r#"{"a","b\"\\c"," lease x","{,}"}"#
        );
        assert_eq!(array(std::iter::empty()), "{}");
    }
}
