//! Stores that JavaScript implements.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::callbacks::{CallError, CallbackRegistry, Cancellation, EnvCallback, EnvironmentId, JsCallbacks};
use crate::config::ExternalStoreKind;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{self, CallLimit, Store, StoreCallbacks};
use crate::sync::{Mutex, WeakMap};

/// After this time the call is abandoned. The store client has given up on it well before.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(15);

/// What JavaScript says of a store of its own.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provided {
    /// Whether its functions compare and set.
    compares_and_sets: bool,
    /// A number of the client, which services share that use the same one.
    client: u32,
}

/// The stores of all services.
#[derive(Default)]
pub(super) struct ProvidedStores {
    /// By the id of the service. A service that ends drops its store.
    of_services: Mutex<WeakMap<u32, JsStore>>,
    /// By the environment and the number of a client: through these one service looks for all that share a client.
    of_clients: Mutex<WeakMap<(EnvironmentId, u32), JsStore>>,
    /// By the same: how many calls a client has not answered.
    limits: Mutex<WeakMap<(EnvironmentId, u32), CallLimit>>,
}

impl ProvidedStores {
    /// The store of a service. An existing service keeps its store, which uses the newest callback from now
    /// on: a hot reload creates a new client.
    pub(super) fn get(
        &self,
        registry: &'static CallbackRegistry,
        service: u32,
        kind: &ExternalStoreKind,
        provided: Provided,
        newest: EnvCallback,
    ) -> Arc<dyn Store> {
        let client = (newest.environment, provided.client);
        let limit = self.limits.lock().get_or_insert_with(client, Arc::default);
        let make = |is_look| Arc::new(JsStore::new(registry, is_look, Arc::clone(&limit)));
        let client = self.of_clients.lock().get_or_insert_with(client, || make(true));
        client.callbacks.use_callback(newest.clone());
        let store = self.of_services.lock().get_or_insert_with(service, || make(false));
        *store.limit.lock() = Arc::clone(&limit);
        store.callbacks.use_callback(newest);
        store::external(kind, provided.compares_and_sets, store, client)
    }
}

/// The callbacks that reach one service's store, or, for looks, one client.
struct JsStore {
    callbacks: JsCallbacks,
    is_look: bool,
    /// That of the newest client.
    limit: Mutex<Arc<CallLimit>>,
}

impl JsStore {
    fn new(registry: &'static CallbackRegistry, is_look: bool, limit: Arc<CallLimit>) -> Self {
        let callbacks = JsCallbacks::new(registry, Cancellation::Silent);
        Self { callbacks, is_look, limit: Mutex::new(limit) }
    }
}

#[async_trait]
impl StoreCallbacks for JsStore {
    async fn call(&self, request: String) -> Result<String> {
        let limit = Arc::clone(&self.limit.lock());
        let unanswered = limit.enter(self.is_look).await?;
        match self.callbacks.call(&request, CALLBACK_TIMEOUT, Some(unanswered)).await {
            Ok(mut outcome) => Ok(std::mem::take(&mut *outcome)),
            Err(CallError::TimedOut) => Err(Error::new(
                ErrorKind::Storage,
                format!("the store did not respond within {} s", CALLBACK_TIMEOUT.as_secs()),
            )),
            Err(CallError::Ended) => {
                Err(Error::new(ErrorKind::Storage, "the worker thread that provided the store has ended"))
            }
        }
    }
}
