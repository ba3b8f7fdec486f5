//! Requests through a proxy, over real sockets on loopback, to hosts that only the proxy can resolve.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "each test has its own runtime")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Body, Environment, HttpTransport, Request, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HTTP: &str = "http://token.example.com/token?key=hunter2";
const HTTPS: &str = "https://token.example.com/token?key=hunter2";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// A proxy that sends the next of these responses after each read, and then nothing more.
struct Proxy {
    address: String,
    read: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Proxy {
    async fn with(responses: &[&'static [u8]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (read, responses) = (Arc::new(Mutex::new(Vec::new())), responses.to_vec());
        let seen = Arc::clone(&read);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(speak(socket, responses.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, read }
    }

    fn first(&self) -> String {
        String::from_utf8_lossy(&self.read.lock().unwrap()[0]).to_lowercase()
    }
}

async fn speak(
    mut socket: TcpStream,
    responses: Vec<&'static [u8]>,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
) -> Option<()> {
    let mut buffer = [0; 4096];
    for response in responses {
        let length = socket.read(&mut buffer).await.ok()?;
        seen.lock().unwrap().push(buffer[..length].to_vec());
        socket.write_all(response).await.ok()?;
    }
    std::future::pending().await
}

async fn post(url: &str, variables: &[(&str, &str)]) -> Result<u16, Error> {
    let environment: Environment = variables.iter().copied().collect();
    let body = Body::Form(Secret::new("client_secret=hunter2"));
    let request = Request::post(url.parse().unwrap(), body);
    let transport = HttpTransport::new(Vec::new()).with_environment(&environment);
    let response = transport.send(request, Duration::from_millis(900)).await;
    if let Err(error) = &response {
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{}", error.message());
    }
    response.map(|response| response.status)
}

async fn failed(url: &str, variable: &str, proxy: &str) -> Error {
    post(url, &[(variable, proxy)]).await.unwrap_err()
}

#[tokio::test]
async fn an_http_request_is_sent_to_the_proxy_with_its_credentials() {
    for scheme in ["http://", ""] {
        let proxy = Proxy::with(&[OK]).await;
        let text = format!("{scheme}ann:hunter2%20@{}", proxy.address);
        assert_eq!(post(HTTP, &[("HTTP_PROXY", &text)]).await.unwrap(), 200);
        let request = proxy.first();
        assert!(
            request.starts_with("post http://token.example.com/token?key=hunter2 http/1.1\r\n"),
            "{request}"
        );
        assert!(request.contains("proxy-authorization: basic yw5uomh1bnrlcjig\r\n"), "{request}");
    }
}

#[tokio::test]
async fn an_https_request_opens_a_tunnel() {
    let proxy = Proxy::with(&[b"HTTP/1.1 200 OK\r\n\r\n", b"no TLS at all"]).await;
    let error = failed(HTTPS, "HTTPS_PROXY", &format!("http://ann:hunter2%20@{}", proxy.address)).await;
    let request = proxy.first();
    assert!(request.starts_with("connect token.example.com:443 http/1.1\r\n"), "{request}");
    assert!(request.contains("proxy-authorization: basic yw5uomh1bnrlcjig\r\n"), "{request}");
    // The tunnel was established: TLS with the server failed.
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Tls, false), "{}", error.message());
    assert!(
        error.message().starts_with("could not establish TLS with https://token.example.com/token:"),
        "{}",
        error.message()
    );
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_host_name() {
    let proxy = Proxy::with(&[b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", OK]).await;
    assert_eq!(post(HTTP, &[("ALL_PROXY", &format!("socks5h://{}", proxy.address))]).await.unwrap(), 200);
    let read = proxy.read.lock().unwrap();
    assert_eq!(read[1], b"\x05\x01\x00\x03\x11token.example.com\x00\x50");
    assert!(read[2].starts_with(b"POST /token"));
}

#[tokio::test]
async fn requests_to_this_machine_and_to_exempt_hosts_are_sent_directly() {
    let (proxy, server) = (Proxy::with(&[OK]).await, Proxy::with(&[OK]).await);
    let port = server.address.rsplit_once(':').unwrap().1;
    for host in ["127.0.0.1", "localhost"] {
        for variable in ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"] {
            let url = format!("http://{host}:{port}/token");
            assert_eq!(post(&url, &[(variable, &proxy.address)]).await.unwrap(), 200);
        }
    }
    let exempt = [("HTTP_PROXY", proxy.address.as_str()), ("NO_PROXY", "example.com:80")];
    let error = post("http://nowhere.example.com./", &exempt).await.unwrap_err();
    assert!(!error.message().contains("proxy"), "{}", error.message());
    assert!(proxy.read.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_that_rejects_a_request_is_named_with_its_variable() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let response = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let unknown = format!("{}.invalid:3128", "a".repeat(64));
    for (proxy, expected) in [
        (closed, "connection refused"),
        (unknown, "could not resolve the host name"),
        (Proxy::with(&[response]).await.address, "requires credentials (407)"),
        (Proxy::with(&[b"HTTP/1.1 403 Forbidden\r\n\r\n"]).await.address, "refused to connect"),
        (Proxy::with(&[b"HTTP/1.1 502 Bad Gateway\r\n\r\n"]).await.address, "refused to connect"),
    ] {
        let error = failed(HTTPS, "HTTPS_PROXY", &format!("http://ann:hunter2@{proxy}")).await;
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Network, false), "{}", error.message());
        let named = format!("the proxy http://{proxy} (HTTPS_PROXY)");
        for part in [expected, &named, "https://token.example.com/token"] {
            assert!(error.message().contains(part), "{part}: {}", error.message());
        }
    }
}

#[tokio::test]
async fn an_http_request_to_a_proxy_that_requires_credentials_counts_as_sent() {
    let response = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let proxy = Proxy::with(&[response]).await;
    let error = failed(HTTP, "http_proxy", &proxy.address).await;
    assert_eq!((error.kind(), error.status(), error.was_sent()), (ErrorKind::Network, Some(407), true));
    assert!(error.message().contains("(http_proxy)"), "{}", error.message());
}

#[tokio::test]
async fn a_proxy_of_another_protocol_is_named_too() {
    // No acceptable method; a rejection; not SOCKS.
    for responses in [
        &[&b"\x05\xff"[..]][..],
        &[b"\x05\x00", b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"],
        &[b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ] {
        let proxy = Proxy::with(responses).await;
        for url in [HTTP, HTTPS] {
            let error = failed(url, "ALL_PROXY", &format!("socks5h://{}", proxy.address)).await;
            let named = format!("the proxy socks5h://{} (ALL_PROXY)", proxy.address);
            assert!(error.message().contains(&named), "{}", error.message());
            assert!(!error.was_sent(), "{}", error.message());
        }
    }
    let plain = Proxy::with(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]).await;
    let error = failed(HTTPS, "HTTPS_PROXY", &format!("https://{}", plain.address)).await;
    let expected = format!("could not establish TLS with the proxy https://{} (HTTPS_PROXY)", plain.address);
    assert!(error.message().contains(&expected), "{}", error.message());
}

#[tokio::test]
async fn a_timeout_of_a_silent_proxy_names_it() {
    let proxy = Proxy::with(&[]).await;
    let error = failed(HTTPS, "HTTPS_PROXY", &proxy.address).await;
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Timeout, false));
    let named = format!(
        "could not connect to https://token.example.com/token within 900 ms through the proxy http://{} (HTTPS_PROXY)",
        proxy.address
    );
    assert_eq!(error.message(), named);
    let error = failed(HTTP, "HTTP_PROXY", &proxy.address).await;
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Timeout, true));
    assert!(error.message().contains("(HTTP_PROXY)"), "{}", error.message());
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_never_bypassed() {
    for text in ["socks://127.0.0.1:1080", "http://ann:hunter2#@127.0.0.1:1", "ftp://127.0.0.1"] {
        let error = failed(HTTPS, "HTTPS_PROXY", text).await;
        assert_eq!(
            (error.kind(), error.field(), error.was_sent()),
            (ErrorKind::Config, Some("HTTPS_PROXY"), false)
        );
    }
}
