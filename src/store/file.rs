//! One JSON file, shared by any number of services and processes.

mod disk;
mod document;
mod lock;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Revision, Row, Saved, Store};
use crate::domain::ServiceName;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

use disk::Content;
use document::{Document, Fault, Found};
use lock::Lock;

/// Records in a file of mode 0600, replaced as a whole at each write: a crash leaves the old content or the
/// new. Reads take no lock; a write reads, changes and replaces under an advisory lock on `<name>.lock`, so
/// that processes sharing the file lose nothing of each other's. A damaged file is renamed to
/// `<name>.corrupt-<time>`, with a warning, and the store goes on empty.
#[derive(Debug)]
pub struct FileStore {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    configured: PathBuf,
    /// Made absolute at once: a later change of the working directory moves no store.
    path: PathBuf,
    warnings: Mutex<Vec<Error>>,
    is_swept: AtomicBool,
    said_unlocked: AtomicBool,
}

impl FileStore {
    /// The store in the file at `path`; nothing is read or made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let configured = path.into();
        let path = std::path::absolute(&configured).unwrap_or_else(|_| configured.clone());
        let place = Place {
            configured,
            path,
            warnings: Mutex::default(),
            is_swept: AtomicBool::new(false),
            said_unlocked: AtomicBool::new(false),
        };
        Self { place: Arc::new(place) }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(&self.place);
        runtime::blocking(move || work(&place)).await
    }
}

#[async_trait]
impl Store for FileStore {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn location(&self) -> String {
        self.place.configured.display().to_string()
    }

    async fn load(&self, service: &ServiceName) -> Result<Option<(Row, Revision)>> {
        let service = service.clone();
        self.run(move |place| place.load(&service)).await
    }

    async fn save(&self, service: &ServiceName, row: &Row, expected: Option<Revision>) -> Result<Saved> {
        let (service, row) = (service.clone(), row.clone());
        self.run(move |place| {
            place.change(|document| {
                if document.revision(&service) != expected {
                    return (false, Saved::Conflict);
                }
                (true, Saved::Stored(document.put(&service, &row)))
            })
        })
        .await
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        let service = service.clone();
        self.run(move |place| {
            if place.read()?.is_none() {
                return Ok(());
            }
            place.change(|document| (document.remove(&service), ()))
        })
        .await
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        let service = service.clone();
        self.run(move |place| {
            if place.read()?.is_none() {
                return Ok(());
            }
            place.change(|document| (document.set_aside(&service, seen), ()))
        })
        .await
    }

    fn take_warnings(&self) -> Vec<Error> {
        std::mem::take(&mut *self.place.warnings())
    }
}

impl Place {
    fn load(&self, service: &ServiceName) -> Result<Option<(Row, Revision)>> {
        let Some(content) = self.read()? else { return Ok(None) };
        let document = if let Some(document) = self.parse(&content)? {
            document
        } else {
            let lock = self.lock()?;
            // Whoever held the lock before may have put it right.
            self.read_or_set_aside(&lock)?
        };
        match document.find(service, content.written) {
            Some(Found::Row(row, revision)) => Ok(Some((row, revision))),
            Some(Found::Malformed(revision)) => {
                let moved = self.change(|document| {
                    let moved = document.set_aside(service, revision);
                    (moved, moved)
                })?;
                if moved {
                    let path = self.path.display();
                    self.warn(format!("the record of {service} in {path} is malformed: it was set aside"));
                }
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Reads, changes and, where `change` says so, replaces the file, while nobody else does.
    fn change<T>(&self, change: impl FnOnce(&mut Document) -> (bool, T)) -> Result<T> {
        disk::make_directory(&self.path)?;
        let lock = self.lock()?;
        let mut document = self.read_or_set_aside(&lock)?;
        if lock.is_exclusive() && !self.is_swept.swap(true, Ordering::Relaxed) {
            disk::remove_leftovers(&self.path);
        }
        let (is_changed, value) = change(&mut document);
        if is_changed {
            disk::replace(&self.path, &document.to_text())?;
        }
        Ok(value)
    }

    /// What is in the file; one that cannot be read as a document is renamed, and the store begins anew.
    fn read_or_set_aside(&self, _lock: &Lock) -> Result<Document> {
        let Some(content) = self.read()? else { return Ok(Document::empty()) };
        if let Some(document) = self.parse(&content)? {
            return Ok(document);
        }
        let kept = disk::rename_damaged(&self.path, content.written)?;
        self.warn(format!("{} is damaged: it was renamed to {}", self.path.display(), kept.display()));
        Ok(Document::empty())
    }

    fn read(&self) -> Result<Option<Content>> {
        disk::read(&self.path)
    }

    /// `None` when it is damaged.
    fn parse(&self, content: &Content) -> Result<Option<Document>> {
        match content.bytes.as_ref().map_or(Err(Fault::Damaged), |bytes| Document::parse(bytes)) {
            Ok(document) => Ok(Some(document)),
            Err(Fault::Damaged) => Ok(None),
            Err(Fault::Newer(version)) => Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "{} was written by a newer evertoken (its version is {version}): it is left as it is",
                    self.path.display()
                ),
            )),
        }
    }

    fn lock(&self) -> Result<Lock> {
        let lock = Lock::take(&self.path)?;
        if !lock.is_exclusive() && !self.said_unlocked.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            self.warn(format!("the file system of {path} has no locks: only one process should use it"));
        }
        Ok(lock)
    }

    fn warn(&self, message: String) {
        let mut warnings = self.warnings();
        // Nobody may be listening.
        if warnings.len() < 16 {
            warnings.push(Error::new(ErrorKind::Storage, message));
        }
    }

    fn warnings(&self) -> MutexGuard<'_, Vec<Error>> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
