//! Which certificates are accepted, and how a rejection is explained.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "each test has its own runtime")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Environment, HttpTransport, Request, Transport};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate of the authority, modified by `change`.
async fn serve(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Url {
    serve_response(authority, change, "HTTP/1.1 204 No Content\r\n\r\n".into()).await
}

async fn serve_response(
    authority: &Authority,
    change: impl FnOnce(&mut CertificateParams),
    response: String,
) -> Url {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let cert = params.signed_by(&key, authority).unwrap();
    serve_certificate(cert.der().clone(), &key, response).await
}

/// A server that presents this certificate and signs with this key, even if they do not match.
async fn serve_certificate(certificate: CertificateDer<'static>, key: &KeyPair, response: String) -> Url {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = rustls::crypto::ring::sign::any_supported_type(&der).unwrap();
    let resolver = FixedCertificate(Arc::new(CertifiedKey::new(vec![certificate], signer)));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, response) = (acceptor.clone(), response.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(socket).await?;
                let _ = stream.read(&mut [0; 4096]).await?;
                stream.write_all(response.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    url
}

#[derive(Debug)]
struct FixedCertificate(Arc<CertifiedKey>);

impl ResolvesServerCert for FixedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

async fn get(url: &Url, transport: HttpTransport) -> Result<u16, Error> {
    transport.send(Request::get(url.clone()), Duration::from_secs(5)).await.map(|response| response.status)
}

fn transport_with(authority: &Authority) -> HttpTransport {
    HttpTransport::new(vec![authority.pem()])
}

#[tokio::test]
async fn no_redirect_leaves_tls() {
    let clear = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}/token", clear.local_addr().unwrap());
    let authority = authority();
    for status in [301, 302, 303, 307, 308] {
        let response = format!("HTTP/1.1 {status} X\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let url = serve_response(&authority, |_| {}, response).await;
        let error = get(&url, transport_with(&authority)).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Endpoint, Some(status)));
    }
    let connection = tokio::time::timeout(Duration::ZERO, clear.accept()).await;
    assert!(connection.is_err(), "a request was sent unencrypted");
}

#[tokio::test]
async fn the_rejection_of_a_certificate_is_explained() {
    let authority = authority();
    let good = serve(&authority, |_| {}).await;
    assert_eq!(get(&good, transport_with(&authority)).await.unwrap(), 204);

    let expired = serve(&authority, |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    let early = serve(&authority, |params| params.not_before = date_time_ymd(4000, 1, 1));
    let other = serve(&authority, |params| {
        params.subject_alt_names.clear();
        *params = CertificateParams::new(["other.example.com".to_owned()]).unwrap();
    });
    let nameless = serve(&authority, |params| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(DnType::CommonName, "127.0.0.1");
    });
    let client = serve(&authority, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let own = serve(&authority, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    for (url, transport, reason) in [
        (own.await, transport_with(&authority), "it is a CA certificate (basicConstraints CA:TRUE)"),
        (nameless.await, transport_with(&authority), "it has no subjectAltName; it needs one for 127.0.0.1"),
        (
            good,
            HttpTransport::new(Vec::new()),
            "add the issuer's certificate to ca or to the NODE_EXTRA_CA_CERTS file",
        ),
        (expired.await, transport_with(&authority), "it has expired"),
        (early.await, transport_with(&authority), "it is not valid yet"),
        (
            other.await,
            transport_with(&authority),
            "for another host name: it must include 127.0.0.1, but its subjectAltName lists other.example.com",
        ),
        (client.await, transport_with(&authority), "it is not valid for servers"),
    ] {
        let error = get(&url, transport).await.unwrap_err();
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Tls, false), "{}", error.message());
        assert!(error.message().contains(reason), "{}", error.message());
    }
}

fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("extra.pem");
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[tokio::test]
async fn the_certificates_in_the_extra_file_are_trusted() {
    let authority = authority();
    let url = serve(&authority, |_| {}).await;
    let (_folder, path) = file(&format!("# ours\n{}\n{}", another(), authority.pem()));
    let transport = HttpTransport::new(Vec::new()).with_environment(&extra(&path));
    assert_eq!(transport.prepare(&url).await.map(|warning| warning.message().to_owned()), None);
    assert_eq!(get(&url, transport).await.unwrap(), 204);
}

fn extra(path: &Path) -> Environment {
    [("NODE_EXTRA_CA_CERTS", path.to_str().unwrap())].into_iter().collect()
}

/// The certificate of another authority.
fn another() -> String {
    authority().pem()
}

#[tokio::test]
async fn an_extra_file_that_cannot_be_used_is_only_a_warning() {
    let authority = authority();
    let url = serve(&authority, |_| {}).await;
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (_one, empty) = file("");
    let (_two, nonsense) = file("no certificate\n");
    let (_three, part) = file(&format!("{broken}{}", authority.pem()));
    for (path, expected) in [
        (PathBuf::from("/nowhere/extra.pem"), "cannot be read"),
        (empty, "contains no PEM certificate"),
        (nonsense, "contains no PEM certificate"),
        (part, "contains certificates that cannot be used"),
    ] {
        let transport = transport_with(&authority).with_environment(&extra(&path));
        let warning = transport.prepare(&url).await.unwrap();
        assert!(warning.message().contains(expected), "{}", warning.message());
        assert!(warning.message().contains("NODE_EXTRA_CA_CERTS"));
        assert_eq!(get(&url, transport).await.unwrap(), 204);
    }
}

