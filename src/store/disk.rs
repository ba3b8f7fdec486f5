//! Reads files with care, and replaces them in one step. Everything here blocks.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind as Io, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use zeroize::Zeroizing;

use crate::domain::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// More than ten thousand records need: evertoken does not write a larger file.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A file's content, and when it was written.
pub(in crate::store) struct FileContent {
    /// `None` if it is too long for a cache file.
    pub(in crate::store) bytes: Option<Zeroizing<Vec<u8>>>,
    pub(in crate::store) written: Timestamp,
}

/// Reads a regular file; `None` if there is none. It opens nothing else: the target of a link may be any file, and a
/// pipe or a device could keep the reader waiting.
pub(in crate::store) fn read(path: &Path) -> Result<Option<FileContent>> {
    let failed = |error: &io::Error| storage("read", path, error);
    let Some((file, metadata)) = open_regular(path)? else { return Ok(None) };
    let mut bytes = Zeroizing::new(Vec::new());
    (&file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    let fits = bytes.len() as u64 <= MAX_BYTES;
    Ok(Some(FileContent { bytes: fits.then_some(bytes), written: modified_at(&metadata) }))
}

/// Opens a regular file for reading; `None` if there is none.
fn open_regular(path: &Path) -> Result<Option<(File, fs::Metadata)>> {
    let failed = |error: &io::Error| storage("read", path, error);
    match fs::symlink_metadata(path) {
        Ok(metadata) => require_regular(path, &metadata)?,
        Err(error) if error.kind() == Io::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    }
    let file = match without_following(OpenOptions::new().read(true)).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == Io::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    require_regular(path, &metadata)?;
    Ok(Some((file, metadata)))
}

/// What distinguishes one content of a file from the next: each write of evertoken makes another file under the name.
/// `None` if there is no file.
///
/// The state is that of the opened file. Network file systems answer questions about a path from a cache that may be
/// seconds old, and ask the server when a file is opened.
pub(in crate::store) fn file_state(path: &Path) -> Result<Option<(Identity, Stamp)>> {
    Ok(open_regular(path)?.map(|(_, metadata)| (identity_of(&metadata), stamp_of(&metadata))))
}

/// The same of a directory: it changes whenever a file in it gets or loses a name.
pub(in crate::store) fn directory_state(directory: &Path) -> io::Result<(Identity, Stamp)> {
    // Where a directory cannot be opened, its path has to do.
    let metadata = File::open(directory).and_then(|opened| opened.metadata());
    let metadata = metadata.or_else(|_| fs::metadata(directory))?;
    Ok((identity_of(&metadata), stamp_of(&metadata)))
}

/// Replaces the file's content in one step: readers find the old content or the new, even after a crash.
pub(in crate::store) fn replace(path: &Path, text: &str) -> Result<()> {
    let failed = |error: &io::Error| storage("write", path, error);
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::new(
            ErrorKind::Storage,
            format!("cannot write {}: it would become larger than 8 MiB", path.display()),
        ));
    }
    let temporary = Temporary::next_to(path).map_err(|error| failed(&error))?;
    let mut file = &temporary.file;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| failed(&error))?;
    temporary.rename_to(path).map_err(|error| failed(&error))
}

/// Renames a damaged file to `<name>.corrupt-<time>`, after the time of its last write, and returns the new name.
/// Files with one of `suffixes` appended to the name are renamed with it. Nothing is overwritten. The caller holds
/// the lock.
pub(in crate::store) fn rename_damaged(
    path: &Path,
    written: Timestamp,
    suffixes: &[&str],
) -> Result<PathBuf> {
    let failed = |error: &io::Error| storage("rename", path, error);
    let time: String = written.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let candidate = |n: u32| {
        let suffix = if n == 0 { String::new() } else { format!("-{n}") };
        path.with_file_name(format!("{}.corrupt-{time}{suffix}", name(path)))
    };
    let is_free = |path: &Path| fs::symlink_metadata(path).is_err();
    let mut candidates = (0..1000).map(candidate);
    let free =
        candidates.find(|to| is_free(to) && suffixes.iter().all(|suffix| is_free(&sibling(to, suffix))));
    let target = free.ok_or_else(|| failed(&io::Error::from(Io::AlreadyExists)))?;
    // The file itself goes last: after that another process may create a new one, with new side files.
    for suffix in suffixes {
        match fs::rename(sibling(path, suffix), sibling(&target, suffix)) {
            Err(error) if error.kind() != Io::NotFound => return Err(failed(&error)),
            _ => {}
        }
    }
    fs::rename(path, &target).map_err(|error| failed(&error))?;
    // It may contain a token. If the mode cannot be changed, renaming the damage is still right.
    let _ =
        without_following(OpenOptions::new().read(true)).open(&target).map(|file| restrict_to_owner(&file));
    sync_directory(path);
    Ok(target)
}

