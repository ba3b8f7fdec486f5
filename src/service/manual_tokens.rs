//! The token to send if none can be obtained. One that is read is read again from time to time.

use std::sync::Arc;
use std::time::Duration;

use super::snapshot::Snapshot;
use crate::clock::Clock;
use crate::config::{Config, ManualToken};
use crate::domain::{AccessToken, Timestamp};
use crate::error::Result;
use crate::functions::UserFunctions;
use crate::sync::Mutex;

/// How long a token that was read is sent before it is read again.
const MANUAL_TOKEN_AGE: Duration = Duration::from_secs(10);

/// Hands out the manual token of one service.
pub(super) struct ManualTokens {
    config: Arc<Config>,
    clock: Arc<dyn Clock>,
    functions: Option<Arc<dyn UserFunctions>>,
    /// The token that was read last, and when it is read again.
    last: Mutex<Option<(AccessToken, Timestamp)>>,
}

impl ManualTokens {
    pub(super) fn new(
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
        functions: Option<Arc<dyn UserFunctions>>,
    ) -> Self {
        Self { config, clock, functions, last: Mutex::default() }
    }

    /// The token, if that takes no I/O.
    pub(super) fn at_once(&self) -> Option<Snapshot> {
        match self.config.manual_token.as_ref()? {
            ManualToken::Token(token) => Some(Snapshot::manual(token.clone(), Timestamp::MAX, &self.config)),
            ManualToken::Source(_) => {
                let now = self.clock.now();
                let last = self.last.lock().clone();
                // A clock that was set back would put the next look off.
                let last = last.filter(|(_, until)| now < *until && now.until(*until) <= MANUAL_TOKEN_AGE);
                last.map(|(token, until)| Snapshot::manual(token, until, &self.config))
            }
        }
    }

    /// The token, read if that has to be.
    ///
    /// # Errors
    /// Those of [`SecretSource::read`](crate::secret_source::SecretSource::read); `Config` if it is not a token.
    pub(super) async fn get(&self) -> Result<Option<Snapshot>> {
        match self.at_once() {
            Some(snapshot) => Ok(Some(snapshot)),
            None => self.read().await,
        }
    }

    /// Whether the API refused a token that was replaced meanwhile.
    pub(super) async fn has_later(&self) -> bool {
        let before = self.last.lock().clone();
        let Some((before, _)) = before else { return false };
        let read = self.read().await.ok().flatten();
        read.is_some_and(|snapshot| !snapshot.token.secret().matches(before.secret()))
    }

    async fn read(&self) -> Result<Option<Snapshot>> {
        let Some(ManualToken::Source(source)) = &self.config.manual_token else { return Ok(None) };
        let text = source.read(self.functions.as_deref(), self.config.timeout).await?;
        let token = ManualToken::parse(source, &text)?;
        let until = self.clock.now().plus(MANUAL_TOKEN_AGE);
        *self.last.lock() = Some((token.clone(), until));
        Ok(Some(Snapshot::manual(token, until, &self.config)))
    }
}
