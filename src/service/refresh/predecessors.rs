//! The services that another of the same name replaced, as in a hot reload.

use std::sync::Arc;
use std::time::Duration;

use super::single_flight::SingleFlight;
use crate::clock::Clock;
use crate::sync::Mutex;

/// The attempts under way of the services that this one replaced. They are waited for before this one requests a
/// token: both would spend one refresh token.
#[derive(Default)]
pub(super) struct Predecessors(Mutex<Vec<Predecessor>>);

struct Predecessor {
    flights: Arc<SingleFlight>,
    timeout: Duration,
}

impl Predecessors {
    /// Takes over from a replaced service, and from those that it had replaced itself.
    pub(super) fn take_over(&self, replaced: &Self, flights: &Arc<SingleFlight>, timeout: Duration) {
        let mut busy = std::mem::take(&mut *replaced.0.lock());
        if flights.current().is_some() {
            busy.push(Predecessor { flights: Arc::clone(flights), timeout });
        }
        *self.0.lock() = busy;
    }

    /// Waits for the attempts of all predecessors. Whether there were any.
    pub(super) async fn wait(&self, clock: &dyn Clock) -> bool {
        let predecessors = std::mem::take(&mut *self.0.lock());
        let is_any = !predecessors.is_empty();
        for Predecessor { flights, timeout } in predecessors {
            let Some(flight) = flights.current() else { continue };
            tokio::select! {
                _ = flight.result() => {}
                // A refresh and a login, each as long as it may take.
                () = clock.sleep(timeout * 2) => {}
            }
        }
        is_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::Timestamp;
    use crate::error::Error;
    use crate::service::refresh::single_flight::Landing;
    use crate::service::state::RefreshReason;

    const TIMEOUT: Duration = Duration::from_secs(10);

    struct Ignored;

    impl Landing for Ignored {
        fn on_broken_off(&self, _: &Error) {}
        fn on_landed(&self) {}
    }

    fn clock() -> ManualClock {
        ManualClock::new(Timestamp::from_second(1_800_000_000.0))
    }

    #[tokio::test]
    async fn an_idle_service_is_not_waited_for() {
        let (replaced, successor) = (Predecessors::default(), Predecessors::default());
        successor.take_over(&replaced, &Arc::default(), TIMEOUT);
        assert!(!successor.wait(&clock()).await);
    }

    #[tokio::test]
    async fn a_request_under_way_is_waited_for_through_two_replacements_and_no_longer_than_it_may_take() {
        let (first, second, third) =
            (Predecessors::default(), Predecessors::default(), Predecessors::default());
        let flights = Arc::<SingleFlight>::default();
        let endless = || std::future::pending::<crate::error::Result<()>>();
        flights.join_or_start(RefreshReason::Due, || Ok(()), Arc::new(Ignored), endless).unwrap();
        second.take_over(&first, &flights, TIMEOUT);
        third.take_over(&second, &Arc::default(), TIMEOUT);
        let clock = Arc::new(clock());
        let waiting = tokio::time::timeout(Duration::from_secs(5), third.wait(&*clock));
        let passing = async {
            tokio::task::yield_now().await;
            clock.advance(TIMEOUT * 2);
        };
        let (waited, ()) = tokio::join!(waiting, passing);
        assert!(waited.unwrap());
    }
}
