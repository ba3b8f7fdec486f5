//! What goes wrong: operations that fail, responses that are lost, crashes.

use super::state::{Job, Outcome, Replica, State, Step, Then};
use super::{Action, LeaseModel};

impl LeaseModel {
    pub(crate) fn fault_actions(state: &State, at: usize, actions: &mut Vec<Action>) {
        let step = state.replicas[at].step;
        let can_fail = matches!(
            step,
            Step::Take { .. } | Step::PutRenewed { .. } | Step::Save { .. } | Step::Release(_)
        );
        if can_fail && state.failures > 0 && state.floating.is_none() {
            actions.push(Action::FailingStep(at));
        }
        if state.lost_answers > 0 {
            match step {
                Step::Receive(_) => {
                    actions.extend([false, true].map(|logs_in| Action::LoseAnswer(at, logs_in)));
                }
                Step::ReceiveLogin(_) => actions.push(Action::LoseAnswer(at, false)),
                _ => {}
            }
        }
        if state.crashes > 0 && !matches!(step, Step::Ended(_)) {
            actions.push(Action::Crash(at));
        }
    }

    /// The refresh token may be spent. The old token still works, and the attempt ends; or it does not, and the replica
    /// logs in.
    pub(crate) fn lose_answer(&self, state: &mut State, at: usize, logs_in: bool) {
        state.lost_answers -= 1;
        let forgets = self.rules.forgets_doubtful;
        let replica = &mut state.replicas[at];
        replica.step = match (replica.step, replica.expected.id()) {
            (Step::Receive(_), Some(id)) if forgets => {
                replica.job = Job::Forget { id, logs_in };
                Step::FindReplaced
            }
            (Step::Receive(_), _) if logs_in => Step::LogIn,
            _ => Step::Release(Then::End(Outcome::Error)),
        };
    }

    pub(crate) fn crash(&self, state: &mut State, at: usize) {
        state.crashes -= 1;
        let Replica { sent, left, want, rounds, crashes, .. } = state.replicas[at];
        state.ghost.crash(sent, left);
        state.abandon_clearing(at);
        let fresh = Replica::new(&self.bounds, super::Record::Empty);
        state.replicas[at] = Replica { want, rounds, crashes: crashes + 1, ..fresh };
    }
}
