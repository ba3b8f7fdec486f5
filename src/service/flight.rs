//! Single flight: one attempt at a time, run to its end whoever leaves.

use std::sync::Arc;

use tokio::sync::watch;

use super::Service;
use super::life::RefreshReason;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

/// Begins a flight on the evertoken thread; it lands in the service's life.
pub(super) fn begin(
    service: Arc<Service>,
    why: RefreshReason,
    announce: watch::Sender<Option<Result<()>>>,
) -> Result<()> {
    let landing = Landing { service, announce, result: None };
    runtime::spawn(fly(landing, why)).map(drop)
}

/// The error of a flight that ended without a result.
pub(super) fn broken_off() -> Error {
    Error::new(ErrorKind::Internal, "a refresh ended without a result")
}

async fn fly(mut landing: Landing, why: RefreshReason) {
    landing.result = Some(landing.service.attempt(why).await);
}

/// Lands the flight when it is dropped: at its end, and also when the attempt panicked or the runtime would
/// not take it, so that nobody waits for ever.
struct Landing {
    service: Arc<Service>,
    announce: watch::Sender<Option<Result<()>>>,
    result: Option<Result<()>>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| {
            let error = broken_off();
            self.service.note_failure(&error, self.service.clock.now());
            Err(error)
        });
        // The place is free before anyone hears of the end: a waiter may take off at once.
        self.service.life().flight = None;
        self.announce.send_replace(Some(result));
        self.service.changed();
    }
}
