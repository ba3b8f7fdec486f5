//! The refresh token in hand: when it is spent, and what a service does when that brings no token.

use std::time::Duration;

use super::Service;
use super::asking::TokenRequest;
use super::attempt::Gain;
use super::life::RefreshReason;
use super::turn::Turn;
use crate::config::Config;
use crate::domain::{Secret, Timestamp};
use crate::error::{Error, Result, Retry};
use crate::grants::{Exchange, GrantRequest, RefreshRequest};
use crate::log::Level;
use crate::oauth::Refusal;

/// How often one attempt sends a refresh token that is certainly not spent: the server said that it is busy.
const REFRESH_TRIES: u32 = 2;

const REFUSED: &str = "the refresh token was refused";
const INSTEAD: &str = "the refresh failed; logging in with the credentials instead";

/// What became of the refresh token in hand.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and only for as long as it is looked at"
)]
enum Spent {
    /// There was none, or no way to spend it.
    None,
    /// It gave a token.
    Gained(Gain),
    /// It gave a token that has already expired, and the next refresh token.
    Rotated(Error),
    /// The server refuses it.
    Refused,
    /// It brought no token, and that is no verdict on it.
    Failed(Error),
}

/// What came of the refresh token, for an attempt that also has the credentials.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(super) enum Refreshed {
    /// It gave a token.
    Gained(Gain),
    /// Another process has refreshed, and its token was adopted.
    Adopted,
    /// Nothing: the credentials are used.
    NotAtAll,
}

impl Service {
    /// Spends the refresh token in hand, where there is one. Whatever its endpoint does, the service is not dead
    /// while its credentials are good.
    ///
    /// # Errors
    /// Why the attempt ends here: the old token still works, and nobody is in a hurry.
    pub(super) async fn refresh_first(
        &self,
        asking: &TokenRequest<'_>,
        config: &Config,
        why: RefreshReason,
        turn: &Turn,
        (epoch, started): (u64, Timestamp),
    ) -> Result<Refreshed> {
        match self.spend_refresh_token(asking, config).await {
            Spent::Gained(gain) => return Ok(Refreshed::Gained(gain)),
            // Another process may have rotated it meanwhile: its token is as good as one of our own.
            Spent::Refused if self.adopt_from_store(epoch, started).await => return Ok(Refreshed::Adopted),
            Spent::Refused => {
                self.log(|log| log.write(Level::Warn, "logging in with the credentials instead"));
            }
            Spent::Rotated(error) | Spent::Failed(error) => {
                let spare = self.time_left(why).saturating_sub(self.config.retry.max);
                if !spare.is_zero() && why != RefreshReason::Asked {
                    self.store_in_place(turn.expected, turn.fence(), epoch).await;
                    return Err(as_failure_of_the_refresh(error, spare));
                }
                self.log(|log| log.error(Level::Warn, INSTEAD, &error));
            }
            Spent::None => return Ok(Refreshed::NotAtAll),
        }
        // Before the login, and without the fence, whose save would end the lease: the login may fail, and this
        // process end.
        self.store_in_place(turn.expected, None, epoch).await;
        Ok(Refreshed::NotAtAll)
    }

    /// Spends the refresh token in hand, where there is one and a way to spend it.
    async fn spend_refresh_token(&self, asking: &TokenRequest<'_>, config: &Config) -> Spent {
        let Some((refresh_token, mut strategy)) = self.refresh_token_in_hand() else {
            return Spent::None;
        };
        // A refresh token goes where its issuer has the endpoint today.
        if let (Some(_), Some(endpoint)) = (&config.issuer, &config.endpoint) {
            strategy.endpoint.clone_from(endpoint);
        }
        let Some(way) = RefreshRequest::of(&strategy, config) else { return Spent::None };
        let (mut tries, mut is_other_method) = (1, false);
        loop {
            let refusal = match asking.exchange(way.request(&strategy, &refresh_token, config)).await {
                Ok(granted) => {
                    self.life().refresh_is_settled = true;
                    let strategy = GrantRequest { refreshes: true, ..strategy };
                    let (spent, proof_key) = (Some(refresh_token), asking.proof_key.clone());
                    return Spent::Gained(Gain { granted, strategy, spent, proof_key });
                }
                Err(refusal) => refusal,
            };
            match refusal {
                Refusal::Failed(error) | Refusal::NoToken(error) => {
                    let is_unspent = leaves_unspent(&error);
                    let most = if is_unspent { REFRESH_TRIES.min(self.config.retry.attempts) } else { 1 };
                    let Err(error) = self.wait_to_retry(asking, error, &mut tries, most).await else {
                        continue;
                    };
                    self.note_failed_refresh(&refresh_token, is_unspent);
                    return Spent::Failed(error);
                }
                Refusal::ExpiredToken(error, next) => {
                    self.note_rotated_refresh(&refresh_token, next);
                    return Spent::Rotated(error);
                }
                // Who the client is comes first: the refresh token was not looked at.
                Refusal::InvalidClient(error)
                | Refusal::MissingClient(error)
                | Refusal::Unexplained(error) => {
                    let other =
                        strategy.other_method(config).filter(|_| !strategy.refreshes && !is_other_method);
                    if let Some(other) = other {
                        (strategy.method, is_other_method) = (Some(other), true);
                        continue;
                    }
                    self.note_failed_refresh(&refresh_token, true);
                    return Spent::Failed(error);
                }
                refused => {
                    self.note_refused_refresh(&refresh_token, refused, &strategy, &way);
                    return Spent::Refused;
                }
            }
        }
    }

