//! Whose certificates are accepted, and what is said of those that are not.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test has a runtime of its own")]

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

/// A server whose certificate the authority vouches for, changed by `change`.
async fn serve(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Url {
    answering(authority, change, "HTTP/1.1 204 No Content\r\n\r\n".into()).await
}

async fn answering(
    authority: &Authority,
    change: impl FnOnce(&mut CertificateParams),
    answer: String,
) -> Url {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    let cert = params.signed_by(&key, authority).unwrap();
    showing(cert.der().clone(), &key, answer).await
}

/// A server that shows this certificate and signs with this key, whether or not they belong together.
async fn showing(certificate: CertificateDer<'static>, key: &KeyPair, answer: String) -> Url {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = rustls::crypto::ring::sign::any_supported_type(&der).unwrap();
    let shown = Shown(Arc::new(CertifiedKey::new(vec![certificate], signer)));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(socket).await?;
                let _ = stream.read(&mut [0; 4096]).await?;
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    url
}

#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

async fn get(url: &Url, transport: HttpTransport) -> Result<u16, Error> {
    transport.send(Request::get(url.clone()), Duration::from_secs(5)).await.map(|answer| answer.status)
}

fn trusting(authority: &Authority) -> HttpTransport {
    HttpTransport::new(vec![authority.pem()])
}

#[tokio::test]
async fn no_redirect_leads_out_of_tls() {
    let clear = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}/token", clear.local_addr().unwrap());
    let authority = authority();
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} X\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let url = answering(&authority, |_| {}, answer).await;
        let error = get(&url, trusting(&authority)).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Endpoint, Some(status)));
    }
    let visit = tokio::time::timeout(Duration::ZERO, clear.accept()).await;
    assert!(visit.is_err(), "a request went out in clear text");
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_explained() {
    let authority = authority();
    let good = serve(&authority, |_| {}).await;
    assert_eq!(get(&good, trusting(&authority)).await.unwrap(), 204);

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
        (own.await, trusting(&authority), "it is an authority's own (basicConstraints CA:TRUE)"),
        (nameless.await, trusting(&authority), "a subjectAltName for 127.0.0.1 is needed"),
        (
            good,
            HttpTransport::new(Vec::new()),
            "give that certificate in ca, or in the file that NODE_EXTRA_CA_CERTS",
        ),
        (expired.await, trusting(&authority), "it has expired"),
        (early.await, trusting(&authority), "it is not valid yet"),
        (
            other.await,
            trusting(&authority),
            "for another name: 127.0.0.1 is needed, and its subjectAltName has other.example.com",
        ),
        (client.await, trusting(&authority), "it is not for servers"),
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
    assert_eq!(transport.prepare().await.map(|warning| warning.message().to_owned()), None);
    assert_eq!(get(&url, transport).await.unwrap(), 204);
}

fn extra(path: &Path) -> Environment {
    [("NODE_EXTRA_CA_CERTS", path.to_str().unwrap())].into_iter().collect()
}

/// Another authority's.
fn another() -> String {
    authority().pem()
}

#[tokio::test]
async fn an_extra_file_that_cannot_be_used_is_a_warning_and_no_failure() {
    let authority = authority();
    let url = serve(&authority, |_| {}).await;
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (_one, empty) = file("");
    let (_two, nonsense) = file("no certificate\n");
    let (_three, part) = file(&format!("{broken}{}", authority.pem()));
    for (path, told) in [
        (PathBuf::from("/nowhere/extra.pem"), "cannot be read"),
        (empty, "holds no certificate"),
        (nonsense, "holds no certificate"),
        (part, "holds certificates that cannot be used"),
    ] {
        let transport = trusting(&authority).with_environment(&extra(&path));
        let warning = transport.prepare().await.unwrap();
        assert!(warning.message().contains(told), "{}", warning.message());
        assert!(warning.message().contains("NODE_EXTRA_CA_CERTS"));
        assert_eq!(get(&url, transport).await.unwrap(), 204);
    }
}

#[tokio::test]
async fn tls_where_there_is_none_and_none_where_there_is_are_told_apart() {
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

/// A certificate as `openssl req -x509` makes it: self-signed, and marked as an authority's.
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    (params.self_signed(&key).unwrap(), key)
}

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_where_it_was_given_itself() {
    for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::ExplicitNoCa, IsCa::NoCa] {
        let (certificate, key) = self_signed(|params| params.is_ca = is_ca);
        let url = showing(certificate.der().clone(), &key, NO_CONTENT.into()).await;
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
async fn a_given_certificate_is_held_to_its_time_its_name_and_its_key() {
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
        (other, "it is for another name"),
        (stolen, "does not verify"),
    ] {
        let url = showing(certificate.der().clone(), &key, NO_CONTENT.into()).await;
        let error = get(&url, HttpTransport::new(vec![certificate.pem()])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
        assert!(error.message().contains(reason), "{}", error.message());
    }
}

#[tokio::test]
async fn a_certificate_of_the_same_name_is_not_the_one_that_was_given() {
    let ((given, _), (shown, key)) = (self_signed(|_| {}), self_signed(|_| {}));
    let url = showing(shown.der().clone(), &key, NO_CONTENT.into()).await;
    let error = get(&url, HttpTransport::new(vec![given.pem()])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
}

/// A server that answers the hello with this alert.
async fn alerting(alert: u8) -> Url {
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
async fn a_server_that_ends_the_handshake_is_told_what_is_needed() {
    for (alert, told) in [
        (40, &["RSA key exchange", "CBC", "P-521", "ECDHE", "AES-GCM", "P-256", "2048"][..]),
        (71, &["cipher suite"]),
        (70, &["only TLS 1.1 or older", "TLS 1.2"]),
        (112, &["does not know this host name"]),
        (116, &["clientCertificate"]),
        (42, &["refuses the client's certificate", "BadCertificate", "clientCertificate"]),
        (80, &["InternalError", "TLS 1.3"]),
    ] {
        let error = get(&alerting(alert).await, HttpTransport::new(Vec::new())).await.unwrap_err();
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Tls, false), "{}", error.message());
        for part in told {
            assert!(error.message().contains(part), "{part}: {}", error.message());
        }
    }
}

#[tokio::test]
async fn where_the_chosen_place_holds_no_certificate_nobody_is_trusted() {
    let authority = authority();
    let url = serve(&authority, |_| {}).await;
    let chosen: Environment = [("SSL_CERT_FILE", "/nowhere/roots.pem")].into_iter().collect();
    let error = get(&url, HttpTransport::new(Vec::new()).with_environment(&chosen)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
    assert_eq!(get(&url, trusting(&authority).with_environment(&chosen)).await.unwrap(), 204);
    let (folder, path) = file(&authority.pem());
    for variables in
        [("SSL_CERT_FILE", path.to_str().unwrap()), ("SSL_CERT_DIR", folder.path().to_str().unwrap())]
    {
        let chosen: Environment = [variables].into_iter().collect();
        assert_eq!(get(&url, HttpTransport::new(Vec::new()).with_environment(&chosen)).await.unwrap(), 204);
    }
}
