//! Redirects and rejections of logins.

use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind, Retry};
use evertoken::transport::{Body, HttpTransport, Request, Response, Transport};
use url::Url;

use crate::server::{Then, ok, redirect, serve};

async fn log_in(url: &str, body: Body) -> Result<Response, Error> {
    let request = Request::post(Url::parse(url).unwrap(), body);
    HttpTransport::new(Vec::new()).send(request, Duration::from_millis(700)).await
}

fn logins() -> [Body; 3] {
    [
        Body::Json(Secret::new(r#"{"email":"a@b.c","password":"wrong-password"}"#)),
        Body::Form(Secret::new("grant_type=password&username=ann&password=wrong-password")),
        Body::Form(Secret::new("user=ann&pass=wrong-password")),
    ]
}

#[tokio::test]
async fn a_redirect_that_may_reject_a_login_is_not_followed_with_the_password() {
    for (status, location) in [
        (302, "/login?error"),
        (303, "/login?error"),
        (307, "/login?error"),
        (302, "/login"),
        (308, "/login"),
        (301, "/"),
        (302, "/home"),
        (302, "/login/?error=1"),
        (307, "/error"),
        (307, "/users/sign_in"),
        (302, "https://sso.example.com/authorize?client=1"),
        (303, "https://sso.example.com/authorize"),
    ] {
        for body in logins() {
            let server = serve(move |_| (redirect(status, location), Then::Close)).await;
            let error =
                log_in(&format!("{}/login", server.origin), body).await.map(|a| a.status).unwrap_err();
            assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::CoolDown), "{location}");
            assert!(error.message().contains("wrong login"), "{}", error.message());
            assert!(!error.message().contains("wrong-password"), "{}", error.message());
            assert_eq!(server.requests.lock().unwrap().len(), 1, "{status} {location}");
        }
    }
}

#[tokio::test]
async fn a_login_follows_redirects_to_the_same_endpoint_and_once_to_another() {
    for (status, location) in
        [(301, "/login/"), (302, "/api/login"), (307, "/v2/login/"), (308, "/session"), (307, "/login2")]
    {
        for body in logins() {
            let server = serve(move |request| {
                let is_first = request.starts_with("POST /login HTTP");
                (if is_first { redirect(status, location) } else { ok("{}") }, Then::Close)
            })
            .await;
            let response = log_in(&format!("{}/login", server.origin), body).await.unwrap();
            assert_eq!(response.status, 200, "{status} {location}");
        }
    }
    // A redirect back, and a second redirect onward.
    for next in ["/login", "/b"] {
        let server = serve(move |request| {
            let is_first = request.starts_with("POST /login HTTP");
            (redirect(307, if is_first { "/a" } else { next }), Then::Close)
        })
        .await;
        let [body, ..] = logins();
        let error = log_in(&format!("{}/login", server.origin), body).await.map(|a| a.status).unwrap_err();
        assert_eq!(error.retry(), Retry::CoolDown);
        assert_eq!(server.requests.lock().unwrap().len(), 2, "{next}");
    }
}

#[tokio::test]
async fn a_redirect_to_the_same_path_of_another_origin_is_a_configuration_error() {
    for body in logins() {
        let server = serve(|_| (redirect(301, "https://www.example.com/login"), Then::Close)).await;
        let error = log_in(&format!("{}/login", server.origin), body).await.map(|a| a.status).unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        assert!(error.message().ends_with("configure https://www.example.com/login"), "{}", error.message());
    }
}

#[tokio::test]
async fn a_redirect_repeats_no_secret_in_any_encoding() {
    for location in [
        "https://wrong-password.example/",
        "https://h.example/WRONG-PASSWORD",
        "https://h.example/wrong%252dpassword",
        "https://h.example/d3JvbmctcGFzc3dvcmQ",
        "https://h.example/77726f6e672d70617373776f7264",
        "wrong-password:abc",
        "/x/YW5uOndyb25nLXBhc3N3b3Jk",
    ] {
        let server = serve(move |_| (redirect(302, location), Then::Close)).await;
        let [body, ..] = logins();
        let error = log_in(&format!("{}/login", server.origin), body).await.map(|a| a.status).unwrap_err();
        let message = error.message().to_ascii_lowercase();
        for part in ["wrong-password", "wrong%252d", "d3jvbm", "77726f", "yw5uo"] {
            assert!(!message.contains(part), "{message}");
        }
    }
}

#[tokio::test]
async fn a_rejection_whose_body_cannot_be_read_is_recognized_by_its_status() {
    let long = format!("HTTP/1.1 401 X\r\ncontent-length: 2000000\r\n\r\n{}", "x".repeat(2_000_000));
    for status in [401, 403] {
        for (bytes, then) in [
            (
                "HTTP/1.1 401 X\r\ncontent-encoding: gzip\r\ncontent-length: 7\r\n\r\nnotgzip".to_owned(),
                Then::Close,
            ),
            ("HTTP/1.1 401 X\r\ncontent-encoding: foo\r\ncontent-length: 1\r\n\r\nx".to_owned(), Then::Close),
            (long.clone(), Then::Close),
            ("HTTP/1.1 401 X\r\ncontent-length: 100\r\n\r\n{".to_owned(), Then::Close),
            ("HTTP/1.1 401 X\r\ncontent-length: 100\r\n\r\n{".to_owned(), Then::Hang),
        ] {
            let bytes = bytes.replacen("401", &status.to_string(), 1).into_bytes();
            let server = serve(move |_| (bytes.clone(), then)).await;
            let [body, ..] = logins();
            let response = log_in(&server.origin, body).await.unwrap();
            assert!(response.status == status && response.body.len() < 2, "{status}");
        }
    }
}

#[tokio::test]
async fn a_redirect_of_a_request_without_a_password_is_not_a_rejected_login() {
    for body in [
        Body::Json(Secret::new(r#"{"refresh_token":"some-token"}"#)),
        Body::Form(Secret::new("grant_type=refresh_token&refresh_token=some-token")),
        Body::Form(Secret::new("grant_type=client_credentials&client_id=app&client_secret=s3cret")),
        Body::Form(Secret::new("token=some-token&token_type_hint=access_token")),
        Body::Empty,
    ] {
        let server = serve(|_| (redirect(302, "https://sso.example.com/authorize"), Then::Close)).await;
        let error = log_in(&format!("{}/token", server.origin), body).await.map(|a| a.status).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Endpoint, Retry::Never));
    }
}
