//! A few connections to a server, which all services of this process share.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::types::{ToSql, Type};

use super::cancel::{self, ServerAddress};
use super::connection::{Effect, Listening, SqlClient, SqlRow};
use super::fault::SqlFault;
use super::listener;
use super::target::{self, PostgresTarget, ServerConnection};
use crate::config::PostgresUrl;
use crate::error::Result;
use crate::runtime;
use crate::sync::Mutex;
use crate::transport::StoreTls;

/// How many statements run at once. One service has at most a few under way, and a database has few connections to
/// give.
const MAX_CONNECTIONS: usize = 4;

/// How long a statement may take.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a statement waits for those that run.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a connection counts whose statement is canceled and does not end.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that was not used for this long is asked whether it still works before it is used.
const TRUSTED_IDLE_TIME: Duration = Duration::from_secs(10);

/// How long it may take to answer that.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long an unused connection is kept.
const MAX_IDLE_TIME: Duration = Duration::from_secs(60);

/// The connections to one database.
pub(super) struct PostgresPool {
    target: Arc<PostgresTarget>,
    /// One for each connection on which the server may be at work.
    permits: Arc<Semaphore>,
    /// The one that was used last is at the end.
    idle: Mutex<IdleConnections>,
}

#[derive(Default)]
struct IdleConnections {
    open: Vec<OpenConnection>,
    /// Whether a task closes those that are unused.
    is_swept: bool,
}

/// A connection, and the task that drives it.
struct OpenConnection {
    client: tokio_postgres::Client,
    address: ServerAddress,
    driver: JoinHandle<()>,
    used: Instant,
    /// A statement is under way.
    is_busy: bool,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        // Otherwise the driver takes its leave of the server. It would wait for the answer to the statement first.
        if self.is_busy {
            self.driver.abort();
        }
    }
}

