//! Which certificates are trusted, in addition to the system's.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::environment::Environment;
use super::io_reason::file_reason;
use crate::error::{Error, ErrorKind, Result};

/// Certificates to trust, and files that contain more.
#[derive(Clone, Default)]
pub(super) struct Trust {
    /// `ca` of the configuration, in PEM.
    pub(super) ca: Vec<String>,
    /// The `NODE_EXTRA_CA_CERTS` file.
    pub(super) file: Option<PathBuf>,
    /// The `SSL_CERT_FILE` file and `SSL_CERT_DIR` folders.
    pub(super) system: SystemTrust,
}

/// Where the system's certificates are, if the environment sets it.
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
    /// Adds the files and folders that the environment sets.
    pub(super) fn add_environment(&mut self, environment: &Environment) {
        self.file = environment.get("NODE_EXTRA_CA_CERTS").map(PathBuf::from);
        let folders = environment.get("SSL_CERT_DIR").unwrap_or_default();
        self.system = SystemTrust {
            file: environment.get("SSL_CERT_FILE").map(PathBuf::from),
            folders: std::env::split_paths(folders).filter(|path| !path.as_os_str().is_empty()).collect(),
        };
    }

    /// The configured certificates. A file that cannot be used completely is a warning. This blocks.
    ///
    /// # Errors
    /// `Config`, naming `ca`.
    pub(super) fn certificates(&self) -> Result<(Vec<CertificateDer<'static>>, Option<Error>)> {
        let mut certificates = Vec::new();
        for pem in &self.ca {
            let parsed = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
            certificates
                .extend(parsed.map_err(|_| Error::config("ca", "must contain certificates in PEM format"))?);
        }
        let Some(path) = &self.file else { return Ok((certificates, None)) };
        let warning = match read(path) {
            Ok((found, is_complete)) => {
                let is_empty = found.is_empty();
                certificates.extend(found);
                match (is_empty, is_complete) {
                    (true, _) => Some("contains no PEM certificate (-----BEGIN CERTIFICATE-----)".into()),
                    (false, false) => {
                        Some("contains certificates that cannot be used; evertoken ignores them".into())
                    }
                    (false, true) => None,
                }
            }
            Err(error) => Some(format!("cannot be read: {}", file_reason(&error))),
        };
        let message = |fault: String| format!("the NODE_EXTRA_CA_CERTS file {} {fault}", path.display());
        Ok((certificates, warning.map(|fault| Error::new(ErrorKind::Tls, message(fault)))))
    }
}

/// Where systems keep their root certificates in one file: Debian and Ubuntu, Red Hat 7 and later, older Red
/// Hat, SUSE, `OpenELEC`, Alpine, and the BSDs.
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
    /// The system's root certificates. The variables are not read here, because this is not Node's thread.
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

/// Small images, such as Debian's `slim`, have no `ca-certificates`. Node works there because it includes
/// root certificates, so Mozilla's are used as a fallback, unless the environment sets where the system's
/// are.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn with_mozilla_fallback(
    found: Vec<CertificateDer<'static>>,
    is_chosen: bool,
) -> Vec<CertificateDer<'static>> {
    let is_missing = found.is_empty() && !is_chosen;
    let roots = if is_missing { webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec() } else { found };
    roots.into_iter().filter(is_usable).collect()
}

/// Whether it can be used as a root certificate.
fn is_usable(certificate: &CertificateDer<'_>) -> bool {
    RootCertStore::empty().add(certificate.clone().into_owned()).is_ok()
}

/// The usable certificates in a file, and whether all of them are usable.
pub(super) fn read(path: &Path) -> std::io::Result<(Vec<CertificateDer<'static>>, bool)> {
    let text = fs::read(path)?;
    let mut is_complete = true;
    let mut certificates = Vec::new();
    for found in CertificateDer::pem_slice_iter(&text) {
        match found.ok().filter(is_usable) {
            Some(certificate) => certificates.push(certificate),
            None => is_complete = false,
        }
    }
    Ok((certificates, is_complete))
}

#[cfg(all(test, unix, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn the_root_certificates_of_mozilla_are_the_fallback_for_a_system_without_any() {
        let all = with_mozilla_fallback(Vec::new(), false);
        assert_eq!(all.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        let one = webpki_root_certs::TLS_SERVER_ROOT_CERTS[..1].to_vec();
        assert_eq!(with_mozilla_fallback(one, false).len(), 1);
        assert!(with_mozilla_fallback(Vec::new(), true).is_empty(), "an empty set was chosen");
    }
}
