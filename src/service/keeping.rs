//! The store in the life of a service: what is adopted from it, and what is put there.

use super::Service;
use super::attempt::entry;
use super::life::{Held, Source};
use crate::domain::{Timestamp, TokenSet};
use crate::log::Level;
use crate::store::{Record, Revision};

impl Service {
    /// Adopts what is stored, where that is later than what is held; whether that gave a usable token.
    pub(super) async fn adopt_from_store(&self, epoch: u64, started: Timestamp) -> bool {
        match self.load().await {
            Some((record, revision)) => self.adopt(record, revision, epoch, started),
            None => false,
        }
    }

    fn adopt(&self, record: Record, revision: Revision, epoch: u64, started: Timestamp) -> bool {
        let now = self.clock.now();
        let lifetime = self.lifetime(record.issued_at, record.expires_at);
        let is_usable = lifetime.is_usable(now);
        {
            let mut life = self.life();
            let is_later = life.held.as_ref().is_none_or(|held| {
                held.revision.is_none_or(|held| revision.is_later_than(held))
                    || (!held.tokens.lifetime.is_usable(now) && is_usable)
            });
            // What was read before a `clear` is not brought back.
            if !is_later || life.epoch != epoch {
                return false;
            }
            let strategy = record.strategy.and_then(|value| serde_json::from_value(value).ok());
            let tokens = TokenSet {
                access_token: record.access_token,
                scheme: record.scheme,
                refresh_token: record.refresh_token,
                lifetime,
            };
            let generation = life.generation.next();
            life.hold(Held { tokens, generation, source: Source::Store, strategy, revision: Some(revision) });
            if is_usable {
                life.counters.store_hits += 1;
                life.note(entry(started, now, "adopted", None));
            }
        }
        self.changed();
        if is_usable {
            self.log(|log| log.say(Level::Info, "took the token from the store"));
            self.announce_gain();
        }
        is_usable
    }

    async fn load(&self) -> Option<(Record, Revision)> {
        let loaded = self.vault.load().await;
        self.report_store_health();
        match loaded {
            Ok(loaded) => {
                if let Some(warning) = loaded.warning {
                    self.log(|log| log.error(Level::Warn, "the stored token is not used", &warning));
                }
                loaded.record
            }
            Err(error) => {
                self.log(|log| log.error(Level::Debug, "the store cannot be read", &error));
                None
            }
        }
    }

    /// Stores the token; a store that fails costs no caller anything.
    pub(super) async fn save(
        &self,
        held: &Held,
        expected: Option<Revision>,
        now: Timestamp,
    ) -> Option<Revision> {
        let record = Record {
            access_token: held.tokens.access_token.clone(),
            scheme: held.tokens.scheme.clone(),
            refresh_token: held.tokens.refresh_token.clone(),
            issued_at: held.tokens.lifetime.issued_at(),
            expires_at: held.tokens.lifetime.expires_at(),
            last_used: now,
            strategy: held.strategy.as_ref().and_then(|strategy| serde_json::to_value(strategy).ok()),
        };
        let saved = self.vault.save(&record, expected).await;
        self.report_store_health();
        saved
            .inspect_err(|error| {
                self.log(|log| log.error(Level::Debug, "the token could not be stored", error));
            })
            .ok()
    }

    /// Stores a token that could not be stored when it came, or else looks whether a sick store is well.
    pub(super) async fn store_again(&self) {
        let turn = self.vault.turn().await;
        let unsaved = self.life().held.clone().filter(|held| held.revision.is_none());
        if let Some(held) = unsaved {
            let revision = self.save(&held, None, self.clock.now()).await;
            if let Some(current) = &mut self.life().held
                && current.generation == held.generation
            {
                current.revision = revision;
            }
        } else if !self.vault.is_healthy() {
            drop(turn);
            let epoch = self.life().epoch;
            self.adopt_from_store(epoch, self.clock.now()).await;
        }
    }
}
