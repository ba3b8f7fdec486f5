//! The HTTP client against servers that misbehave, over real sockets on loopback.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test has a runtime of its own")]

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind, Retry};
use evertoken::transport::{Body, HttpTransport, Method, Request, Response, Transport};
use flate2::Compression;
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
    let body = Body::Form(Secret::new("grant_type=client_credentials"));
    let mut request = Request::post(Url::parse(url).unwrap(), body);
    request.headers.push(("x-tenant".into(), Secret::new("blue")));
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

/// The https address of a server that speaks none.
async fn without_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // The hello is read first: closing on unread bytes resets the connection.
            let _ = socket.read(&mut [0; 1024]).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    origin
}

#[tokio::test]
async fn tls_where_there_is_none_is_a_tls_error() {
    assert_eq!(kind(&without_tls().await).await, ErrorKind::Tls);
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

/// An answer with this body under these codings.
fn coded(codings: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\n{codings}content-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest)
}

const TOKEN: &[u8] = br#"{"access_token":"abc"}"#;

/// [`TOKEN`] in brotli.
const TOKEN_IN_BROTLI: &[u8] = b"\x8b\x0a\x80{\"access_token\":\"abc\"}\x03";

/// 2 MiB of zeros in brotli.
const BOMB_IN_BROTLI: &[u8] = b"\x9b\xff\xff\x1f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x03";

async fn body_of(answer: Vec<u8>) -> Result<Vec<u8>, ErrorKind> {
    let server = serve(move |_| (answer.clone(), Then::Close)).await;
    post(&server.origin).await.map(|answer| answer.body.to_vec()).map_err(|error| error.kind())
}

#[tokio::test]
async fn an_answer_is_read_whatever_its_coding() {
    let (first, second) = TOKEN.split_at(9);
    let padded = [gzip(TOKEN), vec![0; 8]].concat();
    for (codings, body) in [
        ("content-encoding: gzip\r\n", gzip(TOKEN)),
        ("Content-Encoding: GZIP\r\n", gzip(TOKEN)),
        ("content-encoding: x-gzip\r\n", gzip(TOKEN)),
        ("content-encoding: gzip\r\n", [gzip(first), gzip(second)].concat()),
        ("content-encoding: gzip\r\n", padded),
        ("content-encoding: deflate\r\n", zlib(TOKEN)),
        ("content-encoding: deflate\r\n", deflate(TOKEN)),
        ("content-encoding: br\r\n", TOKEN_IN_BROTLI.to_vec()),
        ("content-encoding: zstd\r\n", zstd(TOKEN)),
        ("content-encoding: deflate, gzip\r\n", gzip(&zlib(TOKEN))),
        ("content-encoding: br\r\ncontent-encoding: Zstd\r\n", zstd(TOKEN_IN_BROTLI)),
        ("content-encoding: identity, gzip\r\n", gzip(TOKEN)),
        ("content-encoding: identity\r\n", TOKEN.to_vec()),
        ("content-encoding: none\r\n", TOKEN.to_vec()),
        ("content-encoding: utf-8\r\n", TOKEN.to_vec()),
        ("content-encoding: \r\n", TOKEN.to_vec()),
    ] {
        assert_eq!(body_of(coded(codings, &body)).await.as_deref(), Ok(TOKEN), "{codings}");
    }
    for coding in ["gzip", "deflate", "br", "zstd", "compress"] {
        let body = body_of(coded(&format!("content-encoding: {coding}\r\n"), b"")).await;
        assert_eq!(body.as_deref(), Ok(&b""[..]), "{coding} of nothing");
    }
}

