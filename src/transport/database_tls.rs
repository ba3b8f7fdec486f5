//! TLS with databases, whose URLs say which certificates to trust.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::failure;
use super::tls::Verifier;
use super::trust::{self, Trust};

/// What is checked of a database's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateCheck {
    /// Nothing: the connection is encrypted, but may be with anyone.
    Nothing,
    /// That it chains to a root.
    Issuer,
    /// That it chains to a root, and contains the host name.
    IssuerAndName,
}

/// What a configuration for TLS with a database consists of.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseTls<'d> {
    /// What is checked.
    pub check: CertificateCheck,
    /// The PEM file of the roots, in place of those of the system.
    pub roots: Option<&'d Path>,
    /// The files of a client certificate and its key.
    pub identity: Option<(&'d Path, &'d Path)>,
}

impl DatabaseTls<'_> {
    /// The configuration. This blocks. `Err` says what is wrong, as the rest of a sentence.
    pub fn client(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(setup_fault)?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(provider)?);
        let Some((certificate, key)) = self.identity else { return Ok(builder.with_no_client_auth()) };
        let (chain, key) = read_identity(certificate, key)?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|_| "has an sslkey that does not fit its sslcert".into())
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
        if self.check == CertificateCheck::Nothing {
            return Ok(Arc::new(AnyCertificate(provider)));
        }
        let verifier = match self.roots {
            Some(path) => Verifier::of_only(read_roots(path)?, &provider),
            None => Verifier::new(&Trust::default(), Vec::new(), &provider),
        };
        let verifier = Arc::new(verifier.map_err(setup_fault)?);
        Ok(match self.check {
            CertificateCheck::IssuerAndName => verifier,
            _ => Arc::new(AnyName(verifier)),
        })
    }
}

fn setup_fault(error: impl std::fmt::Display) -> String {
    format!("could not be prepared for TLS: {error}")
}

fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let (roots, _) = trust::read(path)
        .map_err(|error| format!("has an sslrootcert that cannot be read: {}", error.kind()))?;
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

/// Why TLS failed, if an error has that cause: as a sentence that begins with what failed.
pub fn database_tls_fault(error: &(dyn StdError + 'static)) -> Option<String> {
    let tls = failure::find::<rustls::Error>(error)?;
    Some(match tls {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate was rejected: its issuer is not trusted; name the issuer's certificate with sslrootcert"
                .into()
        }
        rustls::Error::InvalidCertificate(fault) => {
            format!("its certificate was rejected: {}", failure::certificate_reason(fault))
        }
        tls => format!("TLS failed: {tls}"),
    })
}

/// Accepts a valid chain for any host name.
#[derive(Debug)]
struct AnyName(Arc<Verifier>);

/// Accepts every certificate. The handshake is still signed with its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(presented, intermediates, name, ocsp, now) {
            // The name is checked last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
