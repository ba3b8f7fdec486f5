//! The secrets of an attempt: read before each token request, and tried one after another while the server rejects them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Config;
use crate::domain::Secret;
use crate::error::Result;
use crate::functions::UserFunctions;
use crate::secret_source::SecretSource;

/// Reads the secrets of one service.
pub(super) struct SecretReader {
    config: Arc<Config>,
    functions: Option<Arc<dyn UserFunctions>>,
    /// The alternative that the server accepted last.
    preferred: AtomicUsize,
}

impl SecretReader {
    pub(super) fn new(config: Arc<Config>, functions: Option<Arc<dyn UserFunctions>>) -> Self {
        Self { config, functions, preferred: AtomicUsize::new(0) }
    }

    /// Whether the secrets may be others at the next attempt.
    pub(super) fn may_change(&self) -> bool {
        let sources = &self.config.credential_sources;
        sources.is_read() || sources.alternatives() > 1
    }

    /// The secrets to try in one attempt: those that the server accepted last, then the others in their order.
    /// `resolved` is the configuration with all endpoints in it.
    ///
    /// # Errors
    /// Those of [`SecretSource::read`], for the first ones.
    pub(super) async fn begin(&self, resolved: Arc<Config>) -> Result<SecretRotation<'_>> {
        let index = self.preferred.load(Ordering::Relaxed);
        let rest = (0..self.config.credential_sources.alternatives()).filter(|other| *other != index);
        let config = self.alternative(&resolved, index).await?;
        Ok(SecretRotation {
            reader: self,
            resolved,
            config,
            index,
            was_read_again: false,
            rest: rest.collect(),
        })
    }

    /// The configuration with each alternative in turn, as they are now.
    ///
    /// # Errors
    /// Those of [`SecretSource::read`].
    pub(super) async fn all(&self) -> Result<Vec<Arc<Config>>> {
        let mut all = Vec::new();
        for index in 0..self.config.credential_sources.alternatives().max(1) {
            all.push(self.alternative(&self.config, index).await?);
        }
        Ok(all)
    }

    async fn alternative(&self, resolved: &Arc<Config>, index: usize) -> Result<Arc<Config>> {
        if !self.may_change() {
            return Ok(Arc::clone(resolved));
        }
        let (client_secret, password) = self.config.credential_sources.alternative(index);
        let client_secret = self.read(client_secret).await?;
        let password = self.read(password).await?;
        Ok(Arc::new(resolved.with_secrets(client_secret, password)))
    }

    async fn read(&self, source: Option<&SecretSource>) -> Result<Option<Secret>> {
        match source {
            Some(source) => source.read(self.functions.as_deref(), self.config.timeout).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The secrets of one attempt.
pub(super) struct SecretRotation<'r> {
    reader: &'r SecretReader,
    resolved: Arc<Config>,
    config: Arc<Config>,
    index: usize,
    was_read_again: bool,
    rest: VecDeque<usize>,
}

impl SecretRotation<'_> {
    /// The configuration with the secrets to send.
    pub(super) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Moves on from secrets that the server rejected: to what their sources hold now, if that has changed, else to the
    /// next alternative. `false` if there is none.
    ///
    /// # Errors
    /// Those of [`SecretSource::read`], for the next alternative.
    pub(super) async fn advance(&mut self) -> Result<bool> {
        if !self.was_read_again && self.reader.config.credential_sources.is_read() {
            self.was_read_again = true;
            // A file that is being replaced may be missing for a moment.
            if let Ok(again) = self.reader.alternative(&self.resolved, self.index).await
                && again.credential != self.config.credential
            {
                self.config = again;
                return Ok(true);
            }
        }
        let Some(next) = self.rest.pop_front() else { return Ok(false) };
        self.config = self.reader.alternative(&self.resolved, next).await?;
        (self.index, self.was_read_again) = (next, false);
        Ok(true)
    }

    /// The same for secrets of the client only: the server did not look at the rest of the request.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub(super) async fn advance_client(&mut self) -> Result<bool> {
        let sources = &self.reader.config.credential_sources.client_secret;
        let may_change = sources.len() > 1 || sources.iter().any(|source| source.as_text().is_none());
        Ok(may_change && self.advance().await?)
    }

    /// The server accepted these secrets: they are the first of the next attempt.
    pub(super) fn accept(&self) {
        self.reader.preferred.store(self.index, Ordering::Relaxed);
    }
}
