//! The functions that `evertoken/native` exports.
#![expect(clippy::needless_pass_by_value, reason = "napi passes arguments by value")]

use std::collections::BTreeMap;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Function, Object, Result, Uint32Array};
use napi_derive::napi;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::host::{Callbacks, host};
use super::outcome::{attempt, parse};
use super::promise::promise;
use crate::config::{BaseUrl, OnFailure, SchedulerOptions, is_private_host};
use crate::domain::{Generation, Timestamp};
use crate::service::{DpopProof, Snapshot};

/// Starts a service, or finds one with the same configuration: `Outcome<{ id, name, created }>`. A store that
/// only JavaScript can reach is called through `provider`, and functions of the configuration through
/// `functions`. The results come back through `provide`. Neither keeps the process alive.
#[napi(catch_unwind)]
pub fn initialize(
    env: &Env,
    request: String,
    provider: Option<Function<'_, String, ()>>,
    functions: Option<Function<'_, String, ()>>,
) -> Result<String> {
    let register = |callback: Option<Function<'_, String, ()>>| {
        callback.map(|callback| host().callbacks.register(env, &callback)).transpose()
    };
    let callbacks = Callbacks { provider: register(provider)?, functions: register(functions)? };
    Ok(attempt(|| {
        let initialized = host().initialize(&request, callbacks)?;
        Ok(json!({ "id": initialized.id, "name": initialized.name, "created": initialized.created }))
    }))
}

/// The id of the running service with this name, or of the default service for `null`.
#[napi(catch_unwind)]
pub fn find(service: Option<String>) -> Option<u32> {
    host().registry.find(service.as_deref())
}

/// One number in memory that Rust owns. It changes whenever the latest snapshot may be out of date.
#[napi(catch_unwind)]
pub fn attach(id: u32) -> Uint32Array {
    let Ok(service) = host().registry.get(id) else {
        // A service that has ended no longer changes.
        return Uint32Array::new(vec![0]);
    };
    let cell = service.attach();
    let memory = Arc::into_raw(cell);
    #[expect(unsafe_code, reason = "the cell lives until JavaScript has collected the array")]
    // SAFETY: `memory` is one aligned AtomicU32 with the layout of a u32, kept alive by the reference count
    // that `into_raw` leaked. The finalizer releases exactly that count, once.
    unsafe {
        Uint32Array::with_external_data(memory.cast_mut().cast(), 1, move |_, _| drop(Arc::from_raw(memory)))
    }
}

/// The headers that can be sent without waiting: `Outcome<Snapshot | null>`.
#[napi(catch_unwind)]
pub fn headers(id: u32) -> String {
    attempt(|| Ok(host().registry.get(id)?.snapshot()?.as_ref().map(snapshot_json)))
}

/// The headers to send, after waiting for the shared token request if needed: `Outcome<Snapshot | null>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn acquire(env: &Env, id: u32) -> Result<Object<'_>> {
    promise(env, async move { Ok(host().registry.get(id)?.acquire().await?.as_ref().map(snapshot_json)) })
}

/// Obtains a new token now: `Outcome<TokenStatus>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn refresh(env: &Env, id: u32) -> Result<Object<'_>> {
    promise(env, async move {
        let service = host().registry.get(id)?;
        service.refresh().await?;
        Ok(host().status(&service))
    })
}

/// Reports a 401 response to this generation; resolves to whether a later one is available:
/// `Outcome<boolean>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn rejected(env: &Env, id: u32, generation: u32) -> Result<Object<'_>> {
    promise(env, async move { host().registry.get(id)?.rejected(Generation(generation)).await })
}

/// A DPoP proof for one request with the token of this generation: `Outcome<{ proof: string | null } |
/// null>`. It is `null` if the token has been replaced since.
#[napi(catch_unwind)]
pub fn proof(id: u32, method: String, url: String, generation: u32) -> String {
    attempt(|| {
        let proof = host().registry.get(id)?.proof(&method, &url, Generation(generation))?;
        Ok(proof.map(|proof| match proof {
            DpopProof::Header(text) => json!({ "proof": text.expose() }),
            DpopProof::NotNeeded => json!({ "proof": null }),
        }))
    })
}

