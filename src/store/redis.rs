//! Rows in Redis: a hash for each, and scripts that compare and set.

mod client;
mod fault;
mod row;
mod scripts;
mod server;
mod stream;
mod subscription;
#[cfg(test)]
pub(super) mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::record::digest;
use super::rows::{Found, Rows};
use super::warnings::Warnings;
use super::watch::Watch;
use super::{StoreCallbacks, StoredRow};
use crate::config::{RedisPrefix, RedisUrl};
use crate::crypto::sha256;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::sync::{Mutex, WeakMap};
use crate::transport::StoreTls;

use client::RedisClient;
use fault::{RedisRefusal, ScriptFault};
use row::{Answer, LONGEST_TOKEN};
use scripts::RedisScript;
use server::{RedisServer, ScriptRunner};
use stream::Dialer;

/// How many rows one script looks at: it keeps the server from everything else.
const ROWS_OF_A_LOOK: usize = 200;

/// The rows of a server or of a client, under a prefix.
pub(in crate::store) struct RedisRows {
    runner: Box<dyn ScriptRunner>,
    /// What subscriptions connect with. A client of the user's program gets none.
    dialer: Option<Arc<Dialer>>,
    prefix: RedisPrefix,
    warnings: Warnings,
    has_checked_memory: AtomicBool,
    /// The keys are on several servers, and each script can have one.
    is_cluster: AtomicBool,
}

/// The rows in use, by a digest of the URL, the prefix and the certificates.
static SERVERS: LazyLock<Mutex<WeakMap<Vec<u8>, RedisRows>>> = LazyLock::new(Mutex::default);

impl RedisRows {
    /// The rows of a server, which all services of the process share that name it. Nothing is opened yet.
    pub(in crate::store) fn of_server(url: &RedisUrl, prefix: &RedisPrefix, tls: &StoreTls) -> Arc<Self> {
        let key = key(url, prefix, tls);
        SERVERS.lock().get_or_insert_with(key, || {
            let dialer = Arc::new(Dialer::new(url.clone(), tls.clone()));
            let server = RedisServer::new(Arc::clone(&dialer));
            Arc::new(Self::new(Box::new(server), Some(dialer), prefix))
        })
    }

    /// The rows behind a client of the user's program.
    pub(in crate::store) fn of_client(callbacks: Arc<dyn StoreCallbacks>, prefix: &RedisPrefix) -> Self {
        Self::new(Box::new(RedisClient(callbacks)), None, prefix)
    }

    fn new(runner: Box<dyn ScriptRunner>, dialer: Option<Arc<Dialer>>, prefix: &RedisPrefix) -> Self {
        Self {
            runner,
            dialer,
            prefix: prefix.clone(),
            warnings: Warnings::default(),
            has_checked_memory: AtomicBool::new(false),
            is_cluster: AtomicBool::new(false),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix.as_str())
    }

    fn channel(&self) -> String {
        format!("{}changed", self.prefix.as_str())
    }

    async fn run(
        &self,
        script: &'static LazyLock<RedisScript>,
        keys: &[String],
        arguments: &[&str],
    ) -> Result<Vec<Answer>, ScriptFault> {
        self.runner.run(script, keys, arguments).await
    }

    /// Warns, once, if the server may delete records to make room for others. A policy that deletes only keys with a
    /// time to live deletes none of these.
    async fn check_memory(&self) {
        if self.has_checked_memory.swap(true, Ordering::Relaxed) {
            return;
        }
        // One that says nothing about it is not asked again.
        let Ok(answer) = self.run(&scripts::MEMORY, &[], &[]).await else { return };
        let text = |index: usize| answer.get(index).and_then(Option::as_ref);
        let (Some(limit), Some(policy)) = (text(0), text(1)) else { return };
        if limit.as_str() != "0" && policy.starts_with("allkeys-") {
            self.warnings.add(format!(
                "{} deletes keys when its memory is full (maxmemory-policy {}). A token that it deletes is requested \
                 again, and a refresh token that it deletes is lost: set the policy to noeviction, or to one of \
                 volatile-",
                self.runner.server(),
                policy.as_str()
            ));
        }
    }

    fn described(&self, fault: ScriptFault) -> Error {
        fault.into_error(&self.runner.server())
    }

    /// Another program uses the key of this name.
    fn foreign(&self, name: &ServiceName) -> Error {
        let message = format!(
            "{} has a key {} that another program wrote. Choose another keyPrefix, or delete the key",
            self.runner.server(),
            self.key(name.as_str())
        );
        Error::new(ErrorKind::Storage, message).unsent()
    }

    fn unexpected(&self) -> Error {
        Error::new(ErrorKind::Storage, format!("{} does not answer as Redis does", self.runner.server()))
    }

