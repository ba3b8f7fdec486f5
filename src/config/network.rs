//! Which hosts may be used without TLS.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Whether the URL's host is this machine or a host on a private network, judging by its name.
///
/// Names without a dot (such as `auth`, for another container) and names under private suffixes cannot be
/// registered publicly. Any other name could belong to anyone.
pub fn is_private_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private_v4(address),
        Some(Host::Ipv6(address)) => is_private_v6(address),
        Some(Host::Domain(name)) => is_private_name(name),
        None => false,
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_private() || address.is_link_local()
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some_and(is_private_v4)
}

fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let suffixes = [".localhost", ".local", ".internal", ".home.arpa", ".test"];
    !name.is_empty() && (!name.contains('.') || suffixes.iter().any(|suffix| name.ends_with(suffix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_public_hosts_are_distinguished() {
        let private = |host: &str| is_private_host(&Url::parse(&format!("http://{host}/")).unwrap());
        for host in [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "10.0.0.7",
            "172.16.0.1",
            "192.168.1.1",
            "[fd00::1]",
            "auth:8080",
            "auth.default.svc.cluster.local",
            "[::ffff:10.0.0.1]",
            "sso.localhost",
        ] {
            assert!(private(host), "{host}");
        }
        for host in
            ["example.com", "8.8.8.8", "172.32.0.1", "[2001:db8::1]", "localhost.example.com", "0x8080808"]
        {
            assert!(!private(host), "{host}");
        }
    }
}