/// Remembers the DPoP nonce of a server's response.
#[napi(catch_unwind)]
pub fn nonce(id: u32, url: String, nonce: String) {
    if let Ok(service) = host().registry.get(id) {
        service.remember_nonce(&url, &nonce);
    }
}

/// Clears the token: `Outcome<null>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn clear(env: &Env, id: u32, revoke: bool) -> Result<Object<'_>> {
    promise(env, async move { host().registry.get(id)?.clear(revoke).await })
}

/// The name of the header, where `fetch` may send it, whether it needs a DPoP proof, and whether calls throw
/// without a token: `Outcome<{ header, baseUrl, namesBaseUrl, allowedOrigins, dpop, throws }>`.
#[napi(catch_unwind)]
pub fn destinations(id: u32) -> String {
    attempt(|| {
        let service = host().registry.get(id)?;
        let config = service.config();
        Ok(json!({
            "header": config.header.name(),
            "baseUrl": config.base_url.as_ref().and_then(BaseUrl::fixed),
            "namesBaseUrl": matches!(config.base_url, Some(BaseUrl::Template(_))),
            "allowedOrigins": config.allowed_origins,
            "dpop": config.dpop,
            "throws": config.on_failure == OnFailure::Throw,
        }))
    })
}

/// Whether a request to this URL would send the header unencrypted over a public network, and the
/// configuration does not allow that.
#[napi(catch_unwind)]
pub fn goes_in_clear(id: u32, url: String) -> bool {
    let Ok(service) = host().registry.get(id) else { return false };
    let is_public = Url::parse(&url).is_ok_and(|url| url.scheme() == "http" && !is_private_host(&url));
    is_public && !service.config().allow_insecure_http
}

/// Waits for the operation in progress; the first one reads the store: `Outcome<TokenStatus>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn settled(env: &Env, id: u32) -> Result<Object<'_>> {
    promise(env, async move {
        let service = host().registry.get(id)?;
        service.wait_for_flight().await;
        Ok(host().status(&service))
    })
}

/// The current status: `Outcome<TokenStatus>`.
#[napi(catch_unwind)]
pub fn status(id: u32) -> String {
    attempt(|| Ok(host().status(host().registry.get(id)?.as_ref())))
}

/// Ends the service: `Outcome<null>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn shutdown(env: &Env, id: u32) -> Result<Object<'_>> {
    let taken = host().registry.take(id);
    promise(env, async move {
        if let Some(service) = taken {
            service.shutdown().await;
            host().subscribers.notify_ended(id);
        }
        Ok(())
    })
}

/// The proxy for requests to a URL: `Outcome<{ variable, url } | null>`.
#[napi(catch_unwind)]
pub fn proxy(request: String) -> String {
    attempt(|| super::host::proxy(&request))
}

/// Starts the scheduler: `Outcome<SchedulerStatus>`.
#[napi(catch_unwind)]
pub fn start_scheduler(options: String) -> String {
    attempt(|| host().scheduler.start(SchedulerOptions::from_json(parse(&options)?)?))
}

/// Stops the scheduler: `Outcome<SchedulerStatus>`.
#[napi(catch_unwind)]
pub fn stop_scheduler() -> String {
    attempt(|| Ok(host().scheduler.stop()))
}

/// Subscribes to all events and forwarded log lines, without keeping the process alive.
#[napi(catch_unwind)]
pub fn subscribe(callback: Function<'_, String, ()>) -> Result<()> {
    host().subscribers.add(&callback)
}

/// Provides the outcome of the call with this number.
#[napi(catch_unwind)]
pub fn provide(number: u32, outcome: String) {
    host().callbacks.provide(number, Zeroizing::new(outcome));
}

fn snapshot_json(snapshot: &Snapshot) -> Value {
    let fields: BTreeMap<_, _> =
        snapshot.fields.values().map(|(name, value)| (name, value.expose())).collect();
    json!({
        "generation": snapshot.generation.0,
        "header": snapshot.header.expose(),
        "scheme": snapshot.scheme.as_str(),
        "token": snapshot.token.secret().expose(),
        "source": snapshot.source.as_str(),
        "usableUntil": snapshot.usable_until.as_millisecond(),
        "expiresAt": snapshot.expires_at.map(Timestamp::as_millisecond),
        "fields": fields,
        "baseUrl": snapshot.base_url.as_ref().map(|url| attempt(|| url.clone())),
    })
}
