//! What there is once in a process, whichever copy of the JavaScript asks.

use std::io::Write;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::callbacks::{CallbackRegistry, EnvCallback};
use super::outcome::parse;
use super::subscribers::{Announcer, Forward, Subscribers};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Origins, Storage};
use crate::domain::ServiceName;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, LineFormat, Log, Sink, Stderr};
use crate::scheduler::Scheduler;
use crate::service::{Initialized, Parts, Registry, Service, Status};
use crate::transport::{Environment, HttpTransport, Proxies, prepare_resolver};

/// The registry, the scheduler and who listens.
pub(super) struct Host {
    pub(super) registry: Arc<Registry>,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) subscribers: Subscribers,
    pub(super) callbacks: CallbackRegistry,
    clock: Arc<dyn Clock>,
}

/// The host of this process.
pub(super) fn host() -> &'static Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| {
        panic::set_hook(Box::new(report));
        let registry = Arc::new(Registry::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let scheduler = Scheduler::new(Arc::clone(&registry), Arc::clone(&clock));
        Host {
            registry,
            scheduler,
            subscribers: Subscribers::default(),
            callbacks: CallbackRegistry::default(),
            clock,
        }
    });
    &HOST
}

/// Says where a fault of evertoken itself is; the call that met it fails with `ERR_TOKEN_INTERNAL`. The hook that it
/// replaces is this library's alone, reads the environment on the thread at fault, and tells what was being handled.
fn report(panic: &PanicHookInfo<'_>) {
    let place =
        panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    // Nobody is left to tell where this fails, too.
    let _ = writeln!(std::io::stderr(), "evertoken: a fault of evertoken itself{place}");
}

/// What JavaScript hands over to begin a service.
#[derive(Deserialize)]
struct InitializeRequest {
    config: Value,
    /// The environment variables that fields of `config` come from, by field.
    #[serde(default)]
    variables: Origins,
    log: LogRequest,
    environment: Environment,
}

#[derive(Deserialize)]
struct LogRequest {
    level: String,
    format: String,
    forward: bool,
}

/// What JavaScript asks about a proxy.
#[derive(Deserialize)]
struct ProxyRequest {
    url: Url,
    environment: Environment,
}

/// The variable that names the proxy of requests to a URL, and where it is.
pub(super) fn proxy(request: &str) -> Result<Value> {
    let ProxyRequest { url, environment } = read(request)?;
    match Proxies::of(&environment).for_url(&url) {
        Some(proxy) => Ok(json!({ "variable": proxy.variable(), "url": proxy.origin()? })),
        None => Ok(Value::Null),
    }
}

fn read<T: for<'de> Deserialize<'de>>(request: &str) -> Result<T> {
    serde_json::from_value(parse(request)?)
        .map_err(|_| Error::new(ErrorKind::Internal, "a request could not be read"))
}

impl LogRequest {
    fn log(&self, service: ServiceName, id: u32) -> Result<Log> {
        let shape = match self.format.as_str() {
            "text" => LineFormat::Text,
            "json" => LineFormat::Json,
            _ => return Err(Error::config("LOG_FORMAT", "must be text or json")),
        };
        let sink: Arc<dyn Sink> =
            if self.forward { Arc::new(Forward { id }) } else { Arc::new(Stderr::new(shape)) };
        Ok(Log::new(service, Level::parse(&self.level)?, sink))
    }
}

impl Host {
    pub(super) fn initialize(&self, request: &str, provider: Option<EnvCallback>) -> Result<Initialized> {
        // Here, and not at the first lookup: this is the thread that may change the environment.
        prepare_resolver();
        let beginning: InitializeRequest = read(request)?;
        let config = Config::from_json_and_variables(beginning.config, beginning.variables)?;
        let name = config.service.clone();
        let transport = HttpTransport::new(config.ca.clone())
            .with_environment(&beginning.environment)
            .with_client_certificate(config.credentials.client_certificate.clone());
        let mut reached = match (&config.storage, provider) {
            (Storage::External(kind), Some(provider)) => Some((*kind, provider)),
            _ => None,
        };
        let initialized = self.registry.initialize(config, |schedule, credentials| {
            let id = schedule.id;
            Ok(Parts {
                clock: Arc::clone(&self.clock),
                transport: Arc::new(transport),
                listener: Arc::new(Announcer { id }),
                log: beginning.log.log(name, id)?,
                store: reached.take().map(|(kind, provider)| self.callbacks.store(id, kind, provider)),
                schedule,
                credentials,
            })
        })?;
        self.scheduler.keep_time()?;
        if let Some(replaced) = initialized.replaced {
            self.subscribers.notify_ended(replaced);
        }
        Ok(initialized)
    }

    /// The service's status, with the scheduler's.
    pub(super) fn status(&self, service: &Service) -> Status {
        let mut status = service.status();
        status.scheduler = self.scheduler.status();
        if status.scheduler.running {
            status.scheduler.next_refresh_at = service.upkeep().next_refresh();
        }
        status
    }
}
