//! The leases of a [`RowStore`](super::RowStore), each in a row of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::lease::{Claim, Fence, LeaseEntry, Leasing, Owner};
use super::super::record::digest;
use super::super::rows::{Content, Rows};
use super::{TRIES, reserved_row, swap};
use crate::clock::Clock;
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

pub(super) struct LeaseRows {
    rows: Arc<dyn Rows>,
    clock: Arc<dyn Clock>,
    /// The last text of each lease, and when this process first saw it.
    seen: Mutex<HashMap<ServiceName, Sighting>>,
}

#[derive(Clone, Copy)]
struct Sighting {
    text: u64,
    at: Duration,
}

/// A lease as it was found.
struct FoundLease {
    /// None if there is none, or if another program wrote something in its place.
    entry: Option<LeaseEntry>,
    /// Its text, which differs after each change.
    text: Option<u64>,
    /// What a compare-and-set expects.
    seen: Option<Secret>,
    /// The time at the place.
    now: Option<Timestamp>,
}

/// What a removal took away.
pub(super) enum TakenAway {
    /// There never was a lease.
    Nothing,
    /// A lease without a holder.
    Free,
    /// The lease, which is now the remover's.
    Held(Fence),
}

impl FoundLease {
    fn under(&self, fence: Fence) -> Option<&LeaseEntry> {
        self.entry.as_ref().filter(|lease| lease.is_under(fence))
    }
}

impl LeaseRows {
    pub(super) fn new(rows: Arc<dyn Rows>, clock: Arc<dyn Clock>) -> Self {
        Self { rows, clock, seen: Mutex::default() }
    }

    pub(super) async fn take(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let name = &service.reserved_for_lease();
        for _ in 0..TRIES {
            let found = self.find(name).await?;
            if let Some(lease) = found.entry.as_ref().filter(|_| self.is_held(name, &found, claim)) {
                return Ok(Leasing::Held(lease.fence));
            }
            let lease = LeaseEntry::after(found.entry.as_ref(), &at_place(claim, found.now));
            if self.put(name, found.seen.as_ref(), &lease, claim.elapsed).await? {
                return Ok(Leasing::Granted(lease.grant()));
            }
        }
        Err(self.contended())
    }

