//! A login by a function of the user's program.

use serde_json::json;

use super::NewToken;
use super::lease::RefreshLease;
use super::token_request::{TokenClient, TokenRequest};
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Level;
use crate::oauth::{self, LOGIN_FUNCTION, LoginAnswer, ResponseContext};
use crate::service::state::RefreshReason;

impl TokenClient {
    /// Calls the function `login`, once: it decides itself what it tries again.
    ///
    /// # Errors
    /// What it threw, that it took too long, or that what it returned is not a token.
    pub(super) async fn call_login(
        &self,
        request: &TokenRequest<'_>,
        reason: RefreshReason,
        lease: &RefreshLease,
    ) -> Result<NewToken> {
        let Some(functions) = &self.functions else {
            return Err(Error::new(ErrorKind::Internal, "the function login was not passed to evertoken"));
        };
        let (reason, refresh_token) = {
            let (state, now) = (self.state.lock(), self.clock.now());
            let held = state.held().and_then(|held| held.tokens.refresh_token.clone());
            // Another process may be spending it.
            (word(reason, state.usable(now).is_some()), held.filter(|_| lease.may_spend))
        };
        request.confirm(refresh_token.is_some()).await?;
        self.state.lock().count_token_request();
        self.observer.log(Level::Debug, format!("calling {LOGIN_FUNCTION} ({reason})"));
        let argument = json!({
            "service": self.config.service.to_string(),
            "reason": reason,
            "refreshToken": refresh_token.as_ref().map(Secret::expose),
        });
        let json = functions.call("login", argument, request.time_left()).await?;
        let config = &self.config;
        let context = ResponseContext {
            login: &config.login,
            is_refresh: false,
            never_expires: config.policy.never_expires,
            scheme: config.scheme.as_ref(),
            kept: &config.fields,
            scope: None,
            dpop: false,
            secrets: config.secrets().collect(),
            sent: refresh_token.iter().collect(),
            place: LOGIN_FUNCTION.to_owned(),
            now: self.clock.now(),
        };
        match oauth::read_login_answer(&json, &context) {
            Ok(LoginAnswer { granted, drops_refresh_token }) => {
                let spent = refresh_token.filter(|_| !drops_refresh_token);
                Ok(NewToken { granted, grant: None, spent, proof_key: None })
            }
            Err(unusable) => {
                if let (Some(sent), Some(next)) = (&refresh_token, unusable.refresh_token) {
                    self.state.lock().rotate_refresh(sent, next);
                }
                Err(unusable.error)
            }
        }
    }
}

/// Why a token is needed, as the function gets it.
fn word(reason: RefreshReason, is_usable: bool) -> &'static str {
    match reason {
        RefreshReason::Requested => "forced",
        RefreshReason::Rejected(_) => "refused",
        RefreshReason::Start | RefreshReason::Due | RefreshReason::Interval(_) if is_usable => "expiring",
        RefreshReason::Start | RefreshReason::Due | RefreshReason::Interval(_) => "missing",
    }
}
