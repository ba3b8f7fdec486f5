//! Reads a secret from a file.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::{InvalidSecret, MAX_SECRET_BYTES, cut};
use crate::domain::Secret;

/// The secret in a file. `Err` says what is wrong, as the rest of a sentence.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    // Opening a pipe waits for its writer, and opening a device may have an effect.
    check(&fs::metadata(path).map_err(|error| unreadable(&error))?)?;
    let file = open(path).map_err(|error| unreadable(&error))?;
    // What is there may have been replaced in between.
    check(&file.metadata().map_err(|error| unreadable(&error))?)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 1));
    file.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "names a file that is not UTF-8 text")?;
    cut(text).map_err(|fault| match fault {
        InvalidSecret::Empty => "names an empty file".to_owned(),
        InvalidSecret::TooLong => too_large(),
    })
}

/// A pipe that took the place of a file in between does not make this wait.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

fn check(metadata: &Metadata) -> Result<(), String> {
    if metadata.is_dir() {
        return Err("names a directory, but must name a file".to_owned());
    }
    if !metadata.is_file() {
        return Err("must name a regular file, not a pipe, a socket or a device".to_owned());
    }
    if metadata.len() > MAX_SECRET_BYTES as u64 {
        return Err(too_large());
    }
    Ok(())
}

fn too_large() -> String {
    format!("names a file that is larger than {} KiB", MAX_SECRET_BYTES / 1024)
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "names a file that does not exist".to_owned(),
        kind => format!("names a file that cannot be read: {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<Secret, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn one_line_end_is_cut() {
        for (content, secret) in [
            ("s3cret", "s3cret"),
            ("s3cret\n", "s3cret"),
            ("s3cret\r\n", "s3cret"),
            ("s3cret\n\n", "s3cret\n"),
            ("s3cret\r", "s3cret\r"),
            (" s3cret \n", " s3cret "),
            ("two\nlines\n", "two\nlines"),
        ] {
            assert!(read_bytes(content.as_bytes()).unwrap().matches(&Secret::new(secret)), "{content:?}");
        }
    }

    #[test]
    fn what_holds_no_secret_is_an_error_that_says_why() {
        for (content, fault) in [
            (&b""[..], "names an empty file"),
            (b"\n", "names an empty file"),
            (b" \r\n", "names an empty file"),
            (b"\xff\xfes\x003\x00", "names a file that is not UTF-8 text"),
        ] {
            assert_eq!(read_bytes(content).unwrap_err(), fault);
        }
        let longest = vec![b'x'; MAX_SECRET_BYTES];
        assert_eq!(read_bytes(&longest).unwrap().len(), MAX_SECRET_BYTES);
        let larger = [longest.as_slice(), b"x"].concat();
        assert_eq!(read_bytes(&larger).unwrap_err(), "names a file that is larger than 64 KiB");
    }

    #[test]
    fn what_is_not_a_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none")).unwrap_err(), "names a file that does not exist");
        assert_eq!(read(folder.path()).unwrap_err(), "names a directory, but must name a file");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_is_not_waited_for() {
        use std::ffi::CString;
        use std::os::unix::ffi::OsStrExt;

        const FAULT: &str = "must name a regular file, not a pipe, a socket or a device";
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let name = CString::new(pipe.as_os_str().as_bytes()).unwrap();
        #[expect(unsafe_code, reason = "std makes no pipes with a name")]
        // SAFETY: `name` ends with a zero byte and lives through the call.
        let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
        assert_eq!(made, 0);
        for path in [&pipe, Path::new("/dev/zero")] {
            assert_eq!(read(path).unwrap_err(), FAULT, "{}", path.display());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_to_where_it_leads_now() {
        use std::os::unix::fs::symlink;

        // As Kubernetes updates a mounted secret: `secret` leads through `..data`, which is replaced in one step.
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "old\n"), ("..2", "new\n")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("secret"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/secret", at("secret")).unwrap();
        assert!(read(&at("secret")).unwrap().matches(&Secret::new("old")));
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(read(&at("secret")).unwrap().matches(&Secret::new("new")));
    }
}
