//! Promises that the evertoken thread settles.

use std::future::Future;

use napi::bindgen_prelude::{Object, Result as NapiResult};
use napi::{Env, JsDeferred};
use serde::Serialize;

use super::outcome::{outcome, panicked};
use crate::error::Result;
use crate::runtime;

/// A promise of the outcome of `work`. It always settles: a panic is an outcome, too. napi drops a promise
/// whose environment has ended (a terminated worker).
pub(super) fn promise<T: Serialize + Send + 'static>(
    env: &Env,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> NapiResult<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    let deferred: JsDeferred<String, _> = deferred;
    let worker = runtime::spawn(work);
    let settle = async move {
        let text = match worker {
            Ok(worker) => outcome(worker.await.unwrap_or_else(|_| Err(panicked()))),
            Err(error) => outcome::<()>(Err(error)),
        };
        deferred.resolve(move |_| Ok(text));
    };
    // If the runtime cannot start, the deferred is dropped, which rejects the promise.
    let _ = runtime::spawn(settle);
    Ok(promise)
}
