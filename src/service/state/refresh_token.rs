//! What becomes of the refresh token.

use super::{HeldToken, Sharing, TokenState};
use crate::domain::Secret;

impl TokenState {
    /// The server accepted a refresh token.
    pub(in crate::service) fn settle_refresh(&mut self) {
        self.has_settled_refresh = true;
    }

    /// Sending `sent` brought no token, and no verdict on it. If it may be spent it is not sent again, as a repetition
    /// looks like theft (RFC 9700 §4.14.2); else it is not the only hope once the token has expired.
    pub(in crate::service) fn fail_refresh(&mut self, sent: &Secret, is_unspent: bool) {
        let Some(held) = self.holding(sent) else { return };
        if is_unspent {
            held.refresh_has_failed = true;
        } else {
            held.set_refresh_token(None);
        }
    }

    /// Sending `sent` brought a token of no use, and the `next` refresh token.
    pub(in crate::service) fn rotate_refresh(&mut self, sent: &Secret, next: Secret) {
        if let Some(held) = self.holding(sent) {
            held.set_refresh_token(Some(next));
            held.refresh_has_failed = true;
        }
    }

    /// The server refused `sent`, and it is not sent again. Whether that is the first use of any refresh token, which
    /// was most likely not understood then.
    pub(in crate::service) fn refuse_refresh(&mut self, sent: &Secret, has_worked_before: bool) -> bool {
        if let Some(held) = self.holding(sent) {
            held.set_refresh_token(None);
        }
        let is_first_use = !has_worked_before && !self.has_settled_refresh;
        self.has_settled_refresh |= is_first_use;
        is_first_use
    }

    /// Another process stored a token under a key that is unknown here; most likely it spent the refresh token that is
    /// held. If that is the only way to a token, it is kept: no process spends a refresh token whose record it cannot
    /// decrypt.
    pub(in crate::service) fn drop_shared_refresh_token(&mut self) {
        if self.needs_consent() {
            return;
        }
        if let Some(held) = self.held.as_mut().filter(|held| held.sharing != Sharing::No) {
            held.tokens.refresh_token = None;
        }
    }

    fn holding(&mut self, refresh_token: &Secret) -> Option<&mut HeldToken> {
        self.held.as_mut().filter(|held| held.has_refresh_token(refresh_token))
    }
}