    /// The marks of rows that one script can have.
    async fn marks_of(&self, keys: &[String]) -> Result<Vec<u64>, ScriptFault> {
        let answer = self.run(&scripts::MARKS, keys, &[]).await?;
        if answer.len() != keys.len() {
            return Err(ScriptFault::Failed(self.unexpected()));
        }
        Ok(answer.iter().map(|text| digest([text.as_ref().map_or("", |text| text.as_str())])).collect())
    }

    async fn marks_one_by_one(&self, keys: &[String]) -> Result<Vec<u64>> {
        let mut marks = Vec::with_capacity(keys.len());
        for key in keys {
            let mark = self.marks_of(std::slice::from_ref(key)).await;
            marks.extend(mark.map_err(|fault| self.described(fault))?);
        }
        Ok(marks)
    }
}

/// A digest of what distinguishes servers: equal keys, equal rows.
fn key(url: &RedisUrl, prefix: &RedisPrefix, tls: &StoreTls) -> Vec<u8> {
    let password = url.password.as_ref().map(Secret::expose);
    let parts = Zeroizing::new(format!(
        "{:?}",
        (url.location(), &url.user, password, url.speaks_resp3, prefix.as_str(), tls.key())
    ));
    sha256(parts.as_bytes())
}

#[async_trait]
impl Rows for RedisRows {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn location(&self) -> String {
        self.runner.location()
    }

    async fn find(&self, name: &ServiceName) -> Result<Found> {
        let longest = LONGEST_TOKEN.to_string();
        let answer = self.run(&scripts::FIND, &[self.key(name.as_str())], &[&longest]).await;
        let answer = answer.map_err(|fault| self.described(fault))?;
        self.check_memory().await;
        let kind = answer.get(1).and_then(|kind| kind.as_ref().map(|kind| kind.as_str()));
        if matches!(kind, Some("type" | "foreign")) {
            return Err(self.foreign(name));
        }
        let now = answer.first().and_then(|time| time.as_ref()?.parse().ok());
        let content = answer.get(1..).and_then(row::read).ok_or_else(|| self.unexpected())?;
        Ok(Found { content, now: now.map(Timestamp::from_millisecond) })
    }

    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool> {
        // What services have in common is the record. What is under reserved names concerns one process.
        let is_record = !name.as_str().starts_with(' ');
        let channel = if is_record { self.channel() } else { String::new() };
        let notice = subscription::notice_about(name.as_str());
        let (condition, seen) = expected.map_or(("nothing", ""), |seen| ("seen", seen.expose()));
        let change = if next.is_some() { "set" } else { "delete" };
        let values = next.map(row::write).unwrap_or_default();
        let mut arguments = vec![condition, seen, change, &channel, &notice];
        arguments.extend(values.iter().map(|value| value.as_str()));
        let keys = [self.key(name.as_str())];
        match self.run(&scripts::COMPARE_AND_SET, &keys, &arguments).await {
            Ok(answer) => match answer.first().and_then(|text| text.as_ref().map(|text| text.as_str())) {
                Some("yes") => Ok(true),
                Some("no") => Ok(false),
                _ => Err(self.unexpected()),
            },
            Err(fault) => Err(self.described(fault)),
        }
    }

    async fn discard(&self, name: &ServiceName) -> Result<()> {
        let answer = self.run(&scripts::DISCARD, &[self.key(name.as_str())], &[]).await;
        answer.map(drop).map_err(|fault| self.described(fault))
    }

    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>> {
        let mut marks = Vec::with_capacity(names.len());
        for names in names.chunks(ROWS_OF_A_LOOK) {
            let keys: Vec<_> = names.iter().map(|name| self.key(name)).collect();
            if !self.is_cluster.load(Ordering::Relaxed) {
                match self.marks_of(&keys).await {
                    Ok(found) => {
                        marks.extend(found);
                        continue;
                    }
                    Err(ScriptFault::Refused(refusal)) if is_of_cluster(&refusal) && keys.len() > 1 => {
                        self.is_cluster.store(true, Ordering::Relaxed);
                    }
                    Err(fault) => return Err(self.described(fault)),
                }
            }
            marks.extend(self.marks_one_by_one(&keys).await?);
        }
        Ok(marks)
    }

    fn notify(&self, watch: &Arc<Watch>) -> Result<()> {
        let Some(dialer) = &self.dialer else { return Ok(()) };
        let listening = subscription::subscribe(Arc::clone(dialer), self.channel(), Arc::downgrade(watch));
        runtime::spawn(watch.until_ended(listening)).map(drop)
    }

    fn take_warnings(&self) -> Vec<Error> {
        self.warnings.take()
    }
}

fn is_of_cluster(refusal: &RedisRefusal) -> bool {
    ["CROSSSLOT", "MOVED", "ASK"].iter().any(|word| refusal.is(word))
}
