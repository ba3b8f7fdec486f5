//! Single flight: one attempt at a time, which runs to its end even if every caller leaves.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::service::state::RefreshReason;
use crate::sync::Mutex;

/// An attempt under way.
#[derive(Clone, Debug)]
pub(in crate::service) struct Flight {
    reason: RefreshReason,
    result: watch::Receiver<Option<Result<()>>>,
}

impl Flight {
    /// Why it was started.
    pub(in crate::service) fn reason(&self) -> RefreshReason {
        self.reason
    }

    /// Waits for the result.
    pub(in crate::service) async fn result(mut self) -> Result<()> {
        let result = self.result.wait_for(Option::is_some).await;
        result.ok().and_then(|result| result.clone()).unwrap_or_else(|| Err(broken_off()))
    }
}

/// What an attempt's end is reported to.
pub(super) trait Landing: Send + Sync + 'static {
    /// The attempt ended without a result: it panicked, or the runtime did not take it.
    fn on_broken_off(&self, error: &Error);

    /// The attempt has ended, and the next one may start.
    fn on_landed(&self);
}

/// The place of the one attempt.
#[derive(Debug, Default)]
pub(super) struct SingleFlight {
    current: Mutex<Option<Flight>>,
}

impl SingleFlight {
    /// The attempt under way.
    pub(super) fn current(&self) -> Option<Flight> {
        self.current.lock().clone()
    }

    /// Joins the attempt under way. Without one, starts `attempt` on the evertoken thread, unless `admit` refuses.
    pub(super) fn join_or_start<A>(
        self: &Arc<Self>,
        reason: RefreshReason,
        admit: impl FnOnce() -> Result<()>,
        landing: Arc<dyn Landing>,
        attempt: impl FnOnce() -> A,
    ) -> Result<Flight>
    where
        A: Future<Output = Result<()>> + Send + 'static,
    {
        let (flight, end) = {
            let mut current = self.current.lock();
            if let Some(flight) = &*current {
                return Ok(flight.clone());
            }
            admit()?;
            let (end, result) = watch::channel(None);
            let flight = Flight { reason, result };
            *current = Some(flight.clone());
            (flight, end)
        };
        let guard = FlightGuard { flights: Arc::clone(self), landing, end, result: None };
        runtime::spawn(fly(guard, attempt()))?;
        Ok(flight)
    }
}

async fn fly(mut guard: FlightGuard, attempt: impl Future<Output = Result<()>>) {
    guard.result = Some(attempt.await);
}

/// Ends the flight when it is dropped: at the end of the attempt, and also when that panicked or never ran, so that no
/// caller waits for ever.
struct FlightGuard {
    flights: Arc<SingleFlight>,
    landing: Arc<dyn Landing>,
    end: watch::Sender<Option<Result<()>>>,
    result: Option<Result<()>>,
}

impl Drop for FlightGuard {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| {
            let error = broken_off();
            self.landing.on_broken_off(&error);
            Err(error)
        });
        // The place is free before the result is known: a caller may start the next attempt at once.
        *self.flights.current.lock() = None;
        self.end.send_replace(Some(result));
        self.landing.on_landed();
    }
}

fn broken_off() -> Error {
    Error::new(ErrorKind::Internal, "a refresh ended without a result; please report it")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[derive(Default)]
    struct Landings {
        broken_off: AtomicU32,
        landed: AtomicU32,
    }

    impl Landing for Landings {
        fn on_broken_off(&self, _: &Error) {
            self.broken_off.fetch_add(1, Ordering::SeqCst);
        }

        fn on_landed(&self) {
            self.landed.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn callers_join_the_attempt_under_way_and_share_its_result() {
        let (flights, landings) = (Arc::new(SingleFlight::default()), Arc::new(Landings::default()));
        let gate = Arc::new(Notify::new());
        let join = |reason| {
            let gate = Arc::clone(&gate);
            flights
                .join_or_start(
                    reason,
                    || Ok(()),
                    Arc::clone(&landings) as _,
                    || async move {
                        gate.notified().await;
                        Err(Error::shutdown())
                    },
                )
                .unwrap()
        };
        let (first, second) = (join(RefreshReason::Due), join(RefreshReason::Requested));
        assert_eq!(second.reason(), RefreshReason::Due, "it joined the first one");
        gate.notify_one();
        assert!(first.result().await.is_err() && second.result().await.is_err());
        while landings.landed.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(landings.landed.load(Ordering::SeqCst), 1);
        assert!(flights.current().is_none());
    }

    #[tokio::test]
    async fn an_attempt_that_panics_ends_with_an_error_and_frees_the_place() {
        let (flights, landings) = (Arc::new(SingleFlight::default()), Arc::new(Landings::default()));
        let flight = flights
            .join_or_start(
                RefreshReason::Due,
                || Ok(()),
                Arc::clone(&landings) as _,
                || async { panic!("scripted") },
            )
            .unwrap();
        assert_eq!(flight.result().await.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(landings.broken_off.load(Ordering::SeqCst), 1);
        assert!(flights.current().is_none());
    }

    #[test]
    fn an_attempt_that_is_not_admitted_is_not_started() {
        let flights = Arc::new(SingleFlight::default());
        let refused = flights.join_or_start(
            RefreshReason::Due,
            || Err(Error::shutdown()),
            Arc::new(Landings::default()),
            || async { Ok(()) },
        );
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Shutdown);
        assert!(flights.current().is_none());
    }
}
