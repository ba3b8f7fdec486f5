//! What an error of the operating system means for users. The system's own text is not used: glibc would read the
//! environment to translate it.

use std::io;

/// Why a file cannot be read, as the rest of a sentence that ends with a colon.
pub fn file_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "this process may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => other_reason(error),
    }
}

/// Why there is no connection to a server, as the rest of a sentence that ends with a colon.
pub fn connect_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "it did not accept a connection in time".to_owned(),
        io::ErrorKind::AddrNotAvailable if error.raw_os_error().is_none() => {
            "its host name has no address".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => other_reason(error),
    }
}

/// The kind, and the number in the documentation of the system: some errors have no other name.
fn other_reason(error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (kind, Some(code)) => format!("{kind} (os error {code})"),
        (io::ErrorKind::Other, None) => "the connection failed".to_owned(),
        (kind, None) => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_has_a_reason_in_words() {
        let missing = std::fs::read("no such file").unwrap_err();
        assert_eq!(file_reason(&missing), "it does not exist");
        assert_eq!(file_reason(&io::ErrorKind::IsADirectory.into()), "it is a folder");
    }

    #[test]
    fn a_connection_that_fails_has_a_reason_that_can_be_looked_up() {
        assert_eq!(connect_reason(&io::ErrorKind::TimedOut.into()), "it did not accept a connection in time");
        let unreachable = io::Error::from_raw_os_error(113);
        assert!(connect_reason(&unreachable).ends_with("(os error 113)"), "{unreachable}");
        assert_eq!(connect_reason(&io::ErrorKind::AddrNotAvailable.into()), "its host name has no address");
        assert_eq!(connect_reason(&io::Error::other("hunter2")), "the connection failed");
    }
}
