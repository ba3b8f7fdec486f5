//! Timeouts and broken connections.

use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Body, HttpTransport, Request, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use crate::server::{Then, kind, post, redirect, serve};

#[tokio::test]
async fn a_response_that_never_arrives_or_never_ends_is_a_timeout() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access".to_vec();
    for bytes in [Vec::new(), b"HTTP/1.1 200 OK\r\nx-slow: a".to_vec(), head] {
        let server = serve(move |_| (bytes.clone(), Then::Hang)).await;
        assert_eq!(kind(&server.origin).await, ErrorKind::Timeout);
    }
}

#[tokio::test]
async fn a_truncated_response_is_a_network_error_even_if_it_parses() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{\"access_token\":\"abc\"}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n16\r\n{\"access_token\":\"abc\"}\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "",
    ] {
        let server = serve(move |_| (bytes.as_bytes().to_vec(), Then::Close)).await;
        assert_eq!(kind(&server.origin).await, ErrorKind::Network, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_a_network_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(kind(&format!("http://{address}/token")).await, ErrorKind::Network);
}

/// The `https` origin of a server that does not speak TLS.
async fn without_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // Reads the ClientHello first, because closing with unread bytes resets the connection.
            let _ = socket.read(&mut [0; 1024]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    origin
}

#[tokio::test]
async fn https_to_a_server_without_tls_is_a_tls_error() {
    assert_eq!(kind(&without_tls().await).await, ErrorKind::Tls);
}

#[tokio::test]
async fn no_error_repeats_the_request_or_the_response() {
    let server =
        serve(|_| (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhunter2".to_vec(), Then::Close)).await;
    let error = post(&format!("{}/token?key=hunter2", server.origin)).await.map(|a| a.status).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        !text.contains("hunter2") && !text.contains("client_credentials") && !text.contains("blue"),
        "{text}"
    );
}

async fn sent(url: &str, body: Body) -> Error {
    let request = Request::post(Url::parse(url).unwrap(), body);
    let response = HttpTransport::new(Vec::new()).send(request, Duration::from_millis(900)).await;
    response.map(|response| response.status).unwrap_err()
}

/// A listener that never responds, and the address of a closed port.
async fn silent_and_closed() -> (TcpListener, String, String) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let address = silent.local_addr().unwrap().to_string();
    (silent, address, closed)
}

#[tokio::test]
async fn a_request_that_was_never_sent_is_marked_as_unsent() {
    let (_listener, silent, closed) = silent_and_closed().await;
    let plain = without_tls().await;
    let unknown = format!("http://{}.invalid/token", "a".repeat(64));
    for (url, kind, expected) in [
        (format!("http://{closed}/token"), ErrorKind::Network, "could not connect to http://"),
        (format!("https://{closed}/token"), ErrorKind::Network, "connection refused"),
        (unknown, ErrorKind::Network, "could not resolve the host name"),
        (plain, ErrorKind::Tls, "does not speak TLS"),
    ] {
        for body in [Body::Form(Secret::new("a=b")), Body::Empty] {
            let error = sent(&url, body).await;
            assert_eq!((error.kind(), error.was_sent()), (kind, false), "{}", error.message());
            assert!(error.message().contains(expected), "{}", error.message());
        }
    }
    let error = sent(&format!("https://{silent}/token"), Body::Form(Secret::new("a=b"))).await;
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Timeout, false), "{}", error.message());
    assert!(error.message().starts_with("could not connect to https://"), "{}", error.message());
}

#[tokio::test]
async fn a_request_that_may_have_been_sent_is_never_marked_as_unsent() {
    let (_listener, silent, _) = silent_and_closed().await;
    let closing = serve(|_| (Vec::new(), Then::Close)).await.origin;
    let hanging = serve(|_| (b"HTTP/1.1 200 OK\r\n".to_vec(), Then::Hang)).await.origin;
    let away = serve(|_| (redirect(302, "https://www.example.com/"), Then::Close)).await.origin;
    let nonsense = serve(|_| (b"SSH-2.0\r\n".to_vec(), Then::Close)).await.origin;
    for url in [format!("http://{silent}/"), closing, hanging, away, nonsense] {
        for body in [Body::Form(Secret::new("a=b")), Body::Empty] {
            let error = sent(&url, body).await;
            assert!(error.was_sent(), "{}", error.message());
        }
    }
}

#[tokio::test]
async fn a_redirected_request_counts_as_sent_even_if_the_second_one_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        drop(listener);
        let _ = socket.read(&mut [0; 4096]).await;
        let _ = socket.write_all(&redirect(307, "/token/")).await;
    });
    for body in [Body::Form(Secret::new("a=b"))] {
        let error = sent(&origin, body).await;
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Network, true), "{}", error.message());
    }
}
