//! One listener per JavaScript environment. None of them keeps its process alive.

use std::sync::Arc;

use napi::Status;
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use serde_json::json;

use super::outcome::error_json;
use crate::log::{LogLine, Sink};
use crate::scheduler::Scheduler;
use crate::service::{Event, EventKind, Listener};
use crate::sync::Mutex;

/// A callback of one environment. It is weak, so that the event loop can end.
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

    /// Notifies JavaScript that a service has ended, so that it can drop its state. Sent after the service's
    /// last log line.
    pub(super) fn notify_ended(&self, id: u32) {
        self.notify(&json!({ "kind": "ended", "id": id }).to_string());
    }

    /// Sends the message to every environment that still exists.
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

/// Forwards the events of one service.
pub(super) struct EventForwarder {
    pub(super) id: u32,
    pub(super) subscribers: &'static Subscribers,
    pub(super) scheduler: Arc<Scheduler>,
}

impl Listener for EventForwarder {
    fn on_event(&self, event: &Event) {
        let status = self.scheduler.complete(event.status.clone());
        let mut body = json!({
            "type": event.kind, "service": status.service.clone(), "at": event.at.to_string(), "status": status,
        });
        if let Some(error) = &event.error {
            // Alerts may be forwarded to chat rooms. The server's error text is only for callers and the log.
            let is_alert = event.kind == EventKind::Alert;
            body["error"] =
                if is_alert { error_json(&error.clone().without_server_error()) } else { error_json(error) };
        }
        self.subscribers.notify(&json!({ "kind": "event", "id": self.id, "event": body }).to_string());
    }
}

/// Forwards the log lines of one service to its configured logger.
pub(super) struct LogForwarder {
    pub(super) id: u32,
    pub(super) subscribers: &'static Subscribers,
}

impl Sink for LogForwarder {
    fn write_line(&self, line: LogLine) {
        let message = json!({
            "kind": "log", "id": self.id, "level": line.level.as_str(), "message": line.message, "fields": line.fields,
        });
        self.subscribers.notify(&message.to_string());
    }
}