/// When a file was last written.
pub(in crate::store) fn written_at(path: &Path) -> Result<Timestamp> {
    let metadata = fs::symlink_metadata(path).map_err(|error| storage("read", path, &error))?;
    Ok(modified_at(&metadata))
}

pub(in crate::store) fn modified_at(metadata: &fs::Metadata) -> Timestamp {
    let since_epoch = metadata.modified().ok().and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    Timestamp::MIN.plus(since_epoch.unwrap_or_default())
}

/// Identifies a state of a file. The time alone is not enough: its resolution may be milliseconds, and restoring a
/// file restores its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Stamp {
    bytes: u64,
    modified: Timestamp,
    /// When the file or its metadata last changed, in seconds and nanoseconds.
    changed: (i64, i64),
}

/// The state of a file, as its metadata shows it.
pub(in crate::store) fn stamp(path: &Path) -> Result<Stamp> {
    fs::symlink_metadata(path)
        .map(|metadata| stamp_of(&metadata))
        .map_err(|error| storage("read", path, &error))
}

fn stamp_of(metadata: &fs::Metadata) -> Stamp {
    #[cfg(unix)]
    let changed = {
        use std::os::unix::fs::MetadataExt;
        (metadata.ctime(), metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let changed = (0, 0);
    Stamp { bytes: metadata.len(), modified: modified_at(metadata), changed }
}

/// The identity of a file under any name: device and inode, if the platform has them.
pub(in crate::store) type Identity = Option<(u64, u64)>;

/// The identity of a regular file; `None` if there is none. Anything else is refused, as in [`read`].
pub(in crate::store) fn identity(path: &Path) -> Result<Option<Identity>> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == Io::NotFound => return Ok(None),
        Err(error) => return Err(storage("read", path, &error)),
    };
    require_regular(path, &metadata)?;
    Ok(Some(identity_of(&metadata)))
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other platforms have none")]
fn identity_of(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity_of(_: &fs::Metadata) -> Identity {
    None
}

/// Creates an empty file that only its owner can access. An existing one stays as it is.
pub(in crate::store) fn create_file(path: &Path) -> Result<()> {
    match owner_only(OpenOptions::new().write(true).create_new(true)).open(path) {
        Err(error) if error.kind() != Io::AlreadyExists => Err(storage("create", path, &error)),
        _ => Ok(()),
    }
}

/// The path with a suffix appended to its file name.
pub(in crate::store) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut side_file = path.as_os_str().to_owned();
    side_file.push(suffix);
    side_file.into()
}

/// The path with links among its directories resolved, for SQLite, which then refuses links altogether.
pub(in crate::store) fn without_links_above(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    fs::canonicalize(directory(path)).map_or_else(|_| path.to_owned(), |directory| directory.join(name))
}

/// Creates the directory of `path`, and those above it, for the owner only. Existing ones stay as they are.
pub(in crate::store) fn create_directory(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory(path)).map_err(|error| storage("create the directory of", path, &error))
}

/// Opens the file that is locked for every change. It is never removed.
pub(in crate::store) fn open_lock_file(path: &Path) -> Result<File> {
    open_next_to(path, &lock_file(path), true)
}

/// Whether the lock file exists.
pub(in crate::store) fn has_lock_file(path: &Path) -> bool {
    fs::symlink_metadata(lock_file(path)).is_ok()
}

