//! TLS: the client's side of it, and who is accepted on the other.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::trust::Trust;
use crate::config::ClientCertificate;
use crate::error::{Error, ErrorKind, Result};

type TlsResult<T> = Result<T, rustls::Error>;

/// The configuration, and a warning about the certificates to trust. It blocks.
///
/// # Errors
/// `Config`, naming what was configured, and `Tls`.
pub(super) fn client(
    trust: &Trust,
    shown: Option<&ClientCertificate>,
) -> Result<(ClientConfig, Option<Error>)> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (own, warning) = trust.own()?;
    let verifier = Verifier::new(trust, own, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot_begin(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match shown {
        Some(certificate) => {
            let (chain, key) = pair(certificate)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| cannot_begin(&error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, warning))
}

fn pair(certificate: &ClientCertificate) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = CertificateDer::pem_slice_iter(certificate.cert.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain =
        chain.map_err(|_| Error::config("clientCertificate.cert", "must hold certificates in PEM form"))?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.expose().as_bytes())
        .map_err(|_| Error::config("clientCertificate.key", "must hold a private key in PEM form"))?;
    Ok((chain, key))
}

fn cannot_begin(error: &rustls::Error) -> Error {
    Error::new(ErrorKind::Tls, format!("TLS cannot be set up: {error}"))
}

/// Accepts what the system and the given authorities vouch for; and a certificate that was itself given to trust,
/// as Node does. `openssl req -x509` marks those as an authority's (CA:TRUE), which webpki takes for no server's.
#[derive(Debug)]
struct Verifier {
    others: Arc<dyn ServerCertVerifier>,
    given: Option<Given>,
}

/// The certificates that were given, and what is right of them apart from who vouches for them.
#[derive(Debug)]
struct Given {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    fn new(trust: &Trust, own: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let others = others(trust, &own, provider)?;
        let given = if own.is_empty() { None } else { Some(Given::new(own, provider)?) };
        Ok(Self { others, given })
    }
}

impl Given {
    fn new(certificates: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Self> {
        Ok(Self { verifier: by_webpki(&certificates, provider)?, certificates })
    }

    /// Its time and its name are checked; that it was given stands for a signature on it.
    fn verify(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        let found = self.verifier.verify_server_cert(shown, &[], name, &[], now);
        match found {
            // webpki looks at the time first, and at who vouches for it last.
            Err(rustls::Error::InvalidCertificate(fault)) if is_about_the_voucher(&fault) => {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            found => found,
        }
    }
}

fn is_about_the_voucher(fault: &CertificateError) -> bool {
    match fault {
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => true,
        other => is_an_authoritys_own(other),
    }
}

/// Whether the fault is CA:TRUE; the verifier's own error for it has no name in rustls.
pub(super) fn is_an_authoritys_own(fault: &CertificateError) -> bool {
    matches!(fault, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

fn by_webpki(
    roots: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(root.clone())
            .map_err(|_| Error::config("ca", "holds a certificate that cannot be used"))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(|error| Error::new(ErrorKind::Tls, format!("TLS cannot be set up: {error}")))
}

/// Verifies by the system's authorities and the given ones.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn others(
    trust: &Trust,
    own: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let mut roots = trust.system.roots();
    roots.extend_from_slice(own);
    if roots.is_empty() {
        return Ok(Arc::new(NoClientCertificate(Arc::clone(provider))));
    }
    Ok(by_webpki(&roots, provider)?)
}

/// Verifies as the system itself does, and by the given authorities.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn others(
    _: &Trust,
    own: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(own.iter().cloned(), Arc::clone(provider));
    Ok(Arc::new(verifier.map_err(|error| cannot_begin(&error))?))
}

/// Where somebody chose a place without certificates, nobody is known.
#[cfg(all(unix, not(target_vendor = "apple")))]
#[derive(Debug)]
struct NoClientCertificate(Arc<CryptoProvider>);

#[cfg(all(unix, not(target_vendor = "apple")))]
impl ServerCertVerifier for NoClientCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        Err(CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        match &self.given {
            Some(given) if given.certificates.contains(shown) => given.verify(shown, name, now),
            _ => self.others.verify_server_cert(shown, intermediates, name, ocsp, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        self.others.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        self.others.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.others.supported_verify_schemes()
    }
}
