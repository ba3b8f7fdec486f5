//! Records, leases, notes and removals for any number of replicas, on a place that can compare and set.
//!
//! The lease decides who requests a token, and the record decides what is stored. Each is one row, and a row is replaced
//! only while it is what was seen, so that a holder that was frozen or cut off cannot undo what others did since. Why
//! that is enough: docs/decisions/0016.

mod leases;
mod place;
mod place_clock;
mod tombstone;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::record::number_of;
use super::rows::{Content, Found, Rows};
use super::watch::{RecordObserver, Subscription};
use super::{Claim, Fence, Leasing, Revision, Saved, Slot, Store, StoredRow};
#[cfg(test)]
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::domain::{Secret, ServiceName, Timestamp, TokenType};
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

use leases::{LeaseRows, TakenAway};
pub(in crate::store) use place::RowPlace;
use place_clock::PlaceClock;

/// A store on rows that compare and set.
///
/// A record that is set aside stays where it is, as there is no other place: this process ignores it from then on, so
/// that the next save replaces it.
pub struct RowStore {
    rows: Arc<dyn Rows>,
    leases: LeaseRows,
    clock: PlaceClock,
    place: Arc<RowPlace>,
    known: Mutex<HashMap<ServiceName, KnownRevision>>,
}

/// What this process knows about a service's record in addition to what is stored.
#[derive(Clone, Copy, Default)]
struct KnownRevision {
    /// The latest.
    last: Option<Revision>,
    set_aside: Option<Revision>,
}

/// What is in the place of a record.
struct FoundRecord {
    /// Or what is wrong with it.
    slot: std::result::Result<Slot, &'static str>,
    /// What a compare-and-set expects.
    seen: Option<Secret>,
}

impl FoundRecord {
    fn is_nothing(&self) -> bool {
        self.slot.is_ok() && self.seen.is_none()
    }
}

/// How often a change is tried that others interrupt each time.
const TRIES: usize = 8;

impl RowStore {
    /// The store on these rows. Nothing is read yet.
    pub(in crate::store) fn new(rows: Arc<dyn Rows>) -> Self {
        let place = RowPlace::shared(&rows);
        Self::watching(rows, place)
    }

    /// The same in a process with this clock.
    #[cfg(test)]
    pub(in crate::store) fn on_clock(rows: Arc<dyn Rows>, clock: Arc<dyn Clock>) -> Self {
        let leases = LeaseRows::new(Arc::clone(&rows), Arc::clone(&clock));
        Self { leases, clock: PlaceClock::new(clock), ..Self::new(rows) }
    }

    /// The same for rows of a place that other services reach in ways of their own: one of them looks for all.
    pub(in crate::store) fn watching(rows: Arc<dyn Rows>, place: Arc<RowPlace>) -> Self {
        let leases = LeaseRows::new(Arc::clone(&rows), Arc::new(SystemClock));
        Self { leases, clock: PlaceClock::new(Arc::new(SystemClock)), rows, place, known: Mutex::default() }
    }

    async fn find(&self, service: &ServiceName) -> Result<FoundRecord> {
        let found = self.clock.compared(|| self.rows.location(), self.rows.find(service)).await?;
        Ok(match found.content {
            Content::Nothing => FoundRecord { slot: Ok(Slot::Empty), seen: None },
            Content::Row { row, seen } => FoundRecord { slot: Ok(self.slot(service, row)), seen: Some(seen) },
            Content::Malformed { fault, seen } => FoundRecord { slot: Err(fault), seen },
        })
    }

    /// Makes room for a row if what is there cannot be expected.
    async fn make_room(&self, service: &ServiceName, found: &FoundRecord) -> Result<()> {
        if found.slot.is_err() && found.seen.is_none() { self.rows.discard(service).await } else { Ok(()) }
    }

    fn slot(&self, service: &ServiceName, row: StoredRow) -> Slot {
        let mut all = self.known.lock();
        let known = all.entry(service.clone()).or_default();
        let found = tombstone::read(&row).unwrap_or_else(|| Revision::new(number_of(row.last_used), &row));
        // A place may round the moment that stands for the number. That of a removal is whole; and the digest of all
        // removals is the same.
        let is_removal = tombstone::is_one(found);
        let same = known.last.filter(|last| !is_removal && last.digest == found.digest);
        let revision = same.unwrap_or(found);
        known.last = known.last.filter(|last| last.number > revision.number).or(Some(revision));
        if is_removal {
            Slot::Removed(revision)
        } else if known.set_aside == Some(revision) {
            Slot::Empty
        } else {
            Slot::Record(row, revision)
        }
    }

    /// The row that is written, and its revision.
    fn next(&self, service: &ServiceName, row: &StoredRow) -> (StoredRow, Revision) {
        let last_number = self.last(service).map(|last| last.number);
        let number = Revision::number_after(last_number, row.last_used);
        // The only column that grows with each write. It stands for the number, which has no column.
        let last_used = Timestamp::from_millisecond(number.cast_signed());
        let row = StoredRow { last_used, ..row.clone() };
        let revision = Revision::new(number_of(last_used), &row);
        (row, revision)
    }

    fn last(&self, service: &ServiceName) -> Option<Revision> {
        self.known.lock().get(service).and_then(|known| known.last)
    }

    fn see(&self, service: &ServiceName, revision: Revision) {
        self.known.lock().entry(service.clone()).or_default().last = Some(revision);
    }

