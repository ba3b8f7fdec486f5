//! Which of several processes requests a token.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{Secret, Timestamp};

/// A service of one process, as the owner of leases. Owners are random, so that no two are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner(u64);

impl Owner {
    /// A new owner.
    pub fn random() -> Self {
        // Exact in JSON and SQL: the number fits into a double and a signed integer.
        Self(fastrand::u64(1..1 << 53))
    }

    /// The owner with this number.
    pub(in crate::store) fn from_number(number: u64) -> Option<Self> {
        (1..1 << 53).contains(&number).then_some(Self(number))
    }

    /// The number as it is stored.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({:x})", self.0)
    }
}

/// Counts the leases of a service and only grows: a write under an older fence is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence(pub u64);

impl Fence {
    /// The fence after `last`. It is never less than the time, so that it also grows if the last one is lost.
    pub fn after(last: Option<Self>, now: Timestamp) -> Self {
        Self(super::record::next_number(last.map(|fence| fence.0), now))
    }
}

/// A request for a lease.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Who requests it.
    pub owner: Owner,
    /// The present moment.
    pub now: Timestamp,
    /// The same on a clock that is never set. It means something only to this process.
    pub elapsed: Duration,
    /// For how long: a holder that does not renew it for this long counts as dead.
    pub length: Duration,
}

impl Claim {
    /// When the lease ends.
    pub fn until(&self) -> Timestamp {
        self.now.plus(self.length)
    }
}

/// The result of a claim.
#[derive(Clone, Debug)]
pub enum Leasing {
    /// The claimant holds the lease.
    Granted(LeaseGrant),
    /// Another owner holds the lease.
    Held(Fence),
    /// This store has no leases.
    Unknown,
}

/// A lease that was granted.
#[derive(Clone, Debug)]
pub struct LeaseGrant {
    /// Its number, which saves must state.
    pub fence: Fence,
    /// What the last holder left for the next one: see [`Store::release`](super::Store::release).
    pub note: Option<Secret>,
}

/// A claim may have waited this long for access to the store. Its moment is then earlier than a lease that was
/// granted in the meantime.
const MAX_CLAIM_DELAY: Duration = Duration::from_secs(10);

/// No lease lasts longer: one for a request with the longest `timeoutMs`. What another program wrote ends, too.
const MAX_LEASE: Duration = Duration::from_secs(660);

/// A lease as a store keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::store) struct LeaseEntry {
    /// The number of the last lease, held or not.
    pub(in crate::store) fence: Fence,
    /// The owner that holds it.
    pub(in crate::store) owner: Option<Owner>,
    /// When it was granted or last renewed, by the holder's clock.
    #[serde(with = "millisecond")]
    pub(in crate::store) since: Timestamp,
    /// When it ends.
    #[serde(with = "millisecond")]
    pub(in crate::store) until: Timestamp,
    /// What the last holder left.
    #[serde(with = "note_text", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store) note: Option<Secret>,
}

impl LeaseEntry {
    /// Whether another owner than `claim`'s holds it at that moment. A lease that begins far in the future was
    /// written before the clock was set back, and is ignored.
    pub(in crate::store) fn is_held_against(&self, claim: &Claim) -> bool {
        let until = self.until.min(self.since.plus(MAX_LEASE));
        let is_current = self.since <= claim.now.plus(MAX_CLAIM_DELAY) && claim.now < until;
        is_current && self.owner.is_some_and(|owner| owner != claim.owner)
    }

    /// Whether `fence` is that of a lease that is still held.
    pub(in crate::store) fn is_under(&self, fence: Fence) -> bool {
        self.fence == fence && self.owner.is_some()
    }

    /// The lease for `claim` that follows `last`.
    pub(in crate::store) fn after(last: Option<&Self>, claim: &Claim) -> Self {
        Self {
            fence: Fence::after(last.map(|lease| lease.fence), claim.now),
            owner: Some(claim.owner),
            since: claim.now,
            until: claim.until(),
            note: last.and_then(|lease| lease.note.clone()),
        }
    }

    /// A lease that may have been granted at `since`: what is known if the leases cannot be read.
    pub(in crate::store) fn unknown(since: Timestamp, length: Duration) -> Self {
        Self { fence: Fence(0), owner: Some(Owner::random()), since, until: since.plus(length), note: None }
    }

    /// Extends it from `claim`'s moment.
    pub(in crate::store) fn renew(&mut self, claim: &Claim) {
        self.since = claim.now;
        self.until = claim.until();
    }

    /// Ends it, with a note for the next holder.
    pub(in crate::store) fn end(&mut self, note: Option<Secret>) {
        self.owner = None;
        self.note = note;
    }

    /// What its holder needs.
    pub(in crate::store) fn grant(&self) -> LeaseGrant {
        LeaseGrant { fence: self.fence, note: self.note.clone() }
    }
}

/// The holder seals the note, so it is written as it is.
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
