//! The credentials that a token server has rejected. None is sent again before its cool-down ends: not by another
//! configuration, not after a restart, not by another process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use crate::clock::Clock;
use crate::config::{Config, CredentialDigest};
use crate::domain::{Secret, Timestamp};
use crate::error::{Error, ErrorKind, Retry};
use crate::service::state::is_rejection;
use crate::store::StoreClient;
use crate::sync::{Mutex, MutexGuard, WeakMap};

/// How many rejections a stored note holds: one for each configuration that a service is started with in turn.
const MOST_STORED: usize = 16;

/// How many tenants of a process may have wrong credentials at once.
const MOST_IN_PROCESS: usize = 10_000;

/// How long after its cool-down a rejection still makes the next cool-down longer.
const REJECTION_MEMORY: Duration = Duration::from_secs(86_400);

/// The last rejection of one credential at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct CredentialRejection {
    credential: CredentialDigest,
    /// The number of rejections in a row.
    pub(in crate::service) times: u32,
    code: String,
    message: String,
    status: Option<u16>,
    from_ms: i64,
    until_ms: i64,
}

impl CredentialRejection {
    /// The `times`-th rejection of `credential` in a row, with a cool-down until `until`.
    fn new(
        credential: &CredentialDigest,
        times: u32,
        error: &Error,
        now: Timestamp,
        until: Timestamp,
    ) -> Self {
        Self {
            credential: credential.clone(),
            times,
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            status: error.status(),
            from_ms: now.as_millisecond(),
            until_ms: until.as_millisecond(),
        }
    }

    /// The rest of the cool-down. A rejection from the future was noted before the clock was set back, and no longer
    /// counts.
    pub(in crate::service) fn cool_down(&self, now: Timestamp) -> Option<Duration> {
        let until = Timestamp::from_millisecond(self.until_ms);
        (self.is_past(now) && now < until).then(|| now.until(until))
    }

    /// The error of an attempt that is not made; the next one is allowed after `wait`.
    pub(in crate::service) fn error(&self, wait: Duration) -> Error {
        let kind = ErrorKind::of_code(&self.code).unwrap_or(ErrorKind::Credentials);
        let seconds = wait.as_secs_f64().ceil();
        let message = format!(
            "{}; evertoken tries these credentials again in {seconds} s, and changed credentials immediately",
            self.message
        );
        let error = Error::new(kind, message).with_retry(Retry::After(wait));
        match self.status {
            Some(status) => error.with_status(status),
            None => error,
        }
    }

    fn is_past(&self, now: Timestamp) -> bool {
        Timestamp::from_millisecond(self.from_ms) <= now
    }

    fn counts(&self, now: Timestamp) -> bool {
        self.is_past(now) && now < Timestamp::from_millisecond(self.until_ms).plus(REJECTION_MEMORY)
    }
}

/// A response of success without a token rejects the credentials when it comes twice in a row: many login endpoints have
/// no other way to say it.
pub(super) fn with_verdict(error: Error, rejections: u32) -> Error {
    let is_repeated = is_rejection(&error) && rejections > 0;
    let is_success = error.status().is_some_and(|status| (200..300).contains(&status));
    if !is_repeated || !is_success || error.kind() == ErrorKind::Credentials {
        return error;
    }
    let message = format!(
        "{}, for the second time in a row, so evertoken treats the credentials as rejected",
        error.message()
    );
    Error::new(ErrorKind::Credentials, message).with_details_of(&error)
}

/// What all services of a process know about their credentials.
#[derive(Default)]
pub struct KnownCredentials {
    rejections: Mutex<RejectedCredentials>,
    turns: Mutex<WeakMap<CredentialDigest, LoginTurn>>,
}

/// Lets one login at a time pass until the credential is accepted: of ten services that start together with one wrong
/// password, one sends it.
#[derive(Default)]
struct LoginTurn {
    is_good: AtomicBool,
    /// When it was last accepted, in milliseconds. A stored rejection from before that is out of date.
    accepted_ms: AtomicI64,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The right to send a credential that was not accepted yet.
pub(in crate::service) type CredentialTurn = OwnedMutexGuard<()>;

impl KnownCredentials {
    fn turn(&self, credential: &CredentialDigest) -> Arc<LoginTurn> {
        self.turns.lock().get_or_insert_with(credential.clone(), Arc::default)
    }

