//! What is sent.

use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::transport::{Body, HttpTransport, Method, Request, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use crate::server::{Then, ok, post, redirect, serve};

#[tokio::test]
async fn a_request_is_a_post_with_its_headers_and_its_body() {
    let server = serve(|_| (ok("{}"), Then::Close)).await;
    let response = post(&format!("{}/token", server.origin)).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"{}".as_slice()));
    let request = server.requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("post /token http/1.1\r\n"), "{request}");
    for part in [
        "x-tenant: blue\r\n",
        "accept: application/json\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "user-agent: evertoken/",
        "\r\n\r\ngrant_type=client_credentials",
    ] {
        assert!(request.contains(part), "{part}: {request}");
    }
    assert!(!request.contains("cookie") && !request.contains("referer"), "{request}");
}

#[tokio::test]
async fn a_post_without_a_body_has_a_content_length() {
    let server = serve(|_| (ok("{}"), Then::Close)).await;
    for body in [Body::Empty, Body::Form(Secret::new(""))] {
        let url = Url::parse(&server.origin).unwrap();
        let request = Request::post(url, body);
        HttpTransport::new(Vec::new()).send(request, Duration::from_secs(5)).await.unwrap();
        let seen = server.requests.lock().unwrap().pop().unwrap().to_ascii_lowercase();
        assert!(seen.starts_with("post / "), "{seen}");
        assert_eq!(seen.matches("content-length: 0\r\n").count(), 1, "{seen}");
        assert!(!seen.contains("transfer-encoding"), "{seen}");
    }
}

#[tokio::test]
async fn localhost_is_this_machine_over_ipv4_and_ipv6() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // Not every machine has IPv6.
        let Ok(listener) = TcpListener::bind(address).await else { continue };
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(&ok("{}")).await;
            }
        });
        for host in ["localhost", "LOCALHOST", "app.localhost"] {
            assert_eq!(
                post(&format!("http://{host}:{port}/")).await.unwrap().status,
                200,
                "{host} {address}"
            );
        }
    }
}

#[tokio::test]
async fn a_redirect_keeps_the_method_and_the_media_type() {
    let response = |request: &str| {
        let is_first = request.contains(" /token HTTP");
        (if is_first { redirect(302, "/token/") } else { ok("{}") }, Then::Close)
    };
    let server = serve(response).await;
    for (method, body, head) in [
        (Method::GET, Body::Empty, "get"),
        (Method::PUT, Body::Json(Secret::new("{}")), "put"),
        (Method::PATCH, Body::Json(Secret::new("{}")), "patch"),
        (Method::PUT, Body::Empty, "put"),
    ] {
        let url = Url::parse(&format!("{}/token", server.origin)).unwrap();
        let mut request = Request { method, ..Request::post(url, body) };
        request.media_type = Some("application/vnd.api+json".into());
        let is_empty = matches!(request.body, Body::Empty);
        let is_get = request.method == Method::GET;
        HttpTransport::new(Vec::new()).send(request, Duration::from_secs(5)).await.unwrap();
        for (path, seen) in ["/token", "/token/"].into_iter().zip(server.requests.lock().unwrap().drain(..)) {
            let seen = seen.to_ascii_lowercase();
            assert!(seen.starts_with(&format!("{head} {path} ")), "{seen}");
            let types = seen.matches("content-type: application/vnd.api+json\r\n").count();
            assert_eq!((types, seen.matches("content-type").count()), if is_empty { (0, 0) } else { (1, 1) });
            assert_eq!(seen.contains("content-length: 0"), is_empty && !is_get, "{seen}");
            assert_eq!(seen.ends_with("\r\n\r\n{}"), !is_empty, "{seen}");
        }
    }
}
