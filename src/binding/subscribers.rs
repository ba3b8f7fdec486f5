//! One listener for each JavaScript environment; none of them keeps its process alive.

use std::sync::Arc;

use napi::Status;
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use serde_json::json;

use super::host::host;
use super::outcome::error_json;
use crate::log::{LogLine, Sink};
use crate::service::{Event, EventKind, Listener};
use crate::sync::Mutex;

/// A callback of one environment: weak, so that the event loop may end.
type EventCallback = ThreadsafeFunction<String, (), String, Status, false, true>;

/// The callbacks of all environments.
#[derive(Default)]
pub(super) struct Subscribers {
    callbacks: Mutex<Vec<Arc<EventCallback>>>,
}

impl Subscribers {
    pub(super) fn add(&self, callback: &Function<'_, String, ()>) -> Result<()> {
        let callback = callback.build_threadsafe_function::<String>().weak::<true>().build()?;
        self.callbacks.lock().push(Arc::new(callback));
        Ok(())
    }

    /// Says that a service has ended: what JavaScript keeps for it can go. It comes after the service's last line.
    pub(super) fn notify_ended(&self, id: u32) {
        self.notify(&json!({ "kind": "ended", "id": id }).to_string());
    }

    /// Hands the message to every environment that still is.
    fn notify(&self, message: &str) {
        let callbacks: Vec<_> = {
            let mut callbacks = self.callbacks.lock();
            callbacks.retain(|callback| !callback.aborted());
            callbacks.iter().map(Arc::clone).collect()
        };
        for callback in callbacks {
            callback.call(message.to_owned(), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// Passes the events of one service on.
pub(super) struct Announcer {
    pub(super) id: u32,
}

impl Listener for Announcer {
    fn on_event(&self, event: &Event) {
        let host = host();
        let mut status = event.status.clone();
        status.scheduler = host.scheduler.status();
        let mut body = json!({
            "type": event.kind, "service": status.service.clone(), "at": event.at.to_string(), "status": status,
        });
        if let Some(error) = &event.error {
            // Alerts are passed on to chat rooms; what another server wrote stays with callers and the log.
            let is_alert = event.kind == EventKind::Alert;
            body["error"] =
                if is_alert { error_json(&error.clone().without_server_error()) } else { error_json(error) };
        }
        host.subscribers.notify(&json!({ "kind": "event", "id": self.id, "event": body }).to_string());
    }
}

/// Passes the lines of one service on, to the logger it was configured with.
pub(super) struct Forward {
    pub(super) id: u32,
}

impl Sink for Forward {
    fn write_line(&self, line: LogLine) {
        let message = json!({
            "kind": "log", "id": self.id, "level": line.level.as_str(), "message": line.message, "fields": line.fields,
        });
        host().subscribers.notify(&message.to_string());
    }
}