    fn rejections(&self) -> MutexGuard<'_, RejectedCredentials> {
        self.rejections.lock()
    }
}

/// The rejected credentials of a process, or of a stored record.
#[derive(Debug, Default, Serialize, Deserialize)]
struct RejectedCredentials(Vec<CredentialRejection>);

impl RejectedCredentials {
    fn find(&self, credential: &CredentialDigest, now: Timestamp) -> Option<&CredentialRejection> {
        self.0.iter().find(|known| known.credential == *credential && known.counts(now))
    }

    fn add(&mut self, rejection: CredentialRejection, now: Timestamp, most: usize) {
        self.forget(&rejection.credential);
        self.0.retain(|known| known.counts(now));
        self.0.push(rejection);
        let surplus = self.0.len().saturating_sub(most);
        self.0.drain(..surplus);
    }

    fn forget(&mut self, credential: &CredentialDigest) {
        self.0.retain(|known| known.credential != *credential);
    }
}

/// What is known about one service's credential: in this process for all services, and in the store for all
/// processes.
pub(in crate::service) struct CredentialMemory {
    credential: CredentialDigest,
    process: Arc<KnownCredentials>,
    login_turn: Arc<LoginTurn>,
    store: Arc<StoreClient>,
    /// Whether rejections are stored. Those of a function are not: what it sends may be another credential after a restart.
    is_kept: bool,
    /// Whether the store was seen to hold a rejection of this credential.
    is_stored: AtomicBool,
}

impl CredentialMemory {
    pub(in crate::service) fn new(
        config: &Config,
        process: Arc<KnownCredentials>,
        store: Arc<StoreClient>,
    ) -> Self {
        let credential = config.credential.clone();
        let login_turn = process.turn(&credential);
        let is_kept = !config.login.is_function;
        Self { credential, process, login_turn, store, is_kept, is_stored: AtomicBool::new(false) }
    }

    /// Waits while another service of the process tries the credential for the first time; no longer than `longest`, and
    /// not at all once it was accepted.
    pub(in crate::service) async fn turn(
        &self,
        clock: &dyn Clock,
        longest: Duration,
    ) -> Option<CredentialTurn> {
        if self.login_turn.is_good.load(Ordering::Acquire) {
            return None;
        }
        let turn = Arc::clone(&self.login_turn.turn);
        if let Ok(turn) = Arc::clone(&turn).try_lock_owned() {
            return Some(turn);
        }
        tokio::select! {
            turn = turn.lock_owned() => Some(turn),
            () = clock.sleep(longest) => None,
        }
    }

    /// Whether this process knows of a rejection of this credential, and of no acceptance since.
    pub(in crate::service) fn is_rejected_here(&self, now: Timestamp) -> bool {
        self.process.rejections().find(&self.credential, now).is_some()
    }

    /// The last rejection of this credential. A store that cannot be read knows of none.
    pub(in crate::service) async fn last_rejection(&self, now: Timestamp) -> Option<CredentialRejection> {
        let accepted_ms = self.login_turn.accepted_ms.load(Ordering::Acquire);
        let is_later = |rejection: &&CredentialRejection| rejection.from_ms > accepted_ms;
        let stored = self.stored().await.find(&self.credential, now).cloned();
        self.is_stored.store(stored.is_some(), Ordering::Relaxed);
        let stored = stored.as_ref().filter(is_later).cloned();
        let here = self.process.rejections().find(&self.credential, now).cloned();
        let last = here.into_iter().chain(stored).max_by_key(|rejection| rejection.until_ms)?;
        self.process.rejections().add(last.clone(), now, MOST_IN_PROCESS);
        Some(last)
    }

