//! An attempt of a replica to get a new token, step by step.

use super::cells::{Lease, Owner, Record, TokenId, Write};
use super::rules::{Bounds, LeaseClock};
use super::state::{Job, Outcome, Sighting, State, Step, Then};
use super::{Action, LeaseModel};

impl LeaseModel {
    pub(crate) fn attempt_actions(&self, state: &State, at: usize, actions: &mut Vec<Action>) {
        if self.can_step(state, at) {
            actions.push(Action::Step(at));
        }
        let replica = &state.replicas[at];
        let is_news = match state.record {
            Record::Token { id, .. } => id >= replica.want,
            Record::Removed(number) => number > replica.removals,
            Record::Empty => false,
        };
        if replica.step == Step::Ask && is_news {
            actions.push(Action::Look(at));
        }
        let is_requesting = replica.is_saving()
            || matches!(replica.step, Step::Receive(_) | Step::ReceiveLogin(_) | Step::FindReplaced);
        if is_requesting && replica.renewals > 0 && state.lease.is_under(replica.fence) {
            actions.push(Action::Renew(at));
        }
    }

    fn can_step(&self, state: &State, at: usize) -> bool {
        let replica = &state.replicas[at];
        match replica.step {
            Step::Ended(_) => false,
            Step::Ask if self.rules.waits_for_clearing && state.clears(at) => false,
            Step::Ask => {
                let is_new = || replica.sighting.is_none() && self.bounds.clock == LeaseClock::Observation;
                !self.is_held(state, at, 0) || is_new()
            }
            // The same turn as that of a clearing.
            Step::FindReplaced => !state.is_clearing(at),
            _ => true,
        }
    }

    /// Whether another owner has the lease, as a replica knows it `age` ticks after its claim.
    fn is_held(&self, state: &State, at: usize, age: u8) -> bool {
        let is_others = state.lease.owner.is_some_and(|owner| owner != state.owner(at));
        let has_ended = match self.bounds.clock {
            LeaseClock::Place => state.lease.left == 0,
            LeaseClock::Observation => {
                let sighting = state.replicas[at].sighting;
                sighting.is_some_and(|seen| seen.age.saturating_sub(age) >= self.bounds.length)
            }
        };
        is_others && !has_ended
    }

    pub(crate) fn step(&self, state: &mut State, at: usize, fails: bool) {
        let id = state.replicas[at].expected.id();
        match state.replicas[at].step {
            Step::Ask if self.rules.sees_after_the_look => self.ask(state, at, 0),
            Step::Ask => state.replicas[at].step = Step::AskLate { age: 0 },
            Step::AskLate { age } => self.ask(state, at, age),
            Step::Take { seen, age } => self.take(state, at, seen, age, fails),
            Step::CheckTaken { fence, age } => {
                if state.lease.owner == Some(state.owner(at)) && state.lease.fence == fence {
                    self.hold(state, at, fence, age);
                } else {
                    self.finish(state, at, Then::End(Outcome::Error));
                }
            }
            Step::ReadInside => self.read_inside(state, at),
            Step::LookAtClock => self.look_at_clock(state, at),
            Step::Renew => {
                let is_own = state.lease.is_under(state.replicas[at].fence);
                let seen = state.lease;
                state.replicas[at].step =
                    if is_own { Step::PutRenewed { seen, age: 0 } } else { lost(state, at) };
            }
            Step::PutRenewed { seen, age } => self.put_renewed(state, at, seen, age, fails),
            Step::CheckRenewed { next, age } => {
                if state.lease.is_same(&next) {
                    self.renewed(state, at, age);
                } else {
                    state.replicas[at].step = Step::Release(Then::End(Outcome::Error));
                }
            }
            Step::Send { is_in_time } => send(state, at, id.unwrap_or_default(), is_in_time),
            Step::Receive(Some(new)) | Step::ReceiveLogin(new) => keep(state, at, new),
            Step::Receive(None) => state.replicas[at].step = Step::LookAfterRefusal,
            Step::LookAfterRefusal => look_after_refusal(state, at, id.unwrap_or_default()),
            Step::LogIn => {
                let id = state.ghost.issue();
                state.replicas[at].step = Step::ReceiveLogin(id);
            }
            Step::Release(then) => self.release(state, at, then, fails),
            Step::Ended(_) => {}
            Step::FindReplaced
            | Step::CheckFence { .. }
            | Step::Save { .. }
            | Step::CheckSaved
            | Step::CheckFenceAgain
            | Step::Reload => self.save_step(state, at, fails),
        }
    }

