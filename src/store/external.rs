//! Records behind functions of the user's program: a Prisma client, or a custom store.

mod removal;
mod rows;
#[cfg(test)]
pub(super) mod tests;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::postgres::PostgresRows;
use super::record::number_of;
use super::row_store::RowPlace;
use super::rows::Rows;
use super::{Fence, Revision, RowStore, Saved, Slot, Store, StoreCallbacks, StoredRow};

use super::redis::RedisRows;
use crate::config::ExternalStoreKind;
use crate::domain::{Secret, ServiceName, Timestamp, TokenType};
use crate::error::{Error, ErrorKind, Result};
use crate::sync::{Mutex, MutexGuard};
pub(super) use rows::{RecordRows, TextRows};

use wire::{Expected, StoreRequest, StoreResponse, WireRecord};

/// Records that [`StoreCallbacks`] keep. There are no leases. Of two processes that save at the same time, one wins
/// if the callbacks compare and swap; else the last one does.
///
/// The callbacks have one record for a service, and no other place: a record that is set aside stays where it is.
/// This process ignores it from then on, so that the next save replaces it.
///
/// They may lose records: a cache evicts them, a replica lags behind. A missing record was removed only if a removal
/// is recorded, as another record under a reserved name; the next save has a greater number.
pub struct ExternalStore {
    kind: ExternalStoreKind,
    provider: Arc<dyn StoreCallbacks>,
    known: Mutex<HashMap<ServiceName, KnownRevision>>,
    /// Held from reading the stored record to replacing it.
    turn: tokio::sync::Mutex<()>,
}

const PRISMA_CLIENT: &str = "Prisma client";
const CUSTOM_STORE: &str = "custom store";

/// What this process knows about a service's record in addition to what is stored.
#[derive(Clone, Copy, Default)]
struct KnownRevision {
    /// The latest.
    last: Option<Revision>,
    set_aside: Option<Revision>,
    /// What this process removed. A replica that lags behind may still return it.
    removed: Option<Revision>,
}

impl KnownRevision {
    /// Keeps the latest revision, even if an older copy is seen after it.
    fn see(&mut self, revision: Revision) {
        self.last = self.last.filter(|last| last.number > revision.number).or(Some(revision));
    }

    fn is_out_of_the_way(&self, revision: Revision) -> bool {
        self.set_aside == Some(revision)
            || self.removed.is_some_and(|removed| removed.digest == revision.digest)
    }
}

/// The store of a kind whose functions the user's program provides: one for each service in `callbacks`, and one for all
/// services that share a client in `client`. A store that does not compare and set has no leases.
pub fn external(
    kind: &ExternalStoreKind,
    compares_and_sets: bool,
    callbacks: Arc<dyn StoreCallbacks>,
    client: Arc<dyn StoreCallbacks>,
) -> Arc<dyn Store> {
    if !compares_and_sets {
        return Arc::new(ExternalStore::new(kind.clone(), callbacks));
    }
    let rows = |callbacks| -> Arc<dyn Rows> {
        match kind {
            ExternalStoreKind::Prisma => Arc::new(RecordRows(callbacks)),
            ExternalStoreKind::Postgres(table) => Arc::new(PostgresRows::over(callbacks, table.clone())),
            ExternalStoreKind::Redis(prefix) => Arc::new(RedisRows::of_client(callbacks, prefix)),
            ExternalStoreKind::Custom => Arc::new(TextRows(callbacks)),
        }
    };
    let address = Arc::as_ptr(&client).cast::<()>() as usize;
    Arc::new(RowStore::watching(rows(callbacks), RowPlace::of(address, kind, || rows(client))))
}