    /// Notes the `times`-th rejection in a row, with a cool-down until `until`.
    pub(in crate::service) async fn remember(
        &self,
        error: &Error,
        times: u32,
        now: Timestamp,
        until: Timestamp,
    ) {
        let rejection = CredentialRejection::new(&self.credential, times, error, now, until);
        self.login_turn.is_good.store(false, Ordering::Release);
        self.process.rejections().add(rejection.clone(), now, MOST_IN_PROCESS);
        let mut stored = self.stored().await;
        stored.add(rejection, now, MOST_STORED);
        self.is_stored.store(true, Ordering::Relaxed);
        self.save(&stored).await;
    }

    /// The credential was accepted.
    pub(in crate::service) async fn forget(&self, now: Timestamp) {
        self.login_turn.is_good.store(true, Ordering::Release);
        self.login_turn.accepted_ms.store(now.as_millisecond(), Ordering::Release);
        self.process.rejections().forget(&self.credential);
        if !self.is_stored.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut stored = self.stored().await;
        stored.forget(&self.credential);
        self.save(&stored).await;
    }

    async fn stored(&self) -> RejectedCredentials {
        // A store that could not be read a moment ago is not waited for again.
        if !self.is_kept || self.store.read_fault().is_some() {
            return RejectedCredentials::default();
        }
        let note = self.store.load_note().await.ok().flatten();
        note.and_then(|note| serde_json::from_str(note.expose()).ok()).unwrap_or_default()
    }

    /// If this fails, another process may send the credential once more.
    async fn save(&self, rejections: &RejectedCredentials) {
        if !self.is_kept {
            return;
        }
        let until = rejections.0.iter().map(|rejection| rejection.until_ms).max().unwrap_or_default();
        let until = Timestamp::from_millisecond(until).plus(REJECTION_MEMORY);
        let note = serde_json::to_string(rejections).ok().filter(|_| !rejections.0.is_empty());
        let _ = self.store.save_note(note.map(Secret::new), until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::MIN.plus(Duration::from_secs(1_000_000 + second))
    }

    fn digest(of: &str) -> CredentialDigest {
        CredentialDigest::new(of)
    }

    fn rejection(credential: &str, from: u64, until: u64) -> CredentialRejection {
        let error =
            Error::new(ErrorKind::Credentials, "https://h/token rejected the credentials").with_status(401);
        CredentialRejection::new(&digest(credential), 1, &error, at(from), at(until))
    }

    #[test]
    fn a_credential_cools_down_until_its_moment_and_not_before_its_beginning() {
        let rejection = rejection("a", 100, 160);
        assert_eq!(rejection.cool_down(at(99)), None, "the clock was set back");
        assert_eq!(rejection.cool_down(at(100)), Some(Duration::from_secs(60)));
        assert_eq!(rejection.cool_down(at(159)), Some(Duration::from_secs(1)));
        assert_eq!(rejection.cool_down(at(160)), None);
    }

    #[test]
    fn a_rejection_counts_for_a_day_after_its_cool_down() {
        let mut known = RejectedCredentials::default();
        known.add(rejection("a", 0, 60), at(0), 16);
        assert!(known.find(&digest("a"), at(60 + 86_399)).is_some());
        assert!(known.find(&digest("a"), at(60 + 86_400)).is_none());
        assert!(known.find(&digest("b"), at(0)).is_none());
    }

    #[test]
    fn the_latest_rejection_of_a_credential_replaces_the_earlier_and_the_number_is_bounded() {
        let mut known = RejectedCredentials::default();
        for n in 0..20 {
            known.add(rejection(&n.to_string(), 0, 60), at(0), 16);
        }
        known.add(rejection("19", 0, 120), at(0), 16);
        assert_eq!(known.0.len(), 16);
        assert!(known.find(&digest("3"), at(0)).is_none() && known.find(&digest("4"), at(0)).is_some());
        assert_eq!(
            known.find(&digest("19"), at(0)).and_then(|known| known.cool_down(at(0))).unwrap().as_secs(),
            120
        );
        known.forget(&digest("19"));
        assert!(known.find(&digest("19"), at(0)).is_none());
    }

    #[test]
    fn the_error_says_when_the_credential_is_sent_again() {
        let error = rejection("a", 0, 60).error(Duration::from_millis(59_100));
        assert_eq!((error.kind(), error.status()), (ErrorKind::Credentials, Some(401)));
        assert!(error.message().contains("in 60 s"), "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(59_100)));
    }
}
