//! A limit on how much happens at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::sync::Mutex;

/// Lets a limited number in at once, in the order in which they came.
///
/// A long queue is not a fault: a waiting caller continues to wait as long as others leave after they got something done.
/// Where nothing is done any more, as at a server that hangs, all of them give up in time.
#[derive(Debug)]
pub struct Gate {
    permits: Arc<Semaphore>,
    last_progress: Mutex<Instant>,
}

/// A place inside, until it is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    is_progress: bool,
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    /// A gate that lets `limit` in at once.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { permits: Arc::new(Semaphore::new(limit)), last_progress: Mutex::new(Instant::now()) })
    }

    /// Waits for a place. `None` if nothing was done inside for as long as `patience`.
    pub async fn enter(self: &Arc<Self>, patience: Duration) -> Option<Pass> {
        let mut place = std::pin::pin!(Arc::clone(&self.permits).acquire_owned());
        let mut since = Instant::now();
        loop {
            tokio::select! {
                biased;
                permit = &mut place => {
                    // The semaphore is never closed.
                    return permit.ok().map(|permit| Pass {
                        gate: Arc::clone(self),
                        is_progress: true,
                        _permit: permit,
                    });
                }
                () = sleep_until(since + patience) => {
                    let last = *self.last_progress.lock();
                    if last <= since {
                        return None;
                    }
                    since = last;
                }
            }
        }
    }
}

impl Pass {
    /// Leaves without having got anything done.
    pub fn leave_in_vain(mut self) {
        self.is_progress = false;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_progress {
            *self.gate.last_progress.lock() = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    async fn pass_in(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_as_the_limit_are_inside_and_the_next_one_takes_a_free_place() {
        let gate = Gate::new(2);
        let (one, other) = (gate.enter(PATIENCE).await.unwrap(), gate.enter(PATIENCE).await.unwrap());
        let waiting = gate.enter(PATIENCE);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut waiting).await.is_err());
        drop(one);
        assert!(waiting.await.is_some());
        drop(other);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_caller_gives_up_where_nothing_is_done_and_stays_where_something_is() {
        let gate = Gate::new(1);
        let held = gate.enter(PATIENCE).await.unwrap();
        let begin = Instant::now();
        assert!(gate.enter(PATIENCE).await.is_none());
        assert_eq!(begin.elapsed(), PATIENCE);
        drop(held);
        // A queue of five, each of which takes six seconds inside.
        let queue: Vec<_> = (0..5)
            .map(|_| {
                let gate = Arc::clone(&gate);
                async move {
                    let pass = gate.enter(PATIENCE).await;
                    pass_in(6).await;
                    pass.is_some()
                }
            })
            .collect();
        let mut tasks = tokio::task::JoinSet::new();
        for waiting in queue {
            tasks.spawn(waiting);
        }
        assert!(tasks.join_all().await.into_iter().all(|entered| entered));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_was_left_in_vain_keeps_no_one_waiting() {
        let gate = Gate::new(1);
        let begin = Instant::now();
        let hung = async |pass: Option<Pass>| {
            pass_in(6).await;
            pass.unwrap().leave_in_vain();
        };
        let first = gate.enter(PATIENCE).await;
        let second = async { hung(gate.enter(PATIENCE).await).await };
        let third = async { (gate.enter(PATIENCE).await.is_none(), begin.elapsed()) };
        let ((), (), third) = tokio::join!(hung(first), second, third);
        assert_eq!(third, (true, PATIENCE));
    }
}
