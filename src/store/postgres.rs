//! A table of a PostgreSQL database, which any number of processes and machines share, and a Prisma client with them.

mod cancel;
mod columns;
mod connection;
mod fault;
mod listener;
mod pool;
mod provided;
mod row;
mod sql;
mod target;
#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::rows::{Found, Rows};
use super::watch::Watch;
use super::{StoreCallbacks, StoredRow};
use crate::config::{PostgresTable, PostgresUrl};
use crate::crypto::sha256;
use crate::domain::{Secret, ServiceName};
use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Mutex, WeakMap};
use crate::transport::StoreTls;

use connection::{Effect, Listening, SqlClient, SqlRow};
use fault::SqlFault;
use pool::PostgresPool;
use provided::ProvidedSqlClient;
use row::RowTexts;
use sql::Statements;

/// Thousands of services that share a database need its few connections, and one look at it, not thousands.
static PLACES: LazyLock<Mutex<WeakMap<Vec<u8>, PostgresRows>>> = LazyLock::new(Mutex::default);

/// PostgreSQL's code for a value that is not a moment.
const NOT_A_MOMENT: &str = "22007";

/// How often a statement is tried that other transactions overtake, or that finds no table.
const TRIES: u32 = 3;

/// The rows of the table `token_cache` of Prisma's model, which is created if it is missing.
pub(in crate::store) struct PostgresRows {
    client: Arc<dyn SqlClient>,
    table: PostgresTable,
    statements: Statements,
    /// Distinguishes the notices of this process.
    sender: String,
}

impl PostgresRows {
    /// The table in the database at this URL: the same one for all that name it and trust the same certificates. It
    /// connects to nothing yet.
    pub(in crate::store) fn at(url: &PostgresUrl, table: &PostgresTable, tls: &StoreTls) -> Arc<Self> {
        let parts = Zeroizing::new(format!("{:?}", (table.as_sql(), url.text.expose(), tls.key())));
        let key = sha256(parts.as_bytes());
        let make = || {
            let pool = PostgresPool::new(url.clone(), tls.clone());
            Arc::new(Self::new(Arc::new(pool), table.clone()))
        };
        PLACES.lock().get_or_insert_with(key, make)
    }

    /// The table in the database of a client behind callbacks.
    pub(in crate::store) fn over(callbacks: Arc<dyn StoreCallbacks>, table: PostgresTable) -> Self {
        Self::new(Arc::new(ProvidedSqlClient(callbacks)), table)
    }

    fn new(client: Arc<dyn SqlClient>, table: PostgresTable) -> Self {
        let statements = Statements::on(&table);
        Self { client, table, statements, sender: format!("{:016x}", fastrand::u64(..)) }
    }

    /// Runs a statement on the table, which is created if it is missing.
    async fn run(&self, statement: &str, values: &[Option<&str>], effect: Effect) -> Result<Vec<SqlRow>> {
        for _ in 1..TRIES {
            match self.query(statement, values, effect).await {
                Err(fault) if fault.is_missing_table() => self.create().await?,
                // The server has undone it.
                Err(fault) if fault.is_overtaken() => {}
                Ok(rows) => return Ok(rows),
                Err(fault) => return Err(self.explained(fault).await),
            }
        }
        match self.query(statement, values, effect).await {
            Ok(rows) => Ok(rows),
            Err(fault) => Err(self.explained(fault).await),
        }
    }

    /// The error, which names the column that causes it.
    async fn explained(&self, fault: SqlFault) -> Error {
        if !fault.may_be_of_column() {
            return self.error(&fault);
        }
        let columns = self.query(&self.statements.columns, &[], Effect::Reads).await.unwrap_or_default();
        let words = columns::unfit(&columns, fault.is_too_long());
        self.error(&match words {
            Some(words) => fault.in_words(&words),
            None => fault,
        })
    }

    /// Runs a statement that returns a row for each row that it has changed.
    async fn change(&self, statement: &str, values: &[Option<&str>]) -> Result<bool> {
        Ok(!self.run(statement, values, Effect::Changes).await?.is_empty())
    }

