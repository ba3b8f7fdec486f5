//! No path of states leads back to where it was: so every path ends, and a state in which nothing can happen any more
//! tells what becomes of those that wait.

use std::collections::HashMap;

use evertoken_model::{Bounds, LeaseClock, LeaseModel, Rules, State};
use stateright::Model;

/// Follows every path to its end. A state that is met again while a path through it is being followed closes a circle.
fn has_circle(model: &LeaseModel) -> bool {
    // Whether all paths through a state have been followed.
    let mut is_done: HashMap<State, bool> = HashMap::new();
    let mut path: Vec<(State, Vec<State>)> = Vec::new();
    for start in model.init_states() {
        let next = model.next_states(&start);
        is_done.insert(start.clone(), false);
        path.push((start, next));
        while let Some((state, next)) = path.last_mut() {
            let Some(next) = next.pop() else {
                is_done.insert(state.clone(), true);
                path.pop();
                continue;
            };
            match is_done.get(&next) {
                Some(false) => return true,
                Some(true) => {}
                None => {
                    let further = model.next_states(&next);
                    is_done.insert(next.clone(), false);
                    path.push((next, further));
                }
            }
        }
    }
    false
}

#[test]
fn no_path_goes_in_a_circle() {
    for clock in [LeaseClock::Place, LeaseClock::Observation] {
        let new = || Bounds::new(2, clock);
        for bounds in [
            Bounds { crashes: 1, lost_answers: 1, ..new() },
            Bounds { failures: 1, ..new() },
            Bounds { clears: true, renewals: 0, ..new() },
        ] {
            assert!(!has_circle(&LeaseModel { bounds, rules: Rules::all() }), "{clock:?}");
        }
    }
}
