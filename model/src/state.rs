//! A state of the whole: the store, the replicas, and what may still go wrong.

use super::LeaseModel;
use super::cells::{Lease, Owner, Record, TokenId, Write};
use super::clearing::Clearing;
use super::ghost::Ghost;
use super::rules::{Bounds, LeaseClock};

/// The most replicas that a state has room for.
pub const MAX_REPLICAS: usize = 3;

/// How a caller's wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// With a token that is new to it.
    Token(TokenId),
    /// With an error.
    Error,
}

/// What follows the end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Then {
    /// The callers get this.
    End(Outcome),
    /// The token was cleared: the callers start another attempt.
    Again,
}

/// What a replica does next. `seen` is what it found before, and `age` how many ticks ago.
#[expect(missing_docs, reason = "the fields are alike")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Looks whether the lease is free.
    Ask,
    /// The same, but the moment of the claim is this old.
    AskLate { age: u8 },
    /// Takes the lease, by compare-and-set.
    Take { seen: Lease, age: u8 },
    /// Looks whether it has taken it, after an error.
    CheckTaken { fence: u8, age: u8 },
    /// Reads the record again, inside the lease.
    ReadInside,
    /// Looks at the clock.
    LookAtClock,
    /// Looks whether the lease is still its own, to renew it.
    Renew,
    /// Renews it, by compare-and-set.
    PutRenewed { seen: Lease, age: u8 },
    /// Looks whether it has renewed it, after an error.
    CheckRenewed { next: Lease, age: u8 },
    /// Sends the refresh token. `is_in_time` if it looked at the clock before, and there was time enough.
    Send { is_in_time: bool },
    /// Reads the response: a token, or a refusal.
    Receive(Option<TokenId>),
    /// Looks whether another replica has stored a token, after a refusal.
    LookAfterRefusal,
    /// Sends the credentials.
    LogIn,
    /// Reads the response.
    ReceiveLogin(TokenId),
    /// Looks at the record that a save replaces.
    FindReplaced,
    /// Looks whether the lease is still its own.
    CheckFence { seen: Option<Record> },
    /// Saves, by compare-and-set.
    Save { seen: Record },
    /// Looks whether it has saved, after an error.
    CheckSaved,
    /// Looks whether the lease is still its own, as the record was another.
    CheckFenceAgain,
    /// Reads the record, as it was another.
    Reload,
    /// Ends the lease.
    Release(Then),
    /// Its callers have a token or an error.
    Ended(Outcome),
}

/// What is saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Nothing.
    #[default]
    None,
    /// A new token.
    Keep {
        /// Which.
        id: TokenId,
    },
    /// The token as it is, without its refresh token, which may be spent.
    Forget {
        /// Which.
        id: TokenId,
        /// Whether a login follows, inside the same lease; else the attempt ends.
        logs_in: bool,
    },
}

impl Job {
    pub(crate) fn record(self) -> Record {
        match self {
            Self::None => Record::Empty,
            Self::Keep { id } => Record::Token { id, can_refresh: true },
            Self::Forget { id, .. } => Record::Token { id, can_refresh: false },
        }
    }

    /// A save ends the lease, unless a login follows.
    pub(crate) fn is_fenced(self) -> bool {
        !matches!(self, Self::Forget { logs_in: true, .. })
    }
}

/// A text of the lease, and for how long it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sighting {
    pub(crate) lease: Lease,
    pub(crate) age: u8,
}

/// A replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// What it does next.
    pub step: Step,
    /// The earliest token that its callers want.
    pub want: TokenId,
    /// How often it wants a token after that.
    pub rounds: u8,
    /// How often it has crashed.
    pub crashes: u8,
    /// The fence of its lease.
    pub fence: u8,
    /// What is left of its lease, by its own clock.
    pub left: u8,
    /// How often it may still renew it.
    pub renewals: u8,
    /// The record that it read inside its lease.
    pub expected: Record,
    /// What it saves.
    pub job: Job,
    /// How many removals it knows of.
    pub removals: u8,
    /// Whether it cleared the token since the attempt began.
    pub is_cut: bool,
    /// The lease of another that it waits for.
    pub sighting: Option<Sighting>,
    /// The refresh token that it sent in this attempt.
    pub sent: Option<TokenId>,
    /// The token that it cleared: one that could not be removed is not used again.
    pub shuns: Option<TokenId>,
    /// Whether a removal took the lease from it.
    pub is_ousted: bool,
}

impl Replica {
    pub(crate) fn new(bounds: &Bounds, record: Record) -> Self {
        Self {
            step: Step::Ask,
            want: 1,
            rounds: bounds.rounds - 1,
            crashes: 0,
            fence: 0,
            left: 0,
            renewals: bounds.renewals,
            expected: record,
            job: Job::None,
            removals: 0,
            is_cut: false,
            sighting: None,
            sent: None,
            shuns: None,
            is_ousted: false,
        }
    }

    /// Whether it holds the turn that keeps its own clearing out of a save.
    pub(crate) fn is_saving(&self) -> bool {
        matches!(
            self.step,
            Step::CheckFence { .. }
                | Step::Save { .. }
                | Step::CheckSaved
                | Step::CheckFenceAgain
                | Step::Reload
        )
    }