    fn ask(&self, state: &mut State, at: usize, age: u8) {
        let is_held = self.is_held(state, at, age);
        let lease = state.lease;
        let replica = &mut state.replicas[at];
        if !is_held {
            replica.step = Step::Take { seen: lease, age };
            return;
        }
        if self.bounds.clock == LeaseClock::Observation && replica.sighting.is_none() {
            replica.sighting = Some(Sighting { lease: Lease { left: 0, ..lease }, age });
        }
        replica.step = Step::Ask;
    }

    fn take(&self, state: &mut State, at: usize, seen: Lease, age: u8, fails: bool) {
        let fence = seen.fence + 1;
        let left = State::left_at_place(&self.bounds, age);
        let next = Lease { fence, owner: Some(state.owner(at)), renewed: 0, left };
        if fails {
            state.float(Write::Lease { seen, next });
            state.replicas[at].step = Step::CheckTaken { fence, age };
        } else if state.lease.is_same(&seen) || !self.rules.compares_lease {
            state.write_lease(next);
            self.hold(state, at, fence, age);
        } else {
            state.replicas[at].step = Step::Ask;
        }
    }

    fn hold(&self, state: &mut State, at: usize, fence: u8, age: u8) {
        let replica = &mut state.replicas[at];
        replica.fence = fence;
        replica.left = self.left(age);
        replica.is_ousted = false;
        replica.sighting = None;
        replica.step = Step::ReadInside;
    }

    /// What is left of a lease that was asked for `age` ticks ago, as its holder counts it.
    fn left(&self, age: u8) -> u8 {
        self.bounds.length - if self.rules.counts_from_the_question { age } else { 0 }
    }

    fn read_inside(&self, state: &mut State, at: usize) {
        let record = if self.rules.reads_inside { state.record } else { state.replicas[at].expected };
        let replica = &mut state.replicas[at];
        replica.step = match record {
            _ if replica.is_cut => Step::Release(Then::Again),
            Record::Token { id, .. } if id >= replica.want => Step::Release(Then::End(Outcome::Token(id))),
            Record::Removed(number) if number > replica.removals => {
                replica.removals = number;
                Step::Release(Then::Again)
            }
            Record::Token { id, can_refresh: true } if replica.shuns != Some(id) => Step::LookAtClock,
            Record::Token { .. } | Record::Removed(_) | Record::Empty => Step::LogIn,
        };
        replica.expected = record;
    }

    fn look_at_clock(&self, state: &mut State, at: usize) {
        let replica = &mut state.replicas[at];
        let is_in_time = replica.left >= self.bounds.request;
        replica.step = match is_in_time {
            // Its own clearing dropped the refresh token.
            _ if replica.is_cut => Step::LogIn,
            false if self.rules.looks_at_clock && replica.renewals == 0 => {
                Step::Release(Then::End(Outcome::Error))
            }
            false if self.rules.looks_at_clock => Step::Renew,
            _ => Step::Send { is_in_time },
        };
    }

    fn put_renewed(&self, state: &mut State, at: usize, seen: Lease, age: u8, fails: bool) {
        let left = State::left_at_place(&self.bounds, age);
        let next = Lease { renewed: seen.renewed + 1, left, ..seen };
        if fails {
            state.float(Write::Lease { seen, next });
            state.replicas[at].step = Step::CheckRenewed { next: Lease { left: 0, ..next }, age };
        } else if state.lease.is_same(&seen) {
            state.write_lease(next);
            self.renewed(state, at, age);
        } else {
            state.replicas[at].step = Step::Renew;
        }
    }

    fn renewed(&self, state: &mut State, at: usize, age: u8) {
        let replica = &mut state.replicas[at];
        replica.left = self.left(age);
        replica.renewals -= 1;
        replica.step = Step::LookAtClock;
    }

    /// The renewal that goes on while a request is under way.
    pub(crate) fn renew_meanwhile(&self, state: &mut State, at: usize) {
        let left = State::left_at_place(&self.bounds, 0);
        let lease = state.lease;
        state.write_lease(Lease { renewed: lease.renewed + 1, left, ..lease });
        let replica = &mut state.replicas[at];
        replica.left = self.bounds.length;
        replica.renewals -= 1;
    }

