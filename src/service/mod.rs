//! What to do: one service, its token, its flights and its announcements.

mod asking;
mod attempt;
mod change_counters;
mod clearing;
mod discovery;
mod events;
mod flight;
mod keeping;
mod life;
mod limits;
mod proofs;
mod refresh_token;
mod registry;
mod rejected;
mod report;
mod snapshot;
mod status;
mod succession;
#[cfg(test)]
mod tests;
mod turn;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{Config, OnFailure};
use crate::crypto::ClientKey;
use crate::domain::Generation;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::runtime;
use crate::store::{Store, StoreClient};
use crate::sync::{Mutex, MutexGuard};
use crate::transport::Transport;

use change_counters::ChangeCounters;
use life::{Admission, Flight, Life, RefreshReason};
use proofs::Signing;
use rejected::CredentialMemory;

pub use events::{Event, EventKind, Listener};
pub use life::Source;
pub use proofs::DpopProof;
pub use registry::{Initialized, Registry};
pub use rejected::KnownCredentials;
pub use snapshot::Snapshot;
pub use status::{SchedulerStatus, Status};

/// How many flights a caller waits for: the first may only have looked into the store, others may have been
/// cleared away. Whoever waited for more waits for a token that is over when it arrives.
const MOST_FLIGHTS: u32 = 5;

/// What a service is made with besides its configuration.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way to the network.
    pub transport: Arc<dyn Transport>,
    /// Who hears events.
    pub listener: Arc<dyn Listener>,
    /// Where lines go.
    pub log: Log,
    /// The store of a configuration that says `Provided`.
    pub store: Option<Arc<dyn Store>>,
    /// What it has in common with the process's other services.
    pub shared: Shared,
}

/// What the services of a process share.
#[derive(Clone, Default)]
pub struct Shared {
    /// Changes with every change of any service: what the scheduler waits on.
    pub pulse: watch::Sender<u64>,
    /// What is known of the credentials of this process.
    pub credentials: Arc<KnownCredentials>,
}

/// One service.
pub struct Service {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    listener: Arc<dyn Listener>,
    log: Mutex<Log>,
    vault: Arc<StoreClient>,
    client_key: Option<Arc<ClientKey>>,
    signing: Signing,
    life: Mutex<Life>,
    cells: ChangeCounters,
    /// Changes with every change of this service.
    changes: watch::Sender<u64>,
    pulse: watch::Sender<u64>,
    credential_memory: CredentialMemory,
    /// The services that this one replaced, until their requests have ended.
    predecessors: Mutex<Vec<Arc<Service>>>,
}

