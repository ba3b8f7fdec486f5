//! The issuer's metadata (RFC 8414), and the configuration that it completes.

use std::sync::Arc;
use std::time::Duration;

use super::signer::Signer;
use super::token_request::TokenRequest;
use crate::clock::Clock;
use crate::config::{Config, Issuer};
use crate::domain::Timestamp;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::grants;
use crate::log::Level;
use crate::oauth::{self, Metadata, MetadataError};
use crate::redaction::display_url;
use crate::service::observe::Observer;
use crate::sync::Mutex;
use crate::transport::{Request, Response};

/// How long metadata is used. An endpoint that has moved is noticed earlier, by its response.
const METADATA_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The configuration with all endpoints in it.
pub(super) struct ResolvedConfig {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    observer: Arc<Observer>,
    signer: Arc<Signer>,
    known: Mutex<Option<Known>>,
}

/// The configuration as the issuer completed it.
struct Known {
    config: Arc<Config>,
    at: Timestamp,
    /// Whether an endpoint was not there, so that the metadata is requested again.
    is_doubtful: bool,
}

impl ResolvedConfig {
    pub(super) fn new(
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
        observer: Arc<Observer>,
        signer: Arc<Signer>,
    ) -> Self {
        Self { config, clock, observer, signer, known: Mutex::new(None) }
    }

    /// The configuration. With an issuer its metadata is requested the first time and once a day; if that fails later
    /// on, the last known one stays in use.
    ///
    /// # Errors
    /// `Config` if the metadata is another issuer's, or a key file is not that of a service account; `Endpoint` if there is none; `Response` if it cannot be used; and
    /// the errors of a failing server or network.
    pub(super) async fn resolve(&self, request: &TokenRequest<'_>) -> Result<Arc<Config>> {
        let Some(issuer) = &self.config.issuer else {
            let is_whole = !self.config.awaits_account();
            return if is_whole { Ok(Arc::clone(&self.config)) } else { self.with_account().await };
        };
        let now = self.clock.now();
        let known = self.known.lock().as_ref().map(|known| {
            let is_fresh = now < known.at.plus(METADATA_LIFETIME) && !known.is_doubtful;
            (Arc::clone(&known.config), is_fresh)
        });
        match known {
            Some((config, true)) => Ok(config),
            Some((config, false)) => Ok(self.discover(issuer, request).await.unwrap_or_else(|error| {
                self.observer.log_error(
                    Level::Warn,
                    "could not refresh the issuer's metadata; the earlier metadata stays in use",
                    &error,
                );
                config
            })),
            None => self.discover(issuer, request).await,
        }
    }

    /// The configuration with the server of the service account in the key file.
    async fn with_account(&self) -> Result<Arc<Config>> {
        let key = self.signer.key().await?;
        let no_account = |missing: &str| {
            let message = format!(
                "names a file that is not the key file of a service account (JSON with client_email and token_uri): use \
                 that file, or set {missing}"
            );
            Error::config("privateKey.path", message)
        };
        let account = key.account().ok_or_else(|| no_account("authUrl and clientId"))?;
        if self.config.endpoint.is_some() {
            return Ok(Arc::clone(&self.config));
        }
        let uri = account.token_uri.as_deref().ok_or_else(|| no_account("authUrl"))?;
        let url = url::Url::parse(uri).ok().filter(|url| self.config.may_be_asked(url));
        let fault = "names the key file of a service account whose token_uri is not an https URL";
        let endpoint = Some(url.ok_or_else(|| Error::config("privateKey.path", fault))?);
        Ok(Arc::new(Config { endpoint, ..Config::clone(&self.config) }))
    }

    /// The next attempt requests the metadata again.
    pub(super) fn doubt(&self) {
        if let Some(known) = &mut *self.known.lock() {
            known.is_doubtful = true;
        }
    }

    /// The issuer's metadata as it is now; `None` without an issuer.
    ///
    /// # Errors
    /// As those of [`Self::resolve`].
    pub(super) async fn metadata(&self, request: &TokenRequest<'_>) -> Result<Option<Metadata>> {
        match &self.config.issuer {
            Some(issuer) => self.fetch(issuer, request).await.map(Some),
            None => Ok(None),
        }
    }

    async fn discover(&self, issuer: &Issuer, request: &TokenRequest<'_>) -> Result<Arc<Config>> {
        let metadata = self.fetch(issuer, request).await?;
        let config = Arc::new(grants::with_metadata(&self.config, &metadata));
        let at = self.clock.now();
        *self.known.lock() = Some(Known { config: Arc::clone(&config), at, is_doubtful: false });
        Ok(config)
    }

    async fn fetch(&self, issuer: &Issuer, request: &TokenRequest<'_>) -> Result<Metadata> {
        let addresses = grants::metadata_addresses(&issuer.url);
        let mut last = None;
        for url in &addresses {
            let place = display_url(url);
            self.observer.log(Level::Debug, format!("GET {place}"));
            let response = request.send(Request::get(url.clone())).await?;
            match self.read_metadata(&response, issuer, &place)? {
                Some(metadata) => return Ok(metadata),
                None => last = Some(response.status),
            }
        }
        let paths: Vec<_> = addresses.iter().map(url::Url::path).collect();
        let message = format!(
            "the issuer {} publishes no metadata at {}: check issuer, or set authUrl instead",
            issuer.text,
            paths.join(" or ")
        );
        let error = Error::new(ErrorKind::Endpoint, message);
        Err(match last {
            Some(status) => error.with_status(status),
            None => error,
        })
    }

    /// The metadata in a response; `None` if there is none at this URL.
    fn read_metadata(&self, response: &Response, issuer: &Issuer, place: &str) -> Result<Option<Metadata>> {
        if response.status == 429 || response.status >= 500 {
            let error =
                Error::new(ErrorKind::Response, format!("{place} responded with {}", response.status))
                    .with_status(response.status);
            return Err(match oauth::retry_after(response, self.clock.now()) {
                Some(wait) => error.with_retry(Retry::After(wait)),
                None => error,
            });
        }
        if response.status != 200 {
            return Ok(None);
        }
        let unusable = match Metadata::read(&response.body, &issuer.text, |url| self.config.may_be_asked(url))
        {
            Ok(metadata) => return Ok(Some(metadata)),
            Err(unusable) => unusable,
        };
        match unusable {
            MetadataError::NotMetadata => Ok(None),
            MetadataError::OtherIssuer(other) => {
                let is_slash = other.trim_end_matches('/') == issuer.text.trim_end_matches('/');
                let hint = if is_slash { " (the slash at the end differs)" } else { "" };
                let fault = format!(
                    "is {}, but its metadata names the issuer {}{hint}: set issuer to exactly that value",
                    issuer.text,
                    printable_issuer(&other)
                );
                Err(Error::config("issuer", fault))
            }
            MetadataError::Fault(fault) => {
                Err(Error::new(ErrorKind::Response, format!("the metadata at {place} {fault}")))
            }
        }
    }
}

/// The issuer that a document names, without the parts of a URL that may hold a secret.
fn printable_issuer(issuer: &str) -> String {
    match url::Url::parse(issuer) {
        Ok(url) => {
            format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'))
                + if issuer.ends_with('/') { "/" } else { "" }
        }
        Err(_) => "something that is not a URL".to_owned(),
    }
}