    async fn query(
        &self,
        statement: &str,
        values: &[Option<&str>],
        effect: Effect,
    ) -> Result<Vec<SqlRow>, SqlFault> {
        Arc::clone(&self.client).query(statement, values, effect).await
    }

    async fn create(&self) -> Result<()> {
        match self.query(&self.statements.create, &[], Effect::Reads).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.is_created_by_another() => Ok(()),
            Err(fault) if fault.is_not_allowed() => {
                let (place, table) = (self.client.location(), self.table.as_sql());
                let message = format!(
                    "{place} has no table {table} that this role may use, and the role may not create it. Run as \
                     another role, with the name of this one in the place of your_role: {} {}",
                    self.statements.definition,
                    fault::grants(&self.table)
                );
                Err(Error::new(ErrorKind::Storage, message).unsent())
            }
            Err(fault) => Err(self.error(&fault)),
        }
    }

    /// What is sent to other processes about a change: nothing about rows that are no records.
    fn notice(&self, name: &ServiceName) -> Option<String> {
        let is_record = !name.as_str().starts_with(' ');
        is_record.then(|| format!("{} {name}", self.sender))
    }

    fn error(&self, fault: &SqlFault) -> Error {
        fault.describe(&self.client.location(), &self.table)
    }
}

#[async_trait]
impl Rows for PostgresRows {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn location(&self) -> String {
        self.client.location()
    }

    async fn find(&self, name: &ServiceName) -> Result<Found> {
        let rows = self.run(&self.statements.find, &[Some(name.as_str())], Effect::Reads).await?;
        let row = rows.into_iter().next().and_then(row::read);
        let row = row.ok_or_else(|| self.error(&SqlFault::lost("returned rows in an unexpected form")))?;
        if row.is_replica {
            self.client.reconnect();
            return Err(self
                .error(&SqlFault::unreachable("is a replica, which may lag behind and accepts no writes")));
        }
        if row.has_days {
            return Err(self.explained(SqlFault::of_state(NOT_A_MOMENT, None)).await);
        }
        Ok(row.found)
    }

    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool> {
        let (statements, notice) = (&self.statements, self.notice(name));
        let (name, notice) = (name.as_str(), notice.as_deref());
        let changed = match (expected.map(Secret::expose), next) {
            (Some(seen), Some(row)) => {
                let values = RowTexts::new(row);
                self.change(&statements.update, &values.values(name, row, notice, seen)).await?
            }
            (None, Some(row)) => {
                let (values, id) = (RowTexts::new(row), row::new_id());
                self.change(&statements.insert, &values.values(name, row, notice, &id)).await?
            }
            (Some(seen), None) => self.change(&statements.delete, &[Some(name), Some(seen), notice]).await?,
            // Nothing is to stay nothing.
            (None, None) => self
                .run(&statements.marks, &[Some(&sql::array([name].into_iter()))], Effect::Reads)
                .await?
                .is_empty(),
        };
        Ok(changed)
    }

    async fn discard(&self, name: &ServiceName) -> Result<()> {
        // Deleting twice is the same as once, but the second may delete what was stored in between.
        self.run(&self.statements.discard, &[Some(name.as_str())], Effect::Changes).await.map(drop)
    }

    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>> {
        let array = sql::array(names.iter().map(|name| &**name));
        let rows = self.run(&self.statements.marks, &[Some(&array)], Effect::Reads).await?;
        let mut marks: HashMap<String, u64> = HashMap::with_capacity(rows.len());
        for mut row in rows {
            let mark = row::mark(&row);
            if let Some(name) = row.first_mut().and_then(Option::take) {
                marks.insert(name, mark);
            }
        }
        Ok(names.iter().map(|name| marks.get(&**name).copied().unwrap_or_default()).collect())
    }

    fn notify(&self, watch: &Arc<Watch>) -> Result<()> {
        let listening = Listening {
            watch: Arc::downgrade(watch),
            table_id: self.statements.table_id.clone(),
            sender: self.sender.clone(),
        };
        Arc::clone(&self.client).listen(listening)
    }
}
