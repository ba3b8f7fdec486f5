//! Stores whose records live behind functions of JavaScript: calls go out through a callback, answers come back
//! by `provide`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use napi::bindgen_prelude::{Function, Result as NapiResult};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use tokio::sync::oneshot;

use super::host::host;
use crate::config::ExternalStoreKind;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ExternalStore, Store, StoreCallbacks};
use crate::sync::Mutex;

/// A store that takes longer has lost the call; the vault has long gone on without it.
const LONGEST_ANSWER: Duration = Duration::from_secs(15);

/// A callback of one environment: weak, so that the event loop may end.
type StoreCallback = ThreadsafeFunction<String, (), String, Status, false, true>;

/// Tells environments that live at the same time apart.
type EnvironmentId = usize;

/// A callback, and where it lives.
pub(super) struct EnvCallback {
    environment: EnvironmentId,
    callback: StoreCallback,
}

/// The providers of all services, and the calls that wait for an answer.
#[derive(Default)]
pub(super) struct CallbackRegistry {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, (EnvironmentId, oneshot::Sender<String>)>>,
    /// Those whose end is heard of.
    environments: Mutex<HashSet<EnvironmentId>>,
    /// By the number of the service; a service that ends takes its provider along.
    of_services: Mutex<HashMap<u32, Weak<JsStore>>>,
}

impl CallbackRegistry {
    /// Makes a callback one that the evertoken thread can call.
    pub(super) fn register(&self, env: &Env, callback: &Function<'_, String, ()>) -> NapiResult<EnvCallback> {
        let environment = env.raw() as EnvironmentId;
        if self.environments.lock().insert(environment) {
            env.add_env_cleanup_hook(environment, |environment| host().callbacks.forget(environment))?;
        }
        let callback = callback.build_threadsafe_function::<String>().weak::<true>().build()?;
        Ok(EnvCallback { environment, callback })
    }

    /// The store of a service. A service that is there already keeps its store, and has it asked through the
    /// newest provider from now on: a hot reload brings a client of its own.
    pub(super) fn store(&self, service: u32, kind: ExternalStoreKind, newest: EnvCallback) -> Arc<dyn Store> {
        let mut all = self.of_services.lock();
        all.retain(|_, provider| provider.strong_count() > 0);
        let known = all.get(&service).and_then(Weak::upgrade);
        let provider = known.unwrap_or_else(|| {
            let provider = Arc::new(JsStore::default());
            all.insert(service, Arc::downgrade(&provider));
            provider
        });
        provider.take_over(newest);
        Arc::new(ExternalStore::new(kind, provider))
    }

    /// Hands an answer to whoever waits for it; after its time nobody does.
    pub(super) fn provide(&self, number: u32, outcome: String) {
        let waiting = self.waiting.lock().remove(&number);
        if let Some((_, answer)) = waiting {
            let _ = answer.send(outcome);
        }
    }

    /// Ends the calls into an environment that ends: nobody is left to answer them.
    fn forget(&self, environment: EnvironmentId) {
        self.environments.lock().remove(&environment);
        self.waiting.lock().retain(|_, (of, _)| *of != environment);
    }

    fn expect(&self, environment: EnvironmentId) -> (Expectation<'_>, oneshot::Receiver<String>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().insert(number, (environment, answer));
        (Expectation { callbacks: self, number }, answered)
    }
}

/// A call that waits; one that is given up leaves nothing behind.
struct Expectation<'a> {
    callbacks: &'a CallbackRegistry,
    number: u32,
}

impl Drop for Expectation<'_> {
    fn drop(&mut self) {
        self.callbacks.waiting.lock().remove(&self.number);
    }
}

/// The callbacks that reach one service's store, one for each environment, the newest last.
#[derive(Default)]
struct JsStore {
    callbacks: Mutex<Vec<(EnvironmentId, Arc<StoreCallback>)>>,
}

impl JsStore {
    fn take_over(&self, newest: EnvCallback) {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|(environment, callback)| *environment != newest.environment && !callback.aborted());
        callbacks.push((newest.environment, Arc::new(newest.callback)));
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
            let (expectation, answered) = host().callbacks.expect(environment);
            let message = format!(r#"{{"number":{},"request":{request}}}"#, expectation.number);
            if callback.call(message, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok {
                // One that was lost on its way is given up, so that the next can be tried.
                let answer =
                    tokio::time::timeout(LONGEST_ANSWER, answered).await.map_err(|_| unanswered())?;
                return answer.map_err(|_| gone());
            }
        }
        Err(gone())
    }
}

fn unanswered() -> Error {
    Error::new(ErrorKind::Storage, "the store has not answered")
}

fn gone() -> Error {
    Error::new(ErrorKind::Storage, "the thread that brought the store has ended")
}
