//! One connection for each server, which all stores of the process that use it share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, ProtocolVersion, Value};

use super::fault::{ConnectStage, ScriptFault, before_an_answer, storage};
use super::row::Answer;
use super::scripts::RedisScript;
use super::stream::{Dialer, SERVER_TIMEOUT};
use crate::domain::{Backoff, Jitter};
use crate::error::{Error, Result};
use crate::runtime;

/// Between attempts to connect.
const RECONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// Runs scripts on the server.
#[async_trait]
pub(super) trait ScriptRunner: Send + Sync + 'static {
    /// The texts that the script answers with, each without the sign that it begins with.
    async fn run(
        &self,
        script: &'static RedisScript,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<Vec<Answer>, ScriptFault>;

    /// Where the server is.
    fn location(&self) -> String;

    /// What the server is called in a sentence.
    fn server(&self) -> String;
}

/// A server that is known by its URL.
pub(super) struct RedisServer {
    pub(super) dialer: Arc<Dialer>,
    slot: tokio::sync::Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    open: Option<Arc<OpenConnection>>,
    failures: u32,
    /// What the last attempt failed with, and when to try again. All that ask in between get this error at once.
    failed: Option<(Error, Instant)>,
}

/// A connection. What ends with it is the task that reads and writes.
struct OpenConnection {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
    /// A login without a password waits for no answer.
    has_answered: AtomicBool,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl RedisServer {
    pub(super) fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, slot: tokio::sync::Mutex::default() }
    }

    /// The open connection, or a new one.
    async fn connection(&self) -> Result<Arc<OpenConnection>> {
        let mut slot = self.slot.lock().await;
        // The task sees at once that the server has closed the connection.
        if let Some(open) = slot.open.as_ref().filter(|open| !open.driver.is_finished()) {
            return Ok(Arc::clone(open));
        }
        slot.open = None;
        if let Some((error, _)) = slot.failed.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Err(error.clone());
        }
        // On the runtime's own thread, and to its end even if the caller leaves.
        let opening = runtime::spawn(open(Arc::clone(&self.dialer)))?;
        let opened = opening.await.unwrap_or_else(|_| Err(self.error("could not be connected to")));
        match opened {
            Ok(open) => {
                let open = Arc::new(open);
                *slot = Slot { open: Some(Arc::clone(&open)), ..Slot::default() };
                Ok(open)
            }
            Err(error) => {
                let wait = Jitter::random().half(RECONNECT_BACKOFF.wait(slot.failures));
                slot.failures = slot.failures.saturating_add(1);
                slot.failed = Some((error.clone(), Instant::now() + wait));
                Err(error)
            }
        }
    }

    /// The next script opens another connection.
    async fn forget(&self, open: &Arc<OpenConnection>) {
        let mut slot = self.slot.lock().await;
        if slot.open.as_ref().is_some_and(|current| Arc::ptr_eq(current, open)) {
            slot.open = None;
        }
    }

    fn error(&self, rest: &str) -> Error {
        storage(&self.server(), rest)
    }

    async fn attempt(
        &self,
        open: &OpenConnection,
        script: &RedisScript,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<Vec<Answer>, ScriptFault> {
        let command = |name: &str, script: &str| {
            let mut command = ::redis::cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        let server = self.server();
        let send = async |command: ::redis::Cmd| {
            let mut connection = open.connection.clone();
            let answer = connection.send_packed_command(&command).await;
            if answer.is_ok() {
                open.has_answered.store(true, Ordering::Relaxed);
            }
            let has_answered = open.has_answered.load(Ordering::Relaxed);
            answer.and_then(Value::extract_error).map_err(|error| {
                if has_answered {
                    ScriptFault::of(&error, &server)
                } else {
                    before_an_answer(&error, &server, self.dialer.is_tls())
                }
            })
        };
        let answer = match send(command("EVALSHA", &script.digest)).await {
            Err(ScriptFault::Refused(refusal)) if refusal.is("NOSCRIPT") => {
                send(command("EVAL", script.text)).await
            }
            answer => answer,
        };
        texts(answer?).ok_or_else(|| ScriptFault::Failed(self.error("does not answer as Redis does")))
    }
}

#[async_trait]
impl ScriptRunner for RedisServer {
    async fn run(
        &self,
        script: &'static RedisScript,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<Vec<Answer>, ScriptFault> {
        let mut is_repeated = false;
        loop {
            let open = self.connection().await.map_err(ScriptFault::Failed)?;
            let fault = match self.attempt(&open, script, keys, arguments).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let is_unchanged = match &fault {
                // After a failover, the name of the primary leads to another server.
                ScriptFault::Refused(refusal) => {
                    if !["READONLY", "MASTERDOWN", "NOAUTH"].iter().any(|word| refusal.is(word)) {
                        return Err(fault);
                    }
                    true
                }
                ScriptFault::Closed(_) => script.is_repeatable,
                ScriptFault::Failed(_) => false,
            };
            self.forget(&open).await;
            if is_repeated || !is_unchanged {
                return Err(fault);
            }
            is_repeated = true;
        }
    }

    fn location(&self) -> String {
        self.dialer.url.location()
    }

    fn server(&self) -> String {
        self.dialer.server()
    }
}

async fn open(dialer: Arc<Dialer>) -> Result<OpenConnection> {
    let server = dialer.server();
    let end = Instant::now() + SERVER_TIMEOUT;
    let connecting = timeout_at(end, dialer.connect(end)).await;
    let stream = connecting.unwrap_or_else(|_| Err(ConnectStage::Accept.timeout(&server)))?;
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(SERVER_TIMEOUT));
    let login = dialer.login().set_protocol(if dialer.url.speaks_resp3 {
        ProtocolVersion::RESP3
    } else {
        ProtocolVersion::RESP2
    });
    let opened = timeout_at(end, MultiplexedConnection::new_with_config(&login, stream, config)).await;
    let opened = opened.map_err(|_| ConnectStage::Login.timeout(&server))?;
    let (connection, driver) =
        opened.map_err(|error| before_an_answer(&error, &server, dialer.is_tls()).into_error(&server))?;
    Ok(OpenConnection { connection, driver: runtime::spawn(driver)?, has_answered: AtomicBool::new(false) })
}

/// The texts of an answer, each without its sign. `None` if it has another form.
fn texts(answer: Value) -> Option<Vec<Answer>> {
    let Value::Array(items) = answer else { return None };
    let text = |item| match item {
        Value::Nil => Some(None),
        Value::BulkString(bytes) => {
            let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
            Some(Some(zeroize::Zeroizing::new(text.strip_prefix('=')?.to_owned())))
        }
        _ => None,
    };
    items.into_iter().map(text).collect()
}
