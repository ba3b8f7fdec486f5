//! The reqwest client: rustls, one deadline for the whole request, capped bodies, no redirect out of the
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
use tokio::sync::OnceCell;
use url::Url;
use zeroize::Zeroizing;

use super::coding::{DecodingError, decoded};
use super::environment::Environment;
use super::failure::{Route, place};
use super::proxy::Proxies;
use super::redirect::Trail;
use super::resolve::Resolver;
use super::trust::Trust;
use super::{Method, Request, Response, Transport, redirect, tls};
use crate::config::ClientCertificate;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime;

/// No token response comes near it; golang.org/x/oauth2 reads as much.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// As many as Node takes.
const MAX_HEADERS: usize = 2000;

/// How long an idle connection is kept: token requests are minutes apart, and a kept connection is often a
/// dead one by then.
const IDLE: Duration = Duration::from_secs(15);

/// The one way to the network. The client is made at its first use, off every caller's thread: it reads the
/// system's certificates.
pub struct HttpTransport {
    trust: Trust,
    proxies: Proxies,
    certificate: Option<ClientCertificate>,
    made: OnceCell<BuiltClient>,
}

/// A client, and what a person should know of how it was made.
struct BuiltClient {
    client: Client,
    warning: Option<Error>,
}

impl HttpTransport {
    /// A client that trusts the system's roots and those in `ca` (PEM), and goes straight to every server.
    pub fn new(ca: Vec<String>) -> Self {
        Self {
            trust: Trust { ca, ..Trust::default() },
            proxies: Proxies::of(&Environment::default()),
            certificate: None,
            made: OnceCell::new(),
        }
    }

    /// The same, in this environment: through its proxies, and with the certificates that it names. A file of
    /// `NODE_EXTRA_CA_CERTS` that cannot be used is a warning, as it is to Node.
    #[must_use]
    pub fn with_environment(mut self, environment: &Environment) -> Self {
        self.trust.add_places(environment);
        self.proxies = Proxies::of(environment);
        self
    }

