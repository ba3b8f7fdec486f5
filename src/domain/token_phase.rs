//! The state of a token, as users see it.

use strum::IntoStaticStr;

/// The state of a service's token, as `TokenStatus.state` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum TokenPhase {
    /// Usable, and not yet due for a refresh.
    Valid,
    /// Usable, and past its refresh point.
    Expiring,
    /// Obtained, and expired since.
    Expired,
    /// Not obtained yet, or cleared.
    Missing,
    /// Missing, and the configured manual token is sent instead.
    Manual,
}

impl TokenPhase {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
