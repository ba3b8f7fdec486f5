//! A token that is cleared: here, or by whoever else can write to the store.

use std::sync::Arc;

use super::Service;
use super::asking::TokenRequest;
use super::attempt::entry;
use super::events::EventKind;
use crate::domain::TokenSet;
use crate::error::{Error, ErrorKind, Result};
use crate::grants::{self, GrantRequest};
use crate::log::Level;
use crate::store::Revision;

impl Service {
    /// Forgets the token, in memory and in the store; with `revoke` the server is told, where a revocation
    /// endpoint is known.
    ///
    /// # Errors
    /// `Storage` when the stored record could not be removed, and whatever kept the token from being
    /// revoked; memory is cleared all the same.
    pub async fn clear(self: &Arc<Self>, revoke: bool) -> Result<()> {
        let now = self.clock.now();
        let (held, strategy) = {
            let mut life = self.life();
            if life.closed {
                return Err(Error::shutdown());
            }
            life.note(entry(now, now, "cleared", None));
            life.cleared = true;
            (life.forget(), life.strategy.clone())
        };
        self.changed();
        let removed = {
            let _turn = self.vault.turn().await;
            let removed = self.vault.remove().await;
            if removed.is_ok() {
                // A look may have taken it from the store once more while it was being removed.
                self.life().forget();
            }
            removed
        };
        self.changed();
        self.report_store_health();
        self.announce(EventKind::Cleared, None);
        self.log(|log| log.write(Level::Info, "the token was cleared"));
        removed?;
        match held {
            Some(held) if revoke => self.revoke(&held.tokens, strategy.as_ref()).await,
            _ => Ok(()),
        }
    }

    /// Nothing is stored where `last` was, as the look began. Where it was removed, somebody cleared the token, and
    /// it is forgotten here, too; else the place was lost, and what is held is to be stored again. What this process
    /// has stored or cleared meanwhile is later than the look.
    pub(super) fn notice_absence(&self, removal: Option<Revision>, last: Option<Revision>) {
        let now = self.clock.now();
        {
            let mut life = self.life();
            if life.stored != last {
                return;
            }
            if !removal.is_some_and(|removal| life.see_removal(removal)) {
                life.see_loss();
                return;
            }
            if life.forget().is_none() {
                return;
            }
            life.note(entry(now, now, "cleared", None));
        }
        self.changed();
        self.announce(EventKind::Cleared, None);
        self.log(|log| log.write(Level::Info, "the stored token was cleared: it is not used any more"));
    }

    async fn revoke(&self, tokens: &TokenSet, strategy: Option<&GrantRequest>) -> Result<()> {
        let asking = TokenRequest::begin(self);
        let config = self.informed(&asking).await?;
        let Some(draft) = grants::revocation(tokens, strategy, &config) else {
            const UNKNOWN: &str = "the token was not revoked: no revocation endpoint is known";
            self.log(|log| log.write(Level::Warn, UNKNOWN));
            return Ok(());
        };
        let place = draft.request.url.path().to_owned();
        let answer = self.transport.send(self.signed(&draft).await?, asking.time_left()).await?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Endpoint, format!("{place} did not revoke the token"))
            .with_status(answer.status))
    }
}
