//! Stores that JavaScript implements: requests go out through a callback, and results come back through
//! `provide`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use napi::bindgen_prelude::{Function, Result as NapiResult};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::config::ExternalStoreKind;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{self, Store, StoreCallbacks};
use crate::sync::{Mutex, WeakMap};

/// After this time the call is abandoned. The store client has given up on it well before.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(15);

/// A callback of one environment. It is weak, so that the event loop can end.
type StoreCallback = ThreadsafeFunction<String, (), String, Status, false, true>;

/// Distinguishes environments that exist at the same time.
type EnvironmentId = usize;

/// A callback and the environment that it belongs to.
#[derive(Clone)]
pub(super) struct EnvCallback {
    environment: EnvironmentId,
    callback: Arc<StoreCallback>,
}

/// What JavaScript says of a store of its own.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provided {
    /// Whether its functions compare and set.
    compares_and_sets: bool,
    /// A number of the client, which services share that use the same one.
    client: u32,
}

/// The callbacks of all services, and the calls that are waiting for a result.
#[derive(Default)]
pub(super) struct CallbackRegistry {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, (EnvironmentId, oneshot::Sender<String>)>>,
    /// The environments that have a cleanup hook.
    environments: Mutex<HashSet<EnvironmentId>>,
    /// By the id of the service. A service that ends drops its store.
    of_services: Mutex<WeakMap<u32, JsStore>>,
    /// By the environment and the number of a client: through these one service looks for all that share a client.
    of_clients: Mutex<WeakMap<(EnvironmentId, u32), JsStore>>,
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

    /// The store of a service. An existing service keeps its store, which uses the newest callback from now
    /// on: a hot reload creates a new client.
    pub(super) fn store(
        &'static self,
        service: u32,
        kind: &ExternalStoreKind,
        provided: Provided,
        newest: EnvCallback,
    ) -> Arc<dyn Store> {
        let make = || Arc::new(JsStore { registry: self, callbacks: Mutex::default() });
        let client = (newest.environment, provided.client);
        let client = self.of_clients.lock().get_or_insert_with(client, make);
        client.use_callback(newest.clone());
        let store = self.of_services.lock().get_or_insert_with(service, make);
        store.use_callback(newest);
        store::external(kind, provided.compares_and_sets, store, client)
    }

    /// Hands a result to the waiting call. One that comes too late is dropped.
    pub(super) fn provide(&self, number: u32, outcome: String) {
        let waiting = self.waiting.lock().remove(&number);
        if let Some((_, result)) = waiting {
            let _ = result.send(outcome);
        }
    }

    /// Ends the calls into an environment that is shutting down: it can no longer provide results.
    fn forget(&self, environment: EnvironmentId) {
        self.environments.lock().remove(&environment);
        self.waiting.lock().retain(|_, (of, _)| *of != environment);
    }

    fn begin_call(&self, environment: EnvironmentId) -> (PendingCall<'_>, oneshot::Receiver<String>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(number, (environment, sender));
        (PendingCall { callbacks: self, number }, receiver)
    }
}

/// A call that is waiting for its result. Dropping it, as a timeout does, removes it from the registry.
struct PendingCall<'a> {
    callbacks: &'a CallbackRegistry,
    number: u32,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        self.callbacks.waiting.lock().remove(&self.number);
    }
}

/// The callbacks that reach one service's store, one per environment, the newest last.
struct JsStore {
    registry: &'static CallbackRegistry,
    callbacks: Mutex<Vec<(EnvironmentId, Arc<StoreCallback>)>>,
}

impl JsStore {
    fn use_callback(&self, newest: EnvCallback) {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|(environment, callback)| *environment != newest.environment && !callback.aborted());
        callbacks.push((newest.environment, newest.callback));
    }
}

#[async_trait]
impl StoreCallbacks for JsStore {
    async fn call(&self, request: String) -> Result<String> {
        let newest_first: Vec<_> = {
            let mut callbacks = self.callbacks.lock();
            callbacks.retain(|(_, callback)| !callback.aborted());
            callbacks
                .iter()
                .rev()
                .map(|(environment, callback)| (*environment, Arc::clone(callback)))
                .collect()
        };
        for (environment, callback) in newest_first {
            let (pending, result) = self.registry.begin_call(environment);
            let message = format!(r#"{{"number":{},"request":{request}}}"#, pending.number);
            if callback.call(message, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok {
                let result = tokio::time::timeout(CALLBACK_TIMEOUT, result).await.map_err(|_| timed_out())?;
                return result.map_err(|_| environment_ended());
            }
        }
        Err(environment_ended())
    }
}

fn timed_out() -> Error {
    Error::new(
        ErrorKind::Storage,
        format!("the store did not respond within {} s", CALLBACK_TIMEOUT.as_secs()),
    )
}

fn environment_ended() -> Error {
    Error::new(ErrorKind::Storage, "the worker thread that provided the store has ended")
}
