//! An SQLite database that any number of services and processes share, and a Prisma client with them.

mod damage;
mod database;
mod defense;
mod fault;
mod leases;
mod notes;
mod rows;
mod schema;
#[cfg(test)]
pub(super) mod tests;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use rusqlite::Connection;

use super::watch::{RecordObserver, Subscription};
use super::{Claim, Fence, Leasing, Revision, Saved, Slot, Store, StoredRow, run_blocking};
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::gate::Gate;

use database::{Database, Durability, IfMissing};
use leases::Taken;
use rows::DatabaseRow;

/// Records in the table `token_cache` of Prisma's model, and everything else in tables of evertoken's own; the tables
/// of others are never touched. Each change is one transaction. A damaged database is renamed to
/// `<name>.corrupt-<time>`, with a warning, and the store continues empty, unless others keep tables in it.
pub struct SqliteStore {
    database: SharedDatabase,
}

#[derive(Clone)]
struct SharedDatabase {
    configured: PathBuf,
    inner: Arc<Database>,
}

impl SqliteStore {
    /// The store in the database at `path`. Nothing is read or created yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let configured = path.into();
        // Absolute from the start, so that a change of the working directory does not move the store.
        let path = std::path::absolute(&configured).unwrap_or_else(|_| configured.clone());
        Self { database: SharedDatabase { configured, inner: Database::at(&path) } }
    }

    /// The first value that a statement returns.
    #[cfg(test)]
    async fn run_sql(&self, sql: &str) -> Result<Option<String>> {
        let sql = sql.to_owned();
        run_blocking(&self.database, &ServiceName::default(), move |database, _| {
            database.inner.read(|connection| {
                connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|value| value.to_string())
            })
        })
        .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn location(&self) -> String {
        self.database.path().display().to_string()
    }

    async fn load(&self, service: &ServiceName) -> Result<Slot> {
        run_blocking(&self.database, service, SharedDatabase::load).await
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let row = row.clone();
        run_blocking(&self.database, service, move |database, service| {
            database.save(service, &row, expected, fence)
        })
        .await
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        run_blocking(&self.database, service, SharedDatabase::remove).await
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        run_blocking(&self.database, service, move |database, service| database.set_aside(service, seen))
            .await
    }

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let claim = *claim;
        run_blocking(&self.database, service, move |database, service| database.lease(service, &claim)).await
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let claim = *claim;
        run_blocking(&self.database, service, move |database, service| {
            let renewed = database.change(IfMissing::Skip, Durability::Crash, |connection| {
                leases::renew(connection, service, &claim, fence)
            });
            let is_renewed = renewed?.unwrap_or(false);
            if !is_renewed {
                database.inner.lease_files.let_go_of(service, fence);
            }
            Ok(is_renewed)
        })
        .await
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        run_blocking(&self.database, service, move |database, service| {
            let released = database.change(IfMissing::Skip, Durability::Crash, |connection| {
                leases::end(connection, service, fence, note.clone())
            });
            database.inner.lease_files.let_go_of(service, fence);
            released.map(drop)
        })
        .await
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        run_blocking(&self.database, service, |database, service| {
            database.inner.read(|connection| notes::find(connection, service)).map(Option::flatten)
        })
        .await
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, until: Timestamp) -> Result<()> {
        let note = note.cloned();
        let missing = if note.is_some() { IfMissing::Create } else { IfMissing::Skip };
        run_blocking(&self.database, service, move |database, service| {
            let kept = database.change(missing, Durability::PowerLoss, |connection| {
                notes::put(connection, service, note.as_ref(), until)
            });
            kept.map(drop)
        })
        .await
    }

    fn take_warnings(&self) -> Vec<Error> {
        self.database.inner.take_warnings()
    }

    fn gate(&self) -> Option<&Arc<Gate>> {
        Some(&self.database.inner.gate)
    }

    fn watch(
        &self,
        service: &ServiceName,
        observer: Weak<dyn RecordObserver>,
    ) -> Result<Option<Subscription>> {
        Subscription::new(&self.database.inner, service.as_str(), observer).map(Some)
    }
}

