//! The reqwest client: rustls, one deadline for the whole request, capped bodies, no redirect out of the
//! origin.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Identity, Method};
use tokio::sync::OnceCell;
use url::Url;
use zeroize::Zeroizing;

use super::trust::{self, Trust};
use super::{Body, Request, Response, Transport};
use crate::config::ClientCertificate;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::runtime;

/// No token response comes near it; golang.org/x/oauth2 reads as much.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A framework adds a slash, a proxy a prefix; more hops are a loop.
const MAX_REDIRECTS: usize = 3;

/// How long an idle connection is kept: token requests are minutes apart, and a kept connection is often a
/// dead one by then.
const IDLE: Duration = Duration::from_secs(15);

/// The one way to the network. The client is made at its first use, off every caller's thread: it reads the
/// system's certificates.
pub struct HttpTransport {
    trust: Trust,
    certificate: Option<ClientCertificate>,
    made: OnceCell<Made>,
}

/// A client, and what a person should know of how it was made.
struct Made {
    client: Client,
    warning: Option<Error>,
}

impl HttpTransport {
    /// A client that trusts the system's roots and those in `ca` (PEM).
    pub fn new(ca: Vec<String>) -> Self {
        Self { trust: Trust { ca, file: None }, certificate: None, made: OnceCell::new() }
    }

    /// The same, which also trusts the certificates in a file, as `NODE_EXTRA_CA_CERTS` names one. A file that
    /// cannot be used is a warning, as it is to Node.
    #[must_use]
    pub fn trusting(mut self, file: Option<PathBuf>) -> Self {
        self.trust.file = file;
        self
    }

    /// The same with a certificate to show to servers that ask for one when TLS begins (RFC 8705 §2).
    #[must_use]
    pub fn presenting(mut self, certificate: Option<ClientCertificate>) -> Self {
        self.certificate = certificate;
        self
    }

    async fn made(&self) -> Result<&Made> {
        let (trust, certificate) = (self.trust.clone(), self.certificate.clone());
        self.made.get_or_try_init(|| runtime::blocking(move || build(&trust, certificate.as_ref()))).await
    }

    async fn follow(&self, mut request: Request) -> Result<Response> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.exchange(&request).await?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            request.url = redirect_target(&request.url, &answer)?;
        }
        Err(refused_redirect(&request.url, "redirects in a loop", 308))
    }

    async fn exchange(&self, request: &Request) -> Result<Response> {
        let method = if matches!(request.body, Body::Absent) { Method::GET } else { Method::POST };
        let client = &self.made().await?.client;
        let mut builder = client.request(method, request.url.clone()).header(ACCEPT, "application/json");
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| Error::new(ErrorKind::Internal, format!("the header {name} cannot be sent")))?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        if let Some(content_type) = request.body.content_type() {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        if let Some(text) = request.body.clone().into_text() {
            builder = builder.body(text.expose().to_owned());
        }
        let mut answer = builder.send().await.map_err(|error| failure(&request.url, &error))?;
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&request.url, &error))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                let message = format!("{} answered with more than 1 MiB", request.url.path());
                return Err(Error::new(ErrorKind::Response, message).with_status(answer.status().as_u16()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }
}

fn build(trust: &Trust, certificate: Option<&ClientCertificate>) -> Result<Made> {
    // An error says that a provider is installed already: any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .pool_idle_timeout(IDLE)
        .referer(false)
        .user_agent(concat!("evertoken/", env!("CARGO_PKG_VERSION")));
    let (roots, warning) = trust.roots()?;
    builder = trust::trusting(builder, roots);
    if let Some(certificate) = certificate {
        let identity = Identity::from_pem(certificate.pem().expose().as_bytes())
            .map_err(|_| Error::config("clientCertificate.cert", "must hold certificates in PEM form"))?;
        builder = builder.identity(identity);
    }
    let client = builder.build().map_err(|error| {
        Error::new(ErrorKind::Tls, format!("the HTTP client cannot be built: {}", innermost(&error)))
    })?;
    Ok(Made { client, warning })
}

#[async_trait]
impl Transport for HttpTransport {
    async fn prepare(&self) -> Option<Error> {
        // What keeps it from being made is said to the first request.
        self.made().await.ok()?.warning.clone()
    }

    async fn send(&self, request: Request, timeout: Duration) -> Result<Response> {
        let place = place(&request.url);
        tokio::time::timeout(timeout, self.follow(request)).await.unwrap_or_else(|_| {
            let message = format!("{place} gave no whole answer within {} ms", timeout.as_millis());
            Err(Error::new(ErrorKind::Timeout, message))
        })
    }
}

/// Where a redirect leads: with the same POST, within the origin (RFC 9700 §4.12 is about the others).
fn redirect_target(from: &Url, answer: &Response) -> Result<Url> {
    let target = answer
        .headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|location| from.join(location).ok());
    match target {
        _ if answer.status == 303 => Err(refused_redirect(from, "answers with a page to look at (303)", 303)),
        None => Err(refused_redirect(from, "redirects to nowhere", answer.status)),
        Some(target) if target.origin() != from.origin() || !target.origin().is_tuple() => Err(
            refused_redirect(from, "redirects to another origin, where no credential is sent", answer.status),
        ),
        Some(target) => Ok(target),
    }
}

fn refused_redirect(from: &Url, what: &str, status: u16) -> Error {
    Error::new(ErrorKind::Endpoint, format!("{} {what}", place(from)))
        .with_status(status)
        .with_retry(Retry::Never)
}

/// The address without what may be secret in it.
fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn failure(url: &Url, error: &reqwest::Error) -> Error {
    let place = place(url);
    let reason = innermost(error);
    if let Some(tls) = find::<rustls::Error>(error) {
        if let rustls::Error::InvalidCertificate(fault) = tls {
            let reason = trust::reason(fault);
            return Error::new(
                ErrorKind::Tls,
                format!("the certificate of {place} is not accepted: {reason}"),
            );
        }
        return Error::new(ErrorKind::Tls, format!("no TLS with {place}: {tls}"));
    }
    if error.is_timeout() {
        return Error::new(ErrorKind::Timeout, format!("{place} did not answer in time"));
    }
    // A body that breaks off and one that cannot be decompressed are both "decode" errors to reqwest.
    if error.is_decode() && find::<hyper::Error>(error).is_none() {
        return Error::new(ErrorKind::Response, format!("{place} answered in a broken coding"));
    }
    Error::new(ErrorKind::Network, format!("no whole answer from {place}: {reason}"))
}

/// The cause of this type, wherever it is: an `io::Error` holds its own beside the chain of sources.
fn find<'e, T: std::error::Error + 'static>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e T> {
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let next = held.map(|held| held as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    next.and_then(find)
}

/// The last cause, which is the one a person can act on (`Connection refused`); it comes from the operating
/// system or the HTTP library, never from the answer.
fn innermost(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
