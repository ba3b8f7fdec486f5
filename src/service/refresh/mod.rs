//! A refresh: adopt what the store has, else request a token, save it, and only then hand it out.

mod issuer;
mod lease;
mod login_function;
mod outcome;
mod predecessors;
mod refresh_token;
mod rejected_credentials;
mod request_gate;
mod signer;
mod single_flight;
mod source;
mod token_request;

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Secret, Timestamp, TokenSet};
use crate::error::{Error, ErrorKind, Result};
use crate::gate::Gate;
use crate::grants::GrantRequest;
use crate::log::Level;
use crate::oauth::{Granted, ProofKey};
use crate::runtime;
use crate::service::observe::Observer;
use crate::service::state::{RefreshReason, SharedState};
use crate::service::store_sync::{Attempt, StoreSync};
use crate::store::StoreClient;

use lease::{LeaseManager, RefreshLease};
use predecessors::Predecessors;
use rejected_credentials::CredentialMemory;
use request_gate::{RequestGate, RequestPass};
use single_flight::{Landing, SingleFlight};
use source::TokenSource;

pub use rejected_credentials::KnownCredentials;
pub use signer::DpopProof;
pub(super) use signer::Signer;
pub(super) use single_flight::Flight;
pub(super) use token_request::TokenClient;

/// A token from the server, and how it was obtained.
struct NewToken {
    granted: Granted,
    /// The request. None for a function, which makes its own.
    grant: Option<GrantRequest>,
    /// The refresh token that was spent for it. It stays valid unless the response brings another.
    spent: Option<Secret>,
    /// The key that the token was requested for.
    proof_key: Option<ProofKey>,
}

/// Refreshes the token of one service, one attempt at a time.
pub(super) struct Refresher {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    state: SharedState,
    store: Arc<StoreClient>,
    sync: Arc<StoreSync>,
    observer: Arc<Observer>,
    source: TokenSource,
    leases: LeaseManager,
    credentials: Arc<CredentialMemory>,
    flights: Arc<SingleFlight>,
    predecessors: Predecessors,
    gate: Arc<RequestGate>,
}

impl Refresher {
    pub(super) fn new(
        client: TokenClient,
        store: Arc<StoreClient>,
        sync: Arc<StoreSync>,
        known: Arc<KnownCredentials>,
        gate: Arc<Gate>,
    ) -> Self {
        let TokenClient { config, clock, state, observer, .. } = &client;
        let (config, clock, state, observer) =
            (Arc::clone(config), Arc::clone(clock), Arc::clone(state), Arc::clone(observer));
        let credentials = Arc::new(CredentialMemory::new(&config, known, Arc::clone(&store)));
        let gate = Arc::new(RequestGate { gate, config: Arc::clone(&config) });
        let leases = LeaseManager {
            config: Arc::clone(&config),
            clock: Arc::clone(&clock),
            state: Arc::clone(&state),
            store: Arc::clone(&store),
            sync: Arc::clone(&sync),
            observer: Arc::clone(&observer),
            gate: Arc::clone(&gate),
        };
        let source = TokenSource::new(client, Arc::clone(&sync), Arc::clone(&credentials));
        let (flights, predecessors) = (Arc::default(), Predecessors::default());
        Self {
            config,
            clock,
            state,
            store,
            sync,
            observer,
            source,
            leases,
            credentials,
            flights,
            predecessors,
            gate,
        }
    }

    // Attempts.

    /// Joins the attempt under way or starts one; the error is why none starts now.
    pub(super) fn start(self: &Arc<Self>, reason: RefreshReason) -> Result<Flight> {
        let admit = || {
            let (mut state, now) = (self.state.lock(), self.clock.now());
            // Another service of this process had the credential accepted again.
            if state.rejections() > 0 && !self.credentials.is_rejected_here(now) {
                state.lift_rejection();
            }
            state.may_refresh(reason, now)
        };
        let this = Arc::clone(self);
        self.flights.join_or_start(reason, admit, Arc::clone(self) as Arc<dyn Landing>, || async move {
            this.attempt(reason).await
        })
    }

    /// The attempt under way.
    pub(super) fn current(&self) -> Option<Flight> {
        self.flights.current()
    }

    /// Before its first request, this refresher waits for the attempt under way of the one that it replaces.
    pub(super) fn take_over(&self, replaced: &Self) {
        self.predecessors.take_over(&replaced.predecessors, &replaced.flights, replaced.config.timeout);
    }

    /// The next attempt requests the issuer's metadata again, and looks for the endpoint and format again. Whether
    /// there was anything to forget.
    pub(super) fn begin_again(&self) -> bool {
        self.source.doubt_metadata();
        self.state.lock().begin_again()
    }