impl PostgresPool {
    /// Connects to nothing yet.
    pub(super) fn new(url: PostgresUrl, tls: StoreTls) -> Self {
        let target = Arc::new(PostgresTarget { url, tls });
        Self { target, permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)), idle: Mutex::default() }
    }

    /// An unused connection that still works.
    async fn take_idle(&self) -> Option<OpenConnection> {
        loop {
            let mut connection = self.idle.lock().open.pop()?;
            if connection.is_usable().await {
                return Some(connection);
            }
        }
    }

    /// Keeps it for the next statement.
    fn put_back(self: &Arc<Self>, mut connection: OpenConnection) {
        connection.used = Instant::now();
        let mut idle = self.idle.lock();
        idle.open.push(connection);
        if !std::mem::replace(&mut idle.is_swept, true) {
            drop(idle);
            // Without a runtime there is no connection.
            let _ = runtime::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Runs a statement. The permit is free again once the server has ended it.
    async fn run(
        self: &Arc<Self>,
        mut connection: OpenConnection,
        permit: OwnedSemaphorePermit,
        statement: &str,
        values: &[Option<&str>],
    ) -> Result<Vec<SqlRow>, Failed> {
        let fault = match connection.query(statement, values).await {
            Ok(rows) => {
                self.put_back(connection);
                return Ok(rows);
            }
            Err(fault) => fault,
        };
        if fault.is_timeout() {
            self.reconnect();
            // Without a runtime there is no connection.
            let _ = runtime::spawn(end_statement(Arc::clone(&self.target), connection, permit));
            return Err(Failed { fault, permit: None });
        }
        if fault.concerns_server() {
            self.reconnect();
        } else {
            self.put_back(connection);
        }
        Err(Failed { fault, permit: Some(permit) })
    }
}

/// Why a statement has no result, and the permit, unless the server may still be at work on the statement.
struct Failed {
    fault: SqlFault,
    permit: Option<OwnedSemaphorePermit>,
}

/// Has the server end the statement that a connection waits for, which otherwise keeps its session as long as the lock
/// that it waits for is held. Then closes the connection: a request to cancel that arrives late ends the next statement.
async fn end_statement(
    target: Arc<PostgresTarget>,
    mut connection: OpenConnection,
    _permit: OwnedSemaphorePermit,
) {
    let Ok(tls) = target::tls_client(&target).await else { return };
    let token = connection.client.cancel_token();
    let ending = async {
        // A server that cannot be reached ends nothing, and gets no further statement either.
        cancel::cancel(&token, &connection.address, tls).await?;
        // It answers in turn: this after the statement.
        connection.client.check_connection().await.ok()
    };
    let has_ended = matches!(timeout(CANCEL_TIMEOUT, ending).await, Ok(Some(())));
    connection.is_busy = !has_ended;
}

#[async_trait]
impl SqlClient for PostgresPool {
    fn location(&self) -> String {
        self.target.url.location()
    }

    async fn query(
        self: Arc<Self>,
        statement: &str,
        values: &[Option<&str>],
        effect: Effect,
    ) -> Result<Vec<SqlRow>, SqlFault> {
        let waiting = timeout(PERMIT_TIMEOUT, Arc::clone(&self.permits).acquire_owned());
        // Never closed.
        let Ok(Ok(mut permit)) = waiting.await else { return Err(SqlFault::busy()) };
        if let Some(connection) = self.take_idle().await {
            let failed = match self.run(connection, permit, statement, values).await {
                Ok(rows) => return Ok(rows),
                Err(failed) => failed,
            };
            // The server may have ended the connection long before, or no longer be the one that accepts writes.
            let is_safe = effect == Effect::Reads || !failed.fault.may_have_run();
            match failed {
                Failed { fault, permit: Some(again) } if fault.concerns_server() && is_safe => permit = again,
                Failed { fault, .. } => return Err(fault),
            }
        }
        let connection = OpenConnection::open(&self.target).await?;
        self.run(connection, permit, statement, values).await.map_err(|failed| failed.fault)
    }

    fn reconnect(&self) {
        self.idle.lock().open.clear();
    }

    fn listen(self: Arc<Self>, listening: Listening) -> Result<()> {
        let Some(watch) = listening.watch.upgrade() else { return Ok(()) };
        let target = Arc::clone(&self.target);
        let client: Arc<dyn SqlClient> = self;
        let listening = listener::run(target, Arc::downgrade(&client), listening);
        runtime::spawn(watch.until_ended(listening)).map(drop)
    }
}

impl OpenConnection {
    /// Everything happens on evertoken's own thread, for callers in any runtime.
    async fn open(target: &Arc<PostgresTarget>) -> Result<Self, SqlFault> {
        let target = Arc::clone(target);
        let opening = async move {
            let ServerConnection { client, driver, address } = target::connect(&target).await?;
            let driver = runtime::spawn(async move {
                // The client reports its error.
                let _ = driver.await;
            });
            let driver = driver.map_err(|error| SqlFault::unreachable(error.message()))?;
            Ok(Self { client, address, driver, used: Instant::now(), is_busy: false })
        };
        let opened = runtime::spawn(opening).map_err(|error| SqlFault::unreachable(error.message()))?;
        opened
            .await
            .unwrap_or_else(|_| Err(SqlFault::unreachable("cannot be used: the connection was aborted")))
    }

    async fn is_usable(&mut self) -> bool {
        if self.client.is_closed() {
            return false;
        }
        if self.used.elapsed() < TRUSTED_IDLE_TIME {
            return true;
        }
        self.is_busy = true;
        let is_usable = matches!(timeout(CHECK_TIMEOUT, self.client.check_connection()).await, Ok(Ok(())));
        self.is_busy = !is_usable;
        is_usable
    }

    /// An unnamed statement in one round trip: poolers give each transaction another session, which knows no prepared
    /// statements.
    async fn query(&mut self, statement: &str, values: &[Option<&str>]) -> Result<Vec<SqlRow>, SqlFault> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
        self.is_busy = true;
        let rows = timeout(STATEMENT_TIMEOUT, self.client.query_typed(statement, &values)).await;
        let rows = rows.map_err(|_| SqlFault::timeout(STATEMENT_TIMEOUT))?;
        self.is_busy = false;
        let rows = rows.map_err(|error| SqlFault::of_statement(&error))?;
        let texts = |row: &tokio_postgres::Row| (0..row.len()).map(|column| row.try_get(column)).collect();
        let texts: Result<Vec<SqlRow>, _> = rows.iter().map(texts).collect();
        texts.map_err(|error| SqlFault::of_statement(&error))
    }
}

/// Closes what is unused for long, until nothing is left.
async fn sweep(pool: Weak<PostgresPool>) {
    loop {
        tokio::time::sleep(MAX_IDLE_TIME / 4).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.lock();
        idle.open
            .retain(|connection| connection.used.elapsed() < MAX_IDLE_TIME && !connection.client.is_closed());
        if idle.open.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}
