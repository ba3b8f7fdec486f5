//! What PostgreSQL's errors mean. Their texts are not used: they quote values.

use std::error::Error as StdError;
use std::time::Duration;

use crate::config::{PostgresRoots, PostgresTable, PostgresUrl};
use crate::error::{Error, ErrorKind};
use crate::transport::{connect_reason, store_tls_fault};

/// Why a statement has no result.
#[derive(Debug)]
pub(super) struct SqlFault {
    /// The code of PostgreSQL's error (SQLSTATE).
    state: Option<String>,
    /// What happened, as the rest of a sentence that begins with the place.
    words: String,
    /// Whether the connection can be used again.
    is_connection_sound: bool,
    stage: FaultStage,
}

/// How far a statement got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultStage {
    /// No server was reached.
    Unreached,
    /// A server answered, and did not carry it out.
    Refused,
    /// The server may have carried it out.
    Lost,
    /// The same: no answer came in time.
    TimedOut,
}

/// The table does not exist.
const MISSING_TABLE: &str = "42P01";
/// A right is missing.
const NOT_ALLOWED: &str = "42501";
/// The schema does not exist, or none that the role may use.
const MISSING_SCHEMA: &str = "3F000";
/// The server, or this transaction, is read-only.
const READ_ONLY: &str = "25006";
/// Another transaction was first: `serialization_failure`, `deadlock_detected`.
const OVERTAKEN: [&str; 2] = ["40001", "40P01"];
/// Another session has created the table at the same moment, without the lock: `duplicate_table`, `unique_violation`
/// in the catalog, `duplicate_object`.
const CREATED_BY_ANOTHER: [&str; 3] = ["42P07", "23505", "42710"];

/// What a column of an unsuitable type leads to: a value that is too long, that is not a moment or a number; an operator,
/// a function or a cast that the type lacks.
const UNFIT_COLUMN: [&str; 8] = ["22001", "22007", "22008", "22P02", "42725", "42804", "42846", "42883"];
/// `string_data_right_truncation`
const TOO_LONG: &str = "22001";

impl SqlFault {
    /// An error of PostgreSQL. `says` is what is known besides its code.
    pub(super) fn of_state(state: &str, says: Option<String>) -> Self {
        let known = meaning(state).map(|meaning| format!("{meaning} ({state})"));
        let words = known.or(says).unwrap_or_else(|| format!("reported an error ({state})"));
        // Class 08 is about connections, 53 about resources, 57P about the end of the server.
        let ends = ["08", "53", "57P", READ_ONLY].iter().any(|class| state.starts_with(class));
        // All others have ended the transaction.
        let is_lost = state.starts_with("08") || state.starts_with("57P");
        let reached = if is_lost { FaultStage::Lost } else { FaultStage::Refused };
        Self { state: Some(state.to_owned()), words, is_connection_sound: !ends, stage: reached }
    }

    /// A failure to connect: nothing was sent.
    pub(super) fn unreachable(words: impl Into<String>) -> Self {
        Self { state: None, words: words.into(), is_connection_sound: false, stage: FaultStage::Unreached }
    }

    /// A failure after the statement was sent.
    pub(super) fn lost(words: impl Into<String>) -> Self {
        Self { stage: FaultStage::Lost, ..Self::unreachable(words) }
    }

    /// Nothing was sent, as the server has not ended earlier statements.
    pub(super) fn busy() -> Self {
        let words = "has not ended earlier statements, which may wait for a lock of another session";
        Self { is_connection_sound: true, stage: FaultStage::Refused, ..Self::unreachable(words) }
    }

    /// No answer to a statement within this time.
    pub(super) fn timeout(patience: Duration) -> Self {
        let words = format!("did not answer within {} s", patience.as_secs());
        Self { stage: FaultStage::TimedOut, ..Self::unreachable(words) }
    }

    /// What the driver reports about a connection that does not come about.
    pub(super) fn of_connecting(error: &tokio_postgres::Error, url: &PostgresUrl) -> Self {
        let fault = match error.code() {
            Some(state) => Self::of_state(state.code(), None),
            None => Self::unreachable(connecting(error, url)),
        };
        let is_io = error.source().is_some_and(<dyn StdError>::is::<std::io::Error>);
        let has_answered = !is_io || tls_fault(error, url).is_some();
        let stage = if has_answered { FaultStage::Refused } else { FaultStage::Unreached };
        Self { is_connection_sound: false, stage, ..fault }
    }

