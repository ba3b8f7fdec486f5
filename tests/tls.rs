//! Whose certificates are accepted, and what is said of those that are not.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test has a runtime of its own")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Environment, HttpTransport, Request, Transport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
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
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
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
    let own = serve(&authority, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    for (url, transport, reason) in [
        (own.await, trusting(&authority), "it is an authority's own"),
        (
            good,
            HttpTransport::new(Vec::new()),
            "give that certificate in ca, or in the file that NODE_EXTRA_CA_CERTS",
        ),
        (expired.await, trusting(&authority), "it has expired"),
        (early.await, trusting(&authority), "it is not valid yet"),
        (other.await, trusting(&authority), "it is for another name"),
    ] {
        let error = get(&url, transport).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
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
    let transport = HttpTransport::new(Vec::new()).within(&extra(&path));
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
        let transport = trusting(&authority).within(&extra(&path));
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
