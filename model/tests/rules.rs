//! Without any one of its rules, the protocol goes wrong: the model finds what each of them is for.

#![expect(clippy::print_stdout, reason = "the number of rules is a result")]

use std::collections::BTreeSet;

use evertoken_model::{Bounds, LeaseClock, LeaseModel, Rules};
use stateright::{Checker, HasDiscoveries, Model};

const TWICE: &str = "no refresh token is sent twice";
const LOST: &str = "no saved token is lost";
const CLEARED: &str = "a cleared token is not stored again";

/// A rule, how to break it, with what it goes wrong, and what goes wrong.
type Case = (&'static str, fn(&mut Rules), Bounds, &'static str);

fn two() -> Bounds {
    Bounds::new(2, LeaseClock::Place)
}

fn clearing() -> Bounds {
    Bounds { clears: true, ..two() }
}

fn cases() -> Vec<Case> {
    let observed = Bounds::new(2, LeaseClock::Observation);
    let failing = Bounds { failures: 1, ..two() };
    let losing = Bounds { lost_answers: 1, ..two() };
    vec![
        ("compares_lease", |rules| rules.compares_lease = false, two(), TWICE),
        ("counts_from_the_question", |rules| rules.counts_from_the_question = false, two(), TWICE),
        ("sees_after_the_look", |rules| rules.sees_after_the_look = false, observed, TWICE),
        ("reads_inside", |rules| rules.reads_inside = false, two(), TWICE),
        ("looks_at_clock", |rules| rules.looks_at_clock = false, two(), TWICE),
        ("checks_fence", |rules| rules.checks_fence = false, two(), LOST),
        ("compares_record", |rules| rules.compares_record = false, two(), LOST),
        ("keeps_lease_until_saved", |rules| rules.keeps_lease_until_saved = false, failing, TWICE),
        ("forgets_doubtful", |rules| rules.forgets_doubtful = false, losing, TWICE),
        ("ends_own_lease", |rules| rules.ends_own_lease = false, Bounds::new(3, LeaseClock::Place), TWICE),
        ("removes_inside", |rules| rules.removes_inside = false, clearing(), TWICE),
        (
            "leaves_tombstone",
            |rules| rules.leaves_tombstone = false,
            Bounds { starts_empty: true, ..clearing() },
            CLEARED,
        ),
        (
            "marks_nothing",
            |rules| rules.marks_nothing = false,
            Bounds { starts_empty: true, failures: 1, ..clearing() },
            CLEARED,
        ),
        (
            "ends_lease_first",
            |rules| {
                rules.ends_lease_first = false;
                rules.removes_inside = false;
            },
            Bounds { starts_empty: true, ..clearing() },
            CLEARED,
        ),
        ("leaves_cut_lease", |rules| rules.leaves_cut_lease = false, clearing(), TWICE),
        (
            "waits_for_clearing",
            |rules| rules.waits_for_clearing = false,
            Bounds { lost_answers: 1, ..clearing() },
            TWICE,
        ),
    ]
}

#[test]
fn each_rule_is_needed() {
    let cases = cases();
    for (rule, breaks, bounds, wrong) in &cases {
        let mut rules = Rules::all();
        breaks(&mut rules);
        let checker = LeaseModel { bounds: bounds.clone(), rules }
            .checker()
            .threads(2)
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([*wrong])))
            .spawn_bfs()
            .join();
        let found = checker.discovery(wrong);
        assert!(found.is_some(), "without {rule}, the model does not find: {wrong}");
    }
    println!("model: {} rules, each of them needed", cases.len());
}
