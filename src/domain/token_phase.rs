//! What a token's life looks like from outside.

/// The state of a service's token, as `TokenStatus.state` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPhase {
    /// Usable, and not yet due for a refresh.
    Valid,
    /// Usable, and past its refresh point.
    Expiring,
    /// Had, and over.
    Expired,
    /// None was ever had, or it was cleared.
    Missing,
    /// None was had, and the configured manual token stands in.
    Manual,
}

impl TokenPhase {
    /// The word in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Missing => "missing",
            Self::Manual => "manual",
        }
    }
}
