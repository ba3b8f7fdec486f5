//! The server of the tests, and requests to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evertoken::domain::Secret;
use evertoken::error::{Error, ErrorKind};
use evertoken::transport::{Body, HttpTransport, Request, Response, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A server that responds to the first request on each connection, and then does what [`Then`] says.
pub(crate) struct Server {
    pub(crate) origin: String,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    Close,
    Hang,
    /// Sends this forever.
    Repeat(&'static [u8]),
}

pub(crate) async fn serve(respond: impl Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, respond) = (Arc::clone(&requests), Arc::new(respond));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (seen, respond) = (Arc::clone(&seen), Arc::clone(&respond));
            tokio::spawn(async move {
                let _ = serve_connection(socket, &seen, &*respond).await;
            });
        }
    });
    Server { origin, requests }
}

async fn serve_connection(
    mut socket: TcpStream,
    seen: &Mutex<Vec<String>>,
    respond: &(dyn Fn(&str) -> (Vec<u8>, Then) + Send + Sync),
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&request) {
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let (bytes, then) = respond(&request);
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

/// Whether the head and a body of its `content-length` have arrived.
fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

pub(crate) async fn post(url: &str) -> Result<Response, Error> {
    let body = Body::Form(Secret::new("grant_type=client_credentials"));
    let mut request = Request::post(Url::parse(url).unwrap(), body);
    request.headers.push(("x-tenant".into(), Secret::new("blue")));
    HttpTransport::new(Vec::new()).send(request, Duration::from_millis(700)).await
}

pub(crate) async fn kind(url: &str) -> ErrorKind {
    post(url).await.map(|response| response.status).unwrap_err().kind()
}
