//! What is explored, and the rules of the protocol, each of which can be left out.

/// How it is known that a lease has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseClock {
    /// By the clock of the place.
    Place,
    /// By observation: its text stayed the same for as long as it lasts.
    Observation,
}

/// How much of what may happen is explored. Faults are those of a whole run, not of each replica.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How many replicas there are: at most [`MAX_REPLICAS`](crate::state::MAX_REPLICAS).
    pub replicas: usize,
    /// How often each wants a new token.
    pub rounds: u8,
    /// How it is known that a lease has ended.
    pub clock: LeaseClock,
    /// The ticks that a lease lasts.
    pub length: u8,
    /// The ticks that a request may take.
    pub request: u8,
    /// How often an attempt renews its lease before it gives up.
    pub renewals: u8,
    /// How many replicas crash.
    pub crashes: u8,
    /// How many operations on the store fail.
    pub failures: u8,
    /// How many responses of the token server are lost.
    pub lost_answers: u8,
    /// Whether the token is cleared once.
    pub clears: bool,
    /// Whether it is also explored from an empty store.
    pub starts_empty: bool,
}

impl Bounds {
    /// Nothing but slow and frozen replicas.
    pub fn new(replicas: usize, clock: LeaseClock) -> Self {
        Self {
            replicas,
            rounds: 1,
            clock,
            length: 2,
            request: 1,
            renewals: 1,
            crashes: 0,
            failures: 0,
            lost_answers: 0,
            clears: false,
            starts_empty: false,
        }
    }
}

/// The rules of the protocol.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each rule is followed or not")]
pub struct Rules {
    /// A lease is taken by compare-and-set: only if it is still what the claimant found.
    pub compares_lease: bool,
    /// A holder counts its lease from the moment before it asked for it.
    pub counts_from_the_question: bool,
    /// A lease counts as seen from the moment when the look at it ended, not from when it began.
    pub sees_after_the_look: bool,
    /// The holder reads the record again inside the lease.
    pub reads_inside: bool,
    /// The holder looks at the clock right before it sends a refresh token.
    pub looks_at_clock: bool,
    /// A save is refused unless the lease is still under its fence.
    pub checks_fence: bool,
    /// A save replaces only the record that was seen.
    pub compares_record: bool,
    /// A removal leaves a tombstone.
    pub leaves_tombstone: bool,
    /// A removal leaves it also where nothing is stored, if there ever was a lease.
    pub marks_nothing: bool,
    /// A removal first ends the lease.
    pub ends_lease_first: bool,
    /// A removal holds the lease itself until the tombstone is there.
    pub removes_inside: bool,
    /// A holder whose save failed keeps the lease, and tries again.
    pub keeps_lease_until_saved: bool,
    /// After a lost response, the record is stored without the refresh token, which may be spent.
    pub forgets_doubtful: bool,
    /// An attempt whose token is cleared after it sent the refresh token leaves its lease to the removal.
    pub leaves_cut_lease: bool,
    /// An attempt does not begin while its own process clears the token.
    pub waits_for_clearing: bool,
    /// A lease is ended only under the fence of its holder.
    pub ends_own_lease: bool,
}

impl Rules {
    /// All of them.
    pub fn all() -> Self {
        Self {
            compares_lease: true,
            counts_from_the_question: true,
            sees_after_the_look: true,
            reads_inside: true,
            looks_at_clock: true,
            checks_fence: true,
            compares_record: true,
            leaves_tombstone: true,
            marks_nothing: true,
            ends_lease_first: true,
            removes_inside: true,
            keeps_lease_until_saved: true,
            forgets_doubtful: true,
            leaves_cut_lease: true,
            waits_for_clearing: true,
            ends_own_lease: true,
        }
    }
}
