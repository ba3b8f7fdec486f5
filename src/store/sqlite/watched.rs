//! What others change in a database, seen without reading every record.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use super::super::record::digest;
use super::super::watch::{LocalPlace, Watch};
use super::database::Database;

impl LocalPlace for Database {
    fn watch(&self) -> &Watch {
        &self.watch
    }

    /// `data_version` differs after each change by another connection. The states of the files show, too, that the
    /// database was replaced or cannot be read.
    fn mark(&self) -> u64 {
        let version = self.read(|connection| {
            connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get::<_, i64>(0))
        });
        let faults = version.map_err(|error| error.kind());
        digest([&format!("{faults:?} {:?}", self.file_states().map_err(|error| error.kind()))])
    }

    fn records_at_each_look(&self) -> usize {
        0
    }

    fn record_marks(&self, keys: &[Arc<str>]) -> Vec<u64> {
        let marks = self.read(marks).map_err(|error| error.kind());
        let of_none = digest([&format!("{:?}", marks.as_ref().err())]);
        let marks = marks.ok().flatten().unwrap_or_default();
        keys.iter().map(|key| marks.get(&**key).copied().unwrap_or(of_none)).collect()
    }
}

/// A removed record keeps its number. A record that another program wrote has no number of its own, but times; and the end
/// of a sealed text differs each time.
const MARKS: &str = "
SELECT service, revision, NULL, NULL FROM evertoken_state WHERE revision IS NOT NULL
UNION ALL
SELECT service, expiresAt, lastUsed, substr(token, -24) FROM token_cache";

fn marks(connection: &Connection) -> rusqlite::Result<HashMap<String, u64>> {
    let mut marks = HashMap::new();
    let mut statement = connection.prepare_cached(MARKS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Ok(service) = row.get_ref(0)?.as_str().map(str::to_owned) else { continue };
        let values = [row.get_ref(1)?, row.get_ref(2)?, row.get_ref(3)?].map(|value| format!("{value:?}"));
        let before: &mut u64 = marks.entry(service).or_default();
        *before = digest([&before.to_string(), &values[0], &values[1], &values[2]]);
    }
    Ok(marks)
}
