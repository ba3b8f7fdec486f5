//! One JSON file, shared by any number of services and processes.

mod directory;
mod document;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod leases;
#[cfg(test)]
pub(super) mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::disk::{self, FileContent, Leftovers};
use super::lease_files::LeaseFiles;
use super::lock::Lock;
use super::warnings::Warnings;
use super::watch::{RecordObserver, Subscription};
use super::{Claim, Fence, Leasing, Revision, Saved, Slot, Store, StoredRow, run_blocking};
use crate::domain::{Secret, ServiceName, Timestamp};
use crate::error::{Error, Result};
use crate::gate::Gate;

use directory::Directory;
use document::{CacheDocument, DocumentError, FileEntry};
use leases::Leases;

/// Records in a file of mode 0600 that each write replaces as a whole: after a crash the file has the old content
/// or the new. Reads take no lock. A write reads, changes and replaces the file under an advisory lock on
/// `<name>.lock`, so that processes that share the file keep each other's changes; the lock file also contains the
/// leases. A damaged file is renamed to `<name>.corrupt-<time>`, with a warning, and the store continues empty.
pub struct FileStore {
    location: PathBuf,
    file: Arc<RecordFile>,
}

struct RecordFile {
    /// Absolute from the start, so that a change of the working directory does not move the store.
    path: PathBuf,
    directory: Arc<Directory>,
    lease_files: LeaseFiles,
    warnings: Warnings,
    is_swept: AtomicBool,
    has_warned_of_locks: AtomicBool,
}

impl FileStore {
    /// The store in the file at `path`, as another process has it. Nothing is read or created yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::in_directory(path.into(), Directory::at)
    }

    /// The store of one service, when `path` is configured: the default service is in that file, and each other one in a
    /// file of its own in `<path>.d`. The services of a process share the directory.
    pub fn of_service(path: &Path, service: &ServiceName) -> Self {
        Self::in_directory(directory::file_of(path, service), Directory::shared)
    }

    fn in_directory(location: PathBuf, directory: impl FnOnce(&Path) -> Arc<Directory>) -> Self {
        let path = std::path::absolute(&location).unwrap_or_else(|_| location.clone());
        let directory = directory(disk::directory(&path));
        let file = Arc::new(RecordFile {
            lease_files: LeaseFiles::new(&path),
            path,
            directory,
            warnings: Warnings::default(),
            is_swept: AtomicBool::new(false),
            has_warned_of_locks: AtomicBool::new(false),
        });
        Self { location, file }
    }
}

#[async_trait]
impl Store for FileStore {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn location(&self) -> String {
        self.location.display().to_string()
    }

    async fn load(&self, service: &ServiceName) -> Result<Slot> {
        run_blocking(&self.file, service, |file, service| file.load(service)).await
    }

    async fn save(
        &self,
        service: &ServiceName,
        row: &StoredRow,
        expected: Option<Revision>,
        fence: Option<Fence>,
    ) -> Result<Saved> {
        let row = row.clone();
        run_blocking(&self.file, service, move |file, service| file.save(service, &row, expected, fence))
            .await
    }

    async fn remove(&self, service: &ServiceName) -> Result<()> {
        run_blocking(&self.file, service, |file, service| file.remove(service)).await
    }

    async fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        run_blocking(&self.file, service, move |file, service| file.set_aside(service, seen)).await
    }

    async fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let claim = *claim;
        run_blocking(&self.file, service, move |file, service| file.lease(service, &claim)).await
    }

    async fn renew(&self, service: &ServiceName, claim: &Claim, fence: Fence) -> Result<bool> {
        let claim = *claim;
        run_blocking(&self.file, service, move |file, service| {
            Leases::read(&file.open()?)?.renew(service, &claim, fence, &file.lease_files)
        })
        .await
    }

    async fn release(&self, service: &ServiceName, fence: Fence, note: Option<Secret>) -> Result<()> {
        run_blocking(&self.file, service, move |file, service| {
            Leases::read(&file.open()?)?.end(service, Some((fence, note)), &file.lease_files)
        })
        .await
    }

    async fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        run_blocking(&self.file, service, |file, service| file.load_note(service)).await
    }

    async fn save_note(&self, service: &ServiceName, note: Option<&Secret>, _until: Timestamp) -> Result<()> {
        let note = note.cloned();
        run_blocking(&self.file, service, move |file, service| file.save_note(service, note.as_ref())).await
    }

    fn take_warnings(&self) -> Vec<Error> {
        self.file.warnings.take()
    }

    fn gate(&self) -> Option<&Arc<Gate>> {
        Some(&self.file.directory.gate)
    }

    fn watch(&self, _: &ServiceName, observer: Weak<dyn RecordObserver>) -> Result<Option<Subscription>> {
        let RecordFile { directory, path, .. } = &*self.file;
        Subscription::new(directory, &disk::name(path), observer).map(Some)
    }
}

