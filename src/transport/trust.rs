//! Whose certificates are accepted besides those that the system knows.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::environment::Environment;
use crate::error::{Error, ErrorKind, Result};

/// Certificates to trust, and where more are.
#[derive(Clone, Default)]
pub(super) struct Trust {
    /// `ca` of the configuration, in PEM.
    pub(super) ca: Vec<String>,
    /// What `NODE_EXTRA_CA_CERTS` names.
    pub(super) file: Option<PathBuf>,
    /// What `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub(super) system: SystemTrust,
}

/// Where the system's certificates are, if somebody chose the place.
#[derive(Clone, Default)]
#[cfg_attr(
    not(all(unix, not(target_vendor = "apple"))),
    expect(dead_code, reason = "the system itself verifies")
)]
pub(super) struct SystemTrust {
    file: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Trust {
    /// With the places that the environment names.
    pub(super) fn add_places(&mut self, environment: &Environment) {
        self.file = environment.get("NODE_EXTRA_CA_CERTS").map(PathBuf::from);
        let folders = environment.get("SSL_CERT_DIR").unwrap_or_default();
        self.system = SystemTrust {
            file: environment.get("SSL_CERT_FILE").map(PathBuf::from),
            folders: std::env::split_paths(folders).filter(|path| !path.as_os_str().is_empty()).collect(),
        };
    }

    /// The certificates that were given; a file that cannot be used whole is a warning. It blocks.
    ///
    /// # Errors
    /// `Config`, naming `ca`.
    pub(super) fn own(&self) -> Result<(Vec<CertificateDer<'static>>, Option<Error>)> {
        let mut own = Vec::new();
        for pem in &self.ca {
            let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
            own.extend(certificates.map_err(|_| Error::config("ca", "must hold certificates in PEM form"))?);
        }
        let Some(path) = &self.file else { return Ok((own, None)) };
        let warning = match read(path) {
            Ok((found, is_whole)) => {
                let is_empty = found.is_empty();
                own.extend(found);
                match (is_empty, is_whole) {
                    (true, _) => {
                        Some("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".into())
                    }
                    (false, false) => Some("holds certificates that cannot be used; the others are".into()),
                    (false, true) => None,
                }
            }
            Err(error) => Some(format!("cannot be read: {}", error.kind())),
        };
        let message = |fault: String| format!("the file of NODE_EXTRA_CA_CERTS, {}, {fault}", path.display());
        Ok((own, warning.map(|fault| Error::new(ErrorKind::Tls, message(fault)))))
    }
}

/// Where systems keep their authorities in one file: Debian and Ubuntu, Red Hat 7 and later, older Red Hat, SUSE,
/// `OpenELEC`, Alpine, and the BSDs.
#[cfg(all(unix, not(target_vendor = "apple")))]
const FILES: [&str; 8] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

#[cfg(all(unix, not(target_vendor = "apple")))]
const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

#[cfg(all(unix, not(target_vendor = "apple")))]
impl SystemTrust {
    /// The authorities that the system knows. The variables are not read here: this is no thread of Node's.
    pub(super) fn roots(&self) -> Vec<CertificateDer<'static>> {
        let is_chosen = self.file.is_some() || !self.folders.is_empty();
        let (file, folders) = if is_chosen {
            (self.file.clone(), self.folders.clone())
        } else {
            (existing(&FILES).next(), existing(&FOLDERS).collect())
        };
        let mut found = rustls_native_certs::load_certs_from_paths(file.as_deref(), None).certs;
        for folder in folders {
            found.extend(rustls_native_certs::load_certs_from_paths(None, Some(&folder)).certs);
        }
        found.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        found.dedup();
        with_mozilla_fallback(found, is_chosen)
    }
}

#[cfg(all(unix, not(target_vendor = "apple")))]
fn existing(paths: &[&str]) -> impl Iterator<Item = PathBuf> {
    paths.iter().map(PathBuf::from).filter(|path| path.exists())
}

/// Small images, such as Debian's `slim`, bring no `ca-certificates`. Node has its own authorities and works there, so
/// Mozilla's stand in. Whoever chose where the system's are means just those.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn with_mozilla_fallback(
    found: Vec<CertificateDer<'static>>,
    is_chosen: bool,
) -> Vec<CertificateDer<'static>> {
    let is_missing = found.is_empty() && !is_chosen;
    let roots = if is_missing { webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec() } else { found };
    roots.into_iter().filter(is_usable).collect()
}

/// Whether a chain may end in it.
fn is_usable(certificate: &CertificateDer<'_>) -> bool {
    RootCertStore::empty().add(certificate.clone().into_owned()).is_ok()
}

/// The usable certificates in a file, and whether that is all of them.
fn read(path: &Path) -> std::io::Result<(Vec<CertificateDer<'static>>, bool)> {
    let text = fs::read(path)?;
    let mut is_whole = true;
    let mut certificates = Vec::new();
    for found in CertificateDer::pem_slice_iter(&text) {
        match found.ok().filter(is_usable) {
            Some(certificate) => certificates.push(certificate),
            None => is_whole = false,
        }
    }
    Ok((certificates, is_whole))
}

#[cfg(all(test, unix, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn mozillas_authorities_stand_in_for_those_that_a_system_does_not_have() {
        let all = with_mozilla_fallback(Vec::new(), false);
        assert_eq!(all.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        let one = webpki_root_certs::TLS_SERVER_ROOT_CERTS[..1].to_vec();
        assert_eq!(with_mozilla_fallback(one, false).len(), 1);
        assert!(with_mozilla_fallback(Vec::new(), true).is_empty(), "none was chosen");
    }
}
