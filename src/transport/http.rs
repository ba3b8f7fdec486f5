//! The reqwest client: rustls, one deadline for the whole request, capped bodies, no redirects to another
//! origin.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use hyper::body::{Bytes, Frame, SizeHint};
use reqwest::Client;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use tokio::sync::OnceCell;
use url::Url;
use zeroize::Zeroizing;

use super::coding::{DecodingError, decode};
use super::environment::Environment;
use super::failure::Route;
use super::proxy::Proxies;
use super::redirect::{self, RedirectChain};
use super::resolve::Resolver;
use super::trust::Trust;
use super::{Method, Request, Response, Transport, tls};
use crate::config::ClientCertificate;
use crate::error::{Error, ErrorKind, Result};
use crate::redaction::display_url;
use crate::runtime;

/// Far larger than any token response; golang.org/x/oauth2 has the same limit.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Node's limit.
const MAX_HEADERS: usize = 2000;

/// How long an idle connection is kept. Token requests are minutes apart, and an older connection is often
/// dead.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// The only code that uses the network. A client is built at first use. That of requests over TLS is built on a background
/// thread, because that reads the system's certificates; requests in clear text, to a server on the same machine, do not
/// wait for them.
pub struct HttpTransport {
    trust: Trust,
    proxies: Proxies,
    certificate: Option<ClientCertificate>,
    over_tls: OnceCell<BuiltClient>,
    in_clear: OnceCell<BuiltClient>,
}

/// A client, and a warning about its certificates.
struct BuiltClient {
    client: Client,
    warning: Option<Error>,
}

impl HttpTransport {
    /// A client that trusts the system's root certificates and those in `ca` (PEM), and uses no proxy.
    pub fn new(ca: Vec<String>) -> Self {
        Self {
            trust: Trust { ca, ..Trust::default() },
            proxies: Proxies::of(&Environment::default()),
            certificate: None,
            over_tls: OnceCell::new(),
            in_clear: OnceCell::new(),
        }
    }

    /// Uses the proxies and certificates of this environment. A `NODE_EXTRA_CA_CERTS` file that cannot be
    /// used is only a warning, as in Node.
    #[must_use]
    pub fn with_environment(mut self, environment: &Environment) -> Self {
        self.trust.add_environment(environment);
        self.proxies = Proxies::of(environment);
        self
    }

    /// Presents this certificate to servers that request one in the TLS handshake (RFC 8705 §2).
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: Option<ClientCertificate>) -> Self {
        self.certificate = certificate;
        self
    }

    async fn client(&self, url: &Url) -> Result<&BuiltClient> {
        if !self.uses_tls(url) {
            let make = async || build(tls::without_roots()?, self.proxies.clone());
            return self.in_clear.get_or_try_init(make).await;
        }
        let make = || {
            let (trust, proxies, certificate) =
                (self.trust.clone(), self.proxies.clone(), self.certificate.clone());
            runtime::blocking(move || build(tls::client(&trust, certificate.as_ref())?, proxies))
        };
        self.over_tls.get_or_try_init(make).await
    }

    /// Whether the way to this URL begins with TLS: to its server, or to a proxy.
    fn uses_tls(&self, url: &Url) -> bool {
        let proxy = self.proxies.for_url(url).and_then(|proxy| proxy.address().ok());
        proxy.is_some_and(|proxy| proxy.scheme() == "https") || url.scheme() != "http"
    }

    fn route<'r>(&'r self, url: &'r Url) -> Route<'r> {
        Route { url, proxy: self.proxies.for_url(url) }
    }

    async fn follow(&self, mut request: Request, sent: &SentFlag, rejection: &Rejection) -> Result<Response> {
        let mut redirects = RedirectChain::new(&request.url);
        loop {
            let response = self.exchange(&request, sent, rejection).await?;
            if !redirect::is_redirect(response.status) {
                return Ok(response);
            }
            request.url = redirects.follow(&request, &response)?;
        }
    }

    async fn exchange(&self, request: &Request, sent: &SentFlag, rejection: &Rejection) -> Result<Response> {
        let route = self.route(&request.url);
        if let Some(proxy) = route.proxy {
            proxy.address()?;
        }
        let builder = self.request(request, sent).await?;
        let was_sent_before = sent.get();
        if request.body.is_blank() {
            sent.set(true);
        }
        let mut response = builder.send().await.map_err(|error| {
            if error.is_connect() && !was_sent_before {
                sent.set(false);
            }
            route.failure(&error)
        })?;
        sent.set(true);
        let status = response.status().as_u16();
        if let Some(proxy) = route.proxy.filter(|_| status == 407 && request.url.scheme() == "http") {
            return Err(route.unauthorized(proxy));
        }
        // A GET without headers, as for metadata, has no credential that could be rejected.
        let has_credential = request.method != Method::GET || !request.headers.is_empty();
        if matches!(status, 401 | 403) && has_credential {
            rejection.record(status, response.headers());
        }
        let fault = |what: &str| {
            let message = format!("{} sent {what}", display_url(&request.url));
            Error::new(ErrorKind::Response, message).with_status(status)
        };
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| route.failure(&error))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(fault("a response larger than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = response.headers().clone();
        let body = decode(&headers, body, MAX_BODY_BYTES).map_err(|error| match error {
            DecodingError::TooLong => fault("a response larger than 1 MiB"),
            DecodingError::Invalid => fault("a response that its Content-Encoding cannot decode"),
            DecodingError::Unknown => {
                fault("a response whose Content-Encoding is not gzip, deflate, br or zstd")
            }
        })?;
        Ok(Response { status, headers, body })
    }

    async fn request(&self, request: &Request, sent: &SentFlag) -> Result<reqwest::RequestBuilder> {
        let client = &self.client(&request.url).await?.client;
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip");
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
                Error::new(
                    ErrorKind::Internal,
                    format!("could not send the header {name}: it contains invalid characters"),
                )
            })?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        if let Some(content_type) = request.content_type() {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        Ok(match request.body.text() {
            Some(text) if !request.body.is_blank() => {
                let text = Bytes::copy_from_slice(text.expose().as_bytes());
                builder.body(reqwest::Body::wrap(TrackedBody { text, sent: sent.clone() }))
            }
            _ if request.method == Method::GET => builder,
            // Servers such as IIS reject a POST without a Content-Length (RFC 9110 §8.6).
            _ => builder.header(CONTENT_LENGTH, 0),
        })
    }
}

