//! Client certificates (RFC 8705 §2) with a server that requires one.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "each test has its own runtime")]

use std::sync::Arc;
use std::time::Duration;

use evertoken::config::{ClientCertificate, Config};
use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Body, HttpTransport, Request, Response, Transport};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap().pem();
        ClientCertificate { cert, key: Secret::new(key.serialize_pem()) }
    }
}

/// A server that requires a client certificate issued by the authority, and responds with the number of
/// certificates.
async fn serve(authority: &Authority) -> Url {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let cert = params.signed_by(&key, &authority.0).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
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
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(socket).await?;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await?;
                let certificates = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{certificates}");
                stream.write_all(response.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    url
}

async fn post(
    url: &Url,
    authority: &Authority,
    certificate: Option<ClientCertificate>,
) -> Result<Response, Error> {
    let body = Body::Form(Secret::new("grant_type=client_credentials&client_id=app"));
    let request = Request::post(url.clone(), body);
    let transport = HttpTransport::new(vec![authority.0.pem()]).with_client_certificate(certificate);
    transport.send(request, Duration::from_secs(5)).await
}

#[tokio::test]
async fn a_server_that_requires_a_certificate_gets_it() {
    let authority = Authority::new();
    let url = serve(&authority).await;
    let response = post(&url, &authority, Some(authority.issue("app"))).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"1".as_slice()));
}

#[tokio::test]
async fn without_a_certificate_or_with_one_of_another_issuer_tls_fails() {
    let authority = Authority::new();
    let url = serve(&authority).await;
    for certificate in [None, Some(Authority::new().issue("app"))] {
        let error = post(&url, &authority, certificate).await.map(|response| response.status).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{}", error.message());
    }
}

#[tokio::test]
async fn the_configured_certificate_is_presented() {
    let authority = Authority::new();
    let url = serve(&authority).await;
    let issued = authority.issue("app");
    let config = Config::from_json(json!({
        "authUrl": url, "clientId": "app",
        "clientCertificate": { "cert": issued.cert, "key": issued.key.expose() },
    }))
    .unwrap();
    let response = post(&url, &authority, config.credentials.client_certificate).await.unwrap();
    assert_eq!(response.status, 200);
}
