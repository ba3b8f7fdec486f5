//! The real service, many times over, in a simulated world where all goes wrong that can. One seed is one schedule.
//!
//! `npm run simulate -- --seed 7` shows what happens in one, `npm run simulate -- --seeds 10000` runs many.

mod books;
mod clock;
mod fleet;
mod mix;
mod network;
mod run;
mod schedule;
mod server;
mod trace;
mod world;

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use run::run;

/// Seeds that once found something: in the order in which they did, with what it was.
const CORPUS: &[u64] = &[
    // The store took a token, but its answer was late: another replica spent the refresh token, then this one.
    293, 530, 550, 1410, //
    // A replica that did not reach the store had no token for a while, although it could have logged in.
    228, 236, 327, 567, //
    // A replica did not notice a clearing while its token request took long.
    486, //
    // A token that was stored late replaced the one that followed from it, as the clocks were apart.
    735, //
    // A token that was requested before a clearing took the place of the one that was requested after it.
    684, //
    // A look brought an earlier record late, whose refresh token was spent.
    693, //
    // The second of two clearings passed for the first, so a token that was requested before it was kept.
    10_187, //
    // As 684, with clocks that are further apart than a token lives.
    2588, 15_713,
];

/// How many seeds the ordinary tests run.
const ORDINARY: u64 = 500;

/// What a failed run says: its schedule, as a second run of it shows.
fn report(seed: u64) -> Option<String> {
    let violations = run(seed, false).violations;
    if violations.is_empty() {
        return None;
    }
    let mut text = String::new();
    let again = run(seed, true);
    for line in again.lines.iter().chain(&violations) {
        writeln!(text, "{line}").unwrap();
    }
    if again.violations != violations {
        writeln!(text, "the second run of this seed differs: {:?}", again.violations).unwrap();
    }
    writeln!(text, "npm run simulate -- --seed {seed} replays it").unwrap();
    Some(text)
}

/// Runs seeds on two threads, and returns the reports of those that failed.
fn run_all(seeds: &[u64]) -> Vec<String> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut reports = Vec::new();
        while let Some(seed) = seeds.get(usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap()) {
            reports.extend(report(*seed));
        }
        reports
    };
    thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut reports = work();
        reports.extend(other.join().unwrap());
        reports
    })
}

fn assert_none(reports: &[String]) {
    assert!(reports.is_empty(), "{} seeds failed\n\n{}", reports.len(), reports.join("\n"));
}

#[test]
fn seeds_that_once_found_something_find_nothing() {
    assert_none(&run_all(CORPUS));
}

#[test]
fn under_all_faults_no_refresh_token_is_spent_twice_and_the_replicas_agree_again() {
    let seeds: Vec<_> = (10_000..10_000 + ORDINARY).collect();
    assert_none(&run_all(&seeds));
}

#[test]
fn one_seed_is_one_schedule() {
    for seed in 1..=8 {
        let lines = run(seed, true).lines;
        assert!(lines.len() > 10);
        assert_eq!(lines, run(seed, true).lines, "seed {seed}");
    }
}

/// A number that `npm run simulate` passes on.
#[expect(clippy::disallowed_methods, reason = "the test harness passes no arguments on")]
fn argument(name: &str) -> Option<u64> {
    let text = std::env::var(format!("EVERTOKEN_SIMULATE_{name}")).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
#[ignore = "npm run simulate"]
#[expect(clippy::print_stdout, reason = "shows what was asked for")]
fn simulate() {
    if let Some(replicas) = argument("REPLICAS") {
        return println!("{}", fleet::report(usize::try_from(replicas).unwrap()));
    }
    if let Some(seed) = argument("SEED") {
        let outcome = run(seed, true);
        println!("{}\n", outcome.lines.join("\n"));
        assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
        return;
    }
    let from = argument("FROM").unwrap_or(0);
    let seeds: Vec<_> = (from..from + argument("SEEDS").unwrap_or(1000)).collect();
    let reports = run_all(&seeds);
    println!("{} of {} seeds found something", reports.len(), seeds.len());
    assert_none(&reports);
}
