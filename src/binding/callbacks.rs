//! Calls into JavaScript: requests go out through a callback, and results come back through `provide`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use napi::bindgen_prelude::{Function, Result as NapiResult};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::store::UnansweredCall;
use crate::sync::Mutex;

/// A callback of one environment. It is weak, so that the event loop can end.
type Callback = ThreadsafeFunction<String, (), String, Status, false, true>;

/// Distinguishes environments that exist at the same time.
pub(super) type EnvironmentId = usize;

/// A callback and the environment that it belongs to.
#[derive(Clone)]
pub(super) struct EnvCallback {
    pub(super) environment: EnvironmentId,
    callback: Arc<Callback>,
}

/// Why a call has no result.
#[derive(Clone, Copy)]
pub(super) enum CallError {
    /// It took too long.
    TimedOut,
    /// The environment has ended.
    Ended,
}

/// The environment of a call that is waiting, and where its result goes.
type WaitingCall = (EnvironmentId, oneshot::Sender<Zeroizing<String>>);

/// The calls that are waiting for a result.
#[derive(Default)]
pub(super) struct CallbackRegistry {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, WaitingCall>>,
    /// The calls that JavaScript has not answered, of which some were given up.
    unanswered: Mutex<HashMap<u32, (EnvironmentId, UnansweredCall)>>,
    /// The environments that have a cleanup hook.
    environments: Mutex<HashSet<EnvironmentId>>,
}

impl CallbackRegistry {
    /// Makes a callback callable from the evertoken thread.
    pub(super) fn register(
        &'static self,
        env: &Env,
        callback: &Function<'_, String, ()>,
    ) -> NapiResult<EnvCallback> {
        let environment = env.raw() as EnvironmentId;
        if self.environments.lock().insert(environment) {
            env.add_env_cleanup_hook(environment, |environment| self.forget(environment))?;
        }
        let callback = callback.build_threadsafe_function::<String>().weak::<true>().build()?;
        Ok(EnvCallback { environment, callback: Arc::new(callback) })
    }

    /// Hands a result to the waiting call. One that comes too late is dropped.
    pub(super) fn provide(&self, number: u32, outcome: Zeroizing<String>) {
        let answered = self.unanswered.lock().remove(&number);
        drop(answered);
        let waiting = self.waiting.lock().remove(&number);
        if let Some((_, result)) = waiting {
            let _ = result.send(outcome);
        }
    }

    /// Ends the calls into an environment that is shutting down: it can no longer provide results.
    fn forget(&self, environment: EnvironmentId) {
        self.environments.lock().remove(&environment);
        self.waiting.lock().retain(|_, (of, _)| *of != environment);
        self.unanswered.lock().retain(|_, (of, _)| *of != environment);
    }

    fn begin_call(
        &self,
        environment: EnvironmentId,
        canceled_through: Option<Arc<Callback>>,
    ) -> (PendingCall<'_>, oneshot::Receiver<Zeroizing<String>>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(number, (environment, sender));
        (PendingCall { registry: self, number, canceled_through }, receiver)
    }
}

/// A call that is waiting for its result. Dropping it, as a timeout does, removes it from the registry.
struct PendingCall<'a> {
    registry: &'a CallbackRegistry,
    number: u32,
    /// Learns that the result is no longer needed.
    canceled_through: Option<Arc<Callback>>,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        let is_waiting = self.registry.waiting.lock().remove(&self.number).is_some();
        if let Some(callback) = self.canceled_through.take().filter(|_| is_waiting) {
            let message = format!(r#"{{"canceled":{}}}"#, self.number);
            callback.call(message, ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// Whether JavaScript learns that the result of a call is no longer needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancellation {
    Announced,
    Silent,
}

/// The callbacks for one purpose, one per environment, the newest last.
pub(super) struct JsCallbacks {
    registry: &'static CallbackRegistry,
    cancellation: Cancellation,
    callbacks: Mutex<Vec<EnvCallback>>,
}

impl JsCallbacks {
    pub(super) fn new(registry: &'static CallbackRegistry, cancellation: Cancellation) -> Self {
        Self { registry, cancellation, callbacks: Mutex::default() }
    }

    /// Uses this callback from now on: a hot reload creates a new one.
    pub(super) fn use_callback(&self, newest: EnvCallback) {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|known| known.environment != newest.environment && !known.callback.aborted());
        callbacks.push(newest);
    }

    /// Sends a request, which is JSON, through the newest callback whose environment exists, and waits for the outcome.
    /// `unanswered` is kept until JavaScript answers, even if that takes longer.
    pub(super) async fn call(
        &self,
        request: &str,
        longest: Duration,
        mut unanswered: Option<UnansweredCall>,
    ) -> Result<Zeroizing<String>, CallError> {
        let newest_first: Vec<_> = {
            let mut callbacks = self.callbacks.lock();
            callbacks.retain(|known| !known.callback.aborted());
            callbacks.iter().rev().cloned().collect()
        };
        for EnvCallback { environment, callback } in newest_first {
            let is_announced = self.cancellation == Cancellation::Announced;
            let canceled_through = is_announced.then(|| Arc::clone(&callback));
            let (pending, result) = self.registry.begin_call(environment, canceled_through);
            let message = format!(r#"{{"number":{},"request":{request}}}"#, pending.number);
            if let Some(unanswered) = unanswered.take() {
                self.registry.unanswered.lock().insert(pending.number, (environment, unanswered));
            }
            if callback.call(message, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok {
                let result = tokio::time::timeout(longest, result).await.map_err(|_| CallError::TimedOut)?;
                return result.map_err(|_| CallError::Ended);
            }
            unanswered = self.registry.unanswered.lock().remove(&pending.number).map(|(_, call)| call);
        }
        Err(CallError::Ended)
    }
}
