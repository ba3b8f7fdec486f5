//! What all replicas share, and each replica.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use tokio::time::Instant;

use super::books::{BookSink, Books, Who};
use super::clock::SimulatedClock;
use super::mix::Mix;
use super::network::ReplicaNetwork;
use super::server::{MARK, TokenNumber, TokenServer};
use super::trace::Trace;
use crate::clock::Clock;
use crate::config::{Config, SchedulerOptions};
use crate::domain::{ServiceName, Timestamp};
use crate::gate::Gate;
use crate::log::{Level, Log};
use crate::runtime::simulated::Process;
use crate::scheduler::Scheduler;
use crate::service::{Event, Listener, Parts, Registry, Schedule, Service, Snapshot};
use crate::store::tests::simulated_rows::{Abilities, SimulatedPlace};
use crate::sync::{Mutex, MutexGuard};

/// What goes wrong at present.
#[derive(Default)]
pub(super) struct Weather {
    /// Nothing goes wrong any more.
    pub(super) is_calm: bool,
    pub(super) is_store_down: bool,
    pub(super) is_server_down: bool,
    /// The replicas that do not reach the store.
    pub(super) cut_off: BTreeSet<usize>,
}

/// What all replicas share.
pub(super) struct World {
    pub(super) process: Arc<Process>,
    pub(super) mix: Mix,
    pub(super) trace: Arc<Trace>,
    pub(super) books: Arc<Books>,
    pub(super) server: TokenServer,
    pub(super) place: Arc<SimulatedPlace>,
    start: Instant,
    config: Config,
    rng: Mutex<Rng>,
    weather: Mutex<Weather>,
}

/// The time at the beginning.
fn epoch() -> Timestamp {
    Timestamp::from_second(1_800_000_000.0)
}

/// A lease lasts so much longer than a request.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn new(process: Arc<Process>, mix: Mix, rng: Rng, trace: Arc<Trace>) -> Arc<Self> {
        trace.begin();
        let config = Config::from_json(json!({
            "authUrl": "https://h/token",
            "clientId": "app",
            "clientSecret": format!("client-{MARK}"),
            "grant": "client_credentials",
            "clientAuthentication": "client_secret_post",
            "storage": { "kind": "custom" },
            "encryptionKey": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
            "timeoutMs": u64::try_from(mix.timeout.as_millis()).unwrap(),
            "retry": { "maxMs": 5000 },
            "rateLimit": { "attempts": 10_000, "perSeconds": 1 },
        }));
        let abilities = Abilities {
            clock: mix.place_has_clock.then_some(mix.skew),
            has_marks: mix.place_has_marks,
            notifies: mix.place_notifies,
        };
        let is_server_sound = !mix.server.are_any() && mix.events.server_outages == 0;
        let books = Books::new(Arc::clone(&trace), mix.timeout + LEASE_MARGIN, is_server_sound);
        Arc::new(Self {
            books: Arc::new(books),
            server: TokenServer::new(mix.lifetime, mix.ends_old_tokens),
            place: SimulatedPlace::new(&process, epoch(), abilities),
            start: Instant::now(),
            config: config.unwrap(),
            rng: Mutex::new(rng),
            weather: Mutex::default(),
            process,
            mix,
            trace,
        })
    }

    pub(super) fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn chance(&self, chance: f64) -> bool {
        chance > 0.0 && self.rng.lock().f64() < chance
    }

    pub(super) fn below(&self, most: usize) -> usize {
        self.rng.lock().usize(0..most)
    }

    /// A span between these milliseconds.
    pub(super) fn between(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.rng.lock().u64(least..=most))
    }
}

/// A machine, whose clock stays wrong when its replica is restarted.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    pub(super) number: usize,
    pub(super) ahead: i64,
    pub(super) lives: u32,
}

/// One life of a replica.
pub(super) struct Replica {
    pub(super) who: Who,
    pub(super) process: Arc<Process>,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) service: Arc<Service>,
    scheduler: Arc<Scheduler>,
    world: Arc<World>,
}

struct Deaf;

impl Listener for Deaf {
    fn on_event(&self, _: &Event) {}
}

impl Replica {
    pub(super) fn start(world: &Arc<World>, machine: Machine) -> Self {
        let who = Who { replica: machine.number, life: machine.lives };
        world.trace.write(format_args!("{who} starts, its clock {} s ahead", machine.ahead));
        let process = world.process.another();
        let clock = SimulatedClock::new(epoch().plus(world.elapsed()), world.between(0, 1_000_000));
        clock.step(machine.ahead);
        let clock = Arc::new(clock);
        let (service, scheduler) = process.enter(|| Self::parts(world, who, &process, &clock));
        Self { who, process, clock, service, scheduler, world: Arc::clone(world) }
    }

