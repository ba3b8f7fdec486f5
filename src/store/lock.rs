//! One writer at a time, in this process and all others.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::disk;
use crate::domain::{Backoff, Jitter, Timestamp};
use crate::error::{Error, ErrorKind, Result};

/// A write takes milliseconds. A holder that takes longer than this hangs on a dead disk.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// More than ten thousand leases need.
const MAX_CONTENT: u64 = 8 * 1024 * 1024;

/// Between two tries. The first pauses are shorter, so that a single second writer loses no time.
const LOCK_TRIES: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(20));

/// The lock, until it is dropped. The operating system holds it, so it ends with its process.
#[derive(Debug)]
pub(in crate::store) struct Lock {
    path: PathBuf,
    file: File,
    is_exclusive: bool,
}

impl Lock {
    /// Waits for the lock of the file at `path`, for a limited time.
    pub(in crate::store) fn take(path: &Path) -> Result<Self> {
        let file = disk::open_lock_file(path)?;
        let (mut waited, mut tries) = (Duration::ZERO, 0);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), file, is_exclusive: true }),
                Err(TryLockError::WouldBlock) if waited < LOCK_TIMEOUT => {
                    let pause = Jitter::random().half(LOCK_TRIES.wait(tries));
                    thread::sleep(pause);
                    waited += pause;
                    tries += 1;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(
                        ErrorKind::Storage,
                        format!("{} has been locked by another process for 5 seconds", path.display()),
                    ));
                }
                // Some network file systems and containers do not support locks (ENOLCK, EOPNOTSUPP).
                Err(TryLockError::Error(_)) => {
                    return Ok(Self { path: path.to_owned(), file, is_exclusive: false });
                }
            }
        }
    }

    /// Whether it excludes other processes. It does not if the file system does not support locks.
    pub(in crate::store) fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    /// The content of the lock file.
    pub(in crate::store) fn read_content(&self) -> Result<String> {
        let mut text = String::new();
        let mut file = &self.file;
        let read = file.rewind().and_then(|()| file.take(MAX_CONTENT).read_to_string(&mut text));
        read.map(|_| text).map_err(|error| disk::storage("read the lock file of", &self.path, &error))
    }

    /// The error for a content that is not ours to read or replace.
    pub(in crate::store) fn newer(&self, version: u64) -> Error {
        disk::newer(&format!("the lock file of {}", self.path.display()), version)
    }

    /// When the content was last written.
    pub(in crate::store) fn written_at(&self) -> Result<Timestamp> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| disk::modified_at(&metadata))
            .map_err(|error| disk::storage("read the lock file of", &self.path, &error))
    }

    /// Replaces the content in place. A crash may leave a part of it.
    pub(in crate::store) fn write_content(&self, text: &str) -> Result<()> {
        let mut file = &self.file;
        // Truncate first, so that a part of the new text can never pass for a whole one.
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(|error| disk::storage("write the lock file of", &self.path, &error))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would also release it, but not while a child process has a copy of the handle.
        let _ = self.file.unlock();
    }
}