    /// Replaces what is in the place of the record with a tombstone. A holder that read it before cannot replace it.
    async fn bury(&self, service: &ServiceName, had_lease: bool) -> Result<()> {
        for _ in 0..TRIES {
            let found = self.find(service).await?;
            // A login may be under way that began with nothing, even if its lease has ended since: its process is frozen.
            if found.is_nothing() && !had_lease {
                return Ok(());
            }
            self.make_room(service, &found).await?;
            let (row, removal) = tombstone::write(self.last(service));
            if swap(&*self.rows, service, found.seen.as_ref(), Some(&row)).await? {
                self.see(service, removal);
                return Ok(());
            }
        }
        Err(self.contended())
    }

    fn error(&self, fault: &str) -> Error {
        Error::new(ErrorKind::Storage, format!("the {}: {fault}", self.rows.location()))
    }

    fn contended(&self) -> Error {
        self.error("other processes keep changing the same row")
    }
}

#[async_trait]
impl Store for RowStore {
    fn kind(&self) -> &'static str {
        self.rows.kind()
    }

    fn location(&self) -> String {
        self.rows.location()
    }

    async fn load(&self, service: &ServiceName) -> Result<Slot> {
        self.find(service).await?.slot.map_err(|fault| self.error(fault))
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        // Before the lease: a removal takes the lease away first, so that what was seen here before it is gone after it.
        let found = self.find(service).await?;
        let is_fenced = async || match fence {
            Some(fence) => self.leases.is_under(service, fence).await.map(|is_under| !is_under),
            None => Ok(false),
        };
        if is_fenced().await? {
            return Ok(Saved::Fenced);
        }
        // No process can use a malformed one.
        if found.slot.as_ref().is_ok_and(|slot| slot.revision() != expected) {
            return Ok(Saved::Conflict);
        }
        self.make_room(service, &found).await?;
        let (row, revision) = self.next(service, row);
        if !swap(&*self.rows, service, found.seen.as_ref(), Some(&row)).await? {
            return Ok(if is_fenced().await? { Saved::Fenced } else { Saved::Conflict });
        }
        self.see(service, revision);
        if let Some(fence) = fence {
            // It is stored. A lease that does not end now ends by itself.
            let _ = self.leases.end(service, fence, None).await;
        }
        Ok(Saved::Stored(revision))
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        let taken = self.leases.take_away(service).await?;
        self.bury(service, !matches!(taken, TakenAway::Nothing)).await?;
        if let TakenAway::Held(fence) = taken {
            // It is removed. A lease that does not end now ends by itself.
            let _ = self.leases.give_back(service, fence).await;
        }
        Ok(())
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        self.known.lock().entry(service.clone()).or_default().set_aside = Some(seen);
        Ok(())
    }

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        self.leases.take(service, claim).await
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        self.leases.renew(service, claim, fence).await
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        self.leases.end(service, fence, note).await
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        Ok(match self.rows.find(&service.reserved_for_note()).await?.content {
            Content::Row { row, .. } => Some(row.token),
            Content::Nothing | Content::Malformed { .. } => None,
        })
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, until: Timestamp) -> Result<()> {
        let name = &service.reserved_for_note();
        let row = note.map(|note| reserved_row(note.clone(), until, until));
        for _ in 0..TRIES {
            let seen = match self.rows.find(name).await?.content {
                Content::Nothing => None,
                Content::Row { seen, .. } | Content::Malformed { seen: Some(seen), .. } => Some(seen),
                Content::Malformed { seen: None, .. } => {
                    self.rows.discard(name).await?;
                    None
                }
            };
            if seen.is_none() && row.is_none() {
                return Ok(());
            }
            if swap(&*self.rows, name, seen.as_ref(), row.as_ref()).await? {
                return Ok(());
            }
        }
        Err(self.contended())
    }

    fn clock_ahead_ms(&self) -> i64 {
        self.clock.ahead_ms()
    }

    fn take_warnings(&self) -> Vec<Error> {
        self.rows.take_warnings().into_iter().chain(self.clock.take_warnings()).collect()
    }

    fn watch(
        &self,
        service: &ServiceName,
        observer: Weak<dyn RecordObserver>,
    ) -> Result<Option<Subscription>> {
        self.place.subscribe(service, observer)
    }
}

/// Compares and sets. If the answer is lost, the row tells whether it was set: no two texts that are written are equal.
async fn swap(
    rows: &dyn Rows,
    name: &ServiceName,
    expected: Option<&Secret>,
    next: Option<&StoredRow>,
) -> Result<bool> {
    let error = match rows.compare_and_set(name, expected, next).await {
        Ok(is_set) => return Ok(is_set),
        Err(error) => error,
    };
    match (rows.find(name).await, next) {
        (Ok(Found { content: Content::Row { row, .. }, .. }), Some(next))
            if row.token.matches(&next.token) =>
        {
            Ok(true)
        }
        (Ok(Found { content: Content::Nothing, .. }), None) => Ok(true),
        _ => Err(error.uncertain()),
    }
}

/// A row of evertoken's own, under a reserved name.
fn reserved_row(text: Secret, since: Timestamp, until: Timestamp) -> StoredRow {
    StoredRow {
        token: text,
        refresh_token: None,
        token_type: TokenType::bearer(),
        created_at: since,
        expires_at: until,
        last_used: since,
        format: None,
        column_fault: None,
    }
}

#[cfg(test)]
pub(super) mod tests;
