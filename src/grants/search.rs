//! The search for the endpoint and format that work.
//!
//! A search tries combinations of endpoint and format. A failing server interrupts it, and it can be resumed.
//! It moves to another format only if the response says that the *request* is wrong, and to another endpoint
//! only if there is no token endpoint. Rejected credentials end it.

use async_trait::async_trait;
use url::Url;

use super::{GrantFormat, GrantRequest, endpoints, formats};
use crate::config::{ClientAuthentication, Config};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::oauth::{Granted, Refusal, UnsignedRequest};

/// The advice for a login that was rejected without a reason.
const NO_REASON: &str = "The server gives no reason: the username or password may be wrong, or the server may \
                         expect other fields (set login.body and login.format)";

/// Sends one token request and reads the response. The service implements it, with rate limits and timeouts.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// Sends the request.
    async fn exchange(&self, draft: UnsignedRequest) -> Result<Granted, Refusal>;
}

/// A token, and how it was obtained.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// The token.
    pub granted: Granted,
    /// The request that worked.
    pub strategy: GrantRequest,
}

/// The first request of a configuration with one endpoint. Used for a token that another process obtained.
pub fn first_request(config: &Config) -> Option<GrantRequest> {
    let is_one = endpoints(config).len() == 1;
    candidates(config).into_iter().next().filter(|_| is_one)
}

/// The request that a token is assumed to have been obtained by that the program hands in. The issuer's metadata will
/// name the endpoint.
pub fn assumed_request(config: &Config) -> Option<GrantRequest> {
    first_request(config).or_else(|| {
        let (issuer, format) = (config.issuer.as_ref()?, formats(config).into_iter().next()?);
        let method = method(config, format, None);
        Some(GrantRequest {
            endpoint: issuer.url.clone(),
            format,
            method,
            refresh_name: None,
            refreshes: false,
        })
    })
}

/// All requests that a configuration allows, in the order in which they are tried.
pub(super) fn candidates(config: &Config) -> Vec<GrantRequest> {
    let formats = formats(config);
    endpoints(config)
        .into_iter()
        .flat_map(|endpoint| formats.iter().map(move |format| (endpoint.clone(), *format)))
        .map(|(endpoint, format)| GrantRequest {
            endpoint,
            format,
            method: method(config, format, None),
            refresh_name: None,
            refreshes: false,
        })
        .collect()
}

/// A search through the possible requests.
pub struct Search<'c> {
    config: &'c Config,
    candidates: Vec<GrantRequest>,
    at: usize,
    /// The last error that moved the search on. It is reported if no candidate works.
    last: Option<Error>,
    /// The error of the current candidate's first client authentication method.
    first_method_error: Option<Error>,
}

impl<'c> Search<'c> {
    /// A search that starts with the request that worked before.
    pub fn new(config: &'c Config, remembered: Option<&GrantRequest>) -> Self {
        let mut candidates = candidates(config);
        // The remembered request is used only if the configuration still allows it.
        if let Some(known) = remembered.filter(|known| {
            candidates
                .iter()
                .any(|candidate| candidate.endpoint == known.endpoint && candidate.format == known.format)
        }) {
            let method = method(config, known.format, known.method);
            candidates
                .retain(|candidate| candidate.endpoint != known.endpoint || candidate.format != known.format);
            candidates.insert(0, GrantRequest { method, ..known.clone() });
        }
        Self { config, candidates, at: 0, last: None, first_method_error: None }
    }

    /// Tries the candidates until one returns a token.
    ///
    /// # Errors
    /// `Credentials` if the credentials are rejected, which ends the search; `Endpoint` if no candidate is
    /// left; or the error of a failing server or network, after which the search can be resumed.
    pub async fn obtain(&mut self, by: &dyn Exchange) -> Result<Obtained> {
        while let Some(candidate) = self.candidates.get(self.at).cloned() {
            match by.exchange(candidate.request(self.config)).await {
                Ok(granted) => {
                    let refresh_name =
                        granted.refresh_name.map(str::to_owned).or(candidate.refresh_name.clone());
                    return Ok(Obtained { granted, strategy: GrantRequest { refresh_name, ..candidate } });
                }
                Err(refusal) => self.step(&candidate, refusal)?,
            }
        }
        Err(self.nothing_left())
    }

    /// Moves on after a refusal, or ends the search with its error.
    fn step(&mut self, candidate: &GrantRequest, refusal: Refusal) -> Result<()> {
        match refusal {
            Refusal::Rejected(error) | Refusal::Failed(error) | Refusal::ExpiredToken(error, _) => {
                return Err(error);
            }
            // Another format may include the client.
            Refusal::MissingClient(error) if candidate.method.is_none() => {
                self.try_other_format(candidate, error)?;
            }
            // The password may be what was rejected, and it is sent only once.
            Refusal::Unexplained(error) if candidate.format.has_password() => return Err(error),
            Refusal::InvalidClient(error) | Refusal::MissingClient(error) | Refusal::Unexplained(error) => {
                self.try_other_method(candidate, error)?;
            }
            // If it is temporary, skip an endpoint that is only being probed.
            Refusal::Ambiguous(rejected, _) if candidate.format.has_password() => return Err(rejected),
            Refusal::Ambiguous(_, temporary) if self.is_configured(&candidate.endpoint) => {
                return Err(*temporary);
            }
            Refusal::Ambiguous(_, temporary) => self.leave(&candidate.endpoint, *temporary),
            Refusal::WrongFormat(error)
                if candidate.format.has_password() && error.retry() == Retry::CoolDown =>
            {
                return Err(error.with_advice(NO_REASON));
            }
            Refusal::WrongFormat(error) => self.try_other_format(candidate, error)?,
            // A single-page application responds to every path with a page, which is ignored only while
            // probing. JSON may be the response to a wrong password.
            Refusal::NoToken(error)
                if self.is_configured(&candidate.endpoint)
                    || (candidate.format.has_password() && error.retry() == Retry::CoolDown) =>
            {
                return Err(no_token(candidate, error));
            }
            Refusal::NotHere(error) if !self.is_probing() => return Err(self.not_here(candidate, &error)),
            Refusal::NotHere(error) | Refusal::NoToken(error) => self.leave(&candidate.endpoint, error),
        }
        Ok(())
    }

