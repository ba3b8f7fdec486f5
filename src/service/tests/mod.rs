//! Outcomes of a service, with a scripted server and a clock that stands still.
#![expect(clippy::disallowed_methods, reason = "a test has a runtime of its own")]

use std::collections::VecDeque;
use std::sync::Mutex as StdMutex;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use zeroize::Zeroizing;

mod assertions;
mod clearing;
mod discovery;
mod dpop;
mod failed_refresh;
mod failures;
mod fields;
mod frozen;
mod life;
mod login_function;
mod many;
mod parameters;
mod refused_refresh;
mod rejections;
mod replicas;
mod scripted_store;
mod sick_store;
mod simulation;
mod webhook;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::domain::{Secret, ServiceName, Timestamp, TokenPhase};
use crate::error::{Error, ErrorKind};
use crate::functions::UserFunctions;
use crate::gate::Gate;
use crate::log::{LogLine, Sink};
use crate::scheduler::Scheduler;
use crate::service::state::Outcome;
use crate::store::Store;
use crate::transport::Transport;
use crate::transport::{Body, Method, Request, Response};

/// A token server that responds by a script, and waits where the test says so.
struct Server {
    answers: StdMutex<VecDeque<Script>>,
    asked: StdMutex<Vec<String>>,
    /// The proof of each request, where it had one.
    proofs: StdMutex<Vec<Option<Secret>>>,
    /// What was posted to `/hook`, and how it is answered: 200 where nothing is said.
    hooked: StdMutex<Vec<Value>>,
    hook_answers: StdMutex<VecDeque<u16>>,
    /// A request is answered once there is a permit.
    gate: Semaphore,
    arrived: Notify,
}

#[derive(Clone)]
enum Script {
    Http(u16, Value, Option<&'static str>),
    /// With headers.
    Headed(u16, Value, Vec<(&'static str, String)>),
    Error(ErrorKind),
    /// The request never leaves.
    Unsent,
    Panic,
}

fn token(name: &str, expires_in: u64) -> Script {
    Script::Http(200, json!({ "access_token": name, "expires_in": expires_in }), None)
}

fn rotating(name: &str, refresh_token: &str) -> Script {
    Script::Http(
        200,
        json!({ "access_token": name, "expires_in": 3600, "refresh_token": refresh_token }),
        None,
    )
}

fn refusal(status: u16, error: &str) -> Script {
    Script::Http(status, json!({ "error": error }), None)
}

impl Server {
    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn asked(&self, index: usize) -> String {
        self.asked.lock().unwrap()[index].clone()
    }
}

#[async_trait]
impl Transport for Server {
    async fn send(&self, request: Request, _: Duration) -> Result<Response> {
        let text = match &request.body {
            Body::Form(text) | Body::Json(text) => text.expose().to_owned(),
            Body::Empty if request.method == Method::GET => format!("GET {}", request.url.path()),
            Body::Empty => String::new(),
        };
        if request.url.path() == "/hook" {
            self.hooked.lock().unwrap().push(serde_json::from_str(&text).unwrap());
            let status = self.hook_answers.lock().unwrap().pop_front().unwrap_or(200);
            return Ok(Response { status, headers: HeaderMap::new(), body: Zeroizing::default() });
        }
        self.asked.lock().unwrap().push(text);
        let proof = request.headers.iter().find(|(name, _)| name == "dpop").map(|(_, value)| value.clone());
        self.proofs.lock().unwrap().push(proof);
        self.arrived.notify_waiters();
        self.gate.acquire().await.unwrap().forget();
        self.gate.add_permits(1);
        let answer = self.answers.lock().unwrap().pop_front().expect("a request beyond the script");
        match answer {
            Script::Http(status, body, retry_after) => {
                let mut headers = HeaderMap::new();
                if let Some(wait) = retry_after {
                    headers.insert("retry-after", HeaderValue::from_static(wait));
                }
                Ok(Response { status, headers, body: Zeroizing::new(body.to_string().into_bytes()) })
            }
            Script::Headed(status, body, list) => {
                let mut headers = HeaderMap::new();
                for (name, value) in list {
                    headers.insert(name, HeaderValue::from_str(&value).unwrap());
                }
                Ok(Response { status, headers, body: Zeroizing::new(body.to_string().into_bytes()) })
            }
            Script::Error(kind) => Err(Error::new(kind, "scripted")),
            Script::Unsent => Err(Error::new(ErrorKind::Network, "scripted").unsent()),
            Script::Panic => panic!("scripted"),
        }
    }
}

/// Hears events; the clock moves on by a second at each new token, where the test gives one.
#[derive(Default)]
struct RecordingListener {
    heard: StdMutex<Vec<EventKind>>,
    clock: StdMutex<Option<Arc<ManualClock>>>,
}

impl Listener for RecordingListener {
    fn on_event(&self, event: &Event) {
        self.heard.lock().unwrap().push(event.kind);
        if let (EventKind::Refreshed, Some(clock)) = (event.kind, &*self.clock.lock().unwrap()) {
            clock.advance(Duration::from_secs(1));
        }
    }
}

struct NullSink;

impl Sink for NullSink {
    fn write_line(&self, _: LogLine) {}
}

/// What the services of one process share.
type Credentials = Arc<KnownCredentials>;

struct TestService {
    service: Arc<Service>,
    server: Arc<Server>,
    clock: Arc<ManualClock>,
    listener: Arc<RecordingListener>,
    /// What its token requests pass.
    gate: Arc<Gate>,
    /// Keeps time for the service as long as the test runs.
    #[expect(dead_code, reason = "its loop ends when it is dropped")]
    scheduler: Arc<Scheduler>,
}

impl TestService {
    fn with(extra: &Value, answers: impl IntoIterator<Item = Script>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000.0)));
        Self::at(extra, answers, clock, None)
    }

