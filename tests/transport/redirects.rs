//! Redirects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Body, HttpTransport, Request, Transport};
use url::Url;

use crate::server::{Then, kind, ok, post, redirect, serve};

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_with_the_same_post() {
    for status in [301, 302, 307, 308] {
        let server = serve(move |request| {
            let is_first = request.starts_with("POST /token HTTP");
            (if is_first { redirect(status, "/token/") } else { ok("{}") }, Then::Close)
        })
        .await;
        assert_eq!(post(&format!("{}/token", server.origin)).await.unwrap().status, 200, "{status}");
        let requests = server.requests.lock().unwrap();
        assert!(requests[1].starts_with("POST /token/ HTTP/1.1\r\n"), "{status}");
        assert!(requests[1].ends_with("grant_type=client_credentials"), "{status}");
    }
}

#[tokio::test]
async fn no_credential_leaves_the_origin() {
    let trap = serve(|_| (ok(r#"{"access_token":"trapped"}"#), Then::Close)).await;
    let host = trap.origin.strip_prefix("http://").unwrap().to_owned();
    for location in [
        format!("{}/token", trap.origin),
        format!("//{host}/token"),
        format!("/\\{host}/token"),
        format!("http://user:pass@{host}/token"),
        "file:///etc/passwd".into(),
        "javascript:alert(1)".into(),
        "https://127.0.0.1/token".into(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let response = redirect(status, &location);
            let server = serve(move |_| (response.clone(), Then::Close)).await;
            assert_eq!(
                kind(&format!("{}/token", server.origin)).await,
                ErrorKind::Endpoint,
                "{status} {location}"
            );
        }
    }
    assert!(trap.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_redirect_without_a_target_or_in_a_loop_is_an_error() {
    let nowhere = serve(|_| (b"HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n".to_vec(), Then::Close)).await;
    assert_eq!(kind(&nowhere.origin).await, ErrorKind::Endpoint);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let round = serve(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        (redirect(307, "/token"), Then::Close)
    })
    .await;
    assert_eq!(kind(&format!("{}/token", round.origin)).await, ErrorKind::Endpoint);
    assert!(count.load(Ordering::Relaxed) <= 4);
}

async fn redirected(status: u16, location: &str) -> Error {
    let response = redirect(status, location);
    let server = serve(move |_| (response.clone(), Then::Close)).await;
    post(&format!("{}/token", server.origin)).await.map(|response| response.status).unwrap_err()
}

#[tokio::test]
async fn a_redirect_to_another_origin_names_the_url_to_configure() {
    for (location, named) in [
        (
            "https://www.example.com/oauth/token?session=abc#part",
            "configure https://www.example.com/oauth/token",
        ),
        ("//www.example.com/token", "configure http://www.example.com/token"),
        ("https://user:hunter2@www.example.com/token", "configure https://www.example.com/token"),
        ("https://www.example.com/t\u{f6}ken", "configure https://www.example.com/t%C3%B6ken"),
        ("file:///etc/passwd", "to a file: URL,"),
    ] {
        let error = redirected(302, location).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Endpoint, Some(302)));
        assert!(error.message().contains(named), "{}", error.message());
        for hidden in ["abc", "hunter2", "part", "passwd"] {
            assert!(!error.message().contains(hidden), "{}", error.message());
        }
    }
}

#[tokio::test]
async fn a_redirect_that_repeats_a_secret_is_named_without_its_path() {
    // A form value, a header value, and a percent-encoded value.
    for path in ["/login/s3cret/value", "/dXNlcjpwYXNz", "/a%20b%20c%20d"] {
        let response = redirect(302, &format!("https://www.example.com{path}"));
        let server = serve(move |_| (response.clone(), Then::Close)).await;
        let body = Body::Form(Secret::new("grant_type=password&password=s3cret%2Fvalue&code=a+b+c+d"));
        let mut request = Request::post(Url::parse(&server.origin).unwrap(), body);
        request.headers.push(("authorization".into(), Secret::new("Basic dXNlcjpwYXNz")));
        let sent = HttpTransport::new(Vec::new()).send(request, Duration::from_secs(5)).await;
        let error = sent.map(|response| response.status).unwrap_err();
        assert!(error.message().ends_with("configure https://www.example.com/…"), "{}", error.message());
    }
}

#[tokio::test]
async fn the_error_of_a_redirect_loop_has_the_status_of_the_redirect() {
    for status in [301, 302, 307, 308] {
        assert_eq!(redirected(status, "/token").await.status(), Some(status));
    }
}
