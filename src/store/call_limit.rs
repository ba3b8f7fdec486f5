//! How many calls of a store in JavaScript wait for an answer: each may hold a connection of the user's program.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

/// How many calls of one client may be unanswered, those of all services and abandoned ones together.
const MAX_UNANSWERED: usize = 16;

/// How many of them may be overdue: then a client seems to answer no more, and each further call could take one of the
/// last connections of the program's pool.
const MAX_OVERDUE: usize = 4;

/// How long a call waits for one of them to be answered.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);

/// A call that is unanswered for this long is not waited for.
const OVERDUE_AFTER: Duration = Duration::from_secs(3);

/// How long an unanswered call counts. TCP has given up a lost connection earlier, so the client has lost
/// track of the call.
const LOST_AFTER: Duration = Duration::from_secs(15 * 60);

/// The same for looks: there is one at a time, and services read their records themselves meanwhile.
const LOOK_LOST_AFTER: Duration = Duration::from_secs(60);

/// The unanswered calls of one client.
pub struct CallLimit {
    all: Arc<CallSlots>,
    looks: Arc<CallSlots>,
}

/// Places for calls of one kind.
struct CallSlots {
    free: Arc<Semaphore>,
    lost_after: Duration,
    taken: Mutex<TakenSlots>,
}

#[derive(Default)]
struct TakenSlots {
    last_number: u64,
    by_number: BTreeMap<u64, (Instant, OwnedSemaphorePermit)>,
}

/// A call that counts until this is dropped.
pub struct UnansweredCall {
    _slots: Vec<TakenSlot>,
}

struct TakenSlot {
    slots: Weak<CallSlots>,
    number: u64,
}

impl Default for CallLimit {
    fn default() -> Self {
        Self { all: CallSlots::new(MAX_UNANSWERED, LOST_AFTER), looks: CallSlots::new(1, LOOK_LOST_AFTER) }
    }
}

impl CallLimit {
    /// Waits for an earlier call to be answered if there are too many, unless they seem to get no answer.
    ///
    /// # Errors
    /// `Storage` if there are too many unanswered calls.
    pub async fn enter(&self, is_look: bool) -> Result<UnansweredCall> {
        let mut slots = Vec::new();
        if is_look {
            slots.push(self.looks.take_now().ok_or_else(|| too_many("the last look for changes"))?);
        }
        slots.push(self.all.take().await.ok_or_else(|| too_many("several earlier calls"))?);
        Ok(UnansweredCall { _slots: slots })
    }
}

impl CallSlots {
    fn new(most: usize, lost_after: Duration) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(most)), lost_after, taken: Mutex::default() })
    }

    fn take_now(self: &Arc<Self>) -> Option<TakenSlot> {
        self.forget_lost();
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.keep(permit))
    }

    fn forget_lost(&self) {
        let now = Instant::now();
        let lost: Vec<_> = {
            let taken = &mut self.taken.lock().by_number;
            let is_lost = |since: Instant| now.duration_since(since) >= self.lost_after;
            let numbers = taken.iter().filter(|(_, (since, _))| is_lost(*since)).map(|(number, _)| *number);
            let numbers: Vec<_> = numbers.collect();
            numbers.iter().map(|number| taken.remove(number)).collect()
        };
        drop(lost);
    }

    async fn take(self: &Arc<Self>) -> Option<TakenSlot> {
        self.forget_lost();
        if self.count_overdue() >= MAX_OVERDUE {
            return None;
        }
        if let Some(slot) = self.take_now() {
            return Some(slot);
        }
        let permit = timeout(TURN_TIMEOUT, Arc::clone(&self.free).acquire_owned()).await;
        permit.ok()?.ok().map(|permit| self.keep(permit))
    }

    fn count_overdue(&self) -> usize {
        self.taken.lock().by_number.values().filter(|(since, _)| since.elapsed() >= OVERDUE_AFTER).count()
    }

    fn keep(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> TakenSlot {
        let mut taken = self.taken.lock();
        taken.last_number += 1;
        let number = taken.last_number;
        taken.by_number.insert(number, (Instant::now(), permit));
        TakenSlot { slots: Arc::downgrade(self), number }
    }
}

impl Drop for TakenSlot {
    fn drop(&mut self) {
        let Some(slots) = self.slots.upgrade() else { return };
        let taken = slots.taken.lock().by_number.remove(&self.number);
        drop(taken);
    }
}

fn too_many(what: &str) -> Error {
    let message = format!("the store has not answered {what}, which may wait for a lock or a connection");
    Error::new(ErrorKind::Storage, message).unsent()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test has a runtime of its own")]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_wait_for_others_and_fail_at_once_when_those_get_no_answer() {
        let limit = Arc::new(CallLimit::default());
        let mut calls = Vec::new();
        for _ in 0..MAX_UNANSWERED {
            calls.push(limit.enter(false).await.unwrap());
        }
        let waiting = tokio::spawn({
            let limit = Arc::clone(&limit);
            async move { limit.enter(false).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        calls.pop();
        let last = waiting.await.unwrap().unwrap();
        calls.truncate(MAX_OVERDUE - 1);
        tokio::time::sleep(OVERDUE_AFTER).await;
        let begin = Instant::now();
        let error = limit.enter(false).await.map(drop).unwrap_err();
        assert!(error.message().contains("has not answered several earlier calls"), "{error}");
        assert!(!error.was_sent() && begin.elapsed() == Duration::ZERO);
        drop(last);
        let last = limit.enter(false).await.unwrap();
        tokio::time::sleep(LOST_AFTER).await;
        assert!(limit.enter(false).await.is_ok(), "they count no longer");
        drop((calls, last));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_one_look_at_a_time_and_it_counts_with_the_others() {
        let limit = CallLimit::default();
        let look = limit.enter(true).await.unwrap();
        let error = limit.enter(true).await.map(drop).unwrap_err();
        assert!(error.message().contains("has not answered the last look"), "{error}");
        drop(look);
        let look = limit.enter(true).await.unwrap();
        tokio::time::sleep(LOOK_LOST_AFTER).await;
        let again = limit.enter(true).await.unwrap();
        let _others = [limit.enter(false).await.unwrap(), limit.enter(false).await.unwrap()];
        tokio::time::sleep(OVERDUE_AFTER).await;
        assert!(limit.enter(false).await.is_err(), "a look that is given up counts, too");
        drop((look, again));
    }
}
