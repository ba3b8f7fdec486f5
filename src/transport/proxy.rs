//! Which proxy a request uses, by the environment variables and rules that curl and Node share.

mod exempt;

use std::fmt;

use hyper::Uri;
use url::{Host, Url};

use self::exempt::Exemptions;
use super::environment::Environment;
use crate::error::{Error, Result};

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// The proxies that the environment variables set.
#[derive(Clone)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exempt: Exemptions,
}

/// A proxy. `Display` shows its origin and its variable, without the credentials.
#[derive(Clone)]
pub struct Proxy {
    variable: &'static str,
    address: Result<Url, &'static str>,
}

impl Proxies {
    /// Reads the proxy variables of an environment.
    pub fn of(environment: &Environment) -> Self {
        let all = environment.either("ALL_PROXY", "all_proxy");
        // In a CGI script, the `Proxy` header of any client's request appears under this name ("httpoxy").
        let is_cgi = environment.get("REQUEST_METHOD").is_some();
        let http = environment
            .either("HTTP_PROXY", "http_proxy")
            .filter(|(name, _)| !is_cgi || *name == "http_proxy");
        let https = environment.either("HTTPS_PROXY", "https_proxy");
        let exempt = environment.either("NO_PROXY", "no_proxy").map_or("", |(_, list)| list);
        Self {
            http: http.or(all).map(Proxy::new),
            https: https.or(all).map(Proxy::new),
            exempt: Exemptions::of(exempt),
        }
    }

    /// The proxy for requests to this URL. Loopback hosts are never proxied.
    pub fn for_url(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http }.as_ref()?;
        let host = url.host()?.to_owned();
        let is_direct = is_loopback(&host) || self.exempt.cover(&host, url.port_or_known_default());
        (!is_direct).then_some(proxy)
    }
}

impl Proxy {
    fn new((variable, text): (&'static str, &str)) -> Self {
        Self { variable, address: address(text.trim()) }
    }

    /// Its URL, with its credentials.
    ///
    /// # Errors
    /// `Config`, naming the variable: a request that should use a proxy is never sent directly.
    pub(super) fn address(&self) -> Result<&Url> {
        self.address.as_ref().map_err(|fault| Error::config(self.variable, *fault))
    }

    /// The variable that sets it.
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Its URL, without its credentials.
    pub fn origin(&self) -> Result<String> {
        self.address().map(|url| {
            let host = url.host_str().unwrap_or_default();
            let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
            format!("{}://{host}{port}", url.scheme())
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin() {
            Ok(origin) => write!(f, "the proxy {origin} ({})", self.variable),
            Err(_) => write!(f, "the proxy in {}", self.variable),
        }
    }
}

/// Parses the proxy's URL. Without a scheme, the text is a host with an optional port.
fn address(text: &str) -> Result<Url, &'static str> {
    const NOT_A_URL: &str = "must be a proxy URL such as http://proxy.example.com:3128; percent-encode special \
                          characters in the user name and password";
    const UNKNOWN_SCHEME: &str =
        "must be a proxy URL that starts with http, https, socks5h, socks5, socks4a or socks4";
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let url = url.map_err(|_| NOT_A_URL)?;
    // What stands between two @ may be a part of the password, and would be shown as the host.
    let rest = [Some(url.path()), url.query(), url.fragment()];
    if rest.into_iter().flatten().any(|text| text.contains('@')) {
        return Err(NOT_A_URL);
    }
    if !SCHEMES.contains(&url.scheme()) {
        return Err(UNKNOWN_SCHEME);
    }
    // The HTTP client parses the text again and would use no proxy if it could not.
    let is_parsable =
        url.as_str().parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    if is_parsable { Ok(url) } else { Err(NOT_A_URL) }
}

/// Whether requests to this host stay on this machine.
pub(super) fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Ipv4(ip) => ip.is_loopback() || ip.is_unspecified(),
        Host::Ipv6(ip) => {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip.is_unspecified()
        }
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests;
