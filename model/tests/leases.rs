//! Explores the protocol: with all its rules nothing goes wrong, and without one of them something does.

#![expect(clippy::print_stdout, reason = "the number of states is a result")]

use std::time::Instant;

use evertoken_model::{Bounds, LeaseClock, LeaseModel, Rules, State, representative};
use stateright::{Checker, HasDiscoveries, Model};

/// Visits every state, and says how many there are.
fn holds(what: &str, bounds: Bounds) {
    #[expect(clippy::disallowed_methods, reason = "how long it takes is a result")]
    let begin = Instant::now();
    let replicas = bounds.replicas;
    let clock = bounds.clock;
    let model = LeaseModel { bounds, rules: Rules::all() };
    let checker = model
        .checker()
        .symmetry_fn(representative)
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_dfs()
        .join();
    println!(
        "model: {replicas} replicas, {what}, {clock:?}: {} states, {:.1} s",
        checker.unique_state_count(),
        begin.elapsed().as_secs_f64()
    );
    checker.assert_properties();
}

#[test]
fn two() {
    for clock in [LeaseClock::Place, LeaseClock::Observation] {
        holds("crash", Bounds { crashes: 1, ..Bounds::new(2, clock) });
        holds("failure", Bounds { failures: 1, ..Bounds::new(2, clock) });
        holds("lost", Bounds { lost_answers: 1, ..Bounds::new(2, clock) });
        holds("clear", Bounds { clears: true, starts_empty: true, ..Bounds::new(2, clock) });
    }
}

#[test]
fn two_all() {
    for clock in [LeaseClock::Place, LeaseClock::Observation] {
        let all = Bounds { crashes: 1, failures: 1, lost_answers: 1, clears: true, starts_empty: true, ..Bounds::new(2, clock) };
        holds("all", all);
    }
}

#[test]
fn three() {
    for clock in [LeaseClock::Place, LeaseClock::Observation] {
        holds("none", Bounds { ..Bounds::new(3, clock) });
        holds("crash", Bounds { crashes: 1, ..Bounds::new(3, clock) });
        holds("failure", Bounds { failures: 1, ..Bounds::new(3, clock) });
        holds("lost", Bounds { lost_answers: 1, ..Bounds::new(3, clock) });
        holds("clear", Bounds { clears: true, ..Bounds::new(3, clock) });
    }
}

fn broken(what: &str, bounds: Bounds, rules: Rules) {
    let model = LeaseModel { bounds, rules };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    println!("{what}: {} states", checker.unique_state_count());
    for (name, path) in found {
        let actions: Vec<_> = path.clone().into_vec().into_iter().map(|(s, a): (State, _)| {
            let steps: Vec<_> = s.replicas.iter().map(|r| format!("{:?}/{}", r.step, r.left)).collect();
            format!("{:?} {:?} {} -> {a:?}\n", s.record, s.lease, steps.join(" | "))
        }).collect();
        println!("  {name}: {}\n{}", actions.len() - 1, actions.concat());
    }
}

#[test]
fn mutants() {
    let all = Rules::all();
    let clear = |n| Bounds { clears: true, ..Bounds::new(n, LeaseClock::Place) };
    let fail = Bounds { failures: 1, ..Bounds::new(2, LeaseClock::Place) };
    broken("removes_inside", clear(2), Rules { removes_inside: false, ..all.clone() });
    broken("keeps_lease", fail.clone(), Rules { keeps_lease_until_saved: false, ..all.clone() });
    broken("sees_after", Bounds::new(2, LeaseClock::Observation), Rules { sees_after_the_look: false, ..all.clone() });
}
