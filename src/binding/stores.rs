//! Stores that JavaScript implements.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use super::callbacks::{CallError, CallbackRegistry, Cancellation, EnvCallback, EnvironmentId, JsCallbacks};
use crate::config::ExternalStoreKind;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{self, Store, StoreCallbacks};
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
        let make = || Arc::new(JsStore(JsCallbacks::new(registry, Cancellation::Silent)));
        let client = (newest.environment, provided.client);
        let client = self.of_clients.lock().get_or_insert_with(client, make);
        client.0.use_callback(newest.clone());
        let store = self.of_services.lock().get_or_insert_with(service, make);
        store.0.use_callback(newest);
        store::external(kind, provided.compares_and_sets, store, client)
    }
}

/// The callbacks that reach one service's store.
struct JsStore(JsCallbacks);

#[async_trait]
impl StoreCallbacks for JsStore {
    async fn call(&self, request: String) -> Result<String> {
        match self.0.call(&request, CALLBACK_TIMEOUT).await {
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