impl SharedDatabase {
    fn path(&self) -> &Path {
        &self.configured
    }

    fn change<T>(
        &self,
        missing: IfMissing,
        durability: Durability,
        work: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.inner.change(missing, durability, work)
    }

    fn vanished_error(&self) -> Error {
        let message = format!("{} disappeared while it was being opened", self.path().display());
        Error::new(ErrorKind::Storage, message)
    }

    fn load(&self, service: &ServiceName) -> Result<Slot> {
        match self.inner.read(|connection| rows::find(connection, service))? {
            Some(DatabaseRow::Slot(slot)) => Ok(slot),
            Some(DatabaseRow::Malformed) => self.set_malformed_aside(service).map(|()| Slot::Empty),
            None => Ok(Slot::Empty),
        }
    }

    fn set_malformed_aside(&self, service: &ServiceName) -> Result<()> {
        let moved = self.change(IfMissing::Skip, Durability::PowerLoss, |connection| {
            // It may have been repaired since.
            let is_malformed = matches!(rows::find(connection, service)?, DatabaseRow::Malformed);
            if is_malformed {
                rows::set_aside(connection, service)?;
            }
            Ok(is_malformed)
        })?;
        if moved == Some(true) {
            let path = self.path().display();
            self.inner.warn(format!(
                "the record of {service} in {path} is malformed: it was moved to the table evertoken_aside"
            ));
        }
        Ok(())
    }

    fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let saved = self.change(IfMissing::Create, Durability::PowerLoss, |connection| {
            let lease = leases::find(connection, service)?;
            if fence.is_some_and(|fence| !lease.is_some_and(|lease| lease.is_under(fence))) {
                return Ok(Saved::Fenced);
            }
            let is_expected = match rows::find(connection, service)? {
                DatabaseRow::Slot(slot) => slot.revision() == expected,
                DatabaseRow::Malformed => false,
            };
            if !is_expected {
                return Ok(Saved::Conflict);
            }
            if let Some(fence) = fence {
                leases::end(connection, service, fence, None)?;
            }
            rows::put(connection, service, row).map(Saved::Stored)
        })?;
        if let (Some(fence), Some(Saved::Stored(_) | Saved::Fenced)) = (fence, saved) {
            self.inner.lease_files.let_go_of(service, fence);
        }
        saved.ok_or_else(|| self.vanished_error())
    }

    fn remove(&self, service: &ServiceName) -> Result<()> {
        let removed = self.change(IfMissing::Skip, Durability::PowerLoss, |connection| {
            rows::remove(connection, service)?;
            leases::end_any(connection, service)
        })?;
        if let Some(owner) = removed.flatten() {
            self.inner.lease_files.remove(service, owner);
        }
        Ok(())
    }

    fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        let moved = self.change(IfMissing::Skip, Durability::PowerLoss, |connection| {
            match rows::find(connection, service)? {
                DatabaseRow::Slot(Slot::Record(_, revision)) if revision == seen => {
                    rows::set_aside(connection, service)
                }
                _ => Ok(()),
            }
        });
        moved.map(drop)
    }

    fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let files = &self.inner.lease_files;
        let held = self.inner.read(|connection| leases::fence_against(connection, service, claim, files))?;
        // Most claimants find that another holds it. They write nothing.
        if let Some(fence) = held.flatten() {
            return Ok(Leasing::Held(fence));
        }
        let taken = self.change(IfMissing::Create, Durability::Crash, |connection| {
            leases::sweep(connection, &self.inner.owners_left(), files)?;
            leases::take(connection, service, claim, files)
        });
        if !matches!(taken, Ok(Some(Ok(_)))) {
            // It may have been undone.
            files.let_go(service, claim.owner);
        }
        Ok(match taken?.ok_or_else(|| self.vanished_error())? {
            Ok(Taken { grant, former }) => {
                if let Some(owner) = former {
                    files.remove(service, owner);
                }
                Leasing::Granted(grant)
            }
            Err(fence) => Leasing::Held(fence),
        })
    }
}