fn build((tls, warning): (ClientConfig, Option<Error>), proxies: Proxies) -> Result<BuiltClient> {
    // An invalid proxy URL was rejected before.
    let proxy = move |url: &Url| proxies.for_url(url).and_then(|proxy| proxy.address().ok().cloned());
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Resolver)
        // The client's own proxy lookup would read the environment.
        .no_proxy()
        .proxy(reqwest::Proxy::custom(proxy))
        .redirect(Policy::none())
        .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_max_headers(MAX_HEADERS)
        .referer(false)
        .user_agent(concat!("evertoken/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| Error::new(ErrorKind::Internal, "could not build the HTTP client"))?;
    Ok(BuiltClient { client, warning })
}

#[async_trait]
impl Transport for HttpTransport {
    async fn prepare(&self, url: &Url) -> Option<Error> {
        // The first request reports errors that prevent the client from being built.
        self.client(url).await.ok()?.warning.clone()
    }

    async fn send(&self, request: Request, timeout: Duration) -> Result<Response> {
        let (sent, rejection) = (SentFlag::default(), Rejection::default());
        let url = request.url.clone();
        let result = tokio::time::timeout(timeout, self.follow(request, &sent, &rejection)).await;
        result
            .unwrap_or_else(|_| Err(self.route(&url).timeout(timeout.as_millis(), sent.get())))
            .or_else(|error| rejection.into_response().ok_or(error))
            .map_err(|error| if sent.get() { error } else { error.unsent() })
    }
}

/// The head of a response that rejects a credential (401, 403). Its status counts even if its body cannot be
/// read; otherwise the request would be repeated.
#[derive(Default)]
struct Rejection(OnceLock<(u16, HeaderMap)>);

impl Rejection {
    fn record(&self, status: u16, headers: &HeaderMap) {
        // A request has at most one such response, because it ends a chain of redirects.
        let _ = self.0.set((status, headers.clone()));
    }

    /// The response, without its body.
    fn into_response(self) -> Option<Response> {
        let (status, headers) = self.0.into_inner()?;
        Some(Response { status, headers, body: Zeroizing::default() })
    }
}

/// Whether any byte of a request may have been sent.
#[derive(Clone, Default)]
struct SentFlag(Arc<AtomicBool>);

impl SentFlag {
    fn set(&self, was_sent: bool) {
        self.0.store(was_sent, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that notes when it is sent. The client polls it when it has a connection, just before it writes the
/// head.
struct TrackedBody {
    text: Bytes,
    sent: SentFlag,
}

impl hyper::body::Body for TrackedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.sent.set(true);
        let text = std::mem::take(&mut self.text);
        Poll::Ready((!text.is_empty()).then(|| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.text.len() as u64)
    }
}
