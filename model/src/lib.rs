//! A model of the protocol by which replicas that share a store agree on which of them refreshes a token:
//! docs/decisions/0016.
//!
//! Each operation of a replica on the store, each look at its clock and each message to the token server is one step.
//! Between any two steps, time may pass, replicas may crash, operations may fail, and a token may be cleared. The model
//! checker visits every state that can be reached this way. A frozen replica needs no action of its own: it is one that
//! takes no step while time passes.
//!
//! A loop that finds a row and replaces it while it is what was found is one step: the replacement fails if anything
//! came in between. What decides by a clock or by another row takes several steps.

mod attempt;
mod canonical;
mod cells;
mod clearing;
mod faults;
mod ghost;
mod rules;
mod saving;
mod state;
mod symmetry;

use stateright::{Model, Property};

pub use cells::{Lease, Owner, Record, TokenId, Write};
pub use clearing::{ClearStep, Clearing};
pub use ghost::{Broken, Ghost};
pub use rules::{Bounds, LeaseClock, Rules};
pub use state::{Job, MAX_REPLICAS, Outcome, Replica, Sighting, State, Step, Then};
pub use symmetry::representative;

/// Replicas that refresh one token.
#[derive(Clone, Debug)]
pub struct LeaseModel {
    /// How much of what may happen is explored.
    pub bounds: Bounds,
    /// The rules that the replicas follow.
    pub rules: Rules,
}

/// What can happen next. Replicas are known by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Time passes.
    Tick,
    /// A replica takes its next step.
    Step(usize),
    /// The same, and the operation on the store fails: it may take effect later, or never.
    FailingStep(usize),
    /// A replica that waits looks at the record.
    Look(usize),
    /// The response of the token server does not arrive. Whether the replica then logs in.
    LoseAnswer(usize, bool),
    /// A lease is renewed while a request is under way.
    Renew(usize),
    /// A replica ends, and starts again without memory.
    Crash(usize),
    /// A replica begins to clear the token.
    Clear(usize),
    /// The next step of clearing.
    ClearStep,
    /// The same, and the operation fails.
    FailingClearStep,
    /// An operation that failed takes effect after all.
    Land,
}

impl Model for LeaseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        [Record::Token { id: 0, can_refresh: true }, Record::Empty]
            .into_iter()
            .filter(|record| self.bounds.starts_empty || *record != Record::Empty)
            .map(|record| State::new(&self.bounds, record))
            .collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.ghost.broken != Broken::default() {
            return;
        }
        for replica in 0..self.bounds.replicas {
            self.attempt_actions(state, replica, actions);
            Self::fault_actions(state, replica, actions);
        }
        self.clear_actions(state, actions);
        if state.floating.is_some() {
            actions.push(Action::Land);
        }
        if state.can_tick(self) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.tick(self),
            Action::Step(replica) => self.step(&mut state, replica, false),
            Action::FailingStep(replica) => {
                state.failures -= 1;
                self.step(&mut state, replica, true);
            }
            Action::Look(replica) => self.look_at_record(&mut state, replica),
            Action::LoseAnswer(replica, logs_in) => self.lose_answer(&mut state, replica, logs_in),
            Action::Renew(replica) => self.renew_meanwhile(&mut state, replica),
            Action::Crash(replica) => self.crash(&mut state, replica),
            Action::Clear(replica) => self.begin_clearing(&mut state, replica),
            Action::ClearStep => self.clear_step(&mut state, false),
            Action::FailingClearStep => {
                state.failures -= 1;
                self.clear_step(&mut state, true);
            }
            Action::Land => state.land(&self.bounds),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no refresh token is sent twice", |_, state: &State| {
                !state.ghost.broken.is_sent_twice
            }),
            Property::always("no saved token is lost", |_, state: &State| !state.ghost.broken.is_lost),
            Property::always("a cleared token is not stored again", |_, state: &State| {
                !state.ghost.broken.is_cleared_stored
            }),
            Property::always("one holder at a time", |_, state: &State| state.senders() <= 1),
            Property::always("every waiter ends", |model: &Self, state: &State| model.is_no_dead_end(state)),
        ]
    }
}

impl LeaseModel {
    /// Whether something can still happen, or every caller has its token or an error. An operation that failed need not
    /// take effect, so nothing may wait for that. The states make no circle, so each path leads to such an end.
    fn is_no_dead_end(&self, state: &State) -> bool {
        if state.replicas(self.bounds.replicas).iter().all(|replica| matches!(replica.step, Step::Ended(_))) {
            return true;
        }
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.iter().any(|action| *action != Action::Land) || state.ghost.broken != Broken::default()
    }
}