    /// Thousands of attempts may wait for the gate at once. So their steps are boxed: before and while it waits, an
    /// attempt takes no room for what it does later.
    async fn attempt(&self, reason: RefreshReason) -> Result<()> {
        let attempt = self.sync.attempt();
        if reason == RefreshReason::Start {
            return Box::pin(self.adopt_at_start(attempt)).await;
        }
        if Box::pin(self.finds_token(reason, attempt)).await? {
            return Ok(());
        }
        match self.gate.enter().await {
            Ok(pass) => Box::pin(self.request(reason, attempt, pass, None)).await,
            Err(error) => {
                self.note_failure(&error, attempt.started);
                Err(error)
            }
        }
    }

    /// Whether there is a token without a request: in the store, or by the service that this one replaced.
    async fn finds_token(&self, reason: RefreshReason, attempt: Attempt) -> Result<bool> {
        self.sync.adopt(attempt).await;
        if self.satisfies(reason, false) {
            return Ok(true);
        }
        if !self.predecessors.wait(&*self.clock).await {
            return Ok(false);
        }
        self.sync.adopt(attempt).await;
        if self.satisfies(reason, true) {
            return Ok(true);
        }
        // This service was itself replaced meanwhile.
        if self.state.lock().is_closed() { Err(Error::shutdown()) } else { Ok(false) }
    }

    /// Requests a token, if this process gets the lease. `lost` is the lease that it had.
    async fn request(
        &self,
        reason: RefreshReason,
        attempt: Attempt,
        pass: RequestPass,
        lost: Option<RefreshLease>,
    ) -> Result<()> {
        // The token was cleared meanwhile. A caller that still waits for one starts another attempt; the scheduler's look
        // must not bring the token back.
        if reason == RefreshReason::Due && self.state.lock().epoch() != attempt.epoch {
            return Ok(());
        }
        // Nothing was requested yet: a clearing that those looks found does not keep this attempt from a request.
        let attempt = Attempt { started: attempt.started, ..self.sync.attempt() };
        let (lease, pass) = match self.leases.take(reason, attempt, pass, lost).await {
            Ok(Some(taken)) => taken,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Shutdown => return Err(error),
            Err(error) => {
                self.note_failure(&error, attempt.started);
                self.share_rejection(&error).await;
                return Err(error);
            }
        };
        if let Err(error) = self.admit(reason).await {
            self.leases.release(lease).await;
            return Err(error);
        }
        // Held until the outcome is noted.
        let mut turn = None;
        let obtained = self.source.obtain(reason, &lease, attempt, &mut turn).await;
        pass.leave(obtained.as_ref().err());
        if obtained.is_err() && lease.is_lost() {
            // This process was frozen: it waits for the one that took over.
            drop(turn);
            return Box::pin(self.request(reason, attempt, self.gate.enter().await?, Some(lease))).await;
        }
        match obtained {
            Err(error) if error.kind() == ErrorKind::Shutdown => {
                self.leases.release(lease).await;
                return Err(error);
            }
            Ok(Some(token)) => self.keep(token, lease, attempt).await,
            Ok(None) => self.leases.release(lease).await,
            Err(error) => return Err(self.fail(error, lease, attempt).await),
        }
        Ok(())
    }

    /// The first attempt: adopts what is stored, and requests nothing.
    async fn adopt_at_start(&self, attempt: Attempt) -> Result<()> {
        if self.config.clear_on_start
            && let Err(error) = self.store.remove().await
        {
            self.observer.log_error(
                Level::Warn,
                "could not delete the stored token at the start (clearOnStart)",
                &error,
            );
        }
        self.sync.adopt(attempt).await;
        self.respect_stored_rejection(attempt.started).await;
        // The first look decides the salt; the derivation then runs while the first request is under way.
        let store = Arc::clone(&self.store);
        runtime::spawn(async move { store.warm_up().await }).map(drop)
    }

    /// A credential that was rejected before the start is not sent again, and the status says so from the start on.
    async fn respect_stored_rejection(&self, started: Timestamp) {
        let now = self.clock.now();
        // A refresh token is tried all the same.
        if !self.state.lock().held().is_none_or(|held| held.needs_login(now)) {
            return;
        }
        let Some(rejection) = self.credentials.last_rejection(now).await else { return };
        if let Some(wait) = rejection.cool_down(now) {
            self.state.lock().set_rejections(rejection.times);
            self.note_failure(&rejection.error(wait), started);
        }
    }

    fn satisfies(&self, reason: RefreshReason, by_another: bool) -> bool {
        self.state.lock().satisfies(reason, by_another, self.clock.now())
    }

    /// Holds the attempt to the configured rate.
    async fn admit(&self, reason: RefreshReason) -> Result<()> {
        let wait = self.state.lock().admit(reason, self.clock.now())?;
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// Revokes a token that is no longer held: [`TokenSource::revoke`].
    pub(super) async fn revoke(&self, tokens: &TokenSet) -> Result<()> {
        self.source.revoke(tokens).await
    }
}

impl Landing for Refresher {
    fn on_broken_off(&self, error: &Error) {
        self.note_failure(error, self.clock.now());
    }

    fn on_landed(&self) {
        self.observer.changed();
    }
}
