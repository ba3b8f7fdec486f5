//! One service: its token, and the parts that obtain it, store it, look after it and report on it.

mod access;
mod manual_tokens;
mod observe;
mod parts;
mod refresh;
mod registry;
mod snapshot;
mod state;
mod store_sync;
#[cfg(test)]
mod tests;
mod upkeep;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use serde_json::Value;
use url::Url;

use crate::config::Config;
use crate::domain::Generation;
use crate::error::Result;
use crate::log::{Level, Log};
use crate::oauth;
use crate::runtime;

use parts::Rooms;
use state::RefreshReason;

pub use observe::{ChangedServices, Event, EventKind, Listener, Schedule, SchedulerStatus, Status};
pub use parts::Parts;
pub use refresh::{CodeExchange, DpopProof, ExchangedCode, KnownCredentials};
pub use registry::{Initialized, Registry};
pub use snapshot::Snapshot;
pub use state::Source;
pub use upkeep::Upkeep;

/// One service.
pub struct Service {
    rooms: Rooms,
}

impl Service {
    /// A service that adopts what is stored, in the background, and requests nothing yet.
    pub fn start(config: Config, parts: Parts) -> Result<Arc<Self>> {
        let transport = Arc::clone(&parts.transport);
        let service = Arc::new(Self { rooms: parts.assemble(config)? });
        if service.rooms.config.has_credentials() {
            service.rooms.sync.begin_watch()?;
            service.rooms.refresher.start(RefreshReason::Start)?;
            if let Some(url) = service.rooms.config.first_url().cloned() {
                let observer = Arc::clone(&service.rooms.observer);
                runtime::spawn(async move {
                    if let Some(warning) = transport.prepare(&url).await {
                        observer.log_error(Level::Warn, "a problem with the certificates", &warning);
                    }
                })?;
            }
        }
        Ok(service)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.rooms.config
    }

    /// A counter that changes whenever a snapshot may no longer be current.
    pub fn attach(&self) -> Arc<AtomicU32> {
        self.rooms.observer.attach()
    }

    /// Replaces the log, as a later initialization with an equal configuration brings one.
    pub fn set_log(&self, log: Log) {
        self.rooms.observer.set_log(log);
    }

    /// The token that may be sent now, if there is one.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        self.rooms.access.snapshot()
    }

    /// The token, after at most one shared request.
    pub async fn acquire(&self) -> Result<Option<Snapshot>> {
        self.rooms.access.acquire().await
    }

    /// Requests a new token now.
    pub async fn refresh(&self) -> Result<()> {
        self.rooms.access.refresh().await
    }

    /// The API answered 401 to this generation.
    pub async fn rejected(&self, generation: Generation) -> Result<bool> {
        self.rooms.access.rejected(generation).await
    }

    /// A proof for one request with the token of this generation.
    pub fn proof(&self, method: &str, url: &str, generation: Generation) -> Result<Option<DpopProof>> {
        self.rooms.access.proof(method, url, generation)
    }

    /// An API gave this nonce in a response (RFC 9449 §9): the next proofs for its origin carry it.
    pub fn remember_nonce(&self, url: &str, nonce: &str) {
        if let (Ok(url), true) = (Url::parse(url), oauth::is_nonce(nonce)) {
            self.rooms.signer.remember_nonce(&url, nonce);
        }
    }

    /// Drops the token, in memory and in the store. With `revoke`, the server revokes it, if its revocation endpoint is
    /// known.
    ///
    /// # Errors
    /// `Storage` if the stored record could not be removed, and why the token could not be revoked; memory is cleared
    /// all the same.
    pub async fn clear(&self, revoke: bool) -> Result<()> {
        if revoke {
            // The token to revoke may be in the store only.
            self.wait_for_flight().await;
        }
        let (held, removed) = self.rooms.sync.clear().await?;
        let revoked = match held {
            Some(held) if revoke => self.rooms.refresher.revoke(&held.tokens).await,
            _ => Ok(()),
        };
        removed.and(revoked)
    }

    /// The exchange of a user's consent for tokens, which the caller then hands over.
    pub fn code_exchange(&self) -> CodeExchange<'_> {
        self.rooms.refresher.code_exchange()
    }

    /// Uses tokens that the program obtained itself, as soon as they are stored.
    ///
    /// # Errors
    /// `Config` with the name of the member that is wrong; `Storage` if they could not be stored; `Shutdown`. Then
    /// nothing has changed.
    pub async fn adopt(&self, tokens: &Value) -> Result<()> {
        let given = oauth::read_handed_in(tokens, self.config(), self.rooms.clock.now())?;
        self.rooms.refresher.hand_in(&given).await
    }

    /// The status, from memory.
    pub fn status(&self) -> Status {
        self.rooms.observer.status()
    }

    /// Ends this replaced service. The `successor` waits for its request under way before it makes its own: both would
    /// spend one refresh token.
    pub fn replace_by(&self, successor: &Self) {
        self.close();
        successor.rooms.refresher.take_over(&self.rooms.refresher);
    }

    /// Ends the service: callers get `Shutdown`. A request under way runs to its end and its token is stored, as a
    /// rotated refresh token must not be lost.
    pub async fn shutdown(&self) {
        self.close();
        self.wait_for_flight().await;
    }

    /// Ends the service without waiting for a request under way.
    pub fn close(&self) {
        self.rooms.state.lock().close();
        self.rooms.observer.changed();
    }

    /// Waits for the attempt under way: after the start, until the store was read.
    pub async fn wait_for_flight(&self) {
        if let Some(flight) = self.rooms.refresher.current() {
            let _ = flight.result().await;
        }
    }

    /// Whether it was shut down.
    pub fn is_closed(&self) -> bool {
        self.rooms.state.lock().is_closed()
    }

    /// Something about the service has changed that only its registry knows.
    fn changed(&self) {
        self.rooms.observer.changed();
    }

    /// What happens to the service as time passes.
    pub fn upkeep(&self) -> &Upkeep {
        &self.rooms.upkeep
    }
}
