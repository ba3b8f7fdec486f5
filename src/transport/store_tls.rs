//! TLS with the servers of stores, as with servers of tokens: the same certificates are trusted.

use std::error::Error as StdError;
use std::path::Path;

use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::environment::Environment;
use super::failure;
use super::io_reason::file_reason;
use super::shared;
use super::tls::{self, CertificateCheck, Verifier};
use super::trust::{self, Trust};

/// The certificates that the server of a store may have.
#[derive(Clone, Default)]
pub struct StoreTls {
    trust: Trust,
    key: Vec<u8>,
}

/// What the URL of a store says about TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct UrlTls<'u> {
    /// What is checked of the server's certificate.
    pub check: CertificateCheck,
    /// The PEM file of the roots, in place of all others.
    pub roots: Option<&'u Path>,
    /// The files of a client certificate and its key.
    pub identity: Option<(&'u Path, &'u Path)>,
}

impl StoreTls {
    /// Those of the system and of the environment, and `ca` of the configuration.
    pub fn new(ca: &[String], environment: &Environment) -> Self {
        let mut trust = Trust { ca: ca.to_vec(), ..Trust::default() };
        trust.add_environment(environment);
        Self { trust, key: shared::key(ca, environment, None) }
    }

    /// The same for the same certificates, and only for those.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The configuration of a client. This blocks. `Err` says what is wrong, as the rest of a sentence that begins with
    /// the server.
    pub fn client(&self, url: &UrlTls<'_>) -> Result<ClientConfig, String> {
        let verifier = match (url.check, url.roots) {
            (CertificateCheck::Nothing, _) => Verifier::of_any_certificate(),
            (check, Some(path)) => Verifier::of_only(read_roots(path)?).map_err(setup_fault)?.checking(check),
            (check, None) => {
                let (certificates, _) = self.trust.certificates().map_err(setup_fault)?;
                Verifier::new(&self.trust, certificates).map_err(setup_fault)?.checking(check)
            }
        };
        let builder = tls::builder(verifier).map_err(setup_fault)?;
        let Some((certificate, key)) = url.identity else { return Ok(builder.with_no_client_auth()) };
        let (chain, key) = read_identity(certificate, key)?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|_| "has an sslkey that does not fit its sslcert".into())
    }
}

fn setup_fault(error: impl std::fmt::Display) -> String {
    format!("could not be prepared for TLS: {error}")
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let (roots, _) = trust::read(path)
        .map_err(|error| format!("has an sslrootcert that cannot be read: {}", file_reason(&error)))?;
    if roots.is_empty() {
        return Err("has an sslrootcert that contains no PEM certificate".into());
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_identity(certificate: &Path, key: &Path) -> Result<Identity, String> {
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|_| "has an sslcert that cannot be read, or is not PEM")?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|_| "has an sslkey that cannot be read, or is not an unencrypted key in PEM")?;
    Ok((chain, key))
}

/// Why TLS failed, if an error has that cause: as the rest of a sentence that begins with the server. `roots` is where
/// to add the certificate of an issuer.
pub fn store_tls_fault(error: &(dyn StdError + 'static), roots: &str) -> Option<String> {
    let tls = failure::find::<rustls::Error>(error)?;
    Some(match tls {
        rustls::Error::InvalidCertificate(fault) if failure::has_unknown_issuer(fault) => format!(
            "has a certificate that was rejected: its issuer is not trusted; add the issuer's certificate to {roots}"
        ),
        rustls::Error::InvalidCertificate(fault) => {
            format!("has a certificate that was rejected: {}", failure::certificate_reason(fault))
        }
        tls => format!("could not be reached over TLS: {}", failure::tls_reason(tls)),
    })
}
