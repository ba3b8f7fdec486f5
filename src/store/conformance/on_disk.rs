//! What every store on a disk does: one list, and one line for each engine at the end.

mod damage;
mod leases;
#[cfg(unix)]
mod places;
mod processes;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::{Revision, Saved, SealedStore, Store, service, some_record};
use crate::crypto::{KeyRing, generate_key};

use damage::*;
use leases::*;
#[cfg(unix)]
use places::*;
use processes::*;
use watch::*;

/// A content, and what happened to it.
pub(in crate::store) type Damage = (&'static str, Vec<u8>);

/// What is different about a store on a disk.
pub(in crate::store) struct Engine {
    /// The kind of the store, which is also the name of the module below that runs its cases.
    pub(in crate::store) kind: &'static str,
    pub(in crate::store) file_name: &'static str,
    pub(in crate::store) store: fn(&Path) -> Arc<dyn Store>,
    /// The suffixes of the files next to it while it is in use.
    pub(in crate::store) side_files: &'static [&'static str],
    /// What may become of a sound content.
    pub(in crate::store) damages: fn(&[u8]) -> Vec<Damage>,
    /// How many bits of it are flipped, one at a time.
    pub(in crate::store) flipped_bits: usize,
    /// How many blocks of 512 bytes a file may have that takes small records and no large one.
    pub(in crate::store) blocks_for_small: u32,
    /// Fails unless the content is sound, and nothing is left of writers that died.
    pub(in crate::store) assert_sound: fn(&Disk),
}

/// A directory with a store in it.
#[derive(Clone)]
pub(in crate::store) struct Disk {
    pub(in crate::store) directory: Arc<TempDir>,
    pub(in crate::store) path: PathBuf,
    engine: &'static Engine,
}

impl Disk {
    pub(in crate::store) fn new(engine: &'static Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(engine.file_name);
        Self { directory: Arc::new(directory), path, engine }
    }

    /// Another place, below this directory if it is relative.
    pub(in crate::store) fn at(&self, path: impl AsRef<Path>) -> Self {
        Self { path: self.directory.path().join(path), ..self.clone() }
    }

    /// The store, as another process opens it.
    pub(in crate::store) fn open(&self) -> SealedStore {
        SealedStore::without_sealing((self.engine.store)(&self.path))
    }

    /// One that seals with this key ring.
    pub(in crate::store) fn open_sealed(&self, ring: &Arc<KeyRing>) -> SealedStore {
        SealedStore::new((self.engine.store)(&self.path), Arc::clone(ring))
    }

    /// One that accepts what another program writes.
    pub(in crate::store) fn open_accepting(&self) -> SealedStore {
        self.open_sealed(&new_ring()).with_plain_tokens(true)
    }

    pub(in crate::store) async fn save(
        &self,
        name: &str,
        token: &str,
        expected: Option<Revision>,
    ) -> Option<Revision> {
        match self.open().save(&service(name), &some_record(token), expected, None).await.unwrap() {
            Saved::Stored(revision) => Some(revision),
            _ => None,
        }
    }

    pub(in crate::store) async fn token(&self, name: &str) -> Option<String> {
        let loaded = self.open().load(&service(name)).await.unwrap();
        loaded.record.map(|(record, _)| record.access_token.as_ref().unwrap().secret().expose().to_owned())
    }

    /// The names of all files, sorted.
    pub(in crate::store) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The names of the damaged files that were set aside, without their side files.
    pub(in crate::store) fn damaged(&self) -> Vec<String> {
        let is_main =
            |name: &String| name.contains(".corrupt-") && !name.ends_with("wal") && !name.ends_with("shm");
        self.names().into_iter().filter(is_main).collect()
    }
}

fn new_ring() -> Arc<KeyRing> {
    Arc::new(KeyRing::from_keys(vec![generate_key().unwrap()]).unwrap())
}

async fn another_process_finds_what_was_saved(disk: Disk) {
    disk.save("a", "one", None).await.unwrap();
    assert_eq!(disk.token("a").await.as_deref(), Some("one"));
    let store = disk.open();
    assert_eq!((store.kind(), store.location()), (disk.engine.kind, disk.path.display().to_string()));
}

macro_rules! on_disk {
    ($($engine:ident)*) => {
        $(mod $engine {
            use super::Disk;
            use crate::store::$engine::tests::ENGINE;

            on_disk! { @cases
                another_process_finds_what_was_saved
                a_writer_makes_all_its_steps
                processes_that_share_a_store_lose_nothing_of_each_other
                services_of_one_process_lose_nothing_of_each_other
                a_process_killed_at_any_moment_leaves_a_whole_record
                a_record_that_finds_no_room_leaves_the_old_one
                a_lease_leaves_no_file_when_it_ends
                the_lease_of_a_process_that_was_killed_is_free_at_once
                what_dead_holders_left_is_removed_and_nothing_else
                a_damaged_store_is_renamed_with_one_warning_and_goes_on_empty
                a_save_over_damage_keeps_the_damage
                processes_that_meet_the_same_damage_set_it_aside_once
                no_flipped_bit_brings_another_token
                a_service_is_notified_of_what_another_process_stores_and_removes
                a_record_that_is_lost_right_after_a_save_is_noticed
            }

            #[cfg(target_os = "linux")]
            on_disk! { @cases a_file_of_another_machine_says_nothing_and_its_lease_ends_by_time }

            #[cfg(unix)]
            on_disk! { @cases
                a_process_that_is_stopped_keeps_its_lease_until_it_ends
                without_a_lease_file_the_lease_alone_decides
                without_room_on_the_disk_the_old_record_stays_whole_and_no_rest_is_left
                the_store_and_the_directories_made_for_it_are_the_owners_alone
                a_symbolic_link_is_refused_and_its_target_untouched
                a_directory_in_its_place_is_an_error_and_stays
                a_pipe_in_its_place_is_refused_without_waiting
                a_file_where_a_directory_should_be_is_an_error
            }
        })*
    };
    (@cases $($case:ident)*) => {
        $(#[tokio::test] async fn $case() { super::$case(Disk::new(&ENGINE)).await; })*
    };
}

on_disk! { file sqlite }
