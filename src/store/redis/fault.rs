//! Why a server did not do what it was asked. No text of a server is used: it may repeat what it was sent.

use std::io;

use crate::error::{Error, ErrorKind};
use crate::transport::{connect_reason, store_tls_fault};

/// The answer of a server that did nothing, by its first word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedisRefusal(String);

/// Why a script has no result.
#[derive(Debug)]
pub(super) enum ScriptFault {
    /// Nothing has happened.
    Refused(RedisRefusal),
    /// The connection has ended. It may have run.
    Closed(Error),
    /// It may have run, and may still run.
    Failed(Error),
}

/// What is known about these words, as the rest of a sentence that begins with the server.
const REFUSALS: [(&str, &str); 19] = [
    ("READONLY", "is a read-only replica; the URL must lead to the primary"),
    ("LOADING", "is still loading its data"),
    ("MASTERDOWN", "is a replica that has lost its primary"),
    ("CLUSTERDOWN", "is a node of a cluster that is down"),
    ("TRYAGAIN", "is a node of a cluster that is moving keys"),
    ("MOVED", CLUSTER),
    ("ASK", CLUSTER),
    ("CROSSSLOT", CLUSTER),
    ("OOM", "is out of memory (maxmemory), and stores nothing more"),
    ("MISCONF", "cannot save its data to disk, and therefore stores nothing"),
    ("NOREPLICAS", "has too few replicas (min-replicas-to-write), and therefore stores nothing"),
    ("NOAUTH", "requires a password"),
    ("WRONGPASS", "does not accept the user name or the password"),
    (
        "NOPERM",
        "does not let this user run what evertoken needs, or use its keys; docs/redis.md lists the commands, keys and \
         channels",
    ),
    ("DENIED", "is in protected mode, and accepts only connections of its own machine"),
    ("BUSY", "is busy with a script of another program"),
    ("WRONGTYPE", "has a value of another type in the place of a record"),
    ("DATABASE", "has no database of this number"),
    ("CLIENTS", "has reached its limit of connections"),
];

const CLUSTER: &str = "is a node of a cluster; pass a client of the cluster as storage.client";

impl RedisRefusal {
    /// From the first word of an answer, and the rest of it. The words that older servers put into the text of an
    /// error of a script are found there.
    pub(super) fn new(code: &str, text: &str) -> Self {
        let code = if code.is_empty() { "ERR" } else { code };
        let is_word = |word: &str| word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if code != "ERR" && code.len() <= 20 && is_word(code) {
            return Self(code.to_owned());
        }
        let said = |part: &str| text.contains(part);
        let word = if said("Authentication required") {
            "NOAUTH"
        } else if said("DB index") {
            "DATABASE"
        } else if said("max number of clients") {
            "CLIENTS"
        } else if said("ACL") || said("has no permissions") {
            "NOPERM"
        } else {
            let known = REFUSALS.iter().map(|(word, _)| *word);
            known.clone().find(|word| text.split([' ', '-', ':']).any(|part| part == *word)).unwrap_or("ERR")
        };
        Self(word.to_owned())
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.0 == word
    }

    /// The rest of a sentence that begins with the server.
    fn describe(&self) -> String {
        let known = REFUSALS.iter().find(|(word, _)| self.is(word));
        known.map_or_else(|| format!("refused a command ({})", self.0), |(_, text)| (*text).to_owned())
    }

    /// The error about a server, by what it is called in a sentence.
    pub(super) fn error(&self, server: &str) -> Error {
        storage(server, &self.describe())
    }
}

impl ScriptFault {
    pub(super) fn into_error(self, server: &str) -> Error {
        match self {
            Self::Refused(refusal) => refusal.error(server),
            Self::Closed(error) | Self::Failed(error) => error,
        }
    }

    /// Of an error of the library, which is not shown itself.
    pub(super) fn of(error: &::redis::RedisError, server: &str) -> Self {
        use ::redis::ErrorKind as Kind;
        match error.kind() {
            Kind::Server(_) | Kind::Extension => {
                let text = error.to_string();
                Self::Refused(RedisRefusal::new(error.code().unwrap_or_default(), &text))
            }
            Kind::AuthenticationFailed => Self::Refused(RedisRefusal("WRONGPASS".to_owned())),
            Kind::RESP3NotSupported => Self::Failed(storage(server, "does not speak RESP3")),
            _ if error.is_timeout() => Self::Failed(storage(server, "did not respond in time")),
            Kind::Io => Self::Closed(storage(server, "closed the connection")),
            _ => Self::Failed(storage(server, "does not answer as Redis does")),
        }
    }
}

/// An error that begins with what the server is called.
pub(super) fn storage(server: &str, rest: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("{server} {rest}"))
}

/// Why no connection was made.
pub(super) fn connecting(server: &str, error: &io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused the connection".to_owned(),
        io::ErrorKind::NotFound => "is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be connected to by this process".to_owned(),
        _ => store_tls_fault(error, "ca or to the NODE_EXTRA_CA_CERTS file")
            .unwrap_or_else(|| format!("could not be reached: {}", connect_reason(error))),
    };
    storage(server, &reason)
}

/// How far a connection came that did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectStage {
    Accept,
    Tls,
    Login,
}

impl ConnectStage {
    /// The error of a server that did not answer in time.
    pub(super) fn timeout(self, server: &str) -> Error {
        storage(
            server,
            match self {
                Self::Accept => "could not be reached: it did not accept a connection in time",
                Self::Tls => {
                    "accepted a connection, and did not begin TLS in time: if this port has no TLS, the URL must begin \
                     with redis:"
                }
                Self::Login => {
                    "accepted a connection, and did not answer as Redis does in time: check the port"
                }
            },
        )
    }
}

/// The fault of a server that has not answered on this connection yet: it may be another one than the URL says.
pub(super) fn before_an_answer(error: &::redis::RedisError, server: &str, is_tls: bool) -> ScriptFault {
    match ScriptFault::of(error, server) {
        _ if error.is_timeout() => ScriptFault::Failed(ConnectStage::Login.timeout(server)),
        ScriptFault::Closed(_) => {
            let hint = if is_tls { "" } else { ": if this port has TLS, the URL must begin with rediss:" };
            ScriptFault::Closed(storage(server, &format!("closed the connection before it answered{hint}")))
        }
        fault => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, text: &str) -> String {
        RedisRefusal::new(code, text).error("the server").message().to_owned()
    }

    #[test]
    fn each_refusal_is_explained_without_what_the_server_repeats() {
        for (word, text) in REFUSALS {
            assert_eq!(said(word, "hunter2"), format!("the server {text}"));
        }
        assert!(said("NEWS", "hunter2").ends_with("refused a command (NEWS)"));
        assert!(said("hunter2", "hunter2").ends_with("refused a command (ERR)"));
    }

    #[test]
    fn the_words_of_older_servers_are_found_in_their_texts() {
        for (text, word) in [
            ("Error running script (call to f_1): @user_script:2: -READONLY You can't write", "READONLY"),
            ("@user_script: 3: OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
            ("Authentication required.", "NOAUTH"),
            ("DB index is out of range", "DATABASE"),
            ("max number of clients reached", "CLIENTS"),
            ("The user executing the script can't run this command, ACL failure", "NOPERM"),
            ("unknown command 'EVAL'", "ERR"),
        ] {
            assert!(RedisRefusal::new("ERR", text).is(word), "{text}");
        }
    }
}
