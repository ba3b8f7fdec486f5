//! The search for the endpoint and format that work.
//!
//! A search is a walk through endpoints × formats that can be interrupted by a failing server and goes on
//! where it stood. It leaves a format only when the answer says that the *request* is wrong, and an endpoint
//! only when nothing of the kind is there: a rejected credential ends it.

use async_trait::async_trait;
use url::Url;

use super::{GrantFormat, GrantRequest, endpoints, formats};
use crate::config::{ClientAuthentication, Config};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::oauth::{Granted, Refusal, UnsignedRequest};

/// What to do about a refusal of a login that gives no reason.
const UNSAID: &str = "The server does not say why: the username or the password may be wrong, or the server expects \
                      other fields. Set login.body and login.format if it does";

/// Sends one token request and reads its answer: the service's part, which counts, limits and times it.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// The token, or why there is none.
    async fn exchange(&self, draft: UnsignedRequest) -> Result<Granted, Refusal>;
}

/// A token, and the way it was had.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// The token.
    pub granted: Granted,
    /// What worked.
    pub strategy: GrantRequest,
}

/// The way that a configuration with one endpoint asks first: what is known of a token that came from elsewhere.
pub fn first_request(config: &Config) -> Option<GrantRequest> {
    let is_one = endpoints(config).len() == 1;
    candidates(config).into_iter().next().filter(|_| is_one)
}

/// All the ways to ask that a configuration allows, in the order in which they are tried.
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

/// A walk through the ways to ask.
pub struct Search<'c> {
    config: &'c Config,
    ways: Vec<GrantRequest>,
    at: usize,
    /// The last refusal that sent the walk on: the closest to an explanation when nothing is left.
    last: Option<Error>,
    /// How the client was refused before it proved itself by the other method, in the way at hand.
    refused_by_first_method: Option<Error>,
}

impl<'c> Search<'c> {
    /// A walk that begins with what worked before.
    pub fn new(config: &'c Config, remembered: Option<&GrantRequest>) -> Self {
        let mut ways = candidates(config);
        // What is remembered counts only where the configuration still allows it.
        if let Some(known) = remembered.filter(|known| {
            ways.iter().any(|way| way.endpoint == known.endpoint && way.format == known.format)
        }) {
            let method = method(config, known.format, known.method);
            ways.retain(|way| way.endpoint != known.endpoint || way.format != known.format);
            ways.insert(0, GrantRequest { method, ..known.clone() });
        }
        Self { config, ways, at: 0, last: None, refused_by_first_method: None }
    }

    /// Walks on until a token is had.
    ///
    /// # Errors
    /// `Credentials` when the credential is rejected, which ends the walk; `Endpoint` when nothing is left to
    /// try; whatever a failing server or network gives, after which the walk can be taken up again.
    pub async fn obtain(&mut self, by: &dyn Exchange) -> Result<Obtained> {
        while let Some(way) = self.ways.get(self.at).cloned() {
            match by.exchange(way.request(self.config)).await {
                Ok(granted) => {
                    let refresh_name = granted.refresh_name.map(str::to_owned).or(way.refresh_name.clone());
                    return Ok(Obtained { granted, strategy: GrantRequest { refresh_name, ..way } });
                }
                Err(refusal) => self.step(&way, refusal)?,
            }
        }
        Err(self.nothing_left())
    }

    /// Moves on after a refusal, or ends the walk with its error.
    fn step(&mut self, way: &GrantRequest, refusal: Refusal) -> Result<()> {
        match refusal {
            Refusal::Rejected(error) | Refusal::Failed(error) | Refusal::ExpiredToken(error, _) => {
                return Err(error);
            }
            // A form without a client's authentication is another form of request.
            Refusal::MissingClient(error) if way.method.is_none() => self.try_other_format(way, error)?,
            // With a password in the request it may be the password that is meant, and that is sent once.
            Refusal::Unexplained(error) if way.format.has_password() => return Err(error),
            Refusal::InvalidClient(error) | Refusal::MissingClient(error) | Refusal::Unexplained(error) => {
                self.try_other_method(way, error)?;
            }
            // Where it passes, an address that is only being looked for is left for the next one.
            Refusal::Untellable(rejected, _) if way.format.has_password() => return Err(rejected),
            Refusal::Untellable(_, passing) if self.is_configured(&way.endpoint) => return Err(*passing),
            Refusal::Untellable(_, passing) => self.leave(&way.endpoint, *passing),
            Refusal::WrongFormat(error) if way.format.has_password() && error.retry() == Retry::CoolDown => {
                return Err(error.with_advice(UNSAID));
            }
            Refusal::WrongFormat(error) => self.try_other_format(way, error)?,
            // A single-page application answers every path with a page; only while the address itself is
            // being looked for is that no answer. JSON may be what is said of a wrong password.
            Refusal::NoToken(error)
                if self.is_configured(&way.endpoint)
                    || (way.format.has_password() && error.retry() == Retry::CoolDown) =>
            {
                return Err(no_token(way, error));
            }
            Refusal::NotHere(error) if !self.is_probing() => return Err(self.not_here(way, &error)),
            Refusal::NotHere(error) | Refusal::NoToken(error) => self.leave(&way.endpoint, error),
        }
        Ok(())
    }

