//! Shows the other processes of this machine that the holder of a lease is alive.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::disk;
use super::lease::{Fence, Owner};
use crate::domain::ServiceName;
use crate::sync::Mutex;

/// For each lease that this process holds, a locked file next to the store. The operating system releases the lock
/// when the process dies, so that others need not wait for the end of the lease. A holder that is only frozen keeps
/// its lock.
///
/// Everything here is best effort: without a file, without locks, or if the file is of another machine, it is unknown
/// whether the holder is alive, and the lease alone decides.
#[derive(Debug)]
pub(in crate::store) struct LeaseFiles {
    path: PathBuf,
    held: Mutex<HashMap<ServiceName, Held>>,
}

#[derive(Debug)]
struct Held {
    owner: Owner,
    fence: Fence,
    _locked: File,
}

impl LeaseFiles {
    /// For the leases of the store at `path`.
    pub(in crate::store) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), held: Mutex::default() }
    }

    /// Whether the owner may be alive. Only an answer that is given while no lease can be taken is reliable: a claimant
    /// makes its file first, and then locks it.
    pub(in crate::store) fn is_alive(&self, owner: Owner) -> bool {
        // While the other process is alive, it alone reads and writes the file.
        self.unlocked(owner).is_none_or(|file| !is_of_this_machine(&file))
    }

    /// Shows that this process is alive as long as it has the lease under `fence`.
    pub(in crate::store) fn hold(&self, service: &ServiceName, owner: Owner, fence: Fence) {
        self.let_go_if(service, |_| true);
        match self.create(owner) {
            Ok(locked) => {
                self.held.lock().insert(service.clone(), Held { owner, fence, _locked: locked });
            }
            // A file that is not locked would say that this process is dead.
            Err(_) => disk::remove_lease_file(&self.path, owner.number()),
        }
    }

    /// The lease of this owner, of this process or another, has ended.
    pub(in crate::store) fn remove(&self, service: &ServiceName, owner: Owner) {
        self.let_go(service, owner);
        disk::remove_lease_file(&self.path, owner.number());
    }

    /// This process has no lease for this owner, or no longer.
    pub(in crate::store) fn let_go(&self, service: &ServiceName, owner: Owner) {
        self.let_go_if(service, |held| held.owner == owner);
    }

    /// This process no longer has the lease of this fence.
    pub(in crate::store) fn let_go_of(&self, service: &ServiceName, fence: Fence) {
        self.let_go_if(service, |held| held.fence == fence);
    }

    /// Removes the files of those of these owners that are dead and hold no lease.
    ///
    /// # Errors
    /// The first error of `is_named`, which tells whether a lease names the owner.
    pub(in crate::store) fn sweep<E>(
        &self,
        owners: &[u64],
        mut is_named: impl FnMut(Owner) -> Result<bool, E>,
    ) -> Result<(), E> {
        for owner in owners.iter().filter_map(|number| Owner::from_number(*number)) {
            if !is_named(owner)? && self.unlocked(owner).is_some() {
                disk::remove_lease_file(&self.path, owner.number());
            }
        }
        Ok(())
    }

    fn let_go_if(&self, service: &ServiceName, is_meant: impl Fn(&Held) -> bool) {
        let mut all = self.held.lock();
        if all.get(service).is_some_and(is_meant)
            && let Some(held) = all.remove(service)
        {
            disk::remove_lease_file(&self.path, held.owner.number());
        }
    }

    fn create(&self, owner: Owner) -> io::Result<File> {
        let machine = MACHINE.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let opened = disk::open_lease_file(&self.path, owner.number(), true);
        let mut file = opened.map_err(|_| io::ErrorKind::PermissionDenied)?;
        file.try_lock()?;
        file.set_len(0)?;
        file.write_all(machine.as_bytes())?;
        Ok(file)
    }

    /// The owner's file, if there is one and no process has it locked. It is locked until it is dropped.
    fn unlocked(&self, owner: Owner) -> Option<File> {
        let file = disk::open_lease_file(&self.path, owner.number(), false).ok()?;
        file.try_lock().ok().map(|()| file)
    }
}

/// What distinguishes the running system from others, and from itself before it was started again. Some file systems
/// keep the locks of each machine to themselves, so an unlocked file says nothing about a process of another machine.
/// Containers on one kernel are on one machine.
static MACHINE: LazyLock<Option<String>> = LazyLock::new(|| {
    // Other systems have no such file. There, a lock has to do.
    let is_known = cfg!(target_os = "linux");
    if is_known { fs::read_to_string("/proc/sys/kernel/random/boot_id").ok() } else { Some(String::new()) }
});

fn is_of_this_machine(file: &File) -> bool {
    let Some(machine) = &*MACHINE else { return false };
    let mut text = String::new();
    let read = file.take(machine.len() as u64 + 1).read_to_string(&mut text);
    read.is_ok() && text == *machine
}
