//! What a service takes of memory, counted by the allocator.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evertoken::clock::{Clock, SystemClock};
use evertoken::config::Config;
use evertoken::error::Result;
use evertoken::log::{Level, Log, LogLine, Sink};
use evertoken::scheduler::Scheduler;
use evertoken::service::{Event, Listener, Parts, Registry};
use evertoken::transport::{OriginGates, Request, Response, Transport};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const SERVICES: usize = 200;
const TOKEN_BYTES: usize = 1000;

struct TokenServer;

#[async_trait]
impl Transport for TokenServer {
    async fn send(&self, _: Request, _: Duration) -> Result<Response> {
        let body = json!({ "access_token": "t".repeat(TOKEN_BYTES), "expires_in": 3600 }).to_string();
        Ok(Response { status: 200, headers: HeaderMap::new(), body: body.into_bytes().into() })
    }
}

struct Unheard;

impl Listener for Unheard {
    fn on_event(&self, _: &Event) {}
}

impl Sink for Unheard {
    fn write_line(&self, _: LogLine) {}
}

/// The services of a process.
struct Process {
    registry: Arc<Registry>,
    gates: OriginGates,
    storage: Value,
    _scheduler: Arc<Scheduler>,
}

impl Process {
    fn new(storage: Value) -> Self {
        let registry = Arc::new(Registry::default());
        let scheduler = Scheduler::new(Arc::clone(&registry), Arc::new(SystemClock));
        scheduler.keep_time().unwrap();
        Self { registry, gates: OriginGates::default(), storage, _scheduler: scheduler }
    }

    fn start(&self, index: usize) -> u32 {
        let config = json!({
            "service": format!("tenant-{index}"), "authUrl": "https://login.example.com/token",
            "clientId": format!("client-{index}"), "clientSecret": format!("secret-{index}"), "storage": self.storage,
        });
        let config = Config::from_json(config).unwrap();
        let (name, gate) = (config.service.clone(), self.gates.get(&config));
        let started = self.registry.initialize(config, |schedule, credentials| {
            Ok(Parts {
                clock: Arc::new(SystemClock) as Arc<dyn Clock>,
                transport: Arc::new(TokenServer),
                listener: Arc::new(Unheard),
                log: Log::new(name, Level::Error, Arc::new(Unheard)),
                store: None,
                functions: None,
                schedule,
                credentials,
                gate,
            })
        });
        started.unwrap().id
    }

    async fn serve(&self, ids: &[u32]) {
        for id in ids {
            assert!(self.registry.get(*id).unwrap().acquire().await.unwrap().is_some());
        }
    }

    async fn shut_down(&self, ids: &[u32]) {
        for id in ids {
            self.registry.take(*id).unwrap().shutdown().await;
        }
    }
}

fn bytes() -> i64 {
    i64::try_from(dhat::HeapStats::get().curr_bytes).unwrap()
}

/// Waits until what runs in the background has ended.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_service_takes_eight_kilobytes_at_most_and_leaves_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let folder = tempfile::tempdir().unwrap();
    let per_service = |bytes: i64| bytes / i64::try_from(SERVICES).unwrap();
    for (storage, token_copies) in [
        (json!({ "kind": "memory" }), 2),
        (json!({ "kind": "file", "path": folder.path().join("token-cache.json") }), 1),
        (json!({ "kind": "sqlite", "path": folder.path().join("token-cache.db") }), 1),
    ] {
        let process = Process::new(storage.clone());
        let first = [process.start(SERVICES)];
        process.serve(&first).await;
        settle().await;
        let before = bytes();
        let ids: Vec<_> = (0..SERVICES).map(|index| process.start(index)).collect();
        settle().await;
        let without_token = per_service(bytes() - before);
        process.serve(&ids).await;
        settle().await;
        let with_token = per_service(bytes() - before);
        let tokens = token_copies * i64::try_from(TOKEN_BYTES).unwrap();
        assert!(without_token <= 7_000, "{storage}: {without_token} bytes without a token");
        assert!(with_token - tokens <= 8_000, "{storage}: {with_token} bytes with a token of {TOKEN_BYTES}");
        process.shut_down(&ids).await;
        settle().await;
        let after_one = bytes();
        // Tables keep their size, and nothing else is left.
        assert!(per_service(after_one - before) <= 400, "{storage}: {} bytes", after_one - before);
        let others: Vec<_> = (SERVICES + 1..=SERVICES * 2).map(|index| process.start(index)).collect();
        process.serve(&others).await;
        process.shut_down(&others).await;
        settle().await;
        let growth = per_service(bytes() - after_one);
        // Tables that double take some bytes; a service that is still held would take thousands.
        assert!(growth <= 150, "{storage}: {growth} bytes more for each service that has come and gone");
    }
}