    /// Whether an attempt is under way that began before this moment.
    pub(crate) fn is_attempting(&self) -> bool {
        !matches!(self.step, Step::Ask | Step::Ended(_))
    }
}

/// A state of the whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The record.
    pub record: Record,
    /// The lease.
    pub lease: Lease,
    /// An operation that failed, and may still take effect.
    pub floating: Option<Write>,
    /// The replicas; those beyond the bounds do nothing.
    pub replicas: [Replica; MAX_REPLICAS],
    /// The clearing under way.
    pub clearing: Option<Clearing>,
    /// Whether there may be one.
    pub may_clear: bool,
    /// How many removals there were.
    pub removals: u8,
    /// How many replicas may still crash.
    pub crashes: u8,
    /// How many operations may still fail.
    pub failures: u8,
    /// How many responses may still be lost.
    pub lost_answers: u8,
    /// What only the checker knows.
    pub ghost: Ghost,
}

impl State {
    pub(crate) fn new(bounds: &Bounds, record: Record) -> Self {
        Self {
            record,
            lease: Lease::default(),
            floating: None,
            replicas: std::array::from_fn(|at| {
                let replica = Replica::new(bounds, record);
                let step = if at < bounds.replicas { Step::Ask } else { Step::Ended(Outcome::Error) };
                Replica { step, ..replica }
            }),
            clearing: None,
            may_clear: bounds.clears,
            removals: 0,
            crashes: bounds.crashes,
            failures: bounds.failures,
            lost_answers: bounds.lost_answers,
            ghost: Ghost::default(),
        }
    }

    /// The first `count` replicas.
    pub fn replicas(&self, count: usize) -> &[Replica] {
        &self.replicas[..count]
    }

    /// How many replicas believe that they alone may send a refresh token, or wait for what it brings. One whose lease
    /// was ended by a removal is not told.
    pub fn senders(&self) -> usize {
        let is_sender = |replica: &&Replica| {
            let is_sending = matches!(replica.step, Step::Send { .. }) || replica.sent.is_some();
            is_sending && replica.left > 0 && !replica.is_ousted
        };
        self.replicas.iter().filter(is_sender).count()
    }

    pub(crate) fn owner(&self, at: usize) -> Owner {
        Owner::Replica(u8::try_from(at).unwrap_or(u8::MAX), self.replicas[at].crashes)
    }

    /// Writes the lease. What saw an earlier text need not be remembered: no text comes twice.
    pub(crate) fn write_lease(&mut self, next: Lease) {
        self.lease = next;
        for replica in &mut self.replicas {
            replica.sighting =
                replica.sighting.filter(|seen| seen.lease.is_same(&next) && next.owner.is_some());
        }
        self.floating = self.floating.filter(|write| match write {
            Write::Lease { seen, .. } => seen.is_same(&next),
            Write::Record { .. } => true,
        });
    }

    /// Writes the record.
    pub(crate) fn write_record(&mut self, next: Record) {
        self.ghost.replace(self.record, next);
        self.record = next;
        self.floating = self.floating.filter(|write| match write {
            Write::Lease { .. } => true,
            Write::Record { seen, .. } => *seen == next || *seen == Record::Empty,
        });
    }

    /// Notes that a removal took the lease from its holder.
    pub(crate) fn oust_holder(&mut self) {
        for at in 0..MAX_REPLICAS {
            if self.lease.owner == Some(self.owner(at)) && self.lease.fence == self.replicas[at].fence {
                self.replicas[at].is_ousted = true;
            }
        }
    }

    /// What is left of a lease that the place counts, after `age` ticks.
    pub(crate) fn left_at_place(bounds: &Bounds, age: u8) -> u8 {
        if bounds.clock == LeaseClock::Place { bounds.length.saturating_sub(age) } else { 0 }
    }

    pub(crate) fn can_tick(&self, model: &LeaseModel) -> bool {
        let mut next = self.clone();
        next.tick(model);
        next != *self
    }

    /// Time passes.
    pub(crate) fn tick(&mut self, model: &LeaseModel) {
        let bounds = &model.bounds;
        let oldest = if model.rules.sees_after_the_look { bounds.length } else { 2 * bounds.length };
        self.lease.left = self.lease.left.saturating_sub(1);
        if let Some(Write::Lease { next, .. }) = &mut self.floating {
            next.left = next.left.saturating_sub(1);
        }
        for replica in &mut self.replicas {
            if let (1, Some(id)) = (replica.left, replica.sent) {
                self.ghost.excuse(id);
            }
            replica.left = replica.left.saturating_sub(1);
            if let Some(sighting) = &mut replica.sighting {
                sighting.age = (sighting.age + 1).min(oldest);
            }
            if let Step::AskLate { age }
            | Step::Take { age, .. }
            | Step::CheckTaken { age, .. }
            | Step::PutRenewed { age, .. }
            | Step::CheckRenewed { age, .. } = &mut replica.step
            {
                *age = (*age + 1).min(bounds.length);
            }
        }
        self.ghost.tick();
        self.tick_clearing();
    }
}
