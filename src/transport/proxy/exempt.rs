//! `NO_PROXY`: the hosts that requests reach without a proxy.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

/// The entries of the list.
#[derive(Clone)]
pub(super) struct Exemptions(Vec<Exemption>);

#[derive(Clone)]
struct Exemption {
    hosts: Hosts,
    /// Limits the exemption to this port.
    port: Option<u16>,
}

#[derive(Clone)]
enum Hosts {
    All,
    Net(IpNet),
    /// The domain and all its subdomains.
    Domain(String),
}

impl Exemptions {
    /// Parses entries separated by commas, spaces or both. Entries that are not hosts are skipped.
    pub(super) fn of(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter(|entry| !entry.is_empty()).filter_map(entry).collect())
    }

    /// Whether an entry matches this host and port.
    pub(super) fn cover(&self, host: &Host<String>, port: Option<u16>) -> bool {
        self.0
            .iter()
            .any(|entry| entry.port.is_none_or(|only| port == Some(only)) && entry.hosts.contain(host))
    }
}

impl Hosts {
    fn contain(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Net(net), Host::Ipv4(ip)) => net.contains(&IpAddr::V4(*ip)),
            (Self::Net(net), Host::Ipv6(ip)) => {
                net.contains(&ip.to_canonical()) || net.contains(&IpAddr::V6(*ip))
            }
            (Self::Domain(domain), Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

fn entry(text: &str) -> Option<Exemption> {
    if let Some(hosts) = network(text) {
        return Some(Exemption { hosts, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let hosts = match host {
        "*" => Hosts::All,
        _ => network(host).or_else(|| domain(host))?,
    };
    Some(Exemption { hosts, port })
}

/// An IP address, with or without brackets, or a CIDR block.
fn network(text: &str) -> Option<Hosts> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = || bare.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
    bare.parse::<IpNet>().ok().or_else(address).map(Hosts::Net)
}

/// A domain; `.name` and `*.name` mean the same. International names are compared in their ASCII form.
fn domain(text: &str) -> Option<Hosts> {
    let text = text.strip_prefix('*').unwrap_or(text);
    match Host::parse(text.trim_start_matches('.').trim_end_matches('.')).ok()? {
        Host::Domain(name) => Some(Hosts::Domain(name)),
        _ => None,
    }
}