    fn try_other_format(&mut self, way: &GrantRequest, error: Error) -> Result<()> {
        let more_here = self.ways.get(self.at + 1).is_some_and(|next| next.endpoint == way.endpoint);
        if !more_here && self.is_configured(&way.endpoint) {
            return Err(self.explain(error).with_retry(Retry::Never));
        }
        self.move_on(error, 1);
        Ok(())
    }

    fn move_on(&mut self, error: Error, by: usize) {
        self.last = Some(error);
        self.refused_by_first_method = None;
        self.at += by;
    }

    fn leave(&mut self, endpoint: &Url, error: Error) {
        let here = self.ways[self.at..].iter().take_while(|way| way.endpoint == *endpoint).count();
        self.move_on(error, here);
        // What was remembered may stand apart from its endpoint's other formats.
        let at = self.at;
        let mut index = 0;
        self.ways.retain(|way| {
            index += 1;
            index <= at || way.endpoint != *endpoint
        });
    }

    /// The other of the two methods, once, unless the configuration names one.
    ///
    /// # Errors
    /// What explains best why neither worked, where there is no other.
    fn try_other_method(&mut self, way: &GrantRequest, error: Error) -> Result<()> {
        let other = way.other_method(self.config).filter(|_| self.refused_by_first_method.is_none());
        let Some(other) = other else { return Err(self.explain(error)) };
        self.refused_by_first_method = Some(error);
        self.ways[self.at].method = Some(other);
        Ok(())
    }

    /// Of two refusals of a client, the one that is about the client itself: a server that takes only one of the two
    /// methods says of the other that the client is missing, or the form of request wrong, or nothing at all.
    fn explain(&mut self, error: Error) -> Error {
        let Some(first) = self.refused_by_first_method.take() else { return error };
        let is_first_better = (first.kind() == ErrorKind::Credentials && error.kind() == ErrorKind::Endpoint)
            || (first.server_error().is_some() && error.server_error().is_none());
        let error = if is_first_better { first } else { error };
        error.with_advice("Both client_secret_basic and client_secret_post were tried")
    }

    fn is_configured(&self, endpoint: &Url) -> bool {
        self.config.endpoint.as_ref() == Some(endpoint)
    }

    /// Whether other addresses than the configured one may be tried.
    fn is_probing(&self) -> bool {
        endpoints(self.config).len() > 1
    }

    /// Nothing is at the configured address. A login that is answered like this may be a wrong password all the same
    /// (`FusionAuth` does so), so it is not repeated at once.
    fn not_here(&self, way: &GrantRequest, error: &Error) -> Error {
        let advice = match (&self.config.issuer, way.format.has_password()) {
            (None, true) if error.status() == Some(405) && !way.format.is_grant() => {
                "Either this login wants another method, which login.method sets, or the path in authUrl is wrong"
            }
            (Some(_), _) => "Check the token endpoint that the issuer publishes",
            (None, true) => {
                "Either the path in authUrl is wrong, or this server answers a wrong login with this status. With \
                 probe: true the common paths of this origin are tried, too"
            }
            (None, false) => {
                "Check the path in authUrl. With probe: true the common paths of this origin are tried, too"
            }
        };
        let retry = if way.format.has_password() { Retry::CoolDown } else { error.retry() };
        error.clone().with_advice(advice).with_retry(retry)
    }

    fn nothing_left(&self) -> Error {
        let tried: Vec<_> = endpoints(self.config).iter().map(|url| url.path().to_owned()).collect();
        let why =
            self.last.as_ref().map_or_else(String::new, |last| format!(" (the last: {})", last.message()));
        let message = format!("no endpoint answered as a token endpoint; tried {}{why}", tried.join(", "));
        let mut error = Error::new(ErrorKind::Endpoint, message);
        // One of them may have been the login, and its answer that of a wrong password.
        if self.ways.iter().any(|way| way.format.has_password()) {
            error = error.with_retry(Retry::CoolDown);
        }
        match self.last.as_ref().and_then(Error::status) {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

/// An answer that is no token response. A server whose language is not known may reject a password like this.
fn no_token(way: &GrantRequest, error: Error) -> Error {
    if way.format.has_password() && error.retry() == Retry::BackOff {
        return error.with_retry(Retry::CoolDown).with_advice(
            "This server may answer a wrong login like this: check the username and the password, and the path in \
             authUrl",
        );
    }
    error
}

/// The client authentication that a format has, `known` being what worked before.
fn method(
    config: &Config,
    format: GrantFormat,
    known: Option<ClientAuthentication>,
) -> Option<ClientAuthentication> {
    config.client_method(known).filter(|_| format.is_grant() && config.has_client())
}