    /// What the driver reports about a statement.
    pub(super) fn of_statement(error: &tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else {
            // The driver's own sentence, which contains no value.
            return Self::lost(format!("lost the connection: {error}"));
        };
        let fault = Self::of_state(state.code(), None);
        let severity = error.as_db_error().and_then(tokio_postgres::error::DbError::parsed_severity);
        let is_fatal = severity.is_some_and(|severity| {
            matches!(
                severity,
                tokio_postgres::error::Severity::Fatal | tokio_postgres::error::Severity::Panic
            )
        });
        Self { is_connection_sound: fault.is_connection_sound && !is_fatal, ..fault }
    }

    pub(super) fn is_missing_table(&self) -> bool {
        self.is(MISSING_TABLE)
    }

    pub(super) fn is_not_allowed(&self) -> bool {
        self.is(NOT_ALLOWED)
    }

    pub(super) fn is_overtaken(&self) -> bool {
        OVERTAKEN.iter().any(|state| self.is(state))
    }

    pub(super) fn is_created_by_another(&self) -> bool {
        CREATED_BY_ANOTHER.iter().any(|state| self.is(state))
    }

    /// Whether a column of an unsuitable type may be the cause.
    pub(super) fn may_be_of_column(&self) -> bool {
        UNFIT_COLUMN.iter().any(|state| self.is(state))
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.is(TOO_LONG)
    }

    /// The same fault in other words.
    pub(super) fn in_words(self, words: &str) -> Self {
        let state = self.state.as_deref().unwrap_or_default();
        Self { words: format!("{words} ({state})"), ..self }
    }

    /// Whether the other connections to the server are probably of no use either.
    pub(super) fn concerns_server(&self) -> bool {
        !self.is_connection_sound
    }

    pub(super) fn may_have_run(&self) -> bool {
        matches!(self.stage, FaultStage::Lost | FaultStage::TimedOut)
    }

    /// Of two failures to connect, the one that says more.
    pub(super) fn or(self, later: Self) -> Self {
        if self.stage == FaultStage::Unreached { later } else { self }
    }

    /// Whether the login was refused. It is not tried elsewhere: servers lock accounts.
    pub(super) fn is_refused_login(&self) -> bool {
        self.state.as_deref().is_some_and(|state| state.starts_with("28"))
    }

    pub(super) fn is_timeout(&self) -> bool {
        self.stage == FaultStage::TimedOut
    }

    /// The error for users, about a statement on this table.
    pub(super) fn describe(&self, place: &str, table: &PostgresTable) -> Error {
        let about_table = self.words_about(table);
        let words = about_table.as_deref().unwrap_or(&self.words);
        let error = Error::new(ErrorKind::Storage, format!("{place} {words}"));
        if self.may_have_run() { error } else { error.unsent() }
    }

    /// What an error means that needs the name of the table to be understood.
    fn words_about(&self, table: &PostgresTable) -> Option<String> {
        let name = table.as_sql();
        match (self.state.as_deref()?, table.schema()) {
            (NOT_ALLOWED, _) => Some(format!(
                "does not let this role read and write the table {name} ({NOT_ALLOWED}). Run as its owner, with the \
                 name of the role in the place of your_role: {}",
                grants(table)
            )),
            (MISSING_SCHEMA, Some(schema)) => Some(format!(
                "has no schema {schema} ({MISSING_SCHEMA}): create it, as evertoken creates the table only"
            )),
            (MISSING_SCHEMA, None) => Some(format!(
                "has no schema for the table {name} ({MISSING_SCHEMA}): the search_path of this role names none that \
                 exists"
            )),
            _ => None,
        }
    }

    fn is(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }
}

/// What an administrator runs to let a role use the table. `your_role` stands for the name of the role: that of the URL
/// is not shown.
pub(super) fn grants(table: &PostgresTable) -> String {
    let name = table.as_sql();
    let schema = table.schema().map(|schema| format!("GRANT USAGE ON SCHEMA {schema} TO your_role; "));
    format!("{}GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO your_role", schema.unwrap_or_default())
}

fn tls_fault(error: &tokio_postgres::Error, url: &PostgresUrl) -> Option<String> {
    let roots = match url.tls.roots {
        Some(PostgresRoots::File(_)) => "the sslrootcert file",
        _ => "ca, to the NODE_EXTRA_CA_CERTS file, or to a file that sslrootcert names",
    };
    store_tls_fault(error, roots)
}

