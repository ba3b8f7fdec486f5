//! Which of several processes asks the token server.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{Secret, Timestamp};

/// One process's service, as leases name it: random, so that no two are alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner(u64);

impl Owner {
    /// A new one.
    pub fn random() -> Self {
        // Readable by every reader of JSON and SQL: it fits into a double and a signed integer.
        Self(fastrand::u64(1..1 << 53))
    }

    /// The owner with this number.
    pub(in crate::store) fn from_number(number: u64) -> Option<Self> {
        (1..1 << 53).contains(&number).then_some(Self(number))
    }

    /// The number that is stored.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({:x})", self.0)
    }
}

/// Numbers the leases of a service and only grows: what a former holder writes under an older one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence(pub u64);

impl Fence {
    /// The one after `last`. It is never below the time, so that it also grows where the last one was lost.
    pub fn after(last: Option<Self>, now: Timestamp) -> Self {
        Self(super::record::next_number(last.map(|fence| fence.0), now))
    }
}

/// Who wants a lease, from when on and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Who.
    pub owner: Owner,
    /// The present moment.
    pub now: Timestamp,
    /// For how long: a holder that is not heard of for this long is taken for dead.
    pub length: Duration,
}

impl Claim {
    /// Until when.
    pub fn until(&self) -> Timestamp {
        self.now.plus(self.length)
    }
}

/// What came of a claim.
#[derive(Clone, Debug)]
pub enum Leasing {
    /// The lease is the claimant's.
    Granted(LeaseGrant),
    /// Another holds it.
    Held(Fence),
    /// This store has no leases.
    Unknown,
}

/// A lease that was granted.
#[derive(Clone, Debug)]
pub struct LeaseGrant {
    /// Its number, to save under.
    pub fence: Fence,
    /// What the last holder left for the next one: see [`Store::release`](super::Store::release).
    pub note: Option<Secret>,
}

/// A claim may have waited this long for its turn at the store, and then speaks of a moment before the lease
/// that was granted meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A lease as a store keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::store) struct LeaseEntry {
    /// The number of the last lease, held or not.
    pub(in crate::store) fence: Fence,
    /// Who holds it.
    pub(in crate::store) owner: Option<Owner>,
    /// Since when, by the holder's clock: since the grant or the last renewal.
    #[serde(with = "millisecond")]
    pub(in crate::store) since: Timestamp,
    /// Until when.
    #[serde(with = "millisecond")]
    pub(in crate::store) until: Timestamp,
    /// What the last holder left.
    #[serde(with = "note_text", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) note: Option<Secret>,
}

impl LeaseEntry {
    /// Whether somebody else than `claim`'s owner holds it at its moment. A lease that began well in the future
    /// was written before the clock was set back: it tells nothing.
    pub(in crate::store) fn is_held_against(&self, claim: &Claim) -> bool {
        let is_current = self.since <= claim.now.plus(LONGEST_WAIT) && claim.now < self.until;
        is_current && self.owner.is_some_and(|owner| owner != claim.owner)
    }

    /// Whether `fence` is that of a lease that nobody has taken over or ended.
    pub(in crate::store) fn is_under(&self, fence: Fence) -> bool {
        self.fence == fence && self.owner.is_some()
    }

    /// The lease of `claim`, after `last`.
    pub(in crate::store) fn after(last: Option<&Self>, claim: &Claim) -> Self {
        Self {
            fence: Fence::after(last.map(|lease| lease.fence), claim.now),
            owner: Some(claim.owner),
            since: claim.now,
            until: claim.until(),
            note: last.and_then(|lease| lease.note.clone()),
        }
    }

    /// One that may have been granted at `since`, as far as anybody can tell.
    pub(in crate::store) fn unknown(since: Timestamp, length: Duration) -> Self {
        Self { fence: Fence(0), owner: Some(Owner::random()), since, until: since.plus(length), note: None }
    }

    /// Goes on from `claim`'s moment.
    pub(in crate::store) fn renew(&mut self, claim: &Claim) {
        self.since = claim.now;
        self.until = claim.until();
    }

    /// Ends it, with a note for the next holder.
    pub(in crate::store) fn end(&mut self, note: Option<Secret>) {
        self.owner = None;
        self.note = note;
    }

    /// What a claimant is told who has just got it.
    pub(in crate::store) fn grant(&self) -> LeaseGrant {
        LeaseGrant { fence: self.fence, note: self.note.clone() }
    }
}

/// A note is sealed by who leaves it, and is written as it is.
mod note_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::domain::Secret;

    #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
    pub(super) fn serialize<S: Serializer>(note: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        note.as_ref().map(Secret::expose).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

/// A moment as milliseconds since 1970.
mod millisecond {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::Timestamp;

    pub(super) fn serialize<S: Serializer>(moment: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(moment.as_millisecond())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        Ok(Timestamp::from_millisecond(i64::deserialize(from)?))
    }
}
