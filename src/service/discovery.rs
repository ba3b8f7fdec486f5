//! What the issuer says of itself, in the life of a service.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::asking::TokenRequest;
use crate::config::{Config, Issuer};
use crate::domain::Timestamp;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::grants;
use crate::log::Level;
use crate::oauth::{self, Metadata, MetadataError};
use crate::transport::{Request, Response};

/// How long metadata is gone by. An endpoint that moved is noticed earlier, by its answer.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// The configuration as an issuer completed it.
pub(super) struct ResolvedConfig {
    config: Arc<Config>,
    at: Timestamp,
    /// Whether it is to be asked for anew: an endpoint was not there.
    is_doubtful: bool,
}

impl Service {
    /// The configuration with all endpoints in it. With an issuer that asks for its metadata, the first time and
    /// once a day; when that fails later on, what was known goes on.
    ///
    /// # Errors
    /// `Config` when the metadata is another issuer's; `Endpoint` when there is none; `Response` when it cannot be
    /// used; and what a failing server or network gives.
    pub(super) async fn informed(&self, asking: &TokenRequest<'_>) -> Result<Arc<Config>> {
        let Some(issuer) = &self.config.issuer else { return Ok(Arc::clone(&self.config)) };
        let now = self.clock.now();
        let known = self.life().informed.as_ref().map(|informed| {
            let is_fresh = now < informed.at.plus(LIFE) && !informed.is_doubtful;
            (Arc::clone(&informed.config), is_fresh)
        });
        match known {
            Some((config, true)) => Ok(config),
            Some((config, false)) => Ok(self.discover(issuer, asking).await.unwrap_or_else(|error| {
                self.log(|log| log.error(Level::Warn, "the issuer's metadata could not be had anew", &error));
                config
            })),
            None => self.discover(issuer, asking).await,
        }
    }

    /// The metadata is to be asked for anew before the next request.
    pub(super) fn doubt_metadata(&self) {
        if let Some(informed) = &mut self.life().informed {
            informed.is_doubtful = true;
        }
    }

    async fn discover(&self, issuer: &Issuer, asking: &TokenRequest<'_>) -> Result<Arc<Config>> {
        let addresses = grants::metadata_addresses(&issuer.url);
        let mut last = None;
        for url in &addresses {
            let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
            self.log(|log| log.write(Level::Debug, format!("GET {place}")));
            let answer = self.transport.send(Request::get(url.clone()), asking.time_left()).await?;
            match self.read_metadata(&answer, issuer, &place)? {
                Some(metadata) => {
                    let config = Arc::new(grants::with_metadata(&self.config, &metadata));
                    let at = self.clock.now();
                    let informed = ResolvedConfig { config: Arc::clone(&config), at, is_doubtful: false };
                    self.life().informed = Some(informed);
                    return Ok(config);
                }
                None => last = Some(answer.status),
            }
        }
        let paths: Vec<_> = addresses.iter().map(url::Url::path).collect();
        let message = format!("{} publishes no metadata; looked for {}", issuer.text, paths.join(", "));
        let error = Error::new(ErrorKind::Endpoint, message);
        Err(match last {
            Some(status) => error.with_status(status),
            None => error,
        })
    }

    /// The metadata in an answer; `None` where it is no place for any.
    fn read_metadata(&self, answer: &Response, issuer: &Issuer, place: &str) -> Result<Option<Metadata>> {
        if answer.status == 429 || answer.status >= 500 {
            let error = Error::new(ErrorKind::Response, format!("{place} answered {}", answer.status))
                .with_status(answer.status);
            return Err(match oauth::retry_after(answer, self.clock.now()) {
                Some(wait) => error.with_retry(Retry::After(wait)),
                None => error,
            });
        }
        if answer.status != 200 {
            return Ok(None);
        }
        let unusable = match Metadata::read(&answer.body, &issuer.text, |url| self.config.may_be_asked(url)) {
            Ok(metadata) => return Ok(Some(metadata)),
            Err(unusable) => unusable,
        };
        match unusable {
            MetadataError::NotMetadata => Ok(None),
            MetadataError::OtherIssuer(other) => {
                let is_slash = other.trim_end_matches('/') == issuer.text.trim_end_matches('/');
                let hint = if is_slash { ": the slash at the end makes the difference" } else { "" };
                let fault = format!(
                    "is {}, and the metadata there is that of {}{hint}",
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

/// A text of the server's, as far as it may be repeated: an address without what might be secret in it.
fn printable_issuer(issuer: &str) -> String {
    match url::Url::parse(issuer) {
        Ok(url) => {
            format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'))
                + if issuer.ends_with('/') { "/" } else { "" }
        }
        Err(_) => "no address at all".to_owned(),
    }
}
