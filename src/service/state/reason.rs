//! Why a refresh is started.

use std::time::Duration;

use super::held::{HeldToken, Source};
use crate::domain::{Generation, Timestamp};

/// Why a refresh is started: it decides what may hold the refresh back, and which token makes it needless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum RefreshReason {
    /// The service has just started: it adopts what is stored and requests nothing.
    Start,
    /// A caller has no usable token, the refresh point has passed, or the scheduler looks.
    Due,
    /// The API answered 401 to the token of this generation.
    Rejected(Generation),
    /// An interval of this length has passed, whether a refresh is due or not.
    Interval(Duration),
    /// `refresh()` was called.
    Requested,
}

impl RefreshReason {
    /// Whether it goes through a pause.
    pub(super) fn is_urgent(self) -> bool {
        matches!(self, Self::Requested | Self::Start)
    }

    /// Whether `held` makes a token request needless.
    pub(super) fn is_satisfied_by(self, held: &HeldToken, now: Timestamp) -> bool {
        let lifetime = &held.tokens.lifetime;
        match self {
            Self::Start => true,
            Self::Due => held.is_usable(now) && !lifetime.is_due(now),
            Self::Rejected(generation) => held.is_usable(now) && held.generation > generation,
            // Of the processes that share a store, one refreshes in each interval.
            Self::Interval(length) => {
                held.source == Source::Store
                    && held.is_usable(now)
                    && now < lifetime.issued_at().plus(length / 2)
            }
            Self::Requested => false,
        }
    }

    /// Whether `held`, which another process has just obtained, makes a request needless.
    pub(super) fn is_satisfied_by_another(self, held: &HeldToken, now: Timestamp) -> bool {
        matches!(self, Self::Requested | Self::Interval(_)) && held.is_usable(now)
    }
}
