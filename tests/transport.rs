//! The HTTP client against servers that misbehave, over real sockets on loopback.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test has a runtime of its own")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Body, HttpTransport, Request, Response, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A server that answers each connection's first request with these bytes, and then does as it is told.
struct Server {
    origin: String,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Hang,
    /// Goes on sending this for ever.
    Repeat(&'static [u8]),
}

async fn serve(answer: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            tokio::spawn(async move {
                let _ = speak(socket, &seen, &*answer).await;
            });
        }
    });
    Server { origin, requests }
}

async fn speak(
    mut socket: TcpStream,
    seen: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str) -> (Vec<u8>, Then) + Send + Sync),
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let (bytes, then) = answer(&request);
    seen.lock().unwrap().push(request);
    socket.write_all(&bytes).await?;
    match then {
        Then::Close => socket.shutdown().await,
        Then::Hang => std::future::pending().await,
        Then::Repeat(bytes) => loop {
            socket.write_all(bytes).await?;
        },
    }
}

/// Whether the head and as much body as it announces have come.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

async fn post(url: &str) -> Result<Response, Error> {
    let request = Request {
        url: Url::parse(url).unwrap(),
        headers: vec![("x-tenant".into(), Secret::new("blue"))],
        body: Body::Form(Secret::new("grant_type=client_credentials")),
    };
    HttpTransport::new(Vec::new()).send(request, Duration::from_millis(700)).await
}

async fn kind(url: &str) -> ErrorKind {
    post(url).await.map(|answer| answer.status).unwrap_err().kind()
}

#[tokio::test]
async fn a_request_is_a_post_with_its_headers_and_its_body() {
    let server = serve(|_| (ok("{}"), Then::Close)).await;
    let answer = post(&format!("{}/token", server.origin)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
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
            let answer = redirect(status, &location);
            let server = serve(move |_| (answer.clone(), Then::Close)).await;
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
async fn a_redirect_that_leads_nowhere_or_round_is_an_error() {
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

#[tokio::test]
async fn an_answer_that_does_not_come_or_does_not_end_is_a_timeout() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access".to_vec();
    for bytes in [Vec::new(), b"HTTP/1.1 200 OK\r\nx-slow: a".to_vec(), head] {
        let server = serve(move |_| (bytes.clone(), Then::Hang)).await;
        assert_eq!(kind(&server.origin).await, ErrorKind::Timeout);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_refused_at_a_mebibyte() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let server = serve(move |_| (head.clone(), Then::Repeat(&[b'x'; 8192]))).await;
    assert_eq!(kind(&server.origin).await, ErrorKind::Response);
}

#[tokio::test]
async fn a_compressed_answer_counts_by_what_it_becomes() {
    // 2 MiB of zeros, as `gzip -9` writes them.
    let bomb = include_bytes!("fixtures/two-mebibytes-of-zeros.gz");
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len())
            .into_bytes();
    bytes.extend_from_slice(bomb);
    let server = serve(move |_| (bytes.clone(), Then::Close)).await;
    assert_eq!(kind(&server.origin).await, ErrorKind::Response);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_network_error_even_when_it_parses() {
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

#[tokio::test]
async fn tls_where_there_is_none_is_a_tls_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // The hello is read first: closing on unread bytes resets the connection.
            let _ = socket.read(&mut [0; 1024]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    assert_eq!(kind(&origin).await, ErrorKind::Tls);
}

#[tokio::test]
async fn no_error_repeats_what_was_sent_or_answered() {
    let server =
        serve(|_| (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhunter2".to_vec(), Then::Close)).await;
    let error = post(&format!("{}/token?key=hunter2", server.origin)).await.map(|a| a.status).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        !text.contains("hunter2") && !text.contains("client_credentials") && !text.contains("blue"),
        "{text}"
    );
}