    /// A refresh token that failed without a verdict: where it may be spent it is not sent again, as a repetition
    /// looks like theft (RFC 9700 §4.14.2); else it is not the only hope once the old token has expired.
    fn note_failed_refresh(&self, sent: &Secret, is_unspent: bool) {
        let mut life = self.life();
        let Some(held) = life.held.as_mut().filter(|held| held.has_refresh_token(sent)) else { return };
        if is_unspent {
            held.refresh_has_failed = true;
        } else {
            held.drop_refresh_token();
        }
    }

    /// The next refresh token takes the place of the one that was spent for a token of no use.
    fn note_rotated_refresh(&self, sent: &Secret, next: Secret) {
        let mut life = self.life();
        if let Some(held) = life.held.as_mut().filter(|held| held.has_refresh_token(sent)) {
            held.tokens.refresh_token = Some(next);
            held.revision = None;
            held.refresh_has_failed = true;
        }
    }

    fn refresh_token_in_hand(&self) -> Option<(Secret, GrantRequest)> {
        let now = self.clock.now();
        let life = self.life();
        let held = life.held.as_ref()?;
        if held.refresh_has_failed && !held.tokens.lifetime.is_usable(now) {
            return None;
        }
        Some((held.tokens.refresh_token.clone()?, held.strategy.clone().or_else(|| life.strategy.clone())?))
    }

    /// The refresh token is spent or void: it is not sent again. Where none was ever taken, this one was most
    /// likely not understood, which heals only when a person hears of it.
    fn note_refused_refresh(
        &self,
        sent: &Secret,
        refusal: Refusal,
        strategy: &GrantRequest,
        way: &RefreshRequest,
    ) {
        let is_first_use = {
            let mut life = self.life();
            if let Some(held) = life.held.as_mut().filter(|held| held.has_refresh_token(sent)) {
                held.drop_refresh_token();
            }
            let is_first_use = !strategy.refreshes && !life.refresh_is_settled;
            life.refresh_is_settled |= is_first_use;
            is_first_use
        };
        let fault = if is_first_use { way.first_use_hint() } else { REFUSED.to_owned() };
        self.log(|log| log.error(Level::Warn, &fault, &refusal.into_error()));
    }

    /// How long the token in hand may still be sent: not at all where an API has just refused it.
    fn time_left(&self, why: RefreshReason) -> Duration {
        let now = self.clock.now();
        let life = self.life();
        let is_refused =
            |generation| matches!(why, RefreshReason::Rejected(refused) if refused == generation);
        let usable = life.usable(now).filter(|held| !is_refused(held.generation));
        usable.map_or(Duration::ZERO, |held| {
            held.tokens.lifetime.usable_until().map_or(Duration::MAX, |until| now.until(until))
        })
    }
}

/// The failure as one that the credentials have no part in: it says nothing of them, and however long the endpoint
/// asks to wait, they are used before the old token expires, in `spare`.
fn as_failure_of_the_refresh(error: Error, spare: Duration) -> Error {
    match error.retry() {
        Retry::After(wait) => error.with_retry(Retry::After(wait.min(spare))),
        Retry::CoolDown | Retry::Never | Retry::BackOff => error.with_retry(Retry::BackOff),
    }
}

/// Whether a request that failed has certainly not spent what it carried: it never left, or the server says that
/// it did not serve it (RFC 9110 §15.5, §15.6.4). Behind any other answer, or none, it may have been served.
fn leaves_unspent(error: &Error) -> bool {
    !error.was_sent() || matches!(error.status(), Some(400..500 | 503))
}
