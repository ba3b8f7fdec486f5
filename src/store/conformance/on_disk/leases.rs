//! Whether the holder of a lease is alive, as the other processes of its machine see it.

use std::fs::{self, File};
use std::process::Child;
use std::time::Duration;

use super::processes::{assignment, child};
use super::*;
use crate::store::conformance::claim;
use crate::store::{Fence, Leasing, Owner};

const HOLDER: &str = "holder";

async fn take(store: &SealedStore, second: f64) -> Option<Fence> {
    match store.lease(&service("a"), &claim(Owner::random(), second)).await.unwrap() {
        Leasing::Granted(grant) => Some(grant.fence),
        Leasing::Held(_) => None,
        Leasing::Unknown => panic!("a store on a disk has leases"),
    }
}

impl Disk {
    /// The files that show that the holder of a lease is alive.
    fn lease_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path.parent().unwrap()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_str().unwrap().contains(".lease-")).collect()
    }

    fn lease_file(&self) -> PathBuf {
        let [file] = &self.lease_files()[..] else { panic!("{:?}", self.names()) };
        file.clone()
    }

    /// The same store, which this process does not know to be the same.
    fn elsewhere(&self) -> Self {
        fs::create_dir_all(self.directory.path().join("x")).unwrap();
        self.at(Path::new("x/..").join(self.engine.file_name))
    }
}

/// A process that holds the lease until it is killed.
struct Holder(Child);

impl Holder {
    async fn start(disk: &Disk) -> Self {
        let holder = Self(child("a_lease_leaves_no_file_when_it_ends", disk, HOLDER));
        let started = async {
            while disk.lease_files().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), started).await.expect("it takes the lease");
        holder
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.kill();
    }
}

/// In a child, the lease is held until the process is killed.
pub(super) async fn a_lease_leaves_no_file_when_it_ends(disk: Disk) {
    let (disk, role) = assignment(&disk);
    let store = disk.open();
    let fence = take(&store, 0.0).await.unwrap();
    if role == HOLDER {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    #[cfg(unix)]
    {
        let mode = fs::metadata(disk.lease_file()).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
    store.release(&service("a"), fence, None).await.unwrap();
    assert!(disk.lease_files().is_empty(), "released");

    let fence = take(&store, 0.0).await.unwrap();
    let saved = store.save(&service("a"), &some_record("one"), None, Some(fence)).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)) && disk.lease_files().is_empty(), "saved");

    take(&store, 0.0).await.unwrap();
    disk.elsewhere().open().remove(&service("a")).await.unwrap();
    assert!(disk.lease_files().is_empty(), "ended by another's removal");

    let fence = take(&store, 0.0).await.unwrap();
    let other = disk.elsewhere().open();
    let heir = take(&other, 10.0).await.unwrap();
    disk.lease_file();
    let late = store.save(&service("a"), &some_record("late"), None, Some(fence)).await.unwrap();
    assert_eq!(late, Saved::Fenced);
    disk.lease_file();
    other.release(&service("a"), heir, None).await.unwrap();
    assert!(disk.lease_files().is_empty(), "taken over");
}

pub(super) async fn the_lease_of_a_process_that_was_killed_is_free_at_once(disk: Disk) {
    let mut holder = Holder::start(&disk).await;
    let store = disk.open();
    assert_eq!(take(&store, 1.0).await, None, "it is alive");
    let its = disk.lease_file();
    holder.kill();
    let fence = take(&store, 1.0).await.expect("it is dead");
    assert_ne!(disk.lease_file(), its);
    let other = disk.elsewhere().open();
    assert_eq!(take(&other, 2.0).await, None, "the heir is alive");
    let saved = store.save(&service("a"), &some_record("one"), None, Some(fence)).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    assert!(disk.lease_files().is_empty());
}

#[cfg(unix)]
pub(super) async fn a_process_that_is_stopped_keeps_its_lease_until_it_ends(disk: Disk) {
    let holder = Holder::start(&disk).await;
    let id = holder.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    let store = disk.open();
    assert_eq!(take(&store, 9.9).await, None, "it is frozen");
    assert!(take(&store, 10.0).await.is_some(), "its lease has ended");
}

#[cfg(target_os = "linux")]
pub(super) async fn a_file_of_another_machine_says_nothing_and_its_lease_ends_by_time(disk: Disk) {
    let mut holder = Holder::start(&disk).await;
    let store = disk.open();
    assert_eq!(take(&store, 0.0).await, None, "it is alive");
    holder.kill();
    fs::write(disk.lease_file(), "another machine").unwrap();
    assert_eq!(take(&store, 9.9).await, None, "it may be alive");
    assert!(take(&store, 10.0).await.is_some());
    disk.lease_file();
}

#[cfg(unix)]
pub(super) async fn without_a_lease_file_the_lease_alone_decides(disk: Disk) {
    // The first lease makes the store.
    let store = disk.open();
    let fence = take(&store, 0.0).await.unwrap();
    fs::remove_file(disk.lease_file()).unwrap();
    let other = disk.elsewhere().open();
    assert_eq!(take(&other, 9.9).await, None, "it may be alive");
    let saved = store.save(&service("a"), &some_record("one"), None, Some(fence)).await.unwrap();
    assert!(matches!(saved, Saved::Stored(_)));
    // A link in its place is not followed.
    let owner = Owner::random();
    let file = disk.path.with_file_name(format!("{}.lease-{:014x}", disk.engine.file_name, owner.number()));
    std::os::unix::fs::symlink("precious", &file).unwrap();
    let claimed = store.lease(&service("a"), &claim(owner, 0.0)).await.unwrap();
    assert!(matches!(claimed, Leasing::Granted(_)));
    assert!(!disk.directory.path().join("precious").exists());
    assert_eq!(take(&other, 9.9).await, None, "it may be alive");
    assert!(take(&other, 10.0).await.is_some());
}

pub(super) async fn what_dead_holders_left_is_removed_and_nothing_else(disk: Disk) {
    let file_of = |name: &str, owner: &str| disk.directory.path().join(format!("{name}.lease-{owner}"));
    let left = file_of(disk.engine.file_name, "0000000000002a");
    let of_living = file_of(disk.engine.file_name, "0000000000002b");
    let strangers = [file_of("other", "0000000000002a"), file_of(disk.engine.file_name, "notes")];
    for path in strangers.iter().chain([&left, &of_living]) {
        fs::write(path, "").unwrap();
    }
    let locked = File::open(&of_living).unwrap();
    locked.lock().unwrap();
    take(&disk.open(), 0.0).await.unwrap();
    assert!(!left.exists() && of_living.exists());
    assert!(strangers.iter().all(|path| path.exists()));
}