#[tokio::test]
async fn requests_in_clear_text_read_no_certificates_unless_a_proxy_needs_them() {
    let url: Url = "http://tokens.internal:1/token".parse().unwrap();
    let missing = ("NODE_EXTRA_CA_CERTS", "/nowhere/extra.pem");
    let warns = async |variables: &[(&str, &str)]| {
        let environment: Environment = variables.iter().copied().collect();
        HttpTransport::new(Vec::new()).with_environment(&environment).prepare(&url).await.is_some()
    };
    assert!(!warns(&[missing]).await);
    assert!(!warns(&[missing, ("http_proxy", "http://proxy.example:1")]).await);
    assert!(warns(&[missing, ("http_proxy", "https://proxy.example:1")]).await);
}

#[tokio::test]
async fn https_to_an_http_server_and_http_to_an_https_server_are_distinguished() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain: Url = format!("https://{}/token", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 1024]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let error = get(&plain, HttpTransport::new(Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());

    let mut url = serve(&authority(), |_| {}).await;
    url.set_scheme("http").unwrap();
    let error = get(&url, HttpTransport::new(Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network, "{}", error.message());
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A certificate as `openssl req -x509` creates it: self-signed, and marked as a CA's.
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    (params.self_signed(&key).unwrap(), key)
}

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_if_it_is_listed_itself() {
    for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::ExplicitNoCa, IsCa::NoCa] {
        let (certificate, key) = self_signed(|params| params.is_ca = is_ca);
        let url = serve_certificate(certificate.der().clone(), &key, NO_CONTENT.into()).await;
        let (_folder, path) = file(&certificate.pem());
        for transport in [
            HttpTransport::new(vec![certificate.pem()]),
            HttpTransport::new(vec![another(), certificate.pem()]),
            HttpTransport::new(Vec::new()).with_environment(&extra(&path)),
        ] {
            assert_eq!(get(&url, transport).await.unwrap(), 204);
        }
        assert_eq!(get(&url, HttpTransport::new(vec![another()])).await.unwrap_err().kind(), ErrorKind::Tls);
    }
}

#[tokio::test]
async fn a_listed_certificate_must_match_its_validity_period_its_name_and_its_key() {
    let expired = self_signed(|params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    let early = self_signed(|params| params.not_before = date_time_ymd(4000, 1, 1));
    let other = self_signed(|params| {
        *params = CertificateParams::new(["other.example.com".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let stolen = (self_signed(|_| {}).0, KeyPair::generate().unwrap());
    for ((certificate, key), reason) in [
        (expired, "it has expired"),
        (early, "it is not valid yet"),
        (other, "it is for another host name"),
        (stolen, "is not valid; an RSA key"),
    ] {
        let url = serve_certificate(certificate.der().clone(), &key, NO_CONTENT.into()).await;
        let error = get(&url, HttpTransport::new(vec![certificate.pem()])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
        assert!(error.message().contains(reason), "{}", error.message());
    }
}

#[tokio::test]
async fn another_certificate_with_the_same_name_is_not_accepted() {
    let ((listed, _), (presented, key)) = (self_signed(|_| {}), self_signed(|_| {}));
    let url = serve_certificate(presented.der().clone(), &key, NO_CONTENT.into()).await;
    let error = get(&url, HttpTransport::new(vec![listed.pem()])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
}

/// A server that responds to the `ClientHello` with this alert.
async fn serve_alert(alert: u8) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await;
        }
    });
    url
}

#[tokio::test]
async fn an_aborted_handshake_is_explained_with_the_requirements() {
    for (alert, expected) in [
        (40, &["RSA key exchange", "CBC", "P-521", "ECDHE", "AES-GCM", "P-256", "2048"][..]),
        (71, &["cipher suite"]),
        (70, &["only TLS 1.1 or older", "TLS 1.2"]),
        (112, &["does not recognize this host name"]),
        (116, &["clientCertificate"]),
        (42, &["rejected the client certificate", "BadCertificate", "clientCertificate"]),
        (80, &["InternalError", "TLS 1.3"]),
    ] {
        let error = get(&serve_alert(alert).await, HttpTransport::new(Vec::new())).await.unwrap_err();
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Tls, false), "{}", error.message());
        for part in expected {
            assert!(error.message().contains(part), "{part}: {}", error.message());
        }
    }
}

#[tokio::test]
async fn if_the_configured_root_file_is_empty_no_server_is_trusted() {
    let authority = authority();
    let url = serve(&authority, |_| {}).await;
    let chosen: Environment = [("SSL_CERT_FILE", "/nowhere/roots.pem")].into_iter().collect();
    let error = get(&url, HttpTransport::new(Vec::new()).with_environment(&chosen)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
    assert_eq!(get(&url, transport_with(&authority).with_environment(&chosen)).await.unwrap(), 204);
    let (folder, path) = file(&authority.pem());
    for variables in
        [("SSL_CERT_FILE", path.to_str().unwrap()), ("SSL_CERT_DIR", folder.path().to_str().unwrap())]
    {
        let chosen: Environment = [variables].into_iter().collect();
        assert_eq!(get(&url, HttpTransport::new(Vec::new()).with_environment(&chosen)).await.unwrap(), 204);
    }
}
