//! What the files of one directory share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::super::disk::{self, Leftovers};
use super::super::record::digest;
use super::super::watch::{LocalPlace, Watch};
use crate::crypto::sha256;
use crate::domain::ServiceName;
use crate::gate::Gate;
use crate::sync::{Mutex, WeakMap};

/// How many operations run at once on the files of a directory. A disk that hangs holds no more threads.
const OPERATIONS_AT_ONCE: usize = 4;

/// An edit in place changes a file and not its directory.
const FILES_AT_EACH_LOOK: usize = 256;

/// Longer names are cut: file systems take 255 bytes, and side files have suffixes.
const MAX_NAME: usize = 160;

/// Where a service has its record: the default service in the file at `path`, each other one in a file of its own in the
/// folder `<path>.d`. A save then costs what one record costs, however many services there are.
pub(super) fn file_of(path: &Path, service: &ServiceName) -> PathBuf {
    if *service == ServiceName::default() {
        return path.to_owned();
    }
    disk::sibling(path, ".d").join(format!("{}.json", file_name_of(service)))
}

/// The characters that a file name does not have as they are: some file systems take capitals for small letters, and
/// many characters have a meaning somewhere.
const ESCAPED: &AsciiSet = &{
    let mut set = CONTROLS.add(b' ');
    let mut byte = b'!';
    while byte <= b'~' {
        if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')) {
            set = set.add(byte);
        }
        byte += 1;
    }
    set
};

/// Names of devices on Windows, with any extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

fn file_name_of(service: &ServiceName) -> String {
    let mut name = utf8_percent_encode(service.as_str(), ESCAPED).to_string();
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit());
    if name.starts_with('.') || DEVICES.contains(&stem) {
        let first = name.remove(0);
        name.insert_str(0, &format!("%{:02X}", u32::from(first)));
    }
    if name.len() > MAX_NAME {
        let digest = sha256(service.as_str().as_bytes());
        let digest = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let digest = format!("{digest:032x}");
        name = format!("{}~{digest}", &name[..MAX_NAME - digest.len() - 1]);
    }
    name
}

/// A directory with files of records.
pub(super) struct Directory {
    path: PathBuf,
    pub(super) gate: Arc<Gate>,
    watch: Watch,
    /// What processes that died have left, by file, as it was when the directory was first used; each file's share until
    /// the file is first used.
    leftovers: Mutex<Option<HashMap<String, Leftovers>>>,
}

/// The directories in use.
static DIRECTORIES: LazyLock<Mutex<WeakMap<PathBuf, Directory>>> = LazyLock::new(Mutex::default);

impl Directory {
    pub(super) fn at(path: &Path) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            gate: Gate::new(OPERATIONS_AT_ONCE),
            watch: Watch::default(),
            leftovers: Mutex::default(),
        })
    }

    /// The directory, as all services of this process share it.
    pub(super) fn shared(path: &Path) -> Arc<Self> {
        DIRECTORIES.lock().get_or_insert_with(path.to_owned(), || Self::at(path))
    }

    /// What may be left for a file, once. The directory is read once for all files.
    pub(super) fn take_leftovers(&self, file: &Path) -> Leftovers {
        let mut leftovers = self.leftovers.lock();
        leftovers
            .get_or_insert_with(|| disk::leftovers(&self.path))
            .remove(&disk::name(file))
            .unwrap_or_default()
    }
}

impl LocalPlace for Directory {
    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn mark(&self) -> u64 {
        digest([&format!("{:?}", disk::directory_state(&self.path).map_err(|error| error.kind()))])
    }

    fn records_at_each_look(&self) -> usize {
        FILES_AT_EACH_LOOK
    }

    fn record_marks(&self, keys: &[Arc<str>]) -> Vec<u64> {
        let state = |name: &Arc<str>| disk::file_state(&self.path.join(&**name));
        keys.iter().map(|name| digest([&format!("{:?}", state(name))])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_for(name: &str) -> String {
        let file = file_of(Path::new("/data/token-cache.json"), &ServiceName::parse(name).unwrap());
        file.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_default_service_is_in_the_file_and_each_other_one_in_the_folder_next_to_it() {
        assert_eq!(file_for(ServiceName::DEFAULT), "/data/token-cache.json");
        assert_eq!(file_for("tenant-42"), "/data/token-cache.json.d/tenant-42.json");
    }

    #[test]
    fn any_name_is_a_file_name_and_no_two_names_are_one_file() {
        let long = "é".repeat(128);
        let names = [
            "a",
            "A",
            "a/b",
            "a%2Fb",
            "../x",
            "..",
            ".hidden",
            "con",
            "CON",
            "com1",
            "com1.x",
            "a:b",
            "a b",
            "ü",
            "u",
            "nul.txt",
            "*",
            &long,
            &"é".repeat(127),
            &"x".repeat(128),
        ];
        let files: Vec<_> = names.iter().map(|name| file_for(name)).collect();
        for (index, file) in files.iter().enumerate() {
            let name = file.strip_prefix("/data/token-cache.json.d/").unwrap();
            assert!(name.len() <= MAX_NAME + ".json".len() && !name.starts_with('.'), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_graphic() && !b"/\\:*?\"<>|".contains(&b)), "{name}");
            let is_same = |other: &String| other.eq_ignore_ascii_case(file);
            assert!(!files[index + 1..].iter().any(is_same), "{name}");
        }
    }
}
