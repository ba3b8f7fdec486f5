//! What there is once in a process, whichever copy of the JavaScript asks.

use std::env;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use super::outcome::parse;
use super::providers::{Providers, Reached};
use super::subscribers::{Announcer, Forward, Subscribers};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Storage};
use crate::domain::ServiceName;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log, Shape, Sink, Stderr};
use crate::scheduler::Scheduler;
use crate::service::{Initialized, Parts, Registry, Service, Status};
use crate::transport::HttpTransport;

/// The registry, the scheduler and who listens.
pub(super) struct Host {
    pub(super) registry: Arc<Registry>,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) subscribers: Subscribers,
    pub(super) providers: Providers,
    clock: Arc<dyn Clock>,
}

/// The host of this process.
pub(super) fn host() -> &'static Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| {
        let registry = Arc::new(Registry::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let scheduler = Scheduler::new(Arc::clone(&registry), Arc::clone(&clock));
        Host {
            registry,
            scheduler,
            subscribers: Subscribers::default(),
            providers: Providers::default(),
            clock,
        }
    });
    &HOST
}

/// What JavaScript hands over to begin a service.
#[derive(Deserialize)]
struct Beginning {
    config: Value,
    log: LogRequest,
}

#[derive(Deserialize)]
struct LogRequest {
    level: String,
    format: String,
    forward: bool,
}

impl LogRequest {
    fn log(&self, service: ServiceName, id: u32) -> Result<Log> {
        let shape = match self.format.as_str() {
            "text" => Shape::Text,
            "json" => Shape::Json,
            _ => return Err(Error::config("LOG_FORMAT", "must be text or json")),
        };
        let sink: Arc<dyn Sink> =
            if self.forward { Arc::new(Forward { id }) } else { Arc::new(Stderr::new(shape)) };
        Ok(Log::new(service, Level::parse(&self.level)?, sink))
    }
}

impl Host {
    pub(super) fn initialize(&self, request: &str, provider: Option<Reached>) -> Result<Initialized> {
        let beginning: Beginning = serde_json::from_value(parse(request)?)
            .map_err(|_| Error::new(ErrorKind::Internal, "a request could not be read"))?;
        let config = Config::from_json(beginning.config)?;
        let name = config.service.clone();
        let transport = HttpTransport::new(config.ca.clone())
            .trusting(env::var_os("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty()).map(Into::into))
            .presenting(config.credentials.client_certificate.clone());
        let mut reached = match (&config.storage, provider) {
            (Storage::Provided(kind), Some(provider)) => Some((*kind, provider)),
            _ => None,
        };
        let before = self.registry.find(Some(name.as_str()));
        let initialized = self.registry.initialize(config, |id, pulse: watch::Sender<u64>| {
            Ok(Parts {
                clock: Arc::clone(&self.clock),
                transport: Arc::new(transport),
                listener: Arc::new(Announcer { id }),
                log: beginning.log.log(name, id)?,
                store: reached.take().map(|(kind, provider)| self.providers.store(id, kind, provider)),
                pulse,
            })
        })?;
        if let Some(replaced) = before.filter(|before| *before != initialized.id) {
            self.subscribers.tell_ended(replaced);
        }
        Ok(initialized)
    }

    /// The service's status, with the scheduler's.
    pub(super) fn status(&self, service: &Service) -> Status {
        let mut status = service.status();
        status.scheduler = self.scheduler.status();
        if status.scheduler.running {
            status.scheduler.next_refresh_at = service.next_refresh();
        }
        status
    }
}
