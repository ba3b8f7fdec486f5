//! The functions that `evertoken/native` exports.
#![expect(clippy::needless_pass_by_value, reason = "napi hands arguments over")]

use std::collections::BTreeMap;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::{Function, Object, Result, Uint32Array};
use napi_derive::napi;
use serde_json::{Value, json};
use url::Url;

use super::host::host;
use super::outcome::{attempt, parse};
use super::promise::promise;
use crate::config::{BaseUrl, OnFailure, is_private_host};
use crate::domain::{Generation, Timestamp};
use crate::scheduler::Options;
use crate::service::{DpopProof, Snapshot};

/// Begins a service, or finds the equal one: `Outcome<{ id, name, created }>`. A storage that only JavaScript can
/// reach is asked through `provider`, which answers by `provide`; it never keeps the process alive.
#[napi(catch_unwind)]
pub fn initialize(env: &Env, request: String, provider: Option<Function<'_, String, ()>>) -> Result<String> {
    let provider = provider.map(|callback| host().callbacks.register(env, &callback)).transpose()?;
    Ok(attempt(|| {
        let begun = host().initialize(&request, provider)?;
        Ok(json!({ "id": begun.id, "name": begun.name, "created": begun.created }))
    }))
}

/// The number of the live service of this name; of the default one for `null`.
#[napi(catch_unwind)]
pub fn find(service: Option<String>) -> Option<u32> {
    host().registry.find(service.as_deref())
}

/// One number over memory that Rust owns: it changes whenever a snapshot may no longer be current.
#[napi(catch_unwind)]
pub fn attach(id: u32) -> Uint32Array {
    let Ok(service) = host().registry.get(id) else {
        // A service that is gone has nothing that changes.
        return Uint32Array::new(vec![0]);
    };
    let cell = service.attach();
    let memory = Arc::into_raw(cell);
    #[expect(unsafe_code, reason = "the cell lives until JavaScript has collected the array")]
    // SAFETY: `memory` is one aligned AtomicU32, laid out as a u32, kept alive by the count that `into_raw`
    // left; the finalizer gives exactly that count back, once.
    unsafe {
        Uint32Array::with_external_data(memory.cast_mut().cast(), 1, move |_, _| drop(Arc::from_raw(memory)))
    }
}

/// What may be sent at once: `Outcome<Snapshot | null>`.
#[napi(catch_unwind)]
pub fn headers(id: u32) -> String {
    attempt(|| Ok(host().registry.get(id)?.snapshot()?.as_ref().map(snapshot_json)))
}

/// What may be sent after waiting for the shared request: `Outcome<Snapshot | null>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn acquire(env: &Env, id: u32) -> Result<Object<'_>> {
    promise(env, async move { Ok(host().registry.get(id)?.acquire().await?.as_ref().map(snapshot_json)) })
}

/// Gets a new token now: `Outcome<TokenStatus>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn refresh(env: &Env, id: u32) -> Result<Object<'_>> {
    promise(env, async move {
        let service = host().registry.get(id)?;
        service.refresh().await?;
        Ok(host().status(&service))
    })
}

/// After a 401 to this generation, whether a later one is there: `Outcome<boolean>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn rejected(env: &Env, id: u32, generation: u32) -> Result<Object<'_>> {
    promise(env, async move { host().registry.get(id)?.rejected(Generation(generation)).await })
}

/// A proof for one request with the token of this generation: `Outcome<{ proof: string | null } | null>`, `null`
/// when another token is in hand by now.
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

/// A server gave this nonce in an answer.
#[napi(catch_unwind)]
pub fn nonce(id: u32, url: String, nonce: String) {
    if let Ok(service) = host().registry.get(id) {
        service.remember_nonce(&url, &nonce);
    }
}

/// Forgets the token: `Outcome<null>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn clear(env: &Env, id: u32, revoke: bool) -> Result<Object<'_>> {
    promise(env, async move { host().registry.get(id)?.clear(revoke).await })
}

/// The name of the header, where `fetch` may send it, whether it needs a proof, and whether calls fail without a token:
/// `Outcome<{ header, baseUrl, namesBaseUrl, allowedOrigins, dpop, throws }>`.
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

/// Whether a header that goes to this URL crosses a public network in clear text, and the configuration has not
/// allowed that.
#[napi(catch_unwind)]
pub fn goes_in_clear(id: u32, url: String) -> bool {
    let Ok(service) = host().registry.get(id) else { return false };
    let is_public = Url::parse(&url).is_ok_and(|url| url.scheme() == "http" && !is_private_host(&url));
    is_public && !service.config().allow_insecure_http
}

/// Waits for the flight under way, of which the first is the look into the store: `Outcome<TokenStatus>`.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn settled(env: &Env, id: u32) -> Result<Object<'_>> {
    promise(env, async move {
        let service = host().registry.get(id)?;
        service.wait_for_flight().await;
        Ok(host().status(&service))
    })
}

/// How things stand: `Outcome<TokenStatus>`.
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

/// The proxy of requests to a URL: `Outcome<{ variable, url } | null>`.
#[napi(catch_unwind)]
pub fn proxy(request: String) -> String {
    attempt(|| super::host::proxy(&request))
}

/// Starts the scheduler: `Outcome<SchedulerStatus>`.
#[napi(catch_unwind)]
pub fn start_scheduler(options: String) -> String {
    attempt(|| host().scheduler.start(Options::from_json(parse(&options)?)?))
}

/// Stops the scheduler: `Outcome<SchedulerStatus>`.
#[napi(catch_unwind)]
pub fn stop_scheduler() -> String {
    attempt(|| Ok(host().scheduler.stop()))
}

/// Hears every event and forwarded line from now on, without keeping the process alive.
#[napi(catch_unwind)]
pub fn subscribe(callback: Function<'_, String, ()>) -> Result<()> {
    host().subscribers.add(&callback)
}

/// Answers the call of this number to a provider, with its outcome.
#[napi(catch_unwind)]
pub fn provide(number: u32, outcome: String) {
    host().callbacks.provide(number, outcome);
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
