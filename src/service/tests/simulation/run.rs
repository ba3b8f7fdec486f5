//! One run: the schedule of a seed, then quiet, then a look at what has become of it all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::books::Trouble;
use super::mix::Mix;
use super::schedule::{Action, Schedule};
use super::trace::Trace;
use super::world::{Machine, Replica, World};
use crate::runtime::simulated::{self, Process, sleep};

/// What is slow, late or waiting for a lease or a pause ends within this time.
const SETTLES_WITHIN: Duration = Duration::from_secs(45);

/// Two looks at the store: how long all replicas take to notice a new token.
const QUIET: Duration = Duration::from_secs(4);

/// What a run found, and what happened in it.
pub(super) struct Outcome {
    pub(super) violations: Vec<String>,
    pub(super) lines: Vec<String>,
}

/// Runs the schedule of a seed. With `is_traced`, the outcome has its lines.
pub(super) fn run(seed: u64, is_traced: bool) -> Outcome {
    let trace = Arc::new(Trace::new(is_traced));
    let traced = Arc::clone(&trace);
    let run = || simulated::run(seed, |process| simulate(process, seed, traced));
    let violations = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        vec![format!("a panic: {}", text.unwrap_or_default())]
    });
    Outcome { violations, lines: trace.take() }
}

async fn simulate(process: Arc<Process>, seed: u64, trace: Arc<Trace>) -> Vec<String> {
    let mut rng = Rng::with_seed(seed);
    let mix = Mix::of(&mut rng);
    let schedule = Schedule::of(&mix, &mut rng);
    let world = World::new(process, mix, rng, trace);
    world.trace.write(format_args!("{:?}", world.mix));
    let mut run = Run::start(world, schedule);
    run.play().await;
    run.heal();
    run.check().await;
    run.end()
}

struct Run {
    world: Arc<World>,
    schedule: Schedule,
    machines: Vec<Machine>,
    /// None while it is down.
    replicas: Vec<Option<Replica>>,
    frozen: Vec<bool>,
}

impl Run {
    fn start(world: Arc<World>, schedule: Schedule) -> Self {
        let skew = i64::try_from(world.mix.skew.as_secs()).unwrap();
        let ahead = |_| world.below(usize::try_from(skew + 1).unwrap());
        let machine = |number| {
            let ahead = i64::try_from(ahead(number)).unwrap() - skew / 2;
            Machine { number, ahead, lives: 0 }
        };
        let machines: Vec<_> = (0..world.mix.replicas).map(machine).collect();
        let replicas = machines.iter().map(|machine| Some(Replica::start(&world, *machine))).collect();
        let frozen = vec![false; machines.len()];
        Self { world, schedule, machines, replicas, frozen }
    }

    /// All that is planned happens.
    async fn play(&mut self) {
        while let Some((at, action)) = self.schedule.next() {
            sleep(at.saturating_sub(self.world.elapsed())).await;
            if !matches!(action, Action::Call(_)) {
                self.world.trace.write(format_args!("-- {action:?}"));
            }
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Call(replica) => self.with(replica, Replica::call),
            Action::Refresh(replica) => self.with(replica, Replica::refresh),
            Action::Clear(replica) => {
                // One that is under way then is made in vain.
                self.world.books.excuse_login();
                self.world.books.excuse_login();
                self.with(replica, Replica::clear);
            }
            Action::Refuse(replica) => self.with(replica, Replica::refuse),
            Action::Crash(replica, span) => self.crash(replica, span),
            Action::Restart(replica) => self.restart(replica),
            Action::Freeze(replica, span) => self.freeze(replica, span),
            Action::Thaw(replica) => self.thaw(replica),
            Action::Step(replica, seconds) => {
                self.machines[replica].ahead += seconds;
                self.with(replica, |replica| replica.clock.step(seconds));
            }
            Action::CutOff(..) | Action::Join(_) | Action::StoreDown(_) | Action::StoreUp => {
                self.change_store(action);
            }
            Action::Lose(span) => {
                self.world.books.trouble(None, Trouble::Loss);
                match span {
                    Some(span) => self.world.place.lose_since(span),
                    None => self.world.place.lose_all(),
                }
            }
            Action::ServerDown(span) => {
                self.world.weather().is_server_down = true;
                self.later(span, Action::ServerUp);
            }
            Action::ServerUp => self.world.weather().is_server_down = false,
        }
    }

