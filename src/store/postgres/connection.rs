//! What runs statements: connections of evertoken's own, or a client of the user's program.

use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::super::watch::Watch;
use super::fault::SqlFault;
use crate::error::Result;

/// A row of a result: its columns as text.
pub(super) type SqlRow = Vec<Option<String>>;

/// Whether a statement may be carried out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Changes,
}

/// Something that runs statements, each as a transaction of its own.
#[async_trait]
pub(super) trait SqlClient: Send + Sync + 'static {
    /// Where the database is, as the status shows it, and as the beginning of a sentence.
    fn location(&self) -> String;

    /// Runs one statement. All parameters and columns are texts.
    async fn query(
        self: Arc<Self>,
        statement: &str,
        values: &[Option<&str>],
        effect: Effect,
    ) -> Result<Vec<SqlRow>, SqlFault>;

    /// The server was found to be unsuitable: the next statement needs another connection.
    fn reconnect(&self) {}

    /// Passes on the notices that other processes send about this table, as long as the watch is in use.
    fn listen(self: Arc<Self>, listening: Listening) -> Result<()> {
        let _ = listening;
        Ok(())
    }
}

/// Which notices are passed on, and to whom.
#[derive(Clone)]
pub(super) struct Listening {
    pub(super) watch: Weak<Watch>,
    /// The statement that returns the number of the table.
    pub(super) table_id: String,
    /// What this process puts into its own notices, which are not passed on.
    pub(super) sender: String,
}
