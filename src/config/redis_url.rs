//! The URL of a Redis server.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::domain::Secret;

const DEFAULT_PORT: u16 = 6379;

/// Where a Redis server is, and as whom to log in to it. Only the user and the password are secret.
#[derive(Clone, Debug)]
pub struct RedisUrl {
    /// Where to connect to.
    pub address: RedisAddress,
    /// The ACL user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: u32,
    /// Whether to speak the third version of the protocol.
    pub speaks_resp3: bool,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAddress {
    /// A host and a port.
    Tcp {
        /// A name, or an address without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether to use TLS.
        is_tls: bool,
    },
    /// The path of a socket on this machine.
    Unix(String),
}

impl RedisUrl {
    /// Reads a URL. `Err` says what is wrong with it, as the rest of a sentence that contains no part of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "must be a URL such as redis://user:password@host:6379/0 or rediss://host. Characters \
                             of the password that mean something in a URL are percent-encoded: @ is %40";
        let url = Url::parse(text.trim()).map_err(|_| SHAPE.to_owned())?;
        match url.scheme() {
            "redis" | "valkey" => Self::with_host(&url, false),
            "rediss" | "valkeys" => Self::with_host(&url, true),
            "unix" | "redis+unix" | "valkey+unix" => Self::with_socket(&url),
            _ => Err(SHAPE.to_owned()),
        }
    }

    /// The address without the user and the password.
    pub fn location(&self) -> String {
        match &self.address {
            RedisAddress::Tcp { host, port, is_tls } => {
                let scheme = if *is_tls { "rediss" } else { "redis" };
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                format!("{scheme}://{host}:{port}/{}", self.database)
            }
            RedisAddress::Unix(path) => format!("redis+unix:{path}?db={}", self.database),
        }
    }

    fn with_host(url: &Url, is_tls: bool) -> Result<Self, String> {
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => decode(name, "host")?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err("must name a host, as in redis://host:6379".to_owned()),
        };
        if url.fragment().is_some() {
            return Err(
                "must not have a part after #. evertoken always checks the server's certificate: put a \
                        private one into ca, and percent-encode a # in a password as %23"
                    .to_owned(),
            );
        }
        // What stands between two of them may be a part of the password, and would be shown as the host.
        if [url.path(), url.query().unwrap_or_default()].iter().any(|text| text.contains('@')) {
            return Err(
                "has a / or ? before an @: write %2F, %3F and %40 for these characters in the user name and \
                        the password"
                    .to_owned(),
            );
        }
        let user = Some(url.username()).filter(|user| !user.is_empty());
        let password = url.password().filter(|password| !password.is_empty());
        Ok(Self {
            address: RedisAddress::Tcp { host, port: url.port().unwrap_or(DEFAULT_PORT), is_tls },
            user: user.map(|user| decode(user, "user name")).transpose()?,
            password: password.map(|text| decode(text, "password").map(Secret::new)).transpose()?,
            database: database(url.path().trim_matches('/'))?,
            speaks_resp3: speaks_resp3(url)?,
        })
    }

    fn with_socket(url: &Url) -> Result<Self, String> {
        if url.host_str().is_some_and(|host| !host.is_empty()) || url.path().len() < 2 {
            return Err("must name the path of a socket, as in redis+unix:///run/redis.sock".to_owned());
        }
        let parameter = |name: &str| {
            let given = url.query_pairs().find(|(key, _)| key == name);
            given.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        Ok(Self {
            address: RedisAddress::Unix(decode(url.path(), "path")?),
            user: parameter("user"),
            password: parameter("pass").map(Secret::new),
            database: database(&parameter("db").unwrap_or_default())?,
            speaks_resp3: speaks_resp3(url)?,
        })
    }
}

fn decode(text: &str, what: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| format!("contains a {what} that is not valid UTF-8"))
}

fn database(text: &str) -> Result<u32, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| "must end with the number of a database, as in redis://host:6379/0".to_owned())
}

fn speaks_resp3(url: &Url) -> Result<bool, String> {
    match url.query_pairs().find(|(key, _)| key == "protocol") {
        None => Ok(false),
        Some((_, version)) => match &*version {
            "2" | "resp2" => Ok(false),
            "3" | "resp3" => Ok(true),
            _ => Err("contains a protocol that is neither resp2 nor resp3".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16, is_tls: bool) -> RedisAddress {
        RedisAddress::Tcp { host: host.to_owned(), port, is_tls }
    }

    #[test]
    fn a_url_says_where_and_as_whom() {
        let url = RedisUrl::parse("rediss://al%40ice:p%40ss%3A%2F%23w@cache.example:6380/7?protocol=resp3")
            .unwrap();
        assert_eq!(url.address, tcp("cache.example", 6380, true));
        assert_eq!(url.user.as_deref(), Some("al@ice"));
        assert!(url.password.as_ref().unwrap().matches(&Secret::new("p@ss:/#w")));
        assert_eq!((url.database, url.speaks_resp3), (7, true));
        assert_eq!(url.location(), "rediss://cache.example:6380/7");
        assert!(!format!("{url:?}").contains("ss:/#w"));
    }

    #[test]
    fn everything_but_the_host_has_a_default() {
        for (text, address) in [
            ("redis://localhost", tcp("localhost", 6379, false)),
            ("redis://localhost/", tcp("localhost", 6379, false)),
            (" valkey://10.0.0.1 ", tcp("10.0.0.1", 6379, false)),
            ("valkeys://[::1]:7000", tcp("::1", 7000, true)),
            ("redis://:@h?family=6", tcp("h", 6379, false)),
            ("unix:///run/redis%20a.sock", RedisAddress::Unix("/run/redis a.sock".to_owned())),
        ] {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!(url.address, address, "{text}");
            assert!(url.user.is_none() && url.password.is_none() && url.database == 0 && !url.speaks_resp3);
        }
        assert_eq!(RedisUrl::parse("redis://[::1]").unwrap().location(), "redis://[::1]:6379/0");
    }

    #[test]
    fn a_password_needs_no_user() {
        let url = RedisUrl::parse("redis://:secret@h").unwrap();
        assert!(url.user.is_none() && url.password.unwrap().matches(&Secret::new("secret")));
    }

    #[test]
    fn the_parameters_of_a_socket_stand_after_its_path() {
        let url = RedisUrl::parse("redis+unix:///run/r.sock?db=3&user=u&pass=p%20w").unwrap();
        assert_eq!((url.database, url.user.as_deref()), (3, Some("u")));
        assert!(url.password.as_ref().unwrap().matches(&Secret::new("p w")));
        assert_eq!(url.location(), "redis+unix:/run/r.sock?db=3");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        for text in [
            "hunter2",
            "redis:",
            "redis://",
            "http://hunter2@h",
            "redis://h/hunter2",
            "redis://h/+1",
            "redis://h/99999999999",
            "redis://:hunter2@h:port",
            "redis://u:%FFhunter2@h",
            "rediss://:hunter2@h#insecure",
            "redis://:a#hunter2@h",
            "redis://:p@hunter2/0@h",
            "redis://:p@hunter2?db=word@h",
            "redis://h?protocol=hunter2",
            "unix://hunter2/x",
            "unix:///",
        ] {
            let fault = RedisUrl::parse(text).unwrap_err();
            assert!(!fault.contains("hunter2") && !fault.is_empty(), "{text}: {fault}");
        }
    }
}
