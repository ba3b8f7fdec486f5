//! The parts of a service, put together.

use std::sync::Arc;

use super::access::TokenAccess;
use super::observe::{Listener, Observer, Outlets, Schedule, Webhook};
use super::refresh::{KnownCredentials, Refresher, Signer, TokenClient};
use super::state::{SharedState, TokenState};
use super::store_sync::StoreSync;
use super::upkeep::Upkeep;
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::ClientKey;
use crate::error::Result;
use crate::functions::UserFunctions;
use crate::gate::Gate;
use crate::log::Log;
use crate::store::{Store, StoreClient};
use crate::sync::Mutex;
use crate::transport::Transport;

/// What a service is made of, besides its configuration.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way to the network.
    pub transport: Arc<dyn Transport>,
    /// Receives events.
    pub listener: Arc<dyn Listener>,
    /// Receives log lines.
    pub log: Log,
    /// The store of a configuration that says `External`.
    pub store: Option<Arc<dyn Store>>,
    /// The functions of a configuration that has some.
    pub functions: Option<Arc<dyn UserFunctions>>,
    /// How the scheduler learns of changes.
    pub schedule: Schedule,
    /// What all services of the process know about their credentials.
    pub credentials: Arc<KnownCredentials>,
    /// What the token requests of all services of one token server pass.
    pub gate: Arc<Gate>,
}

/// The parts of one service, which know each other.
pub(super) struct Rooms {
    pub(super) config: Arc<Config>,
    pub(super) state: SharedState,
    pub(super) sync: Arc<StoreSync>,
    pub(super) observer: Arc<Observer>,
    pub(super) signer: Arc<Signer>,
    pub(super) refresher: Arc<Refresher>,
    pub(super) access: TokenAccess,
    pub(super) upkeep: Upkeep,
}

impl Parts {
    /// The parts of a service. Nothing runs yet.
    pub(super) fn assemble(self, config: Config) -> Result<Rooms> {
        let Self { clock, transport, listener, log, store, functions, schedule, credentials, gate } = self;
        let client_key = config.credentials.private_key.clone().map(ClientKey::new).map(Arc::new);
        let store = Arc::new(StoreClient::new(&config, client_key.clone(), store)?);
        let state: SharedState = Arc::new(Mutex::new(TokenState::new(&config)));
        let config = Arc::new(config);
        let outlets =
            Outlets { listener, log, webhook: Webhook::configured(&config, &transport, &clock), schedule };
        let observer = Arc::new(Observer::new(
            Arc::clone(&config),
            Arc::clone(&clock),
            Arc::clone(&state),
            Arc::clone(&store),
            outlets,
        ));
        let sync = Arc::new(StoreSync::new(
            Arc::clone(&config),
            Arc::clone(&clock),
            Arc::clone(&state),
            Arc::clone(&store),
            Arc::clone(&observer),
        ));
        let signer = Arc::new(Signer::new(Arc::clone(&config), Arc::clone(&clock), client_key));
        let client = TokenClient {
            config: Arc::clone(&config),
            clock: Arc::clone(&clock),
            transport,
            state: Arc::clone(&state),
            observer: Arc::clone(&observer),
            signer: Arc::clone(&signer),
            functions,
        };
        let refresher = Arc::new(Refresher::new(client, store, Arc::clone(&sync), credentials, gate));
        let access = TokenAccess {
            config: Arc::clone(&config),
            clock: Arc::clone(&clock),
            state: Arc::clone(&state),
            refresher: Arc::clone(&refresher),
            observer: Arc::clone(&observer),
            signer: Arc::clone(&signer),
        };
        let upkeep = Upkeep {
            config: Arc::clone(&config),
            clock,
            state: Arc::clone(&state),
            sync: Arc::clone(&sync),
            refresher: Arc::clone(&refresher),
            observer: Arc::clone(&observer),
            last_phase: Mutex::default(),
        };
        Ok(Rooms { config, state, sync, observer, signer, refresher, access, upkeep })
    }
}
