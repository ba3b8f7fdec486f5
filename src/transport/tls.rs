//! TLS: the client's configuration, and the verification of server certificates.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::trust::Trust;
use crate::config::ClientCertificate;
use crate::error::{Error, ErrorKind, Result};

type TlsResult<T> = Result<T, rustls::Error>;

/// The configuration, and a warning about the certificates to trust. This blocks.
///
/// # Errors
/// `Config`, naming the field, and `Tls`.
pub(super) fn client(
    trust: &Trust,
    client_certificate: Option<&ClientCertificate>,
) -> Result<(ClientConfig, Option<Error>)> {
    let (certificates, warning) = trust.certificates()?;
    let builder = builder(Verifier::new(trust, certificates)?)?;
    let mut config = match client_certificate {
        Some(certificate) => {
            let (chain, key) = parse(certificate)?;
            builder.with_client_auth_cert(chain, key).map_err(setup_error)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, warning))
}

/// A configuration that still lacks the client's own certificate.
///
/// # Errors
/// `Tls`.
pub(super) fn builder(verifier: Verifier) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    Ok(ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()
        .map_err(setup_error)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

/// The configuration of a client that is never used for TLS.
///
/// # Errors
/// `Tls`.
pub(super) fn without_roots() -> Result<(ClientConfig, Option<Error>)> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(setup_error)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Ok((config, None))
}

fn parse(certificate: &ClientCertificate) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_slice_iter(certificate.cert.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain
        .map_err(|_| Error::config("clientCertificate.cert", "must contain certificates in PEM format"))?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.expose().as_bytes())
        .map_err(|_| Error::config("clientCertificate.key", "must contain a private key in PEM format"))?;
    Ok((chain, key))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn setup_error(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Tls, format!("could not set up TLS: {error}"))
}

/// What is checked of a server's certificate. That the server has its key is checked in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateCheck {
    /// Nothing: the connection is encrypted, but may be with anyone.
    Nothing,
    /// That it chains to a root.
    Issuer,
    /// That it chains to a root, and contains the host name.
    #[default]
    IssuerAndName,
}

/// Accepts certificates that chain to a trusted root, and, as Node does, a server's own certificate that is listed in
/// `ca`. `openssl req -x509` marks such a certificate as a CA's (CA:TRUE), which webpki does not accept from a
/// server.
#[derive(Debug)]
pub(super) struct Verifier {
    check: CertificateCheck,
    /// `None` if there are no trusted roots at all.
    roots: Option<Arc<dyn ServerCertVerifier>>,
    listed: Option<ListedCertificates>,
    provider: Arc<CryptoProvider>,
}

/// The configured certificates, and a verifier for everything except their issuers.
#[derive(Debug)]
struct ListedCertificates {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    /// Accepts what the system and the configured certificates vouch for.
    pub(super) fn new(trust: &Trust, certificates: Vec<CertificateDer<'static>>) -> Result<Self> {
        let provider = provider();
        let roots = roots(trust, &certificates, &provider)?;
        let listed = if certificates.is_empty() {
            None
        } else {
            Some(ListedCertificates::new(certificates, &provider)?)
        };
        Ok(Self { check: CertificateCheck::default(), roots, listed, provider })
    }

    /// Accepts what these certificates vouch for, and nothing else.
    pub(super) fn of_only(certificates: Vec<CertificateDer<'static>>) -> Result<Self> {
        let provider = provider();
        let roots: Arc<dyn ServerCertVerifier> = webpki_verifier(&certificates, &provider)?;
        let listed = ListedCertificates::new(certificates, &provider)?;
        Ok(Self { check: CertificateCheck::default(), roots: Some(roots), listed: Some(listed), provider })
    }

    /// Accepts every certificate.
    pub(super) fn of_any_certificate() -> Self {
        Self { check: CertificateCheck::Nothing, roots: None, listed: None, provider: provider() }
    }

    /// The same, which checks this.
    pub(super) fn checking(self, check: CertificateCheck) -> Self {
        Self { check, ..self }
    }

    fn verify_chain_and_name(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        match (&self.listed, &self.roots) {
            (Some(listed), _) if listed.certificates.contains(presented) => {
                listed.verify(presented, name, now)
            }
            (_, Some(roots)) => roots.verify_server_cert(presented, intermediates, name, ocsp, now),
            (_, None) => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

impl ListedCertificates {
    fn new(certificates: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Self> {
        Ok(Self { verifier: webpki_verifier(&certificates, provider)?, certificates })
    }

    /// Checks the certificate's validity period and name. Its presence in `ca` replaces the check of its issuer.
    fn verify(
        &self,
        presented: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        match self.verifier.verify_server_cert(presented, &[], name, &[], now) {
            // webpki checks the validity period first and the issuer last.
            Err(rustls::Error::InvalidCertificate(error)) if concerns_issuer(&error) => {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(presented)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }
}

fn concerns_issuer(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => true,
        other => is_ca_certificate(other),
    }
}

/// Whether the error is that a server presented a CA certificate (CA:TRUE). rustls has no variant for it.
pub(super) fn is_ca_certificate(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

fn webpki_verifier(
    roots: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(root.clone())
            .map_err(|_| Error::config("ca", "contains a certificate that cannot be used"))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(setup_error)
}

/// Verifies against the system's root certificates and the configured ones. `None` if there are none: the environment
/// may set a file or folder without any.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn roots(
    trust: &Trust,
    certificates: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>> {
    let mut roots = trust.system.roots();
    roots.extend_from_slice(certificates);
    if roots.is_empty() {
        return Ok(None);
    }
    Ok(Some(webpki_verifier(&roots, provider)?))
}

/// Verifies as the system does, and against the configured certificates.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn roots(
    _: &Trust,
    certificates: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>> {
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(
        certificates.iter().cloned(),
        Arc::clone(provider),
    );
    Ok(Some(Arc::new(verifier.map_err(setup_error)?)))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        if self.check == CertificateCheck::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        match self.verify_chain_and_name(presented, intermediates, name, ocsp, now) {
            // The name is checked last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == CertificateCheck::Issuer => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
