//! How a replica saves a token: the record it replaces, then the lease, then the compare-and-set.

use super::LeaseModel;
use super::cells::{Record, Write};
use super::state::{Job, Outcome, State, Step, Then};

impl LeaseModel {
    pub(crate) fn save_step(&self, state: &mut State, at: usize, fails: bool) {
        match state.replicas[at].step {
            Step::FindReplaced => self.find_replaced(state, at),
            Step::CheckFence { seen } => match seen {
                _ if self.is_fenced_off(state, at) => self.give_way(state, at),
                Some(seen) => state.replicas[at].step = Step::Save { seen },
                None => conflict(state, at, Step::Reload),
            },
            Step::Save { seen } => self.save(state, at, seen, fails),
            Step::CheckSaved if state.record == state.replicas[at].job.record() => saved(state, at),
            Step::CheckSaved if self.rules.keeps_lease_until_saved => {
                state.replicas[at].step = Step::FindReplaced;
            }
            Step::CheckSaved => state.replicas[at].step = after(state.replicas[at].job),
            Step::CheckFenceAgain if self.is_fenced_off(state, at) => self.give_way(state, at),
            Step::CheckFenceAgain => state.replicas[at].step = Step::Reload,
            Step::Reload => reload(state, at),
            _ => {}
        }
    }

    fn find_replaced(&self, state: &mut State, at: usize) {
        let record = state.record;
        let replica = &mut state.replicas[at];
        if replica.is_cut && replica.sent.is_some() && self.rules.leaves_cut_lease {
            let (sent, left) = (replica.sent, replica.left);
            state.ghost.cut(sent, left);
            self.finish(state, at, Then::Again);
        } else if replica.is_cut {
            replica.step = Step::Release(Then::Again);
        } else if record == replica.job.record() {
            saved(state, at);
        } else {
            let is_expected = record.is_expected(replica.expected) || !self.rules.compares_record;
            replica.step = Step::CheckFence { seen: is_expected.then_some(record) };
        }
    }

    fn is_fenced_off(&self, state: &State, at: usize) -> bool {
        let replica = &state.replicas[at];
        self.rules.checks_fence && replica.job.is_fenced() && !state.lease.is_under(replica.fence)
    }

    /// Another replica has taken over, or the token was cleared.
    fn give_way(&self, state: &mut State, at: usize) {
        let record = state.record;
        let replica = &mut state.replicas[at];
        let then = match (record, replica.job) {
            (Record::Removed(number), _) if number > replica.removals => {
                replica.removals = number;
                Then::Again
            }
            (Record::Token { id, .. }, _) if id >= replica.want => Then::End(Outcome::Token(id)),
            // It stays in memory.
            (_, Job::Keep { id }) => Then::End(Outcome::Token(id)),
            (_, Job::Forget { .. } | Job::None) => Then::End(Outcome::Error),
        };
        self.finish(state, at, then);
    }

    fn save(&self, state: &mut State, at: usize, seen: Record, fails: bool) {
        let job = state.replicas[at].job;
        let next = job.record();
        if fails {
            state.float(Write::Record { seen, next });
            state.replicas[at].step = Step::CheckSaved;
        } else if state.record == seen || !self.rules.compares_record {
            state.write_record(next);
            saved(state, at);
        } else {
            conflict(state, at, Step::CheckFenceAgain);
        }
    }
}

/// What follows a save, whatever became of it.
fn after(job: Job) -> Step {
    match job {
        Job::Keep { id } => Step::Release(Then::End(Outcome::Token(id))),
        Job::Forget { logs_in: true, .. } => Step::LogIn,
        Job::Forget { .. } | Job::None => Step::Release(Then::End(Outcome::Error)),
    }
}

fn saved(state: &mut State, at: usize) {
    let replica = &mut state.replicas[at];
    replica.expected = replica.job.record();
    replica.sent = None;
    replica.step = after(replica.job);
}

/// The record is another. A new token replaces it, if the lease allows that; what it was without does not.
fn conflict(state: &mut State, at: usize, next: Step) {
    let replica = &mut state.replicas[at];
    replica.step = if matches!(replica.job, Job::Keep { .. }) { next } else { after(replica.job) };
}

fn reload(state: &mut State, at: usize) {
    let record = state.record;
    let replica = &mut state.replicas[at];
    replica.step = match record {
        // What it was to replace was removed.
        Record::Removed(number) if replica.expected.id().is_some() => {
            replica.removals = number;
            Step::Release(Then::Again)
        }
        _ => {
            replica.expected = record;
            Step::FindReplaced
        }
    };
}
