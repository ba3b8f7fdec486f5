//! Explores the protocol: with all its rules, nothing goes wrong.

#![expect(clippy::print_stdout, reason = "the number of states is a result")]

use std::time::Instant;

use evertoken_model::{Action, Bounds, LeaseClock, LeaseModel, Outcome, Record, Rules, Step, representative};
use stateright::{Checker, HasDiscoveries, Model};

const BOTH: [LeaseClock; 2] = [LeaseClock::Place, LeaseClock::Observation];

/// Visits every state, and says how many there are.
fn assert_holds(what: &str, bounds: &[Bounds]) {
    #[expect(clippy::disallowed_methods, reason = "how long it takes is a result")]
    let begin = Instant::now();
    let mut states = 0;
    for bounds in bounds {
        let checker = LeaseModel { bounds: bounds.clone(), rules: Rules::all() }
            .checker()
            .symmetry_fn(representative)
            .threads(2)
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_dfs()
            .join();
        checker.assert_properties();
        states += checker.unique_state_count();
    }
    println!("model: {what}: {states} states, {:.0} s", begin.elapsed().as_secs_f64());
}

/// What the model is about: without a fault, the token of one request is that of all.
#[test]
fn one_request_serves_all_replicas() {
    let model = LeaseModel { bounds: Bounds::new(3, LeaseClock::Observation), rules: Rules::all() };
    let mut state = model.init_states().remove(0);
    let mut act = |action| state = model.next_state(&state, action).unwrap();
    for _ in 0..10 {
        act(Action::Step(0));
    }
    act(Action::Look(1));
    act(Action::Look(2));
    assert_eq!(state.record, Record::Token { id: 1, can_refresh: true });
    assert_eq!(state.replicas.map(|replica| replica.step), [Step::Ended(Outcome::Token(1)); 3]);
    assert_eq!(state.ghost.issued, 2);
}

/// With two replicas, all faults meet, except that a clearing meets the others one by one.
#[test]
fn two_replicas_do_nothing_wrong() {
    let all = BOTH.into_iter().flat_map(|clock| {
        let new = || Bounds { starts_empty: true, ..Bounds::new(2, clock) };
        [
            Bounds { crashes: 1, failures: 1, lost_answers: 1, ..new() },
            Bounds { crashes: 1, clears: true, ..new() },
            Bounds { failures: 1, clears: true, ..new() },
            Bounds { lost_answers: 1, clears: true, ..new() },
            Bounds { rounds: 2, failures: 1, ..new() },
        ]
    });
    assert_holds("2 replicas", &all.collect::<Vec<_>>());
}

/// A holder whose lease runs out gives up here.
#[test]
fn two_replicas_do_nothing_wrong_when_everything_goes_wrong() {
    let all = BOTH.map(|clock| Bounds {
        crashes: 1,
        failures: 1,
        lost_answers: 1,
        clears: true,
        renewals: 0,
        ..Bounds::new(2, clock)
    });
    assert_holds("2 replicas, all faults at once", &all);
}

/// With three replicas, each fault by itself. While a token may be cleared, a holder whose lease runs out gives up.
#[test]
fn three_replicas_do_nothing_wrong() {
    let all = BOTH.into_iter().flat_map(|clock| {
        let new = || Bounds::new(3, clock);
        [
            Bounds { crashes: 1, ..new() },
            Bounds { failures: 1, ..new() },
            Bounds { lost_answers: 1, ..new() },
            Bounds { clears: true, renewals: 0, ..new() },
        ]
    });
    assert_holds("3 replicas", &all.collect::<Vec<_>>());
}
