//! The URL of a PostgreSQL database, as libpq reads it. No fault that is reported contains a part of the URL other than
//! the name of a parameter.

mod parameters;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::domain::Secret;

/// What is wrong with a URL, as the rest of a sentence.
type UrlFault = String;

const DEFAULT_PORT: u16 = 5432;

/// Where a PostgreSQL database is, and how to connect to it.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    /// The whole text. Equal texts are one place.
    pub text: Secret,
    /// The servers, in the order in which they are tried.
    pub hosts: Vec<PostgresHost>,
    /// The role to log in as.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The database. `None` for the one that is named as the user.
    pub database: Option<String>,
    /// How connections are encrypted.
    pub tls: PostgresTls,
    /// Command-line options of the session, which some providers use to route a connection.
    pub options: Option<String>,
    /// How sessions are called in the server's lists.
    pub application_name: Option<String>,
    /// Whether to look for a server that accepts writes.
    pub needs_writable: bool,
    /// Whether to try the servers in random order.
    pub is_load_balanced: bool,
    /// The schema of the table.
    pub schema: Option<String>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresHost {
    /// A name or an address, and the port.
    Tcp(String, u16),
    /// The folder of a Unix socket, and the port in its name.
    Socket(PathBuf, u16),
}

/// How connections are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresTls {
    /// `sslmode`.
    pub mode: PostgresTlsMode,
    /// `sslrootcert`.
    pub roots: Option<PostgresRoots>,
    /// `sslcert` and `sslkey`: the files of a client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether the handshake begins at once: `sslnegotiation=direct`.
    pub is_direct: bool,
    /// `channel_binding`.
    pub channel_binding: ChannelBindingMode,
}

/// The words of `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PostgresTlsMode {
    /// Without TLS.
    Disable,
    /// TLS if the server offers it. Its certificate is not verified.
    #[default]
    Prefer,
    /// Only with TLS. The certificate is verified only if `sslrootcert` is set, as libpq does.
    Require,
    /// The certificate must chain to a root, for any host name.
    VerifyCa,
    /// The certificate must chain to a root, and contain the host name.
    VerifyFull,
}

/// Which root certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresRoots {
    /// Those of the system.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// Whether the password is proven together with the certificate (SCRAM-SHA-256-PLUS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBindingMode {
    /// Never.
    Disable,
    /// If the server can.
    #[default]
    Prefer,
    /// Always.
    Require,
}

impl PostgresUrl {
    /// Reads a URL. `Err` says what is wrong with it, as the rest of a sentence, without its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = without_scheme(text).ok_or("must begin with postgres:// or postgresql://")?;
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = before.split_once('/').unwrap_or((before, ""));
        // What stands between two of them may be a part of the password, and would be shown as the host.
        if rest[authority.len()..].contains('@') {
            return Err("has a / or ? before an @: write %2F, %3F and %40 for these characters in the user name, the \
                        password and the parameters"
                .into());
        }
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        let mut parameters = parameters::read(query)?;
        let hosts = match parameters.hosts.take() {
            Some(hosts) => hosts,
            None => hosts.split(',').map(str::to_owned).collect(),
        };
        let tls = parameters.tls()?;
        let hosts =
            hosts.iter().map(|host| read_host(host, parameters.port)).collect::<Result<Vec<_>, _>>()?;
        let (user, database) = (decoded(user, "user name")?, decoded(database, "name of the database")?);
        Ok(Self {
            user: some(user)
                .or(parameters.user)
                .ok_or("names no user: postgres://USER:PASSWORD@HOST/DATABASE")?,
            password: match password {
                Some(password) => Some(Secret::new(decoded(password, "password")?)),
                None => parameters.password,
            },
            database: some(database).or(parameters.database),
            tls,
            options: parameters.options,
            application_name: parameters.application_name,
            // Of several servers, all but one are usually replicas.
            needs_writable: parameters.needs_writable.unwrap_or(hosts.len() > 1),
            is_load_balanced: parameters.is_load_balanced,
            schema: parameters.schema,
            hosts,
            text: Secret::new(text),
        })
    }

    /// The servers and the database, without the user and without parameters.
    pub fn location(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        let database = self.database.as_ref().map(|database| format!("/{database}")).unwrap_or_default();
        format!("postgres://{}{database}", hosts.join(","))
    }
}

impl std::fmt::Display for PostgresHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp(name, port) => write!(f, "{name}:{port}"),
            Self::Socket(folder, port) => write!(f, "{}:{port}", folder.display()),
        }
    }
}

fn without_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_known = ["postgres", "postgresql"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then_some(rest)
}

/// `name`, `name:port`, `[address]:port`, or the folder of a socket.
fn read_host(text: &str, default_port: Option<u16>) -> Result<PostgresHost, UrlFault> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("has an address without its ]")?;
            (address, port.strip_prefix(':').or(some(port)))
        }
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, some(port))),
    };
    let port = match port {
        Some(port) => read_port(port)?,
        None => default_port.unwrap_or(DEFAULT_PORT),
    };
    let name = decoded(name, "host")?;
    if name.is_empty() {
        return Err("names no host: postgres://USER:PASSWORD@HOST/DATABASE".into());
    }
    if name.starts_with('/') {
        return if cfg!(unix) {
            Ok(PostgresHost::Socket(name.into(), port))
        } else {
            Err("names a Unix socket, which this platform does not have".into())
        };
    }
    if name.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#@\\".contains(c)) {
        return Err("has a host that contains an invalid character".into());
    }
    Ok(PostgresHost::Tcp(name, port))
}

fn read_port(text: &str) -> Result<u16, UrlFault> {
    let port = text.parse().ok().filter(|port| *port != 0);
    // Usually it is a part of the password.
    port.ok_or_else(|| {
        "has a port that is not a number from 1 to 65535 (write special characters of a password as %XX)"
            .into()
    })
}

fn decoded(text: &str, what: &str) -> Result<String, UrlFault> {
    let text =
        percent_decode_str(text).decode_utf8().map_err(|_| format!("has a {what} that is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(format!("has a {what} that contains a control character"));
    }
    Ok(text.into_owned())
}

fn some<T: AsRef<str>>(text: T) -> Option<T> {
    Some(text).filter(|text| !text.as_ref().is_empty())
}
