//! HTTP: requests, responses, and the client.

mod coding;
mod environment;
mod failure;
mod http;
mod io_reason;
mod origin_gates;
mod proxy;
mod redirect;
mod resolve;
mod shared;
mod store_tls;
mod tls;
mod trust;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use url::Url;
use zeroize::Zeroizing;

use crate::domain::Secret;
use crate::error::{Error, Result};

pub use environment::Environment;
pub use http::HttpTransport;
pub use io_reason::connect_reason;
pub use origin_gates::OriginGates;
pub use proxy::{Proxies, Proxy};
pub use reqwest::Method;
pub use resolve::{addresses, prepare as prepare_resolver};
pub use shared::SharedTransports;
pub use store_tls::{StoreTls, UrlTls, store_tls_fault};
pub use tls::CertificateCheck;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// Names and values, in addition to those that the client sets itself.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Body,
    /// The media type of the body, if it is not the default of its encoding.
    pub media_type: Option<String>,
}

impl Request {
    /// A GET without a credential.
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, ..Self::post(url, Body::Empty) }
    }

    /// A POST without headers.
    pub fn post(url: Url, body: Body) -> Self {
        Self { method: Method::POST, url, headers: Vec::new(), body, media_type: None }
    }

    /// The media type of the body, if there is one.
    pub fn content_type(&self) -> Option<&str> {
        let default = self.body.content_type()?;
        Some(self.media_type.as_deref().unwrap_or(default))
    }
}

/// The body of a [`Request`], already encoded.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// `application/x-www-form-urlencoded`.
    Form(Secret),
    /// `application/json`.
    Json(Secret),
}

impl Body {
    fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::Empty => None,
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Json(_) => Some("application/json"),
        }
    }

    fn text(&self) -> Option<&Secret> {
        match self {
            Self::Empty => None,
            Self::Form(text) | Self::Json(text) => Some(text),
        }
    }

    /// Whether the body is empty.
    fn is_blank(&self) -> bool {
        self.text().is_none_or(|text| text.expose().is_empty())
    }
}

/// A complete response: at most 1 MiB, decoded.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request and returns the complete response.
    ///
    /// # Errors
    /// `Timeout`, `Network` and `Response` (the response is too long or cannot be decoded), which back off;
    /// `Tls` and `Endpoint` (a redirect to another origin), which need someone to act; `Config`, naming the
    /// variable of a proxy that cannot be used. An error is [unsent](Error::was_sent) only if no byte of the
    /// request can have been sent.
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response>;

    /// Prepares for the first request to this URL. Returns a warning if there is something that an operator should know.
    async fn prepare(&self, url: &Url) -> Option<Error> {
        let _ = url;
        None
    }
}
