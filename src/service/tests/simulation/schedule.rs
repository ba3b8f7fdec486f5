//! What happens to the replicas, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::mix::Mix;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A program asks for the token, and calls the API with it.
    Call(usize),
    /// A program requests a new token.
    Refresh(usize),
    /// A program clears the token.
    Clear(usize),
    /// The API refuses the token although it is good.
    Refuse(usize),
    Crash(usize, Duration),
    Restart(usize),
    Freeze(usize, Duration),
    Thaw(usize),
    /// The clock is set by so many seconds.
    Step(usize, i64),
    /// A replica does not reach the store.
    CutOff(usize, Duration),
    Join(usize),
    StoreDown(Duration),
    StoreUp,
    /// The store loses what was stored in the last so many seconds, or all.
    Lose(Option<Duration>),
    ServerDown(Duration),
    ServerUp,
}

/// Actions in the order of their moments.
#[derive(Default)]
pub(super) struct Schedule {
    actions: BTreeMap<(Duration, usize), Action>,
    last: usize,
}

/// Draws an action of one kind.
type Draw = fn(&Mix, &mut Rng) -> Action;

impl Schedule {
    /// What the seed plans. Later actions follow from some of these.
    pub(super) fn of(mix: &Mix, rng: &mut Rng) -> Self {
        let mut schedule = Self::default();
        schedule.plan_calls(mix, rng);
        let events = mix.events;
        let kinds: [(usize, Draw); 10] = [
            (events.crashes, |mix, rng| Action::Crash(which(mix, rng), seconds(rng, 0.1, 20.0))),
            (events.pauses, |mix, rng| Action::Freeze(which(mix, rng), seconds(rng, 0.5, 30.0))),
            (events.steps, |mix, rng| Action::Step(which(mix, rng), rng.i64(-40..40))),
            (events.partitions, |mix, rng| Action::CutOff(which(mix, rng), seconds(rng, 1.0, 30.0))),
            (events.outages, |_, rng| Action::StoreDown(seconds(rng, 1.0, 20.0))),
            (events.losses, |_, rng| Action::Lose(rng.bool().then(|| seconds(rng, 0.1, 20.0)))),
            (events.server_outages, |_, rng| Action::ServerDown(seconds(rng, 1.0, 20.0))),
            (events.clears, |mix, rng| Action::Clear(which(mix, rng))),
            (events.refreshes, |mix, rng| Action::Refresh(which(mix, rng))),
            (events.refusals, |mix, rng| Action::Refuse(which(mix, rng))),
        ];
        for (count, action) in kinds {
            for _ in 0..count {
                let at = mix.active.mul_f64(rng.f64());
                schedule.add(at, action(mix, rng));
            }
        }
        schedule
    }

    fn plan_calls(&mut self, mix: &Mix, rng: &mut Rng) {
        let begin_together = rng.bool();
        for replica in 0..mix.replicas {
            let mut at = seconds(rng, 0.0, if begin_together { 0.1 } else { 10.0 });
            while at < mix.active {
                self.add(at, Action::Call(replica));
                at += seconds(rng, 0.5, 8.0);
            }
        }
    }

    pub(super) fn add(&mut self, at: Duration, action: Action) {
        self.last += 1;
        self.actions.insert((at, self.last), action);
    }

    /// The next action and its moment.
    pub(super) fn next(&mut self) -> Option<(Duration, Action)> {
        self.actions.pop_first().map(|((at, _), action)| (at, action))
    }
}

fn which(mix: &Mix, rng: &mut Rng) -> usize {
    rng.usize(0..mix.replicas)
}

fn seconds(rng: &mut Rng, least: f64, most: f64) -> Duration {
    Duration::from_secs_f64(least + rng.f64() * (most - least))
}
