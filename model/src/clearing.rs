//! How a token is cleared.

use super::cells::{Lease, Owner, Record, Write};
use super::state::State;
use super::{Action, LeaseModel};

/// A clearing under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clearing {
    /// Which replica clears.
    pub by: u8,
    /// What it does next.
    pub step: ClearStep,
    /// Whether there was a holder.
    pub had_holder: bool,
    /// The fence under which it holds the lease itself.
    pub fence: u8,
    /// What is left of that.
    pub left: u8,
}

/// A step of clearing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClearStep {
    /// Takes the lease from its holder.
    Lease,
    /// Removes the record.
    Record,
    /// Ends the lease that it holds.
    Release,
    /// Its replica crashed, or an operation failed.
    Abandoned,
}

impl LeaseModel {
    pub(crate) fn clear_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.may_clear {
            actions.extend((0..self.bounds.replicas).map(Action::Clear));
        }
        let Some(clearing) = state.clearing else { return };
        if clearing.step == ClearStep::Abandoned || state.replicas[usize::from(clearing.by)].is_saving() {
            return;
        }
        actions.push(Action::ClearStep);
        if state.failures > 0 && state.floating.is_none() {
            actions.push(Action::FailingClearStep);
        }
    }

    pub(crate) fn clear_step(&self, state: &mut State, fails: bool) {
        let Some(clearing) = state.clearing else { return };
        match clearing.step {
            ClearStep::Lease => self.clear_lease(state, clearing, fails),
            ClearStep::Record => self.clear_record(state, clearing, fails),
            ClearStep::Release => {
                let lease = state.lease;
                if lease.is_under(clearing.fence) {
                    let next = Lease { owner: None, left: 0, ..lease };
                    if fails {
                        state.float(Write::Lease { seen: lease, next });
                    } else {
                        state.write_lease(next);
                    }
                }
                state.end_clearing(clearing);
            }
            ClearStep::Abandoned => {}
        }
    }

    fn clear_lease(&self, state: &mut State, clearing: Clearing, fails: bool) {
        let lease = state.lease;
        let mut next = Clearing { step: ClearStep::Record, had_holder: lease.owner.is_some(), ..clearing };
        if next.had_holder {
            let (fence, left) = (lease.fence + 1, State::left_at_place(&self.bounds, 0));
            let taken = if self.rules.removes_inside {
                (next.fence, next.left) = (fence, self.bounds.length);
                Lease { fence, owner: Some(Owner::Removal), renewed: 0, left }
            } else {
                Lease { owner: None, left: 0, ..lease }
            };
            if fails {
                state.float(Write::Lease { seen: lease, next: taken });
                state.clearing = None;
                state.ghost.fail_to_clear();
                return;
            }
            state.oust_holder();
            state.write_lease(taken);
        }
        state.clearing = Some(next);
        if !self.rules.ends_lease_first {
            state.end_clearing(next);
        }
    }

    fn clear_record(&self, state: &mut State, clearing: Clearing, fails: bool) {
        // One that held a lease once may be about to save, and frozen.
        let may_have_holder = clearing.had_holder || (self.rules.marks_nothing && state.lease.fence > 0);
        let is_nothing = state.record == Record::Empty && !may_have_holder;
        if !is_nothing {
            let number = state.removals + 1;
            let next = if self.rules.leaves_tombstone { Record::Removed(number) } else { Record::Empty };
            state.removals = number;
            if fails {
                state.float(Write::Record { seen: state.record, next });
                state.abandon_clearing(usize::from(clearing.by));
                state.ghost.fail_to_clear();
                return;
            }
            state.write_record(next);
            state.replicas[usize::from(clearing.by)].removals = number;
        }
        let step = match clearing.fence {
            _ if !self.rules.ends_lease_first => ClearStep::Lease,
            0 => return state.end_clearing(clearing),
            _ => ClearStep::Release,
        };
        state.clearing = Some(Clearing { step, ..clearing });
    }

    pub(crate) fn begin_clearing(&self, state: &mut State, at: usize) {
        state.may_clear = false;
        state.ghost.begin_clearing();
        let replica = &mut state.replicas[at];
        replica.is_cut = replica.is_attempting();
        let known = if replica.is_cut { replica.expected.id() } else { Some(replica.want - 1) };
        replica.shuns = known;
        let by = u8::try_from(at).unwrap_or(u8::MAX);
        let (step, had_holder) =
            if self.rules.ends_lease_first { (ClearStep::Lease, false) } else { (ClearStep::Record, true) };
        state.clearing = Some(Clearing { by, step, had_holder, fence: 0, left: 0 });
    }
}

impl State {
    /// Whether the clearing of this replica has the turn that a save needs, too.
    pub(crate) fn is_clearing(&self, at: usize) -> bool {
        self.clearing.is_some_and(|clearing| {
            usize::from(clearing.by) == at && matches!(clearing.step, ClearStep::Record | ClearStep::Release)
        })
    }

    /// Whether this replica clears.
    pub(crate) fn clears(&self, at: usize) -> bool {
        self.clearing
            .is_some_and(|clearing| usize::from(clearing.by) == at && clearing.step != ClearStep::Abandoned)
    }

    fn end_clearing(&mut self, clearing: Clearing) {
        let replica = &mut self.replicas[usize::from(clearing.by)];
        replica.is_cut |= replica.is_attempting();
        self.ghost.end_clearing();
        self.clearing = None;
    }

    /// The clearing of this replica goes no further. A lease that it holds ends by itself.
    pub(crate) fn abandon_clearing(&mut self, at: usize) {
        self.clearing = match self.clearing {
            Some(clearing) if usize::from(clearing.by) == at => {
                (clearing.left > 0).then_some(Clearing { step: ClearStep::Abandoned, ..clearing })
            }
            clearing => clearing,
        };
    }

    /// A removal that gave up has the lease after all. It counts as one that crashed.
    pub(crate) fn hold_in_vain(&mut self, left: u8) {
        if left == 0 {
            self.ghost.excuse_all();
            return;
        }
        let (step, fence) = (ClearStep::Abandoned, self.lease.fence);
        self.clearing = Some(Clearing { by: 0, step, had_holder: true, fence, left });
    }

    pub(crate) fn tick_clearing(&mut self) {
        let Some(clearing) = &mut self.clearing else { return };
        if clearing.left == 1 {
            self.ghost.excuse_all();
        }
        clearing.left = clearing.left.saturating_sub(1);
        if clearing.left == 0 && clearing.step == ClearStep::Abandoned {
            self.clearing = None;
        }
    }
}