#[tokio::test]
async fn no_coding_makes_more_than_a_mebibyte() {
    let zeros = vec![0; 2 * 1024 * 1024];
    let half = gzip(&zeros[..700_000]);
    for (coding, body) in [
        ("deflate", zlib(&zeros)),
        ("deflate", deflate(&zeros)),
        ("br", BOMB_IN_BROTLI.to_vec()),
        ("zstd", zstd(&zeros)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
        ("gzip", [half.clone(), half].concat()),
    ] {
        let answer = coded(&format!("content-encoding: {coding}\r\n"), &body);
        assert_eq!(body_of(answer).await, Err(ErrorKind::Response), "{coding}");
    }
}

#[tokio::test]
async fn a_broken_coding_and_an_unknown_one_are_no_network_errors() {
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    for (coding, body) in [
        ("gzip", TOKEN.to_vec()),
        ("gzip", cut(gzip(TOKEN))),
        ("deflate", vec![0xff; 20]),
        ("br", vec![0xff; 20]),
        ("zstd", TOKEN.to_vec()),
        ("zstd", cut(zstd(TOKEN))),
        ("compress", vec![0x1f, 0x9d, 0x90, 0xff]),
    ] {
        let answer = coded(&format!("content-encoding: {coding}\r\n"), &body);
        assert_eq!(body_of(answer).await, Err(ErrorKind::Response), "{coding}");
    }
}

#[tokio::test]
async fn header_lines_that_node_takes_are_no_error() {
    let many = "x-many: a\r\n".repeat(1500);
    let long = format!("set-cookie: {}\r\n", "a".repeat(15 * 1024));
    for head in [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200\r\n",
        "HTTP/1.1 200 \r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 200 \u{e4}\u{f6}\r\n",
        "HTTP/1.1 200 OK\nx-lone: feed\n",
        "HTTP/1.1 200 OK\r\nx-folded: one\r\n two\r\n\tthree\r\n",
        "HTTP/1.1 200 OK\r\nx-spaced : one\r\n",
        "HTTP/1.1 200 OK\r\nx odd name: one\r\n",
        "HTTP/1.1 200 OK\r\n\u{fc}mlaut: one\r\n",
        "HTTP/1.1 200 OK\r\nx-text: gr\u{fc}n\r\n",
        "HTTP/1.1 200 OK\r\nx-bell: \u{7}\r\n",
        "HTTP/1.1 200 OK\r\nx-empty:\r\n: nameless\r\n",
        "HTTP/1.1 200 OK\r\nno colon at all\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n",
        &format!("HTTP/1.1 200 OK\r\n{many}"),
        &format!("HTTP/1.1 200 OK\r\n{long}"),
    ] {
        // One byte a character, as on the wire.
        let mut answer: Vec<u8> = head.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        answer.extend_from_slice(format!("content-length: {}\r\n\r\n", TOKEN.len()).as_bytes());
        answer.extend_from_slice(TOKEN);
        let head: String = head.chars().take(60).collect();
        assert_eq!(body_of(answer).await.as_deref(), Ok(TOKEN), "{head:?}");
    }
}

#[tokio::test]
async fn a_post_without_a_body_says_its_length() {
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

async fn redirected(status: u16, location: &str) -> Error {
    let answer = redirect(status, location);
    let server = serve(move |_| (answer.clone(), Then::Close)).await;
    post(&format!("{}/token", server.origin)).await.map(|answer| answer.status).unwrap_err()
}

#[tokio::test]
async fn a_redirect_out_of_the_origin_names_the_place_to_configure() {
    for (location, named) in [
        (
            "https://www.example.com/oauth/token?session=abc#part",
            "configure https://www.example.com/oauth/token",
        ),
        ("//www.example.com/token", "configure http://www.example.com/token"),
        ("https://user:hunter2@www.example.com/token", "configure https://www.example.com/token"),
        ("https://www.example.com/t\u{f6}ken", "configure https://www.example.com/t%C3%B6ken"),
        ("file:///etc/passwd", "begins with file:,"),
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
async fn a_redirect_that_repeats_what_was_sent_is_named_without_its_path() {
    // A value of the form, one of a header, and one that is percent-encoded.
    for path in ["/login/s3cret/value", "/dXNlcjpwYXNz", "/a%20b%20c%20d"] {
        let answer = redirect(302, &format!("https://www.example.com{path}"));
        let server = serve(move |_| (answer.clone(), Then::Close)).await;
        let body = Body::Form(Secret::new("grant_type=password&password=s3cret%2Fvalue&code=a+b+c+d"));
        let mut request = Request::post(Url::parse(&server.origin).unwrap(), body);
        request.headers.push(("authorization".into(), Secret::new("Basic dXNlcjpwYXNz")));
        let sent = HttpTransport::new(Vec::new()).send(request, Duration::from_secs(5)).await;
        let error = sent.map(|answer| answer.status).unwrap_err();
        assert!(error.message().ends_with("configure https://www.example.com/…"), "{}", error.message());
    }
}

#[tokio::test]
async fn a_loop_of_redirects_has_its_own_status() {
    for status in [301, 302, 307, 308] {
        assert_eq!(redirected(status, "/token").await.status(), Some(status));
    }
}

async fn sent(url: &str, body: Body) -> Error {
    let request = Request::post(Url::parse(url).unwrap(), body);
    let answer = HttpTransport::new(Vec::new()).send(request, Duration::from_millis(900)).await;
    answer.map(|answer| answer.status).unwrap_err()
}

/// A listener that never says a word, and one whose port is closed by now.
async fn silent_and_closed() -> (TcpListener, String, String) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let address = silent.local_addr().unwrap().to_string();
    (silent, address, closed)
}

#[tokio::test]
async fn a_request_that_never_left_is_known() {
    let (_listener, silent, closed) = silent_and_closed().await;
    let plain = without_tls().await;
    let unknown = format!("http://{}.invalid/token", "a".repeat(64));
    for (url, kind, told) in [
        (format!("http://{closed}/token"), ErrorKind::Network, "no connection to http://"),
        (format!("https://{closed}/token"), ErrorKind::Network, "connection refused"),
        (unknown, ErrorKind::Network, "cannot be resolved"),
        (plain, ErrorKind::Tls, "does not speak TLS"),
    ] {
        for body in [Body::Form(Secret::new("a=b")), Body::Empty] {
            let error = sent(&url, body).await;
            assert_eq!((error.kind(), error.was_sent()), (kind, false), "{}", error.message());
            assert!(error.message().contains(told), "{}", error.message());
        }
    }
    let error = sent(&format!("https://{silent}/token"), Body::Form(Secret::new("a=b"))).await;
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Timeout, false), "{}", error.message());
    assert!(error.message().starts_with("no connection to https://"), "{}", error.message());
}

#[tokio::test]
async fn a_request_that_may_have_left_is_never_said_not_to() {
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
async fn a_request_that_was_redirected_has_left_although_the_second_one_did_not() {
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

#[tokio::test]
async fn localhost_is_this_machine_in_both_families() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // Not every machine has the second.
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
async fn a_request_has_its_own_method_and_media_type_through_redirects() {
    let answer = |request: &str| {
        let is_first = request.contains(" /token HTTP");
        (if is_first { redirect(302, "/token/") } else { ok("{}") }, Then::Close)
    };
    let server = serve(answer).await;
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
async fn a_redirect_that_may_refuse_a_login_is_not_followed_with_the_password() {
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
async fn a_login_follows_to_the_same_endpoint_and_once_to_another() {
    for (status, location) in
        [(301, "/login/"), (302, "/api/login"), (307, "/v2/login/"), (308, "/session"), (307, "/login2")]
    {
        for body in logins() {
            let server = serve(move |request| {
                let is_first = request.starts_with("POST /login HTTP");
                (if is_first { redirect(status, location) } else { ok("{}") }, Then::Close)
            })
            .await;
            let answer = log_in(&format!("{}/login", server.origin), body).await.unwrap();
            assert_eq!(answer.status, 200, "{status} {location}");
        }
    }
    // Back and forth, and on and on.
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
async fn a_redirect_to_the_same_path_of_another_origin_is_a_matter_of_the_configuration() {
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
async fn a_refusal_whose_body_cannot_be_read_is_known_by_its_status() {
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
            let answer = log_in(&server.origin, body).await.unwrap();
            assert!(answer.status == status && answer.body.len() < 2, "{status}");
        }
    }
}

#[tokio::test]
async fn a_redirect_of_a_request_without_a_password_is_no_refused_login() {
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