    fn parts(
        world: &Arc<World>,
        who: Who,
        process: &Arc<Process>,
        clock: &Arc<SimulatedClock>,
    ) -> (Arc<Service>, Arc<Scheduler>) {
        let network =
            Arc::new(ReplicaNetwork { who, process: Arc::clone(process), world: Arc::clone(world) });
        let sink = Arc::new(BookSink { who, books: Arc::clone(&world.books) });
        let schedule = Schedule { id: 1, changed: Arc::default() };
        let config = world.config.clone();
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let parts = Parts {
            clock: Arc::clone(&clock),
            transport: Arc::clone(&network) as _,
            listener: Arc::new(Deaf),
            log: Log::new(ServiceName::default(), Level::Debug, sink),
            store: Some(world.place.store(network, Arc::clone(&clock))),
            functions: None,
            schedule: schedule.clone(),
            credentials: Arc::default(),
            gate: Gate::new(config.max_concurrent_requests),
        };
        let service = Service::start(config, parts).unwrap();
        let registry = Arc::new(Registry::of(&service, &schedule));
        let scheduler = Scheduler::new(registry, clock);
        scheduler.keep_time().unwrap();
        if world.mix.runs_scheduler {
            let options = SchedulerOptions {
                refresh_interval: Duration::from_secs(20),
                health_check_interval: Duration::from_secs(30),
                ..SchedulerOptions::default()
            };
            scheduler.start(options).unwrap();
        }
        (service, scheduler)
    }

    /// Ends it, in the middle of what it does.
    pub(super) fn kill(self) {
        let Self { process, service, scheduler, .. } = self;
        process.kill();
        process.enter(|| drop((service, scheduler)));
    }

    /// A program asks for the token, calls the API with it, and once more with another one if it is refused.
    pub(super) fn call(&self) {
        self.in_process(|call| async move {
            let Some(snapshot) = call.acquire().await else { return };
            let is_accepted = number_of(&snapshot).is_some_and(|number| call.world.server.accepts(number));
            if !is_accepted && call.service.rejected(snapshot.generation).await.unwrap_or_default() {
                call.acquire().await;
            }
        });
    }

    /// The API refuses the token that there is.
    pub(super) fn refuse(&self) {
        self.in_process(|call| async move {
            let Some(snapshot) = call.acquire().await else { return };
            if call.service.rejected(snapshot.generation).await.unwrap_or_default() {
                call.acquire().await;
            }
        });
    }

    pub(super) fn refresh(&self) {
        self.in_process(|call| async move {
            let result = call.service.refresh().await;
            call.world.trace.write(format_args!("{} has refreshed: {:?}", call.who, result.is_ok()));
        });
    }

    pub(super) fn clear(&self) {
        self.in_process(|call| async move {
            let begin = Instant::now();
            let result = call.service.clear(false).await;
            call.world.trace.write(format_args!("{} has cleared: {:?}", call.who, result.is_ok()));
            if result.is_ok() {
                call.world.books.cleared(call.who, begin);
            }
        });
    }

    fn in_process<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Call) -> F) {
        let (who, world) = (self.who, Arc::clone(&self.world));
        let id = world.books.begin_call(who);
        let work = work(Call { who, service: Arc::clone(&self.service), world: Arc::clone(&world) });
        self.process.detach(async move {
            work.await;
            world.books.end_call(id);
        });
    }

    /// The token that it hands out at this moment.
    pub(super) fn token(&self) -> Option<TokenNumber> {
        self.process.enter(|| self.service.snapshot()).unwrap().as_ref().and_then(number_of)
    }
}

pub(super) fn number_of(snapshot: &Snapshot) -> Option<TokenNumber> {
    TokenNumber::read(snapshot.token.secret().expose())
}

/// What a program does with the service.
struct Call {
    who: Who,
    service: Arc<Service>,
    world: Arc<World>,
}

impl Call {
    async fn acquire(&self) -> Option<Snapshot> {
        let began = Instant::now();
        let snapshot = self.service.acquire().await.ok().flatten();
        let number = snapshot.as_ref().and_then(number_of);
        match number {
            Some(number) => self.world.books.handed_out(self.who, began, number),
            None => self.world.books.left_without_token(self.who, began),
        }
        snapshot
    }
}
