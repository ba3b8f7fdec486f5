//! Functions of the configuration that JavaScript keeps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::callbacks::{CallError, CallbackRegistry, Cancellation, EnvCallback, JsCallbacks};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::functions::{UserFunctions, read_outcome};
use crate::sync::{Mutex, WeakMap};

/// The functions of all services, by the id of the service. A service that ends drops its own.
#[derive(Default)]
pub(super) struct ProvidedFunctions(Mutex<WeakMap<u32, JsFunctions>>);

impl ProvidedFunctions {
    /// The functions of a service. An existing service uses the newest ones from now on.
    pub(super) fn get(
        &self,
        registry: &'static CallbackRegistry,
        service: u32,
        newest: EnvCallback,
    ) -> Arc<dyn UserFunctions> {
        let make = || Arc::new(JsFunctions(JsCallbacks::new(registry, Cancellation::Announced)));
        let functions = self.0.lock().get_or_insert_with(service, make);
        functions.0.use_callback(newest);
        functions
    }
}

/// The callbacks that reach one service's functions.
struct JsFunctions(JsCallbacks);

#[async_trait]
impl UserFunctions for JsFunctions {
    async fn call(&self, field: &str, argument: Value, longest: Duration) -> Result<Zeroizing<String>> {
        let request = Zeroizing::new(json!({ "field": field, "argument": argument }).to_string());
        match self.0.call(&request, longest, None).await {
            Ok(outcome) => read_outcome(field, &outcome),
            Err(CallError::TimedOut) => {
                Err(Error::new(ErrorKind::Timeout, format!("{field}() did not return within timeoutMs")))
            }
            // Another environment may provide it.
            Err(CallError::Ended) => Err(Error::config(
                field,
                "is a function of a worker thread that has ended: initialize the service again",
            )
            .with_retry(Retry::BackOff)),
        }
    }
}
