//! A client that the user's program has: statements go out through a callback.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::super::StoreCallbacks;
use super::connection::{Effect, SqlClient, SqlRow};
use super::fault::SqlFault;
use super::pool::STATEMENT_TIMEOUT;

/// A client behind callbacks.
pub(super) struct ProvidedSqlClient(pub(super) Arc<dyn StoreCallbacks>);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum SqlOutcome {
    Ok(SqlAnswer),
    Error { message: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SqlAnswer {
    Rows(Vec<SqlRow>),
    /// PostgreSQL's code, and the class of the error.
    Failed {
        state: String,
        thrown: String,
    },
}

#[async_trait]
impl SqlClient for ProvidedSqlClient {
    fn location(&self) -> String {
        "PostgreSQL client".to_owned()
    }

    async fn query(
        self: Arc<Self>,
        statement: &str,
        values: &[Option<&str>],
        _: Effect,
    ) -> Result<Vec<SqlRow>, SqlFault> {
        let request = json!({ "operation": "query", "text": statement, "values": values });
        let outcome = timeout(STATEMENT_TIMEOUT, self.0.call(request.to_string())).await;
        let outcome = outcome.map_err(|_| SqlFault::timeout(STATEMENT_TIMEOUT))?;
        let outcome = outcome.map_err(|error| {
            if error.was_sent() {
                SqlFault::lost(format!("did not answer: {}", error.message()))
            } else {
                SqlFault::unreachable(format!("gets no further statement: {}", error.message()))
            }
        })?;
        match serde_json::from_str(&outcome) {
            Ok(SqlOutcome::Ok(SqlAnswer::Rows(rows))) => Ok(rows),
            Ok(SqlOutcome::Ok(SqlAnswer::Failed { state, thrown })) => {
                Err(SqlFault::of_state(&state, Some(format!("failed: its query() threw {thrown}"))))
            }
            Ok(SqlOutcome::Error { message }) => Err(SqlFault::lost(format!("failed: {message}"))),
            Err(_) => Err(SqlFault::lost("did not return rows of texts")),
        }
    }
}