    pub(super) async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let renewed = self.change(service, claim.elapsed, |found| {
            let mut lease = found.under(fence)?.clone();
            lease.renew(&at_place(claim, found.now));
            Some(lease)
        });
        renewed.await
    }

    /// Ends the lease of this fence, with a note for the next holder.
    pub(super) async fn end(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        let ended = self.change(service, Duration::ZERO, |found| {
            let mut lease = found.under(fence)?.clone();
            lease.end(note.clone());
            Some(lease)
        });
        ended.await.map(drop)
    }

    /// Takes the lease from its holder, if it has one, so that no one gets it while the record is removed. It keeps its
    /// note.
    pub(super) async fn take_away(&self, service: &ServiceName) -> Result<TakenAway> {
        let name = &service.reserved_for_lease();
        for _ in 0..TRIES {
            let found = self.find(name).await?;
            let Some(last) = &found.entry else { return Ok(TakenAway::Nothing) };
            if last.owner.is_none() {
                return Ok(TakenAway::Free);
            }
            let claim = Claim {
                owner: Owner::random(),
                now: found.now.unwrap_or(last.since),
                elapsed: Duration::ZERO,
                length: last.since.until(last.until),
            };
            let lease = LeaseEntry::after(Some(last), &claim);
            if self.put(name, found.seen.as_ref(), &lease, Duration::ZERO).await? {
                return Ok(TakenAway::Held(lease.fence));
            }
        }
        Err(self.contended())
    }

    /// Ends the lease that was taken away.
    pub(super) async fn give_back(&self, service: &ServiceName, fence: Fence) -> Result<()> {
        let ended = self.change(service, Duration::ZERO, |found| {
            let mut lease = found.under(fence)?.clone();
            let note = lease.note.take();
            lease.end(note);
            Some(lease)
        });
        ended.await.map(drop)
    }

    pub(super) async fn is_under(&self, service: &ServiceName, fence: Fence) -> Result<bool> {
        Ok(self.find(&service.reserved_for_lease()).await?.under(fence).is_some())
    }

    /// Whether another owner holds it: until its end, by the clock of the place. At a place without one, the text of a
    /// lease that its holder renews changes; one that stays the same for as long as the lease lasts has ended. No two
    /// clocks are compared.
    fn is_held(&self, name: &ServiceName, found: &FoundLease, claim: &Claim) -> bool {
        let (Some(lease), Some(text)) = (&found.entry, found.text) else { return false };
        if found.now.is_some() {
            return lease.is_held_against(&at_place(claim, found.now));
        }
        let length = lease.since.until(lease.until);
        let first = self.first_sighting(name, text, claim.elapsed);
        lease.owner.is_some_and(|owner| owner != claim.owner) && claim.elapsed.saturating_sub(first) < length
    }

    /// When this text was first seen, which is now if it is new: after it was found, as it may have been written just
    /// before that, however long the claim waited.
    fn first_sighting(&self, name: &ServiceName, text: u64, claimed: Duration) -> Duration {
        let now = self.clock.elapsed().max(claimed);
        let mut all = self.seen.lock();
        let last = all.get(name).filter(|last| last.text == text);
        let sighting = last.copied().unwrap_or(Sighting { text, at: now });
        all.insert(name.clone(), sighting);
        sighting.at
    }

    /// Replaces a lease as `change` says, until no one else changes it meanwhile. `false` if `change` says no.
    async fn change(
        &self,
        service: &ServiceName,
        claimed: Duration,
        change: impl Fn(&FoundLease) -> Option<LeaseEntry>,
    ) -> Result<bool> {
        let name = &service.reserved_for_lease();
        for _ in 0..TRIES {
            let found = self.find(name).await?;
            let Some(lease) = change(&found) else { return Ok(false) };
            if self.put(name, found.seen.as_ref(), &lease, claimed).await? {
                return Ok(true);
            }
        }
        Err(self.contended())
    }

    async fn find(&self, name: &ServiceName) -> Result<FoundLease> {
        let found = self.rows.find(name).await?;
        let nothing = FoundLease { entry: None, text: None, seen: None, now: found.now };
        Ok(match found.content {
            Content::Nothing => nothing,
            Content::Row { row, seen } => {
                let text = row.token.expose();
                let entry = serde_json::from_str(text).ok();
                FoundLease { entry, text: Some(digest([text])), seen: Some(seen), ..nothing }
            }
            Content::Malformed { seen: Some(seen), .. } => FoundLease { seen: Some(seen), ..nothing },
            Content::Malformed { seen: None, .. } => {
                self.rows.discard(name).await?;
                nothing
            }
        })
    }

    async fn put(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        lease: &LeaseEntry,
        claimed: Duration,
    ) -> Result<bool> {
        let text = serde_json::to_string(lease)
            .map_err(|_| Error::new(ErrorKind::Internal, "could not write a lease"))?;
        let row = reserved_row(Secret::new(text), lease.since, lease.until);
        let is_put = swap(&*self.rows, name, expected, Some(&row)).await?;
        if is_put {
            self.first_sighting(name, digest([row.token.expose()]), claimed);
        }
        Ok(is_put)
    }

    fn contended(&self) -> Error {
        let place = self.rows.location();
        Error::new(ErrorKind::Storage, format!("the {place}: other processes keep changing the same lease"))
    }
}

/// The claim by the clock of the place, if it has one.
fn at_place(claim: &Claim, now: Option<Timestamp>) -> Claim {
    Claim { now: now.unwrap_or(claim.now), ..*claim }
}