    /// A look of a replica that waits.
    pub(crate) fn look_at_record(&self, state: &mut State, at: usize) {
        match state.record {
            Record::Token { id, .. } => self.finish(state, at, Then::End(Outcome::Token(id))),
            Record::Removed(number) => state.replicas[at].removals = number,
            Record::Empty => {}
        }
    }

    fn release(&self, state: &mut State, at: usize, then: Then, fails: bool) {
        let lease = state.lease;
        let is_own = lease.is_under(state.replicas[at].fence);
        if is_own || (!self.rules.ends_own_lease && lease.owner.is_some()) {
            let next = Lease { owner: None, left: 0, ..lease };
            if fails {
                state.float(Write::Lease { seen: lease, next });
            } else {
                state.write_lease(next);
            }
        }
        self.finish(state, at, then);
    }

    /// An attempt ends.
    pub(crate) fn finish(&self, state: &mut State, at: usize, then: Then) {
        let replica = &mut state.replicas[at];
        replica.left = 0;
        replica.fence = 0;
        replica.sent = None;
        replica.job = Job::None;
        replica.is_cut = false;
        replica.is_ousted = false;
        replica.renewals = self.bounds.renewals;
        replica.step = match then {
            Then::Again => Step::Ask,
            Then::End(outcome) => {
                if let Outcome::Token(id) = outcome {
                    replica.want = id + 1;
                }
                let has_more = replica.rounds > 0;
                replica.rounds = replica.rounds.saturating_sub(1);
                if has_more { Step::Ask } else { Step::Ended(outcome) }
            }
        };
    }
}

/// Another replica has the lease: this one starts over. It does so as often as it may renew, as no replica is frozen
/// again and again for ever.
fn lost(state: &mut State, at: usize) -> Step {
    let replica = &mut state.replicas[at];
    replica.left = 0;
    replica.is_cut = false;
    replica.renewals -= 1;
    Step::Ask
}

fn send(state: &mut State, at: usize, id: TokenId, is_in_time: bool) {
    let replica = &mut state.replicas[at];
    let is_frozen = is_in_time && replica.left == 0;
    replica.sent = Some(id);
    let new = state.ghost.send(id, is_frozen);
    state.replicas[at].step = Step::Receive(new);
}

fn keep(state: &mut State, at: usize, id: TokenId) {
    let replica = &mut state.replicas[at];
    replica.job = Job::Keep { id };
    replica.step = Step::FindReplaced;
}

/// Another replica may have spent it: its token is as good as one of its own.
fn look_after_refusal(state: &mut State, at: usize, id: TokenId) {
    let record = state.record;
    let replica = &mut state.replicas[at];
    replica.step = match record {
        Record::Token { id, .. } if id >= replica.want => Step::Release(Then::End(Outcome::Token(id))),
        Record::Removed(number) if number > replica.removals => {
            replica.removals = number;
            Step::Release(Then::Again)
        }
        _ => {
            replica.job = Job::Forget { id, logs_in: true };
            Step::FindReplaced
        }
    };
}

impl State {
    /// An operation that fails may take effect later, if what it expects is there then.
    pub(crate) fn float(&mut self, write: Write) {
        let can_land = match write {
            Write::Lease { seen, .. } => self.lease.is_same(&seen),
            Write::Record { seen, .. } => self.record == seen || seen == Record::Empty,
        };
        self.floating = can_land.then_some(write);
    }

    /// An operation that failed takes effect after all.
    pub(crate) fn land(&mut self, bounds: &Bounds) {
        match self.floating.take() {
            Some(Write::Lease { seen, next }) if self.lease.is_same(&seen) => {
                if matches!(next.owner, None | Some(Owner::Removal)) {
                    self.oust_holder();
                }
                self.write_lease(next);
                let left = if bounds.clock == LeaseClock::Place { next.left } else { bounds.length };
                if next.owner == Some(Owner::Removal) {
                    self.hold_in_vain(left);
                }
            }
            Some(Write::Record { seen, next }) if self.record == seen => {
                self.write_record(next);
            }
            _ => {}
        }
    }
}