impl Service {
    /// A service that adopts what is stored, in the background, and requests nothing yet.
    pub fn start(config: Config, parts: Parts) -> Result<Arc<Self>> {
        let client_key = config.credentials.private_key.clone().map(ClientKey::new).map(Arc::new);
        let vault = Arc::new(StoreClient::new(&config, client_key.clone(), parts.store)?);
        let Shared { pulse, credentials } = parts.shared;
        let credential = config.credential.clone();
        let service = Arc::new(Self {
            life: Mutex::new(Life::new(&config)),
            config: Arc::new(config),
            clock: parts.clock,
            transport: parts.transport,
            listener: parts.listener,
            log: Mutex::new(parts.log),
            credential_memory: CredentialMemory::new(credential, credentials, Arc::clone(&vault)),
            predecessors: Mutex::default(),
            vault,
            client_key,
            signing: Signing::default(),
            cells: ChangeCounters::default(),
            changes: watch::Sender::new(0),
            pulse,
        });
        for warning in &service.config.warnings {
            service.log(|log| log.write(Level::Warn, warning.clone()));
        }
        service.warn_of_clear_text();
        if service.has_credentials() {
            service.take_off(RefreshReason::Start)?;
            let transport = Arc::clone(&service.transport);
            let told = Arc::clone(&service);
            runtime::spawn(async move {
                if let Some(warning) = transport.prepare().await {
                    told.log(|log| log.error(Level::Warn, "about the certificates", &warning));
                }
            })?;
            let tended = Arc::clone(&service);
            runtime::spawn(async move { tended.tend().await })?;
            if service.vault.is_shared() {
                runtime::spawn(Arc::clone(&service).watch_store())?;
            }
        }
        Ok(service)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A counter that changes whenever a snapshot may no longer be current.
    pub fn attach(&self) -> Arc<AtomicU32> {
        self.cells.attach()
    }

    /// Takes another log, as a later call with an equal configuration brings one.
    pub fn set_log(&self, log: Log) {
        *self.log.lock() = log;
    }

    /// What may be sent at once, if anything; begins a refresh in the background when one is due.
    pub fn snapshot(self: &Arc<Self>) -> Result<Option<Snapshot>> {
        let now = self.clock.now();
        let (snapshot, is_due) = {
            let life = self.life();
            if life.closed {
                return Err(Error::shutdown());
            }
            let is_paused = life.limits.paused_until(now).is_some();
            let held = life.usable(now).map(|held| Snapshot::of(held, &self.config));
            let stand_in = || if is_paused || !self.has_credentials() { self.manual() } else { None };
            (held.or_else(stand_in), life.is_due(now) && !is_paused)
        };
        if snapshot.is_some() && is_due && self.has_credentials() {
            // A refusal to take off is a pause, which ends at its own moment.
            let _ = self.take_off(RefreshReason::Due);
        }
        Ok(snapshot)
    }

    /// What may be sent, after at most one token request that all waiting callers share; none when no token
    /// can be had.
    ///
    /// # Errors
    /// `Shutdown`; with `onFailure: 'throw'` whatever kept the token from being had.
    pub async fn acquire(self: &Arc<Self>) -> Result<Option<Snapshot>> {
        let mut flights = 0;
        let failure = loop {
            if let Some(snapshot) = self.snapshot()? {
                return Ok(Some(snapshot));
            }
            if !self.has_credentials() {
                return Ok(None);
            }
            if flights == MOST_FLIGHTS {
                break Error::new(
                    ErrorKind::Response,
                    "the tokens of this server end before they can be used",
                );
            }
            flights += 1;
            let flight = match self.take_off(RefreshReason::Due) {
                Ok(flight) => flight,
                Err(error) => break error,
            };
            if let Err(error) = self.end_of(flight).await {
                break error;
            }
        };
        if self.life().closed {
            return Err(Error::shutdown());
        }
        match self.manual() {
            Some(snapshot) => Ok(Some(snapshot)),
            None if self.config.on_failure == OnFailure::Throw => Err(failure),
            None => Ok(None),
        }
    }

    /// Gets a new token now, whatever the old one's age; joins a refresh under way.
    ///
    /// # Errors
    /// Whatever kept the token from being had.
    pub async fn refresh(self: &Arc<Self>) -> Result<()> {
        self.require_credentials()?;
        let before = self.life().counters.refreshes;
        loop {
            let flight = self.take_off(RefreshReason::Asked)?;
            let was_own = flight.why == RefreshReason::Asked;
            self.end_of(flight).await?;
            // One that took off for another reason may have found the token good and asked nobody.
            if was_own || self.life().counters.refreshes > before {
                return Ok(());
            }
        }
    }

    /// An upstream answered 401 to this generation: whether a later one is there now.
    ///
    /// # Errors
    /// Why a later one could not be obtained.
    pub async fn rejected(self: &Arc<Self>, generation: Generation) -> Result<bool> {
        loop {
            let now = self.clock.now();
            if self.life().closed {
                return Err(Error::shutdown());
            }
            if self.life().usable(now).is_some_and(|held| held.generation > generation) {
                self.life().counters.retries_on_401 += 1;
                return Ok(true);
            }
            if !self.has_credentials() {
                return Ok(false);
            }
            // A flight that took off for another reason may bring a later token, or only prove the old one
            // to be fresh: then one flight of this call's own follows.
            let flight = self.take_off(RefreshReason::Rejected(generation))?;
            let was_own = flight.why == RefreshReason::Rejected(generation);
            let ended = self.end_of(flight).await;
            let has_later =
                self.life().usable(self.clock.now()).is_some_and(|held| held.generation > generation);
            if !has_later {
                ended?;
                if was_own {
                    return Ok(false);
                }
            }
        }
    }

    /// Ends the service: whoever waits or calls gets `Shutdown`. A request under way runs to its end and
    /// what it brings is stored, as a rotated refresh token must not be lost.
    pub async fn shutdown(self: &Arc<Self>) {
        self.close();
        self.wait_for_flight().await;
    }

    /// Ends the service without waiting for a request under way.
    pub fn close(&self) {
        self.life().closed = true;
        self.changed();
    }

    /// Waits until the flight under way, if any, has landed: after the start, until what is stored was looked at.
    pub async fn wait_for_flight(&self) {
        let flight = self.life().flight.clone();
        if let Some(mut flight) = flight {
            let _ = flight.end.wait_for(Option::is_some).await;
        }
    }

    /// Whether it was shut down.
    pub fn is_closed(&self) -> bool {
        self.life().closed
    }

    fn has_credentials(&self) -> bool {
        self.config.has_credentials()
    }

    fn require_credentials(&self) -> Result<()> {
        if self.has_credentials() {
            return Ok(());
        }
        Err(Error::config("authUrl", "is not set: there is a manual token, and nothing to refresh it with"))
    }

    fn manual(&self) -> Option<Snapshot> {
        Snapshot::manual(&self.config)
    }

    /// Joins the flight under way or begins one; the error is why nothing is tried now.
    fn take_off(self: &Arc<Self>, why: RefreshReason) -> Result<Flight> {
        let boarding = {
            let mut life = self.life();
            if life.closed {
                return Err(Error::shutdown());
            }
            let now = self.clock.now();
            // Another service of this process has the credential accepted again.
            if life.limits.rejections() > 0 && !self.credential_memory.is_cooling_here(now) {
                life.limits.lift();
            }
            life.board(why, now)
        };
        match boarding {
            Admission::Join(flight) => Ok(flight),
            Admission::Paused(error) => Err(error),
            Admission::Begin(flight, announce) => {
                flight::begin(Arc::clone(self), why, announce)?;
                Ok(flight)
            }
        }
    }

    /// Waits for a flight's end, or for the end of the service.
    async fn end_of(&self, mut flight: Flight) -> Result<()> {
        let mut changes = self.changes.subscribe();
        tokio::select! {
            biased;
            ended = flight.end.wait_for(Option::is_some) => match ended {
                Ok(ended) => ended.clone().unwrap_or(Ok(())),
                Err(_) => Err(flight::broken_off()),
            },
            _ = changes.wait_for(|_| self.life().closed) => Err(Error::shutdown()),
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock()
    }

    fn log(&self, say: impl FnOnce(&Log)) {
        say(&self.current_log());
    }

    fn current_log(&self) -> Log {
        self.log.lock().clone()
    }

    /// Something changed: JavaScript looks again, the tender and the scheduler plan anew.
    fn changed(&self) {
        self.cells.increment();
        self.changes.send_modify(|count| *count += 1);
        self.pulse.send_modify(|count| *count += 1);
    }

    fn warn_of_clear_text(&self) {
        let issuer = self.config.issuer.as_ref().map(|issuer| &issuer.url);
        let urls = [self.config.endpoint.as_ref(), issuer, self.config.refresh.url.as_ref()];
        if let Some(url) = urls.into_iter().flatten().find(|url| url.scheme() == "http") {
            let host = url.host_str().unwrap_or_default();
            self.log(|log| {
                log.write(Level::Warn, format!("credentials go to {host} over http, in clear text"));
            });
        }
    }
}
