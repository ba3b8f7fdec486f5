//! Many replicas of one service, and nothing that goes wrong: what they cost the token server and the store.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::mix::Mix;
use super::server::TokenNumber;
use super::trace::Trace;
use super::world::{Machine, Replica, World};
use crate::runtime::simulated::{self, sleep};

/// How often it is looked whether all have a token.
const STEP: Duration = Duration::from_millis(20);

/// What one phase took.
struct Phase {
    name: &'static str,
    requests: u32,
    adopted: Duration,
    operations: Vec<u32>,
}

/// What `count` replicas cost, with looks and with notices.
pub(super) fn report(count: usize) -> String {
    let mut text = String::new();
    for notifies in [false, true] {
        let way = if notifies { "notices" } else { "looks every 2 s" };
        writeln!(text, "\n{count} replicas, {way}:").unwrap();
        for phase in run(count, notifies) {
            let seconds = phase.operations.len().max(1);
            let total: u32 = phase.operations.iter().sum();
            writeln!(
                text,
                "  {}: {} requests to the token server; all have the token after {:.2} s; operations of the store: \
                 {total} in {seconds} s, at most {} in a second",
                phase.name,
                phase.requests,
                phase.adopted.as_secs_f64(),
                phase.operations.iter().max().unwrap_or(&0),
            )
            .unwrap();
        }
    }
    text
}

fn run(count: usize, notifies: bool) -> Vec<Phase> {
    simulated::run(7, move |process| async move {
        let mix = Mix::sound(count, notifies);
        let world = World::new(process, mix, Rng::with_seed(7), Arc::new(Trace::new(false)));
        world.weather().is_calm = true;
        let machine = |number| Machine { number, ahead: 0, lives: 0 };
        let replicas: Vec<_> = (0..count).map(|number| Replica::start(&world, machine(number))).collect();
        let fleet = Fleet { world, replicas };
        let first = TokenNumber { family: 1, refresh: 0 };
        let cold = fleet.phase("a cold start", first, || fleet.replicas.iter().for_each(Replica::call)).await;
        sleep(Duration::from_secs(10)).await;
        let next = TokenNumber { refresh: 1, ..first };
        let refresh = fleet.phase("a refresh", next, || fleet.replicas[0].refresh()).await;
        let idle = fleet.phase("ten idle seconds", next, || {}).await;
        fleet.replicas.into_iter().for_each(Replica::kill);
        fleet.world.place.close();
        vec![cold, refresh, idle]
    })
}

struct Fleet {
    world: Arc<World>,
    replicas: Vec<Replica>,
}

impl Fleet {
    /// Does something, and waits until all hold the token that comes of it, and ten seconds.
    async fn phase(&self, name: &'static str, token: TokenNumber, begin: impl FnOnce()) -> Phase {
        self.world.place.take_operations();
        let (start, before) = (Instant::now(), self.world.server.requests());
        begin();
        while self.replicas.iter().any(|replica| replica.token() != Some(token)) {
            assert!(start.elapsed() < Duration::from_secs(120), "not all replicas have the token {token}");
            sleep(STEP).await;
        }
        let adopted = start.elapsed();
        sleep(Duration::from_secs(10).saturating_sub(adopted)).await;
        let mut by_second = BTreeMap::<_, u32>::new();
        for at in self.world.place.take_operations() {
            *by_second.entry(at.duration_since(start).as_secs()).or_default() += 1;
        }
        let requests = self.world.server.requests() - before;
        Phase { name, requests, adopted, operations: by_second.into_values().collect() }
    }
}

#[test]
fn hundred_replicas_make_one_request_and_then_one_more() {
    for notifies in [false, true] {
        let phases = run(100, notifies);
        let requests: Vec<_> = phases.iter().map(|phase| phase.requests).collect();
        assert_eq!(requests, [1, 1, 0]);
        let within = if notifies { 1.0 } else { 3.0 };
        assert!(phases[1].adopted.as_secs_f64() <= within, "{:?}", phases[1].adopted);
    }
}
