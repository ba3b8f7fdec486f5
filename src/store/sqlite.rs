//! An SQLite database, shared by any number of services and processes, and with a Prisma client.

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

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::{Claim, Fence, Leasing, Revision, Saved, Slot, Store, StoredRow};
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

use database::{Database, Missing, Survives};
use rows::DatabaseRow;

/// Records in the table `token_cache` of Prisma's model, whatever else evertoken needs in tables of its own;
/// the tables of others are never touched. Each change is one transaction. A damaged database is renamed to
/// `<name>.corrupt-<time>`, with a warning, and the store goes on empty, unless others keep things in it.
#[derive(Debug)]
pub struct SqliteStore {
    place: SharedDatabase,
}

#[derive(Clone, Debug)]
struct SharedDatabase {
    configured: PathBuf,
    database: Arc<Database>,
}

impl SqliteStore {
    /// The store in the database at `path`; nothing is read or made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let configured = path.into();
        // Made absolute at once: a later change of the working directory moves no store.
        let path = std::path::absolute(&configured).unwrap_or_else(|_| configured.clone());
        Self { place: SharedDatabase { configured, database: Database::at(&path) } }
    }

    /// The first value of what a statement answers.
    #[cfg(test)]
    async fn run_sql(&self, sql: &str) -> Result<Option<String>> {
        let sql = sql.to_owned();
        self.run(move |place| {
            place.database.read(|connection| {
                connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|value| value.to_string())
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SharedDatabase) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = self.place.clone();
        runtime::blocking(move || work(&place)).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn location(&self) -> String {
        self.place.path().display().to_string()
    }

    async fn load(&self, service: &ServiceName) -> Result<Slot> {
        let service = service.clone();
        self.run(move |place| place.load(&service)).await
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let (service, row) = (service.clone(), row.clone());
        self.run(move |place| place.save(&service, &row, expected, fence)).await
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        let service = service.clone();
        self.run(move |place| {
            let removed = place.database.change(Missing::Leave, Survives::PowerCut, |connection| {
                rows::remove(connection, &service)?;
                leases::end_any(connection, &service)
            });
            removed.map(drop)
        })
        .await
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        let service = service.clone();
        self.run(move |place| {
            let moved = place.database.change(Missing::Leave, Survives::PowerCut, |connection| {
                match rows::find(connection, &service)? {
                    DatabaseRow::Slot(Slot::Record(_, revision)) if revision == seen => {
                        rows::set_aside(connection, &service)
                    }
                    _ => Ok(()),
                }
            });
            moved.map(drop)
        })
        .await
    }

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let (service, claim) = (service.clone(), *claim);
        self.run(move |place| place.lease(&service, &claim)).await
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let (service, claim) = (service.clone(), *claim);
        self.run(move |place| {
            let renewed = place.database.change(Missing::Leave, Survives::Crash, |connection| {
                leases::renew(connection, &service, &claim, fence)
            });
            Ok(renewed?.unwrap_or(false))
        })
        .await
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        let service = service.clone();
        self.run(move |place| {
            let released = place.database.change(Missing::Leave, Survives::Crash, |connection| {
                leases::end(connection, &service, fence, note.clone())
            });
            released.map(drop)
        })
        .await
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        let service = service.clone();
        self.run(move |place| {
            place.database.read(|connection| notes::find(connection, &service)).map(Option::flatten)
        })
        .await
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, until: Timestamp) -> Result<()> {
        let (service, note) = (service.clone(), note.cloned());
        let missing = if note.is_some() { Missing::Make } else { Missing::Leave };
        self.run(move |place| {
            let kept = place.database.change(missing, Survives::PowerCut, |connection| {
                notes::put(connection, &service, note.as_ref(), until)
            });
            kept.map(drop)
        })
        .await
    }

    fn take_warnings(&self) -> Vec<Error> {
        self.place.database.take_warnings()
    }
}

impl SharedDatabase {
    fn path(&self) -> &Path {
        &self.configured
    }

    fn vanished(&self) -> Error {
        let message = format!("{} vanished while it was opened", self.path().display());
        Error::new(ErrorKind::Storage, message)
    }

    fn load(&self, service: &ServiceName) -> Result<Slot> {
        match self.database.read(|connection| rows::find(connection, service))? {
            Some(DatabaseRow::Slot(slot)) => Ok(slot),
            Some(DatabaseRow::Malformed) => self.set_malformed_aside(service).map(|()| Slot::Empty),
            None => Ok(Slot::Empty),
        }
    }

    fn set_malformed_aside(&self, service: &ServiceName) -> Result<()> {
        let moved = self.database.change(Missing::Leave, Survives::PowerCut, |connection| {
            // It may have been put right meanwhile.
            let is_malformed = matches!(rows::find(connection, service)?, DatabaseRow::Malformed);
            if is_malformed {
                rows::set_aside(connection, service)?;
            }
            Ok(is_malformed)
        })?;
        if moved == Some(true) {
            let path = self.path().display();
            let message = format!("the record of {service} in {path} is malformed: it was set aside");
            self.database.warn(message);
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
        let saved = self.database.change(Missing::Make, Survives::PowerCut, |connection| {
            let lease = leases::find(connection, service)?;
            if fence.is_some_and(|fence| !lease.is_some_and(|lease| lease.is_under(fence))) {
                return Ok(Saved::Fenced);
            }
            let is_expected = match rows::find(connection, service)? {
                DatabaseRow::Slot(slot) => slot.record().map(|(_, revision)| revision) == expected,
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
        saved.ok_or_else(|| self.vanished())
    }

    fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let held = self.database.read(|connection| leases::held_against(connection, service, claim))?;
        // Most who ask are told that another was quicker, and write nothing.
        if let Some(fence) = held.flatten() {
            return Ok(Leasing::Held(fence));
        }
        let taken = self
            .database
            .change(Missing::Make, Survives::Crash, |connection| leases::take(connection, service, claim))?;
        let taken = taken.ok_or_else(|| self.vanished())?;
        Ok(taken.map_or_else(Leasing::Held, Leasing::Granted))
    }
}
