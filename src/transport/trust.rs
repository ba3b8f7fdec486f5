//! Whose certificates are accepted besides those that the system knows.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder};
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::error::{Error, ErrorKind, Result};

/// Certificates to trust, and a file with more.
#[derive(Clone)]
pub(super) struct Trust {
    /// `ca` of the configuration, in PEM.
    pub(super) ca: Vec<String>,
    /// What `NODE_EXTRA_CA_CERTS` names.
    pub(super) file: Option<PathBuf>,
}

impl Trust {
    /// The certificates; a file that cannot be used whole is a warning. It blocks.
    ///
    /// # Errors
    /// `Config`, naming `ca`.
    pub(super) fn roots(&self) -> Result<(Vec<Certificate>, Option<Error>)> {
        let mut roots = Vec::new();
        for pem in &self.ca {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes())
                .map_err(|_| Error::config("ca", "must hold certificates in PEM form"))?;
            roots.extend(certificates);
        }
        let Some(path) = &self.file else { return Ok((roots, None)) };
        let warning = match read(path) {
            Ok((found, is_whole)) => {
                let is_empty = found.is_empty();
                roots.extend(found);
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
        Ok((roots, warning.map(|fault| Error::new(ErrorKind::Tls, message(fault)))))
    }
}

/// The builder of a client that trusts the system and `own`.
#[cfg(all(unix, not(target_vendor = "apple")))]
pub(super) fn trusting(builder: ClientBuilder, own: Vec<Certificate>) -> ClientBuilder {
    let is_chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let known = or_mozillas(&rustls_native_certs::load_native_certs().certs, is_chosen);
    builder.tls_certs_only(known.into_iter().chain(own))
}

/// The builder of a client that trusts what the system itself verifies, and `own`.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
pub(super) fn trusting(builder: ClientBuilder, own: Vec<Certificate>) -> ClientBuilder {
    builder.tls_certs_merge(own)
}

/// Small images, such as Debian's `slim`, bring no `ca-certificates`. Node has its own authorities and works there, so
/// Mozilla's stand in. Whoever chose where the system's are means just those.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn or_mozillas(found: &[CertificateDer<'_>], is_chosen: bool) -> Vec<Certificate> {
    let roots = if found.is_empty() && !is_chosen { webpki_root_certs::TLS_SERVER_ROOT_CERTS } else { found };
    roots.iter().filter_map(usable).collect()
}

/// The certificate, if a chain may end in it.
fn usable(der: &CertificateDer<'_>) -> Option<Certificate> {
    RootCertStore::empty().add(der.clone().into_owned()).ok()?;
    Certificate::from_der(der).ok()
}

/// The usable certificates in a file, and whether that is all of them.
fn read(path: &Path) -> std::io::Result<(Vec<Certificate>, bool)> {
    let text = fs::read(path)?;
    let mut is_whole = true;
    let mut certificates = Vec::new();
    for found in CertificateDer::pem_slice_iter(&text) {
        match found.ok().as_ref().and_then(usable) {
            Some(certificate) => certificates.push(certificate),
            None => is_whole = false,
        }
    }
    Ok((certificates, is_whole))
}

/// Why a certificate is refused, and what to do about it.
pub(super) fn reason(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    let known = match fault {
        Fault::UnknownIssuer => {
            "this machine does not know who vouches for it; give that certificate in ca, or in the file that \
             NODE_EXTRA_CA_CERTS names"
        }
        Fault::Expired | Fault::ExpiredContext { .. } => "it has expired, or this machine's clock is wrong",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "it is not valid yet, or this machine's clock is wrong"
        }
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => "it is for another name",
        Fault::Revoked => "it was revoked",
        // The verifier's own error has no name here.
        Fault::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is an authority's own (basicConstraints CA:TRUE), which is for signing others; give the server one \
             that is not"
        }
        other => return other.to_string(),
    };
    known.to_owned()
}

#[cfg(all(test, unix, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn mozillas_authorities_stand_in_for_those_that_a_system_does_not_have() {
        let all = or_mozillas(&[], false);
        assert_eq!(all.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        let one = &webpki_root_certs::TLS_SERVER_ROOT_CERTS[..1];
        assert_eq!(or_mozillas(one, false).len(), 1);
        assert!(or_mozillas(&[], true).is_empty(), "none was chosen");
    }
}