impl RecordFile {
    fn load(&self, service: &ServiceName) -> Result<Slot> {
        let Some((document, written)) = self.document()? else { return Ok(Slot::Empty) };
        match document.find(service, written) {
            Some(FileEntry::Row(row, revision)) => Ok(Slot::Record(row, revision)),
            Some(FileEntry::Malformed(revision)) => {
                let moved = self.change(&self.open()?, |document| document.set_aside(service, revision))?;
                if moved {
                    let path = self.path.display();
                    self.warnings
                        .add(format!("the record of {service} in {path} is malformed: it was moved to \"aside\" in the same file"));
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
        if let Some(fence) = fence.filter(|fence| !leases.is_under(service, *fence)) {
            self.lease_files.let_go_of(service, fence);
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
            // The record is stored. A lease that cannot be ended now ends by itself.
            let _ = leases.end(service, Some((fence, None)), &self.lease_files);
        }
        Ok(saved)
    }

    fn remove(&self, service: &ServiceName) -> Result<()> {
        if !self.exists()? {
            return Ok(());
        }
        let lock = self.open()?;
        self.change(&lock, |document| document.remove(service))?;
        Leases::read(&lock)?.end(service, None, &self.lease_files)
    }

    fn set_aside(&self, service: &ServiceName, seen: Revision) -> Result<()> {
        if !self.exists()? {
            return Ok(());
        }
        self.change(&self.open()?, |document| document.set_aside(service, seen)).map(drop)
    }

    fn lease(&self, service: &ServiceName, claim: &Claim) -> Result<Leasing> {
        let lock = self.open()?;
        let mut leases = Leases::read(&lock)?;
        let taken = leases.take(service, claim, &self.lease_files)?;
        if leases.is_damaged() && taken.is_ok() {
            self.warnings.add(format!(
                "the lock file of {} was damaged: evertoken wrote a new one",
                self.path.display()
            ));
        }
        Ok(taken.map_or_else(Leasing::Held, Leasing::Granted))
    }

    fn load_note(&self, service: &ServiceName) -> Result<Option<Secret>> {
        let document = self.document()?;
        Ok(document.and_then(|(document, _)| document.note(service)))
    }

    fn save_note(&self, service: &ServiceName, note: Option<&Secret>) -> Result<()> {
        if note.is_none() && !self.exists()? {
            return Ok(());
        }
        self.change(&self.open()?, |document| document.put_note(service, note)).map(drop)
    }

    /// The content of the file, and when it was written.
    fn document(&self) -> Result<Option<(CacheDocument, Timestamp)>> {
        let Some(content) = self.read()? else { return Ok(None) };
        let document = self.parse_or_set_aside(&content)?;
        Ok(Some((document, content.written)))
    }

    /// Whether this store has written anything yet.
    fn exists(&self) -> Result<bool> {
        Ok(disk::has_lock_file(&self.path) || self.read()?.is_some())
    }

    /// The lock that every change needs. The first one also removes what dead processes left behind.
    fn open(&self) -> Result<Lock> {
        disk::create_directory(&self.path)?;
        let lock = self.lock()?;
        if lock.is_exclusive() && !self.is_swept.swap(true, Ordering::Relaxed) {
            let Leftovers { temporary, owners } = self.directory.take_leftovers(&self.path);
            for path in temporary {
                // No writer is alive. What cannot be removed now is found again at the next start.
                let _ = fs::remove_file(path);
            }
            if !owners.is_empty() {
                let leases = Leases::read(&lock)?;
                self.lease_files.sweep(&owners, |owner| Ok::<_, Error>(leases.names(owner)))?;
            }
        }
        Ok(lock)
    }

    /// Reads the file, changes it and, if `change` says so, replaces it. Returns whether it was replaced.
    fn change(&self, lock: &Lock, change: impl FnOnce(&mut CacheDocument) -> bool) -> Result<bool> {
        let mut document = self.read_or_set_aside(lock)?;
        let is_changed = change(&mut document);
        if is_changed {
            disk::replace(&self.path, &document.to_text())?;
        }
        Ok(is_changed)
    }

    /// What is in the file. A file that is not a document is renamed, and the store starts empty.
    fn read_or_set_aside(&self, _lock: &Lock) -> Result<CacheDocument> {
        let Some(content) = self.read()? else { return Ok(CacheDocument::empty()) };
        if let Some(document) = self.parse(&content)? {
            return Ok(document);
        }
        let kept = disk::rename_damaged(&self.path, content.written, &[])?;
        self.warnings.add(format!(
            "{} is damaged: evertoken renamed it to {} and starts a new file",
            self.path.display(),
            kept.display()
        ));
        Ok(CacheDocument::empty())
    }

    fn parse_or_set_aside(&self, content: &FileContent) -> Result<CacheDocument> {
        match self.parse(content)? {
            Some(document) => Ok(document),
            // The last holder of the lock may have repaired it.
            None => self.read_or_set_aside(&self.lock()?),
        }
    }

    fn read(&self) -> Result<Option<FileContent>> {
        disk::read(&self.path)
    }

    /// `None` when it is damaged.
    fn parse(&self, content: &FileContent) -> Result<Option<CacheDocument>> {
        match content.bytes.as_ref().map_or(Err(DocumentError::Damaged), |bytes| CacheDocument::parse(bytes))
        {
            Ok(document) => Ok(Some(document)),
            Err(DocumentError::Damaged) => Ok(None),
            Err(DocumentError::Newer(version)) => Err(disk::newer(&self.path.display().to_string(), version)),
        }
    }

    fn lock(&self) -> Result<Lock> {
        let lock = Lock::take(&self.path)?;
        if !lock.is_exclusive() && !self.has_warned_of_locks.swap(true, Ordering::Relaxed) {
            self.warnings.add(format!(
                "the file system of {} does not support locks: let only one process use this file",
                self.path.display()
            ));
        }
        Ok(lock)
    }
}