impl ExternalStore {
    /// The store behind these callbacks. Nothing is called yet.
    pub fn new(kind: ExternalStoreKind, provider: Arc<dyn StoreCallbacks>) -> Self {
        Self { kind, provider, known: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    async fn find(&self, service: &ServiceName) -> Result<WireRecord> {
        let answer = self.call(&StoreRequest::Get(service)).await?;
        let mut all = self.known();
        let known = all.entry(service.clone()).or_default();
        let mut found = wire::read(answer);
        if let WireRecord::Record { revision, .. } = &mut found {
            *revision = known.last.filter(|last| last.digest == revision.digest).unwrap_or(*revision);
            known.see(*revision);
        }
        Ok(found)
    }

    /// The recorded removal of a record that is missing.
    async fn find_removal(&self, service: &ServiceName) -> Result<Option<Revision>> {
        let answer = self.call(&StoreRequest::Get(&service.reserved_for_removal())).await?;
        let WireRecord::Record { row, .. } = wire::read(answer) else { return Ok(None) };
        let removal = removal::read(&row);
        self.known().entry(service.clone()).or_default().see(removal);
        Ok(Some(removal))
    }

    /// Records the removal of what is known of the service, if anything is.
    async fn record_removal(&self, service: &ServiceName) -> Result<()> {
        let last = self.last(service).filter(|last| !removal::is_one(*last));
        let Some(last) = last else { return Ok(()) };
        let row = removal::write(last);
        let name = &service.reserved_for_removal();
        self.call(&StoreRequest::Set { service: name, row: &row, replaced: Expected::Any }).await?;
        self.known().entry(service.clone()).or_default().see(removal::read(&row));
        Ok(())
    }

    fn last(&self, service: &ServiceName) -> Option<Revision> {
        self.known().get(service).and_then(|known| known.last)
    }

    fn is_out_of_the_way(&self, service: &ServiceName, revision: Revision) -> bool {
        self.known().get(service).is_some_and(|known| known.is_out_of_the_way(revision))
    }

    async fn call(&self, request: &StoreRequest<'_>) -> Result<StoreResponse> {
        let outcome = self.provider.call(request.to_json()).await?;
        StoreResponse::parse(&outcome).map_err(|message| self.error(&message))
    }

    fn error(&self, message: &str) -> Error {
        Error::new(ErrorKind::Storage, format!("the {}: {message}", self.location()))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ServiceName, KnownRevision>> {
        self.known.lock()
    }
}

#[async_trait]
impl Store for ExternalStore {
    fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    fn location(&self) -> String {
        match self.kind {
            ExternalStoreKind::Prisma => PRISMA_CLIENT.to_owned(),
            _ => CUSTOM_STORE.to_owned(),
        }
    }

    async fn load(&self, service: &ServiceName) -> Result<Slot> {
        match self.find(service).await? {
            WireRecord::Record { row, revision } if !self.is_out_of_the_way(service, revision) => {
                Ok(Slot::Record(row, revision))
            }
            WireRecord::Record { .. } => Ok(Slot::Empty),
            WireRecord::Nothing => Ok(self.find_removal(service).await?.map_or(Slot::Empty, Slot::Removed)),
            WireRecord::Malformed(fault) => Err(self.error(fault)),
        }
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        if fence.is_some() {
            // This store never grants a lease.
            return Ok(Saved::Fenced);
        }
        let _turn = self.turn.lock().await;
        let (current, replaced) = match self.find(service).await? {
            WireRecord::Nothing => {
                // Needed for its number only. A mark that cannot be read must not prevent the save.
                let _ = self.find_removal(service).await;
                (None, Expected::None)
            }
            WireRecord::Record { revision, row } => {
                let current = Some(revision).filter(|revision| !self.is_out_of_the_way(service, *revision));
                (current, Expected::Seen(row.token))
            }
            // No process can use it.
            WireRecord::Malformed(_) => (expected, Expected::Any),
        };
        if current != expected {
            return Ok(Saved::Conflict);
        }
        let last_number = self.last(service).map(|last| last.number);
        let revision = Revision::new(Revision::number_after(last_number, row.last_used), row);
        // The only column that grows with each write. It stands for the number, which has no column.
        let last_used = Timestamp::from_millisecond(revision.number.cast_signed());
        let row = StoredRow { last_used, ..row.clone() };
        let revision = Revision { number: number_of(last_used), ..revision };
        let request = StoreRequest::Set { service, row: &row, replaced };
        match self.call(&request).await? {
            StoreResponse::Stored => {
                self.known().entry(service.clone()).or_default().last = Some(revision);
                Ok(Saved::Stored(revision))
            }
            StoreResponse::Conflict => Ok(Saved::Conflict),
            StoreResponse::Other(_) => Err(self.error("set() did not report whether it stored the record")),
        }
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        let _turn = self.turn.lock().await;
        let found = self.find(service).await;
        // Before the record is deleted: a process that finds neither treats the record as lost, and stores its own
        // again.
        let recorded = self.record_removal(service).await;
        let deleted = self.call(&StoreRequest::Delete(service)).await;
        if let Ok(WireRecord::Record { revision, .. }) = &found {
            self.known().entry(service.clone()).or_default().removed = Some(*revision);
        }
        deleted.and(recorded).and(found).map(drop)
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        self.known().entry(service.clone()).or_default().set_aside = Some(seen);
        Ok(())
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        let answer = self.call(&StoreRequest::Get(&service.reserved_for_note())).await?;
        Ok(match wire::read(answer) {
            WireRecord::Record { row, .. } => Some(row.token),
            WireRecord::Nothing | WireRecord::Malformed(_) => None,
        })
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, until: Timestamp) -> Result<()> {
        let service = &service.reserved_for_note();
        let Some(note) = note else { return self.call(&StoreRequest::Delete(service)).await.map(drop) };
        let row = StoredRow {
            token: note.clone(),
            refresh_token: None,
            token_type: TokenType::bearer(),
            // There is no other time to state.
            created_at: until,
            expires_at: until,
            last_used: until,
            format: None,
            column_fault: None,
        };
        let request = StoreRequest::Set { service, row: &row, replaced: Expected::Any };
        self.call(&request).await.map(drop)
    }
}
