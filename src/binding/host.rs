//! What exists once per process, even if several copies of the JavaScript are loaded.

use std::io::Write;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::callbacks::{CallbackRegistry, EnvCallback};
use super::outcome::parse;
use super::stores::{Provided, ProvidedStores};
use super::subscribers::{EventForwarder, LogForwarder, Subscribers};
use super::user_functions::ProvidedFunctions;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Origins, Storage};
use crate::domain::ServiceName;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, LineFormat, Log, Sink, Stderr};
use crate::scheduler::Scheduler;
use crate::service::{Initialized, Parts, Registry, Service, Status};
use crate::store;
use crate::transport::{Environment, OriginGates, Proxies, SharedTransports, prepare_resolver};

/// The registry, the scheduler and the subscribers.
pub(super) struct Host {
    pub(super) registry: Arc<Registry>,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) subscribers: Subscribers,
    pub(super) callbacks: CallbackRegistry,
    stores: ProvidedStores,
    functions: ProvidedFunctions,
    transports: SharedTransports,
    gates: OriginGates,
    clock: Arc<dyn Clock>,
}

/// The host of this process.
pub(super) fn host() -> &'static Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| {
        panic::set_hook(Box::new(report_panic));
        let registry = Arc::new(Registry::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let scheduler = Scheduler::new(Arc::clone(&registry), Arc::clone(&clock));
        Host {
            registry,
            scheduler,
            subscribers: Subscribers::default(),
            callbacks: CallbackRegistry::default(),
            stores: ProvidedStores::default(),
            functions: ProvidedFunctions::default(),
            transports: SharedTransports::default(),
            gates: OriginGates::default(),
            clock,
        }
    });
    &HOST
}

/// Prints the location of a panic; the failing call returns `ERR_TOKEN_INTERNAL`. Rust's default hook would
/// read the environment on the panicking thread and print the panic message, which may contain a secret. Only
/// this library uses the hook.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let place =
        panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(std::io::stderr(), "evertoken: internal error{place}");
}

/// The ways back into JavaScript that a service needs.
pub(super) struct Callbacks {
    /// To a store on its side.
    pub(super) provider: Option<EnvCallback>,
    /// To the functions of the configuration.
    pub(super) functions: Option<EnvCallback>,
}

/// What JavaScript passes to start a service.
#[derive(Deserialize)]
struct InitializeRequest {
    config: Value,
    /// The environment variables that the fields of `config` come from, by field.
    #[serde(default)]
    variables: Origins,
    log: LogRequest,
    environment: Environment,
    /// If the store is on its side.
    provided: Option<Provided>,
}

#[derive(Deserialize)]
struct LogRequest {
    level: String,
    format: String,
    forward: bool,
}

/// What JavaScript passes to look up a proxy.
#[derive(Deserialize)]
struct ProxyRequest {
    url: Url,
    environment: Environment,
}

/// The proxy for requests to a URL, and the variable that sets it.
pub(super) fn proxy(request: &str) -> Result<Value> {
    let ProxyRequest { url, environment } = read(request)?;
    match Proxies::of(&environment).for_url(&url) {
        Some(proxy) => Ok(json!({ "variable": proxy.variable(), "url": proxy.origin()? })),
        None => Ok(Value::Null),
    }
}

fn read<T: for<'de> Deserialize<'de>>(request: &str) -> Result<T> {
    serde_json::from_value(parse(request)?)
        .map_err(|_| Error::new(ErrorKind::Internal, "could not read a request from JavaScript"))
}

impl LogRequest {
    fn log(&self, service: ServiceName, id: u32, subscribers: &'static Subscribers) -> Result<Log> {
        let format = match self.format.as_str() {
            "text" => LineFormat::Text,
            "json" => LineFormat::Json,
            _ => return Err(Error::config("LOG_FORMAT", "must be text or json")),
        };
        let sink: Arc<dyn Sink> = if self.forward {
            Arc::new(LogForwarder { id, subscribers })
        } else {
            Arc::new(Stderr::new(format))
        };
        Ok(Log::new(service, Level::parse(&self.level)?, sink))
    }
}

impl Host {
    pub(super) fn initialize(&'static self, request: &str, callbacks: Callbacks) -> Result<Initialized> {
        // Must run on this thread, the one that may change the environment, and not at the first lookup.
        prepare_resolver();
        let request: InitializeRequest = read(request)?;
        let config = Config::from_json_and_variables(request.config, request.variables)?;
        let name = config.service.clone();
        let certificate = config.credentials.client_certificate.as_ref();
        let transport = self.transports.get(&config.ca, &request.environment, certificate);
        let gate = self.gates.get(&config);
        let mut external = match (&config.storage, request.provided, callbacks.provider) {
            (Storage::External(kind), Some(store), Some(provider)) => Some((kind.clone(), store, provider)),
            _ => None,
        };
        let mut functions = callbacks.functions;
        let mut on_server = store::on_server(&config, &request.environment);
        let initialized = self.registry.initialize(config, |schedule, credentials| {
            let id = schedule.id;
            Ok(Parts {
                clock: Arc::clone(&self.clock),
                transport,
                listener: Arc::new(EventForwarder {
                    id,
                    subscribers: &self.subscribers,
                    scheduler: Arc::clone(&self.scheduler),
                }),
                log: request.log.log(name, id, &self.subscribers)?,
                store: external
                    .take()
                    .map(|(kind, provided, provider)| {
                        self.stores.get(&self.callbacks, id, &kind, provided, provider)
                    })
                    .or_else(|| on_server.take()),
                functions: functions.take().map(|newest| self.functions.get(&self.callbacks, id, newest)),
                schedule,
                credentials,
                gate,
            })
        })?;
        self.scheduler.keep_time()?;
        if let Some(replaced) = initialized.replaced {
            self.subscribers.notify_ended(replaced);
        }
        Ok(initialized)
    }

    /// The service's status, including the scheduler's.
    pub(super) fn status(&self, service: &Service) -> Status {
        self.scheduler.complete(service.status())
    }
}
