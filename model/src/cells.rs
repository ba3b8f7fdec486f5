//! What the store holds: one row for the record, one for the lease.

/// Tokens in the order in which the server issued them. The one of the beginning is 0.
pub type TokenId = u8;

/// The row in the place of the record. No two writes have the same text, so the content stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// No row.
    #[default]
    Empty,
    /// A token.
    Token {
        /// Which.
        id: TokenId,
        /// Whether its refresh token is stored with it.
        can_refresh: bool,
    },
    /// The tombstone of this removal.
    Removed(u8),
}

impl Record {
    /// The token, if there is one.
    pub fn id(self) -> Option<TokenId> {
        match self {
            Self::Token { id, .. } => Some(id),
            Self::Empty | Self::Removed(_) => None,
        }
    }

    /// Whether a save that expects `expected` may replace it. One that expects no record replaces whatever stands in its
    /// place.
    pub fn is_expected(self, expected: Self) -> bool {
        self == expected || (self.id().is_none() && expected.id().is_none())
    }
}

/// Who holds a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A replica, and how often it has crashed: owners are random, so that it is another after each start.
    Replica(u8, u8),
    /// A removal.
    Removal,
}

/// The row of the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// Grows with each grant.
    pub fence: u8,
    /// Who holds it.
    pub owner: Option<Owner>,
    /// How often it was renewed.
    pub renewed: u8,
    /// What is left of it by the clock of the place, where there is one.
    pub left: u8,
}

impl Lease {
    /// Whether both have the same text. What is left follows from the text and the time.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.fence, self.owner, self.renewed) == (other.fence, other.owner, other.renewed)
    }

    /// Whether it is held under this fence.
    pub fn is_under(&self, fence: u8) -> bool {
        self.fence == fence && self.owner.is_some()
    }
}

/// A compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// Of the lease.
    Lease {
        /// What it expects.
        seen: Lease,
        /// What it writes.
        next: Lease,
    },
    /// Of the record.
    Record {
        /// What it expects.
        seen: Record,
        /// What it writes.
        next: Record,
    },
}