    /// The same with a certificate to show to servers that ask for one when TLS begins (RFC 8705 §2).
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: Option<ClientCertificate>) -> Self {
        self.certificate = certificate;
        self
    }

    async fn client(&self) -> Result<&BuiltClient> {
        let make = || {
            let (trust, proxies, certificate) =
                (self.trust.clone(), self.proxies.clone(), self.certificate.clone());
            runtime::blocking(move || build(&trust, proxies, certificate.as_ref()))
        };
        self.made.get_or_try_init(make).await
    }

    fn route<'r>(&'r self, url: &'r Url) -> Route<'r> {
        Route { url, proxy: self.proxies.for_url(url) }
    }

    async fn follow(
        &self,
        mut request: Request,
        departure: &Departure,
        refused: &Refused,
    ) -> Result<Response> {
        let mut trail = Trail::from(&request.url);
        loop {
            let answer = self.exchange(&request, departure, refused).await?;
            if !redirect::is_one(answer.status) {
                return Ok(answer);
            }
            request.url = trail.next(&request, &answer)?;
        }
    }

    async fn exchange(
        &self,
        request: &Request,
        departure: &Departure,
        refused: &Refused,
    ) -> Result<Response> {
        let route = self.route(&request.url);
        if let Some(proxy) = route.proxy {
            proxy.address()?;
        }
        let builder = self.request(request, departure).await?;
        let is_earlier = departure.has_been();
        if request.body.is_blank() {
            departure.note();
        }
        let mut answer = builder.send().await.map_err(|error| {
            if error.is_connect() && !is_earlier {
                departure.withdraw();
            }
            route.failure(&error)
        })?;
        departure.note();
        let status = answer.status().as_u16();
        if let Some(proxy) = route.proxy.filter(|_| status == 407 && request.url.scheme() == "http") {
            return Err(route.unauthorized(proxy));
        }
        // A GET without headers, as for metadata, carries no credential that could be refused.
        let has_credential = request.method != Method::GET || !request.headers.is_empty();
        if matches!(status, 401 | 403) && has_credential {
            refused.note(status, answer.headers());
        }
        let fault = |what: &str| {
            let message = format!("{} answered {what}", place(&request.url));
            Error::new(ErrorKind::Response, message).with_status(status)
        };
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(|error| route.failure(&error))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(fault("with more than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = answer.headers().clone();
        let body = decoded(&headers, body, MAX_BODY_BYTES).map_err(|found| match found {
            DecodingError::TooLong => fault("with more than 1 MiB"),
            DecodingError::Broken => fault("in a broken coding"),
            DecodingError::Unknown => fault("in a coding that is neither gzip, deflate, br nor zstd"),
        })?;
        Ok(Response { status, headers, body })
    }

    async fn request(&self, request: &Request, departure: &Departure) -> Result<reqwest::RequestBuilder> {
        let client = &self.client().await?.client;
        let mut builder = client
            .request(request.method.clone(), request.url.clone())
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip");
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| Error::new(ErrorKind::Internal, format!("the header {name} cannot be sent")))?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        if let Some(content_type) = request.content_type() {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        Ok(match request.body.text() {
            Some(text) if !request.body.is_blank() => {
                let text = Bytes::copy_from_slice(text.expose().as_bytes());
                builder.body(reqwest::Body::wrap(Outgoing { text, departure: departure.clone() }))
            }
            _ if request.method == Method::GET => builder,
            // Servers such as IIS refuse a POST that does not say its length (RFC 9110 §8.6).
            _ => builder.header(CONTENT_LENGTH, 0),
        })
    }
}

fn build(trust: &Trust, proxies: Proxies, certificate: Option<&ClientCertificate>) -> Result<BuiltClient> {
    let (tls, warning) = tls::client(trust, certificate)?;
    // What is no address was refused before.
    let proxy = move |url: &Url| proxies.for_url(url).and_then(|proxy| proxy.address().ok().cloned());
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Resolver)
        // Not the client's own search, which reads the environment.
        .no_proxy()
        .proxy(reqwest::Proxy::custom(proxy))
        .redirect(Policy::none())
        .pool_idle_timeout(IDLE)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_max_headers(MAX_HEADERS)
        .referer(false)
        .user_agent(concat!("evertoken/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|_| Error::new(ErrorKind::Internal, "the HTTP client cannot be built"))?;
    Ok(BuiltClient { client, warning })
}

#[async_trait]
impl Transport for HttpTransport {
    async fn prepare(&self) -> Option<Error> {
        // What keeps it from being made is said to the first request.
        self.client().await.ok()?.warning.clone()
    }

    async fn send(&self, request: Request, timeout: Duration) -> Result<Response> {
        let (departure, refused) = (Departure::default(), Refused::default());
        let url = request.url.clone();
        let result = tokio::time::timeout(timeout, self.follow(request, &departure, &refused)).await;
        result
            .unwrap_or_else(|_| Err(self.route(&url).timeout(timeout.as_millis(), departure.has_been())))
            .or_else(|error| refused.into_response().ok_or(error))
            .map_err(|error| if departure.has_been() { error } else { error.unsent() })
    }
}

/// The head of an answer that refuses a credential. Its status counts even where its body cannot be read: the request
/// would be sent again otherwise.
#[derive(Default)]
struct Refused(OnceLock<(u16, HeaderMap)>);

impl Refused {
    fn note(&self, status: u16, headers: &HeaderMap) {
        // One request has one such answer: what follows a redirect is not one.
        let _ = self.0.set((status, headers.clone()));
    }

    /// The answer without a body.
    fn into_response(self) -> Option<Response> {
        let (status, headers) = self.0.into_inner()?;
        Some(Response { status, headers, body: Zeroizing::default() })
    }
}

/// Whether a byte of a request may have left this machine.
#[derive(Clone, Default)]
struct Departure(Arc<AtomicBool>);

impl Departure {
    fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn withdraw(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn has_been(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The text of a body. The client asks for it once there is a connection, just before it writes the head.
struct Outgoing {
    text: Bytes,
    departure: Departure,
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.departure.note();
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