/// Why there is no connection.
fn connecting(error: &tokio_postgres::Error, url: &PostgresUrl) -> String {
    if let Some(fault) = tls_fault(error, url) {
        return fault;
    }
    let cause = error.source();
    if let Some(io) = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
        // How the driver reports it.
        return if io.get_ref().is_some_and(|held| held.to_string() == "database does not allow writes") {
            "accepts no writes: it is a replica, or read-only".into()
        } else {
            format!("cannot be reached: {}", connect_reason(io))
        };
    }
    let reason = cause.map(ToString::to_string).unwrap_or_default();
    match reason.as_str() {
        "server does not support TLS" => "does not offer TLS, which sslmode requires".into(),
        "password missing" if url.password.is_none() => {
            "requires a password, and the URL contains none".into()
        }
        "server did not use channel binding" => {
            "did not prove its certificate with the password, which channel_binding requires".into()
        }
        // The driver's own sentence, which contains no value.
        _ => format!("cannot be used: {error}"),
    }
}

/// What a code means for evertoken, as the rest of a sentence that begins with the place.
fn meaning(state: &str) -> Option<&'static str> {
    Some(match state {
        "08P01" => {
            "refused the connection or its parameters; a pooler reports most of its errors so: see its log"
        }
        "22P05" => "has an encoding that lacks a character of the service's name",
        READ_ONLY => "accepts no writes: it is a replica, or read-only",
        "28000" | "28P01" => "refused the user or the password",
        "3D000" => "has no database of this name",
        TOO_LONG => {
            "has a table with a column that is too short: the columns for texts must have the type TEXT"
        }
        "42703" => "has a table that lacks a column: it needs all columns of the model in the documentation",
        MISSING_TABLE => "has no such table",
        "42P10" => "has a table without a unique index on \"service\"",
        "23502" => "has a table with another column that must not be empty",
        "53100" => "has a full disk",
        "53200" => "is out of memory",
        "53300" => "has too many connections",
        "55000" => "is not in a state to do this",
        "55P03" => "was waiting for a lock of another session",
        "57014" => "canceled the statement: it took longer than the server allows",
        "57P01" | "57P02" => "is shutting down, or ended the connection",
        "57P03" => "is starting up or shutting down",
        "57P05" => "ended the connection because it was idle",
        _ if state.starts_with("08") => "lost or refused the connection",
        _ if OVERTAKEN.contains(&state) => "is too busy: other transactions were always first",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_it_means_and_whether_the_connection_lives_on() {
        for (state, words, concerns_server, may_have_run) in [
            ("28P01", "postgres://h refused the user or the password (28P01)", false, false),
            ("25006", "accepts no writes", true, false),
            ("57P01", "shutting down", true, true),
            ("53300", "too many connections", true, false),
            ("08006", "lost or refused", true, true),
            ("42P10", "unique index", false, false),
            ("XX000", "postgres://h reported an error (XX000)", false, false),
        ] {
            let fault = SqlFault::of_state(state, None);
            let message = fault.describe("postgres://h", &table("token_cache")).message().to_owned();
            assert!(message.contains(words), "{state}: {message}");
            assert_eq!(
                (fault.concerns_server(), fault.may_have_run()),
                (concerns_server, may_have_run),
                "{state}"
            );
        }
        assert!(!SqlFault::unreachable("is away").describe("x", &table("t")).was_sent());
        assert!(SqlFault::lost("is away").describe("x", &table("t")).was_sent());
    }

    #[test]
    fn a_missing_right_or_schema_names_the_table_and_what_to_run() {
        let said = |state, name| {
            SqlFault::of_state(state, None).describe("postgres://h", &table(name)).message().to_owned()
        };
        let missing = said("42501", "app.tokens");
        assert!(missing.contains("write the table \"app\".\"tokens\" (42501)"), "{missing}");
        assert!(
            missing.ends_with(
                ": GRANT USAGE ON SCHEMA \"app\" TO your_role; GRANT SELECT, INSERT, UPDATE, DELETE ON \
                 \"app\".\"tokens\" TO your_role"
            ),
            "{missing}"
        );
        assert!(
            said("42501", "tokens")
                .ends_with(": GRANT SELECT, INSERT, UPDATE, DELETE ON \"tokens\" TO your_role")
        );
        assert!(said("3F000", "app.tokens").contains("has no schema \"app\" (3F000)"));
        assert!(said("3F000", "tokens").contains("search_path"));
    }

    fn table(name: &str) -> PostgresTable {
        PostgresTable::parse(name).unwrap()
    }
}
