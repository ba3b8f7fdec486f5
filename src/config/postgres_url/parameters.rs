//! The parameters of a PostgreSQL URL: those of libpq, and those that other libraries write into it.

use super::{
    ChannelBindingMode, PostgresRoots, PostgresTls, PostgresTlsMode, UrlFault, decoded, read_port, some,
};
use crate::domain::Secret;

/// What the parameters say.
#[derive(Default)]
pub(super) struct UrlParameters {
    pub(super) hosts: Option<Vec<String>>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) options: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) needs_writable: Option<bool>,
    pub(super) is_load_balanced: bool,
    ssl_mode: Option<PostgresTlsMode>,
    /// `ssl` of node-postgres, which `sslmode` overrides.
    ssl: Option<PostgresTlsMode>,
    is_strict: bool,
    root_certificate: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    is_direct: bool,
    channel_binding: ChannelBindingMode,
}

/// Parameters that have no meaning here: of libpq's other ways to log in, and of the pools, caches and timeouts of
/// other libraries.
const IGNORED: [&str; 31] = [
    "client_encoding",
    "connect_timeout",
    "connection_limit",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "max_idle_connection_lifetime",
    "passfile",
    "pgbouncer",
    "pool_timeout",
    "pool_mode",
    "prepared_statement_cache_size",
    "requirepeer",
    "single_use_connections",
    "socket_timeout",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslidentity",
    "sslpassword",
    "sslsni",
    "statement_cache_size",
    "supa",
    "tcp_user_timeout",
    "uselibpqcompat",
];

/// Reads what follows the `?`.
pub(super) fn read(query: &str) -> Result<UrlParameters, UrlFault> {
    let mut found = UrlParameters::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("has a parameter without a value")?;
        let key = decoded(key, "parameter")?;
        let value = decoded(value, "parameter")?;
        found.set(&key, value)?;
    }
    Ok(found)
}

impl UrlParameters {
    fn set(&mut self, key: &str, value: String) -> Result<(), UrlFault> {
        match key {
            "host" => self.hosts = some(value).map(|hosts| hosts.split(',').map(str::to_owned).collect()),
            "port" => self.port = some(value).map(|port| read_port(&port)).transpose()?,
            "user" => self.user = some(value),
            "password" => self.password = Some(Secret::new(value)),
            "dbname" => self.database = some(value),
            "schema" => self.schema = some(value),
            "options" => self.options = some(value),
            "application_name" => self.application_name = some(value),
            "target_session_attrs" => self.needs_writable = Some(read_session(&value)?),
            "load_balance_hosts" => {
                self.is_load_balanced = one_of(key, &value, &[("disable", false), ("random", true)])?;
            }
            "sslmode" => self.ssl_mode = Some(one_of(key, &value, &SSL_MODES)?),
            "ssl" => self.ssl = Some(one_of(key, &value, &SSL)?),
            // Prisma's. It verifies by default, but only if sslmode is set, too.
            "sslaccept" => self.is_strict = value == "strict",
            "sslrootcert" => self.root_certificate = some(value),
            "sslcert" => self.certificate = some(value),
            "sslkey" => self.key = some(value),
            "sslnegotiation" => {
                self.is_direct = one_of(key, &value, &[("postgres", false), ("direct", true)])?;
            }
            "channel_binding" => self.channel_binding = one_of(key, &value, &CHANNEL_BINDING)?,
            key if IGNORED.contains(&key) => {}
            key => return Err(unknown(key)),
        }
        Ok(())
    }

    /// What they say about TLS, together.
    pub(super) fn tls(&mut self) -> Result<PostgresTls, UrlFault> {
        use PostgresTlsMode as Mode;
        let roots = self.root_certificate.take().map(|path| match path.as_str() {
            "system" => PostgresRoots::System,
            path => PostgresRoots::File(path.into()),
        });
        let chosen = self.ssl_mode.or(self.ssl);
        let mode = match (chosen, &roots) {
            (None, Some(PostgresRoots::System)) => Mode::VerifyFull,
            (Some(mode), Some(PostgresRoots::System))
                if mode != Mode::VerifyFull && mode != Mode::Disable =>
            {
                return Err("has sslrootcert=system, which requires sslmode=verify-full".into());
            }
            (Some(Mode::Require), _) if self.is_strict => Mode::VerifyFull,
            (Some(Mode::Require), Some(_)) => Mode::VerifyCa,
            (mode, _) => mode.unwrap_or_default(),
        };
        if self.is_direct && matches!(mode, Mode::Disable | Mode::Prefer) {
            return Err("has sslnegotiation=direct, which requires sslmode=require or a stricter one".into());
        }
        let identity = match (self.certificate.take(), self.key.take()) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => return Err("must have both sslcert and sslkey, or neither".into()),
        };
        let (is_direct, channel_binding) = (self.is_direct, self.channel_binding);
        Ok(PostgresTls { mode, roots, identity, is_direct, channel_binding })
    }
}

const SSL_MODES: [(&str, PostgresTlsMode); 7] = [
    ("disable", PostgresTlsMode::Disable),
    ("allow", PostgresTlsMode::Prefer),
    ("prefer", PostgresTlsMode::Prefer),
    ("require", PostgresTlsMode::Require),
    ("no-verify", PostgresTlsMode::Require),
    ("verify-ca", PostgresTlsMode::VerifyCa),
    ("verify-full", PostgresTlsMode::VerifyFull),
];

const SSL: [(&str, PostgresTlsMode); 4] = [
    ("true", PostgresTlsMode::Require),
    ("1", PostgresTlsMode::Require),
    ("false", PostgresTlsMode::Disable),
    ("0", PostgresTlsMode::Disable),
];

const CHANNEL_BINDING: [(&str, ChannelBindingMode); 3] = [
    ("disable", ChannelBindingMode::Disable),
    ("prefer", ChannelBindingMode::Prefer),
    ("require", ChannelBindingMode::Require),
];

fn one_of<T: Copy>(key: &str, value: &str, words: &[(&str, T)]) -> Result<T, UrlFault> {
    let found = words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("has a value of {key} other than {}", known.join(", "))
    })
}

fn read_session(value: &str) -> Result<bool, UrlFault> {
    match value {
        "any" => Ok(false),
        "read-write" | "primary" => Ok(true),
        _ => Err(
            "has a value of target_session_attrs other than any, read-write and primary: tokens are written"
                .into(),
        ),
    }
}

fn unknown(key: &str) -> UrlFault {
    let is_word = key.len() <= 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if is_word {
        format!("has the parameter {key}, which evertoken does not know")
    } else {
        "has a parameter that evertoken does not know".into()
    }
}