    fn try_other_format(&mut self, candidate: &GrantRequest, error: Error) -> Result<()> {
        let has_more_formats =
            self.candidates.get(self.at + 1).is_some_and(|next| next.endpoint == candidate.endpoint);
        if !has_more_formats && self.is_configured(&candidate.endpoint) {
            return Err(self.explain(error).with_retry(Retry::Never));
        }
        self.move_on(error, 1);
        Ok(())
    }

    fn move_on(&mut self, error: Error, by: usize) {
        self.last = Some(error);
        self.first_method_error = None;
        self.at += by;
    }

    fn leave(&mut self, endpoint: &Url, error: Error) {
        let here =
            self.candidates[self.at..].iter().take_while(|candidate| candidate.endpoint == *endpoint).count();
        self.move_on(error, here);
        // A remembered request may be separate from the other formats of its endpoint.
        let at = self.at;
        let mut index = 0;
        self.candidates.retain(|candidate| {
            index += 1;
            index <= at || candidate.endpoint != *endpoint
        });
    }

    /// Tries the alternative client authentication method once, unless one is configured.
    ///
    /// # Errors
    /// The more informative of the two errors, if there is no alternative left.
    fn try_other_method(&mut self, candidate: &GrantRequest, error: Error) -> Result<()> {
        let other = candidate.other_method(self.config).filter(|_| self.first_method_error.is_none());
        let Some(other) = other else { return Err(self.explain(error)) };
        self.first_method_error = Some(error);
        self.candidates[self.at].method = Some(other);
        Ok(())
    }

    /// Chooses between the errors of the two methods. A server that supports only one of them responds to the
    /// other that the client is missing, that the request is malformed, or nothing at all.
    fn explain(&mut self, error: Error) -> Error {
        let Some(first) = self.first_method_error.take() else { return error };
        let is_first_better = (first.kind() == ErrorKind::Credentials && error.kind() == ErrorKind::Endpoint)
            || (first.server_error().is_some() && error.server_error().is_none());
        let error = if is_first_better { first } else { error };
        error.with_advice("Both client_secret_basic and client_secret_post were tried")
    }

    fn is_configured(&self, endpoint: &Url) -> bool {
        self.config.endpoint.as_ref() == Some(endpoint)
    }

    /// Whether other endpoints than the configured one may be tried.
    fn is_probing(&self) -> bool {
        endpoints(self.config).len() > 1
    }

    /// There is nothing at the configured endpoint. Some servers (such as `FusionAuth`) also respond to a
    /// wrong password like this, so a login is not repeated at once.
    fn not_here(&self, candidate: &GrantRequest, error: &Error) -> Error {
        let advice = match (&self.config.issuer, candidate.format.has_password()) {
            (None, true) if error.status() == Some(405) && !candidate.format.is_oauth_grant() => {
                "Either this login requires another method (set login.method), or the path in authUrl is wrong"
            }
            (Some(_), _) => "Check the token endpoint in the issuer's metadata",
            (None, true) => {
                "Either the path in authUrl is wrong, or this server responds to a wrong login with this status. Set \
                 probe: true to try the common paths of this origin, too"
            }
            (None, false) => {
                "Check the path in authUrl. Set probe: true to try the common paths of this origin, too"
            }
        };
        let retry = if candidate.format.has_password() { Retry::CoolDown } else { error.retry() };
        error.clone().with_advice(advice).with_retry(retry)
    }

    fn nothing_left(&self) -> Error {
        let tried: Vec<_> = endpoints(self.config).iter().map(|url| url.path().to_owned()).collect();
        let why =
            self.last.as_ref().map_or_else(String::new, |last| format!(" (last error: {})", last.message()));
        let message = format!(
            "no token endpoint found; tried {}{why}. Set authUrl to the URL of the token or login endpoint",
            tried.join(", ")
        );
        let mut error = Error::new(ErrorKind::Endpoint, message);
        // One of them may have been the login, rejecting a wrong password.
        if self.candidates.iter().any(|candidate| candidate.format.has_password()) {
            error = error.with_retry(Retry::CoolDown);
        }
        match self.last.as_ref().and_then(Error::status) {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

/// A response without a token. It may reject a password in a way that is not recognized.
fn no_token(candidate: &GrantRequest, error: Error) -> Error {
    if candidate.format.has_password() && error.retry() == Retry::BackOff {
        return error.with_retry(Retry::CoolDown).with_advice(
            "This may be how the server responds to a wrong login: check the username, the password, and the path \
             in authUrl",
        );
    }
    error
}

/// The client authentication method of a format. `known` is the one that worked before.
fn method(
    config: &Config,
    format: GrantFormat,
    known: Option<ClientAuthentication>,
) -> Option<ClientAuthentication> {
    config.client_method(known).filter(|_| format.is_oauth_grant() && config.has_client())
}
