//! Bytes over HTTP: what goes out, what comes back, and the one client that carries them.

mod coding;
mod environment;
mod failure;
mod http;
mod proxy;
mod redirect;
mod resolve;
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
pub use proxy::{Proxies, Proxy};
pub use reqwest::Method;
pub use resolve::prepare as prepare_resolver;

/// One request. Everything in it may be secret, so nothing in it prints.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Names and values beyond those the client writes itself.
    pub headers: Vec<(String, Secret)>,
    /// What is sent.
    pub body: Body,
    /// The media type of the body, where it is not the usual one of its encoding.
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

    /// The media type that names the body's encoding; none where there is no body.
    pub fn content_type(&self) -> Option<&str> {
        let usual = self.body.content_type()?;
        Some(self.media_type.as_deref().unwrap_or(usual))
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

    /// Whether nothing follows the head of the request.
    fn is_blank(&self) -> bool {
        self.text().is_none_or(|text| text.expose().is_empty())
    }
}

/// A whole answer: at most 1 MiB, decoded.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers as they came.
    pub headers: HeaderMap,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// The first value of a header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends one request and brings back one whole answer.
#[async_trait]
pub trait Transport: Send + Sync {
    /// # Errors
    /// `Timeout`, `Network` and `Response` (an answer too long or with a broken coding), which back off;
    /// `Tls` and `Endpoint` (a redirect to another origin), which do not heal by themselves; `Config`, naming the
    /// variable of a proxy that cannot be used. An error is [unsent](Error::was_sent) only where no byte of the
    /// request can have left.
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response>;

    /// Gets ready ahead of the first request; says what a person should know.
    async fn prepare(&self) -> Option<Error> {
        None
    }
}
