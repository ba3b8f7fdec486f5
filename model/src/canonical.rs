//! What no longer matters is left out of a state before it is compared with others: most states then turn out to be known.
//! Two states with the same canonical form have the same futures.

use super::cells::{Lease, Record, TokenId, Write};
use super::ghost::Tokens;
use super::state::{Job, Outcome, Replica, State, Step, Then};

/// Stands for every text of the lease that is not there any more, and so never again.
const PAST: Lease = Lease { fence: 0, owner: None, renewed: 0, left: 0 };

impl State {
    /// The state without what no longer matters.
    pub(crate) fn canonical(&self) -> Self {
        let mut state = self.clone();
        state.forget_fences();
        for replica in &mut state.replicas {
            forget_finished(replica);
        }
        state.rename_tokens();
        state
    }

    /// Texts of the lease are only compared with what is there: all that are not are alike.
    fn forget_fences(&mut self) {
        let now = self.lease;
        let (fence, next_fence) = (1.min(now.fence), 1.min(now.fence) + 1);
        let known = |lease: &mut Lease| {
            *lease = if lease.is_same(&now) { Lease { fence, renewed: 0, ..*lease } } else { PAST };
        };
        for replica in &mut self.replicas {
            // Only what is held and not ended can be asked for again.
            let is_current = now.is_under(replica.fence) && replica.fence > 0;
            replica.fence = if is_current { fence } else { 0 };
            if let Some(sighting) = &mut replica.sighting {
                known(&mut sighting.lease);
            }
            match &mut replica.step {
                Step::Take { seen, .. } | Step::PutRenewed { seen, .. } => known(seen),
                Step::CheckRenewed { next, .. } => {
                    let is_there = next.is_same(&now);
                    let may_come = next.fence == now.fence && next.renewed == now.renewed + 1;
                    let renewed = u8::from(may_come);
                    *next = if is_there || may_come { Lease { fence, renewed, ..*next } } else { PAST };
                }
                Step::CheckTaken { fence: taken, .. } => {
                    *taken = match taken.checked_sub(now.fence) {
                        Some(0) => fence,
                        Some(1) => next_fence,
                        _ => 0,
                    };
                }
                _ => {}
            }
        }
        if let Some(Write::Lease { seen, next }) = &mut self.floating {
            let is_renewal = next.fence == seen.fence && next.owner.is_some();
            known(seen);
            next.fence = if next.fence == now.fence { fence } else { next_fence };
            next.renewed = u8::from(is_renewal);
        }
        if let Some(clearing) = &mut self.clearing {
            let is_current = now.is_under(clearing.fence) && clearing.fence > 0;
            // Whether it holds the lease tells what it does next.
            clearing.fence = if clearing.fence == 0 { 0 } else { 1 + u8::from(is_current) };
        }
        self.lease = Lease { fence, renewed: 0, ..now };
    }

    /// Numbers the tokens that may still be sent or stored, in their order.
    fn rename_tokens(&mut self) {
        let mut live: Tokens = 0;
        self.each_token(|id| live |= 1 << *id);
        let place = |id: TokenId| {
            let earlier = live & ((1 << id) - 1);
            TokenId::try_from(earlier.count_ones()).unwrap_or(TokenId::MAX)
        };
        self.each_token(|id| *id = place(*id));
        self.ghost.rename(live, place);
    }

    fn each_token(&mut self, mut visit: impl FnMut(&mut TokenId)) {
        let mut of_record = |record: &mut Record| {
            if let Record::Token { id, .. } = record {
                visit(id);
            }
        };
        of_record(&mut self.record);
        if let Some(Write::Record { seen, next }) = &mut self.floating {
            of_record(seen);
            of_record(next);
        }
        for replica in &mut self.replicas {
            of_record(&mut replica.expected);
            match &mut replica.step {
                Step::CheckFence { seen: Some(record) } | Step::Save { seen: record } => of_record(record),
                _ => {}
            }
        }
        for replica in &mut self.replicas {
            // The latest token that its callers know.
            replica.want -= 1;
            visit(&mut replica.want);
            replica.want += 1;
            for id in [&mut replica.sent, &mut replica.shuns].into_iter().flatten() {
                visit(id);
            }
            match &mut replica.job {
                Job::Keep { id } | Job::Forget { id, .. } => visit(id),
                Job::None => {}
            }
            match &mut replica.step {
                Step::Receive(Some(id))
                | Step::ReceiveLogin(id)
                | Step::Release(Then::End(Outcome::Token(id))) => visit(id),
                _ => {}
            }
        }
    }
}

fn forget_finished(replica: &mut Replica) {
    match replica.step {
        Step::Ended(_) => {
            let (crashes, removals) = (replica.crashes, replica.removals);
            replica.step = Step::Ended(Outcome::Error);
            (replica.expected, replica.want, replica.sighting) = (Record::Empty, 1, None);
            replica.shuns = None;
            (replica.crashes, replica.removals) = (crashes, removals);
        }
        Step::Ask | Step::AskLate { .. } | Step::Take { .. } | Step::CheckTaken { .. } => {
            replica.expected = Record::Empty;
        }
        Step::Release(Then::End(_)) if replica.rounds == 0 => {
            replica.step = Step::Release(Then::End(Outcome::Error));
            (replica.expected, replica.want, replica.job) = (Record::Empty, 1, Job::None);
        }
        _ => {}
    }
    let is_before_sending = matches!(
        replica.step,
        Step::ReadInside
            | Step::LookAtClock
            | Step::Renew
            | Step::PutRenewed { .. }
            | Step::CheckRenewed { .. }
            | Step::Send { .. }
    );
    if !is_before_sending && replica.sent.is_none() {
        (replica.left, replica.is_ousted) = (0, false);
    }
}
