//! One JSON file, shared by any number of services and processes.

mod document;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod leases;
#[cfg(test)]
pub(super) mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::disk::{self, Content};
use super::lock::Lock;
use super::{Claim, Fence, Leasing, Revision, Saved, Slot, Store, StoredRow};
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;
use crate::sync::{Mutex, MutexGuard};

use document::{CacheDocument, DocumentError, FileEntry};
use leases::{Leases, SignsOfLife};

/// Records in a file of mode 0600, replaced as a whole at each write: a crash leaves the old content or the
/// new. Reads take no lock; a write reads, changes and replaces under an advisory lock on `<name>.lock`, so
/// that processes sharing the file lose nothing of each other's; that file also holds the leases. A damaged file is renamed to
/// `<name>.corrupt-<time>`, with a warning, and the store goes on empty.
#[derive(Debug)]
pub struct FileStore {
    place: Arc<SharedFile>,
}

#[derive(Debug)]
struct SharedFile {
    configured: PathBuf,
    /// Made absolute at once: a later change of the working directory moves no store.
    path: PathBuf,
    signs: SignsOfLife,
    warnings: Mutex<Vec<Error>>,
    is_swept: AtomicBool,
    said_unlocked: AtomicBool,
}

impl FileStore {
    /// The store in the file at `path`; nothing is read or made yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let configured = path.into();
        let path = std::path::absolute(&configured).unwrap_or_else(|_| configured.clone());
        let place = SharedFile {
            configured,
            signs: SignsOfLife::new(&path),
            path,
            warnings: Mutex::default(),
            is_swept: AtomicBool::new(false),
            said_unlocked: AtomicBool::new(false),
        };
        Self { place: Arc::new(place) }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SharedFile) -> Result<T> + Send + 'static,
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
            if !place.is_begun()? {
                return Ok(());
            }
            let lock = place.open()?;
            place.change(&lock, |document| document.remove(&service))?;
            Leases::read(&lock)?.end(&service, None, &place.signs)
        })
        .await
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        let service = service.clone();
        self.run(move |place| {
            if !place.is_begun()? {
                return Ok(());
            }
            place.change(&place.open()?, |document| document.set_aside(&service, seen)).map(drop)
        })
        .await
    }

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let (service, claim) = (service.clone(), *claim);
        self.run(move |place| {
            let lock = place.open()?;
            let mut leases = Leases::read(&lock)?;
            let taken = leases.take(&service, &claim, &place.signs)?;
            if leases.is_damaged() && taken.is_ok() {
                place.warn(format!(
                    "the lock file of {} was damaged: it was written anew",
                    place.path.display()
                ));
            }
            Ok(taken.map_or_else(Leasing::Held, Leasing::Granted))
        })
        .await
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let (service, claim) = (service.clone(), *claim);
        self.run(move |place| Leases::read(&place.open()?)?.renew(&service, &claim, fence)).await
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        let service = service.clone();
        self.run(move |place| {
            let lock = place.open()?;
            Leases::read(&lock)?.end(&service, Some((fence, note)), &place.signs)
        })
        .await
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        let service = service.clone();
        self.run(move |place| place.load_note(&service)).await
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, _until: Timestamp) -> Result<()> {
        let (service, note) = (service.clone(), note.cloned());
        self.run(move |place| {
            if note.is_none() && !place.is_begun()? {
                return Ok(());
            }
            place.change(&place.open()?, |document| document.put_note(&service, note.as_ref())).map(drop)
        })
        .await
    }

    fn take_warnings(&self) -> Vec<Error> {
        std::mem::take(&mut *self.place.warnings())
    }
}

impl SharedFile {
    fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        let Some(content) = self.read()? else { return Ok(None) };
        Ok(self.parse_or_set_aside(&content)?.note(service))
    }

    fn load(&self, service: &ServiceName) -> Result<Slot> {
        let Some(content) = self.read()? else { return Ok(Slot::Empty) };
        let document = self.parse_or_set_aside(&content)?;
        match document.find(service, content.written) {
            Some(FileEntry::Row(row, revision)) => Ok(Slot::Record(row, revision)),
            Some(FileEntry::Malformed(revision)) => {
                let moved = self.change(&self.open()?, |document| document.set_aside(service, revision))?;
                if moved {
                    let path = self.path.display();
                    self.warn(format!("the record of {service} in {path} is malformed: it was set aside"));
                }
                Ok(Slot::Empty)
            }
            None => Ok(document.removal(service).map_or(Slot::Empty, Slot::Removed)),
        }
    }

    fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let lock = self.open()?;
        let mut leases = Leases::read(&lock)?;
        if fence.is_some_and(|fence| !leases.is_under(service, fence)) {
            return Ok(Saved::Fenced);
        }
        let mut saved = Saved::Conflict;
        self.change(&lock, |document| {
            let is_expected = document.revision(service) == expected;
            if is_expected {
                saved = Saved::Stored(document.put(service, row));
            }
            is_expected
        })?;
        if let (Some(fence), Saved::Stored(_)) = (fence, saved) {
            // The record is stored: a lease that cannot be ended now ends by itself.
            let _ = leases.end(service, Some((fence, None)), &self.signs);
        }
        Ok(saved)
    }

    /// Whether there is anything of ours.
    fn is_begun(&self) -> Result<bool> {
        Ok(disk::has_lock_file(&self.path) || self.read()?.is_some())
    }

    /// The lock, for whatever is to be changed; what the dead left behind is swept once.
    fn open(&self) -> Result<Lock> {
        disk::make_directory(&self.path)?;
        let lock = self.lock()?;
        if lock.is_exclusive() && !self.is_swept.swap(true, Ordering::Relaxed) {
            disk::remove_leftovers(&self.path);
            self.signs.sweep(&Leases::read(&lock)?);
        }
        Ok(lock)
    }

    /// Reads, changes and, where `change` says so, replaces the file; whether it did.
    fn change(&self, lock: &Lock, change: impl FnOnce(&mut CacheDocument) -> bool) -> Result<bool> {
        let mut document = self.read_or_set_aside(lock)?;
        let is_changed = change(&mut document);
        if is_changed {
            disk::replace(&self.path, &document.to_text())?;
        }
        Ok(is_changed)
    }

    /// What is in the file; one that cannot be read as a document is renamed, and the store begins anew.
    fn read_or_set_aside(&self, _lock: &Lock) -> Result<CacheDocument> {
        let Some(content) = self.read()? else { return Ok(CacheDocument::empty()) };
        if let Some(document) = self.parse(&content)? {
            return Ok(document);
        }
        let kept = disk::rename_damaged(&self.path, content.written, &[])?;
        self.warn(format!("{} is damaged: it was renamed to {}", self.path.display(), kept.display()));
        Ok(CacheDocument::empty())
    }

    fn parse_or_set_aside(&self, content: &Content) -> Result<CacheDocument> {
        match self.parse(content)? {
            Some(document) => Ok(document),
            // Whoever held the lock before may have put it right.
            None => self.read_or_set_aside(&self.lock()?),
        }
    }

    fn read(&self) -> Result<Option<Content>> {
        disk::read(&self.path)
    }

    /// `None` when it is damaged.
    fn parse(&self, content: &Content) -> Result<Option<CacheDocument>> {
        match content.bytes.as_ref().map_or(Err(DocumentError::Damaged), |bytes| CacheDocument::parse(bytes))
        {
            Ok(document) => Ok(Some(document)),
            Err(DocumentError::Damaged) => Ok(None),
            Err(DocumentError::Newer(version)) => Err(disk::newer(&self.path.display().to_string(), version)),
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
        self.warnings.lock()
    }
}
