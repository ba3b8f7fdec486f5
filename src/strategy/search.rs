//! The search for the endpoint and format that work.
//!
//! A search is a walk through endpoints × formats that can be interrupted by a failing server and goes on
//! where it stood. It leaves a format only when the answer says that the *request* is wrong, and an endpoint
//! only when nothing of the kind is there: a rejected credential ends it.

use async_trait::async_trait;
use url::Url;

use super::{Format, Strategy, endpoints, formats};
use crate::config::{ClientAuthentication, Config};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::oauth::{Draft, Granted, Refusal};

/// Sends one token request and reads its answer: the service's part, which counts, limits and times it.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// The token, or why there is none.
    async fn exchange(&self, draft: Draft) -> Result<Granted, Refusal>;
}

/// A token, and the way it was had.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// The token.
    pub granted: Granted,
    /// What worked.
    pub strategy: Strategy,
}

/// A walk through the ways to ask.
pub struct Search<'c> {
    config: &'c Config,
    ways: Vec<Strategy>,
    at: usize,
    /// The last refusal that sent the walk on: the closest to an explanation when nothing is left.
    last: Option<Error>,
}

impl<'c> Search<'c> {
    /// A walk that begins with what worked before.
    pub fn new(config: &'c Config, remembered: Option<&Strategy>) -> Self {
        let formats = formats(config);
        let mut ways: Vec<Strategy> = endpoints(config)
            .into_iter()
            .flat_map(|endpoint| formats.iter().map(move |format| (endpoint.clone(), *format)))
            .map(|(endpoint, format)| Strategy {
                endpoint,
                format,
                method: method(config, format, None),
                refresh_name: None,
                refreshes: false,
            })
            .collect();
        // What is remembered counts only where the configuration still allows it.
        if let Some(known) = remembered.filter(|known| {
            ways.iter().any(|way| way.endpoint == known.endpoint && way.format == known.format)
        }) {
            let method = method(config, known.format, known.method);
            ways.retain(|way| way.endpoint != known.endpoint || way.format != known.format);
            ways.insert(0, Strategy { method, ..known.clone() });
        }
        Self { config, ways, at: 0, last: None }
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
                    return Ok(Obtained { granted, strategy: Strategy { refresh_name, ..way } });
                }
                Err(refusal) => self.step(&way, refusal)?,
            }
        }
        Err(self.nothing_left())
    }

    /// Moves on after a refusal, or ends the walk with its error.
    fn step(&mut self, way: &Strategy, refusal: Refusal) -> Result<()> {
        match refusal {
            Refusal::Rejected(error) | Refusal::Failed(error) | Refusal::Over(error, _) => return Err(error),
            Refusal::InvalidClient(error) => self.try_other_method(way, error)?,
            Refusal::WrongFormat(error) => {
                let more_here = self.ways.get(self.at + 1).is_some_and(|next| next.endpoint == way.endpoint);
                if !more_here && self.is_configured(&way.endpoint) {
                    return Err(error.with_retry(Retry::Never));
                }
                self.move_on(error, 1);
            }
            // A single-page application answers every path with a page; only while the address itself is
            // being looked for is that no answer.
            Refusal::NoToken(error) if self.is_configured(&way.endpoint) => return Err(error),
            Refusal::NotHere(error) | Refusal::NoToken(error) => self.leave(&way.endpoint, error),
        }
        Ok(())
    }

    fn move_on(&mut self, error: Error, by: usize) {
        self.last = Some(error);
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
    fn try_other_method(&mut self, way: &Strategy, error: Error) -> Result<()> {
        let Some(other) = way.method.and_then(ClientAuthentication::other) else { return Err(error) };
        let was_tried = self.last.as_ref().is_some_and(|last| last.kind() == ErrorKind::Credentials);
        if self.config.client_authentication.is_some() || was_tried {
            return Err(error);
        }
        self.last = Some(error);
        self.ways[self.at].method = Some(other);
        Ok(())
    }

    fn is_configured(&self, endpoint: &Url) -> bool {
        self.config.endpoint.as_ref() == Some(endpoint)
    }

    fn nothing_left(&self) -> Error {
        let tried: Vec<_> = endpoints(self.config).iter().map(|url| url.path().to_owned()).collect();
        let why =
            self.last.as_ref().map_or_else(String::new, |last| format!(" (the last: {})", last.message()));
        let message = format!("no endpoint answered as a token endpoint; tried {}{why}", tried.join(", "));
        let error = Error::new(ErrorKind::Endpoint, message);
        match self.last.as_ref().and_then(Error::status) {
            Some(status) => error.with_status(status),
            None => error,
        }
    }
}

/// The client authentication that a format has, `known` being what worked before.
fn method(
    config: &Config,
    format: Format,
    known: Option<ClientAuthentication>,
) -> Option<ClientAuthentication> {
    let authenticates = matches!(format, Format::ClientCredentials | Format::Password);
    config.client_method(known).filter(|_| authenticates && config.credentials.has_client())
}