fn lock_file(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}.lock", name(path)))
}

/// Opens the file whose lock shows that the owner of a lease is alive.
pub(in crate::store) fn open_lease_file(path: &Path, owner: u64, create: bool) -> Result<File> {
    open_next_to(path, &lease_file(path, owner), create)
}

/// Removes that file, if it exists.
pub(in crate::store) fn remove_lease_file(path: &Path, owner: u64) {
    let _ = fs::remove_file(lease_file(path, owner));
}

fn lease_file(path: &Path, owner: u64) -> PathBuf {
    path.with_file_name(format!("{}.lease-{owner:014x}", name(path)))
}

fn open_next_to(path: &Path, side_file: &Path, create: bool) -> Result<File> {
    if let Ok(metadata) = fs::symlink_metadata(side_file) {
        require_regular(side_file, &metadata)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false);
    let opened = without_following(owner_only(&mut options)).open(side_file);
    opened.map_err(|error| storage("open the lock file of", path, &error))
}

/// What processes that died may have left behind for one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Leftovers {
    pub(in crate::store) temporary: Vec<PathBuf>,
    /// The owners that have a lease file.
    pub(in crate::store) owners: Vec<u64>,
}

/// What there may be of leftovers in a directory, by the name of the file that they belong to.
pub(in crate::store) fn leftovers(directory: &Path) -> HashMap<String, Leftovers> {
    let mut found: HashMap<String, Leftovers> = HashMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let Some(file_name) = file_name.to_str() else { continue };
        if let Some(name) = name_of_temporary(file_name) {
            found.entry(name.to_owned()).or_default().temporary.push(entry.path());
        } else if let Some((name, owner)) = file_name.rsplit_once(".lease-")
            && let Ok(owner) = u64::from_str_radix(owner, 16)
        {
            found.entry(name.to_owned()).or_default().owners.push(owner);
        }
    }
    found
}

/// The name of the file that a temporary one was to replace.
fn name_of_temporary(file_name: &str) -> Option<&str> {
    let (name, random) = file_name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let is_random = random.len() == RANDOM_DIGITS && random.bytes().all(|b| b.is_ascii_hexdigit());
    is_random.then_some(name)
}

const RANDOM_DIGITS: usize = 16;

/// A file that is removed unless it is renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Temporary {
    fn next_to(path: &Path) -> io::Result<Self> {
        let random = format!("{:0width$x}", fastrand::u64(..), width = RANDOM_DIGITS);
        let temporary = path.with_file_name(format!(".{}.{random}.tmp", name(path)));
        // `create_new` neither follows a link nor opens an existing file.
        let file = owner_only(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        Ok(Self { path: temporary, file, is_kept: false })
    }

    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.is_kept = true;
        sync_directory(path);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a rename survive a power loss. If a directory cannot be synced, the rename is still done and visible, so the
/// caller is not told that nothing was stored.
fn sync_directory(path: &Path) {
    #[cfg(unix)]
    let _ = File::open(directory(path)).and_then(|directory| directory.sync_all());
    #[cfg(not(unix))]
    let _ = path;
}

pub(in crate::store) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(in crate::store) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn require_regular(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_symlink() {
        "is a symbolic link, which evertoken does not follow: configure the path of its target"
    } else if kind.is_dir() {
        "is a directory: configure the path of a file"
    } else {
        "is not a regular file"
    };
    Err(Error::new(ErrorKind::Storage, format!("{} {what}", path.display())))
}

pub(in crate::store) fn storage(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot {what} {}: {error}", path.display()))
}

/// The error for a content of a newer version.
pub(in crate::store) fn newer(what: &str, version: u64) -> Error {
    let message = format!(
        "{what} was written by a newer version of evertoken (format {version}) and stays unchanged: update evertoken"
    );
    Error::new(ErrorKind::Storage, message)
}

/// Only the owner can access the file, from the moment of its creation.
fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn restrict_to_owner(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Opening follows no link and does not wait for the other end of a pipe.
fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}
