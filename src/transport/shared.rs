//! One HTTP client for all services that trust the same certificates, present the same one and use the same proxies.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use zeroize::Zeroizing;

use super::environment::Environment;
use super::http::HttpTransport;
use crate::config::ClientCertificate;
use crate::crypto::sha256;
use crate::sync::{Mutex, WeakMap};

/// The variables that name files of certificates.
const CERTIFICATE_FILES: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];

/// The clients in use. A client reads the system's certificates once, and pools its connections, for all services that
/// share it. It is dropped with the last of them.
#[derive(Default)]
pub struct SharedTransports {
    clients: Mutex<WeakMap<Vec<u8>, HttpTransport>>,
}

impl SharedTransports {
    /// The client for these certificates and this environment. Files that have changed since make another one, so that
    /// a service that starts after a renewal trusts the new certificates.
    pub fn get(
        &self,
        ca: &[String],
        environment: &Environment,
        certificate: Option<&ClientCertificate>,
    ) -> Arc<HttpTransport> {
        let key = key(ca, environment, certificate);
        self.clients.lock().get_or_insert_with(key, || {
            let client = HttpTransport::new(ca.to_vec()).with_environment(environment);
            Arc::new(client.with_client_certificate(certificate.cloned()))
        })
    }
}

/// A digest of everything that distinguishes clients: equal keys, equal clients.
pub(super) fn key(
    ca: &[String],
    environment: &Environment,
    certificate: Option<&ClientCertificate>,
) -> Vec<u8> {
    let mut parts = Zeroizing::new(Vec::new());
    let mut add = |part: &[u8]| {
        parts.extend_from_slice(&(part.len() as u64).to_le_bytes());
        parts.extend_from_slice(part);
    };
    add(&(ca.len() as u64).to_le_bytes());
    for pem in ca {
        add(pem.as_bytes());
    }
    for (name, value) in environment.iter() {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    for file in CERTIFICATE_FILES.into_iter().filter_map(|name| environment.get(name)) {
        add(&stamp(Path::new(file)));
    }
    if let Some(certificate) = certificate {
        add(certificate.pem().expose().as_bytes());
    }
    sha256(&parts)
}

/// The time and size of a file; nothing for one that cannot be read.
fn stamp(path: &Path) -> Vec<u8> {
    let Ok(metadata) = fs::metadata(path) else { return Vec::new() };
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = modified.map_or(0, |time| time.as_nanos());
    [nanoseconds.to_le_bytes(), u128::from(metadata.len()).to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    fn environment(proxy: &str) -> Environment {
        [("https_proxy", proxy)].into_iter().collect()
    }

    fn certificate(key: &str) -> ClientCertificate {
        ClientCertificate { cert: "cert".into(), key: Secret::new(key) }
    }

    #[test]
    fn services_with_the_same_certificates_and_proxies_share_a_client_until_the_last_one_ends() {
        let shared = SharedTransports::default();
        let get = || shared.get(&["pem".into()], &environment("http://p:1"), Some(&certificate("key")));
        let first = get();
        assert!(Arc::ptr_eq(&first, &get()));
        drop(first);
        let ended = Arc::downgrade(&get());
        assert!(ended.upgrade().is_none(), "no service uses it");
    }

    #[test]
    fn each_difference_makes_another_client() {
        let shared = SharedTransports::default();
        let clients = [
            shared.get(&[], &Environment::default(), None),
            shared.get(&["pem".into()], &Environment::default(), None),
            shared.get(&["p".into(), "em".into()], &Environment::default(), None),
            shared.get(&[], &environment("http://p:1"), None),
            shared.get(&[], &environment("http://p:2"), None),
            shared.get(&[], &Environment::default(), Some(&certificate("one"))),
            shared.get(&[], &Environment::default(), Some(&certificate("other"))),
        ];
        for (index, one) in clients.iter().enumerate() {
            assert!(clients[index + 1..].iter().all(|other| !Arc::ptr_eq(one, other)), "{index}");
        }
    }

    #[test]
    fn a_renewed_file_of_certificates_makes_another_client() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let environment = || -> Environment { [("NODE_EXTRA_CA_CERTS", path)].into_iter().collect() };
        let shared = SharedTransports::default();
        let first = shared.get(&[], &environment(), None);
        assert!(Arc::ptr_eq(&first, &shared.get(&[], &environment(), None)));
        fs::write(path, "another certificate").unwrap();
        assert!(!Arc::ptr_eq(&first, &shared.get(&[], &environment(), None)));
    }
}