    fn at(
        extra: &Value,
        answers: impl IntoIterator<Item = Script>,
        clock: Arc<ManualClock>,
        store: Option<Arc<dyn Store>>,
    ) -> Self {
        Self::sharing(Credentials::default(), extra, answers, clock, store)
    }

    /// With what the services of one process know about their credentials.
    fn sharing(
        credentials: Credentials,
        extra: &Value,
        answers: impl IntoIterator<Item = Script>,
        clock: Arc<ManualClock>,
        store: Option<Arc<dyn Store>>,
    ) -> Self {
        Self::assemble(credentials, extra, answers, clock, store, None)
    }

    /// Whose configuration has functions.
    fn calling(extra: &Value, functions: Arc<dyn UserFunctions>, store: Option<Arc<dyn Store>>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000.0)));
        Self::assemble(Credentials::default(), extra, [], clock, store, Some(functions))
    }

    fn assemble(
        credentials: Credentials,
        extra: &Value,
        answers: impl IntoIterator<Item = Script>,
        clock: Arc<ManualClock>,
        store: Option<Arc<dyn Store>>,
        functions: Option<Arc<dyn UserFunctions>>,
    ) -> Self {
        let mut config = json!({
            "authUrl": "https://h/token", "clientId": "app", "clientSecret": "s3cret", "storage": { "kind": "memory" },
        });
        for (key, value) in extra.as_object().unwrap() {
            config[key] = value.clone();
        }
        config.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let server = Arc::new(Server {
            answers: StdMutex::new(answers.into_iter().collect()),
            asked: StdMutex::default(),
            proofs: StdMutex::default(),
            hooked: StdMutex::default(),
            hook_answers: StdMutex::default(),
            gate: Semaphore::new(1),
            arrived: Notify::new(),
        });
        let listener = Arc::new(RecordingListener::default());
        let config = Config::from_json(config).unwrap();
        let gate = Gate::new(config.max_concurrent_requests);
        let schedule = Schedule { id: 1, changed: Arc::default() };
        let parts = Parts {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            transport: Arc::clone(&server) as Arc<dyn Transport>,
            listener: Arc::clone(&listener) as Arc<dyn Listener>,
            log: Log::new(ServiceName::default(), Level::Error, Arc::new(NullSink)),
            schedule: schedule.clone(),
            credentials,
            gate: Arc::clone(&gate),
            store,
            functions,
        };
        let service = Service::start(config, parts).unwrap();
        let registry = Arc::new(Registry::of(&service, &schedule));
        let scheduler = Scheduler::new(registry, Arc::clone(&clock) as Arc<dyn Clock>);
        scheduler.keep_time().unwrap();
        Self { service, server, clock, listener, gate, scheduler }
    }

    async fn token(&self) -> Option<String> {
        self.service.acquire().await.unwrap().map(|snapshot| snapshot.token.secret().expose().to_owned())
    }

    /// What a caller gets without waiting.
    fn at_once(&self) -> Option<String> {
        self.service.snapshot().unwrap().map(|snapshot| snapshot.token.secret().expose().to_owned())
    }

    /// Waits until the flight under way, if any, has landed.
    async fn landed(&self) {
        self.service.wait_for_flight().await;
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn heard(&self, kind: EventKind) -> usize {
        self.listener.heard.lock().unwrap().iter().filter(|heard| **heard == kind).count()
    }
}

fn test_service(answers: impl IntoIterator<Item = Script>) -> TestService {
    TestService::with(&json!({}), answers)
}