    fn change_store(&mut self, action: Action) {
        match action {
            Action::CutOff(replica, span) => {
                self.world.weather().cut_off.insert(replica);
                self.later(span, Action::Join(replica));
            }
            Action::Join(replica) => {
                self.world.weather().cut_off.remove(&replica);
            }
            Action::StoreDown(span) => {
                self.world.weather().is_store_down = true;
                self.later(span, Action::StoreUp);
            }
            _ => self.world.weather().is_store_down = false,
        }
    }

    fn later(&mut self, span: Duration, action: Action) {
        self.schedule.add(self.world.elapsed() + span, action);
    }

    fn with(&self, replica: usize, work: impl FnOnce(&Replica)) {
        if let Some(replica) = &self.replicas[replica] {
            work(replica);
        }
    }

    fn crash(&mut self, replica: usize, span: Duration) {
        let Some(killed) = self.replicas[replica].take() else { return };
        self.world.books.trouble(Some(killed.who), Trouble::Crash);
        self.frozen[replica] = false;
        killed.kill();
        self.later(span, Action::Restart(replica));
    }

    fn restart(&mut self, replica: usize) {
        self.machines[replica].lives += 1;
        self.replicas[replica] = Some(Replica::start(&self.world, self.machines[replica]));
    }

    fn freeze(&mut self, replica: usize, span: Duration) {
        if self.frozen[replica] {
            return;
        }
        let Some(frozen) = &self.replicas[replica] else { return };
        self.world.books.trouble(Some(frozen.who), Trouble::Pause(span));
        frozen.process.freeze();
        self.frozen[replica] = true;
        self.later(span, Action::Thaw(replica));
    }

    fn thaw(&mut self, replica: usize) {
        if std::mem::take(&mut self.frozen[replica]) {
            self.with(replica, |replica| replica.process.thaw());
        }
    }

    /// Nothing goes wrong from now on. Tokens live long, so that none is refreshed during the checks.
    fn heal(&self) {
        self.world.trace.write(format_args!("-- all is well"));
        self.world.weather().is_calm = true;
        self.world.server.set_lifetime(Duration::from_secs(3600));
    }

    async fn check(&self) {
        sleep(SETTLES_WITHIN).await;
        let books = &self.world.books;
        books.check_calls();
        books.check_logins(self.world.server.logins());
        let one = self.world.below(self.replicas.len());
        self.with(one, Replica::refresh);
        self.replicas.iter().flatten().for_each(Replica::call);
        // The lease of a holder that ended long ago may not have been looked at since.
        let patience = self.world.mix.timeout * 2 + SETTLES_WITHIN;
        let begin = self.world.elapsed();
        while books.has_open_calls() && self.world.elapsed() < begin + patience {
            sleep(Duration::from_millis(100)).await;
        }
        books.check_calls();
        sleep(QUIET).await;
        let tokens: Vec<_> = self.replicas.iter().flatten().map(Replica::token).collect();
        let is_good = |number: &Option<_>| number.is_some_and(|number| self.world.server.accepts(number));
        if !tokens.iter().all(is_good) || tokens.iter().any(|token| *token != tokens[0]) {
            let tokens: Vec<_> =
                tokens.iter().map(|token| token.map_or("none".into(), |t| t.to_string())).collect();
            books.violation(format!("in the end the replicas hold the tokens {}", tokens.join(", ")));
        }
    }

    fn end(self) -> Vec<String> {
        let violations = self.world.books.violations();
        self.replicas.into_iter().flatten().for_each(Replica::kill);
        self.world.place.close();
        violations
    }
}
