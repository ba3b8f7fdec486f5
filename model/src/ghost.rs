//! What only the checker knows: which refresh tokens were sent, and why a second time is not the protocol's fault.

use super::cells::{Record, TokenId};
use super::state::MAX_REPLICAS;

/// A set of tokens.
pub(crate) type Tokens = u32;

fn bit(id: TokenId) -> Tokens {
    1 << id
}

/// What must not happen, and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Broken {
    /// A refresh token was sent twice, and no holder was frozen.
    pub is_sent_twice: bool,
    /// A record was replaced by an older one.
    pub is_lost: bool,
    /// A token that was cleared was stored again.
    pub is_cleared_stored: bool,
}

/// The history, as far as the properties need it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ghost {
    /// How many tokens there are.
    pub issued: TokenId,
    sent: Tokens,
    /// Refresh tokens whose sender was frozen for longer than its lease, after its last look at the clock and before
    /// its attempt ended.
    excused: Tokens,
    /// What a removal is to get rid of: tokens that were requested before it began, and what was made of them.
    cleared: Tokens,
    is_cleared: bool,
    /// Refresh tokens that were sent by an attempt whose token was then cleared.
    cut: Tokens,
    has_failed_to_clear: bool,
    /// The refresh tokens that replicas sent before they crashed, and what is left of their leases.
    orphans: [Option<(TokenId, u8)>; MAX_REPLICAS],
    /// What went wrong.
    pub broken: Broken,
}

impl Default for Ghost {
    fn default() -> Self {
        Self {
            issued: 1,
            sent: 0,
            excused: 0,
            cleared: 0,
            is_cleared: false,
            cut: 0,
            has_failed_to_clear: false,
            orphans: [None; MAX_REPLICAS],
            broken: Broken::default(),
        }
    }
}

impl Ghost {
    /// Sends the refresh token of `id`. The new token, unless it was spent.
    pub fn send(&mut self, id: TokenId, is_late: bool) -> Option<TokenId> {
        if is_late {
            self.excuse(id);
        }
        let is_first = self.sent & bit(id) == 0;
        self.broken.is_sent_twice |= !is_first && self.excused & bit(id) == 0;
        self.sent |= bit(id);
        is_first.then(|| {
            let next = self.issue();
            if self.cleared & bit(id) != 0 {
                self.cleared |= bit(next);
            }
            next
        })
    }

    /// Issues a token for the credentials.
    pub fn issue(&mut self) -> TokenId {
        self.issued += 1;
        self.issued - 1
    }

    /// The sender of this refresh token was frozen.
    pub fn excuse(&mut self, id: TokenId) {
        self.excused |= bit(id);
    }

    /// A removal was frozen while it held the lease: whoever it took the lease from is no longer waited for.
    pub fn excuse_all(&mut self) {
        self.excused = Tokens::MAX;
    }

    /// A replica crashed. `sent` is the refresh token that it sent, `left` what is left of its lease.
    pub fn crash(&mut self, sent: Option<TokenId>, left: u8) {
        let Some(id) = sent.filter(|id| self.excused & bit(*id) == 0) else { return };
        if left == 0 {
            self.excuse(id);
        } else if let Some(free) = self.orphans.iter_mut().find(|orphan| orphan.is_none()) {
            *free = Some((id, left));
        }
    }

    /// Gives the `live` tokens other numbers, and forgets the others.
    pub(crate) fn rename(&mut self, live: Tokens, place: impl Fn(TokenId) -> TokenId) {
        let issued = self.issued;
        let rename = |tokens: Tokens| {
            let kept = (0..issued).filter(|id| live & tokens & bit(*id) != 0);
            kept.fold(0, |renamed, id| renamed | bit(place(id)))
        };
        for tokens in [&mut self.sent, &mut self.excused, &mut self.cleared, &mut self.cut] {
            *tokens = rename(*tokens);
        }
        for orphan in &mut self.orphans {
            *orphan = orphan.filter(|(id, _)| live & bit(*id) != 0).map(|(id, left)| (place(id), left));
        }
        self.orphans.sort_unstable_by(|a, b| b.cmp(a));
        self.issued = place(self.issued);
    }

    /// An attempt ended because its token was cleared.
    pub fn cut(&mut self, sent: Option<TokenId>, left: u8) {
        let sent_token = sent.map_or(0, bit);
        if self.has_failed_to_clear {
            self.excused |= sent_token;
        } else {
            self.cut |= sent_token;
            self.crash(sent, left);
        }
    }

    /// The token was not removed, and the caller of `clear()` knows it.
    pub fn fail_to_clear(&mut self) {
        self.has_failed_to_clear = true;
        self.excused |= self.cut;
        self.cut = 0;
    }

    /// Whether time changes anything here.
    pub fn can_tick(&self) -> bool {
        self.orphans.iter().any(Option::is_some)
    }

    /// Time passes.
    pub fn tick(&mut self) {
        for at in 0..MAX_REPLICAS {
            self.orphans[at] = match self.orphans[at] {
                Some((id, left)) if left <= 1 => {
                    self.excuse(id);
                    None
                }
                Some((id, left)) => Some((id, left - 1)),
                None => None,
            };
        }
        self.orphans.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// A removal begins.
    pub fn begin_clearing(&mut self) {
        self.cleared = bit(self.issued) - 1;
    }

    /// It was successful.
    pub fn end_clearing(&mut self) {
        self.is_cleared = true;
        self.cut = 0;
    }

    /// The record was replaced: not by a token that was issued before, nor by a refresh token that may be spent.
    pub fn replace(&mut self, last: Record, next: Record) {
        let (Record::Token { id: last, can_refresh: could }, Record::Token { id: next, can_refresh: can }) =
            (last, next)
        else {
            self.check_cleared(next);
            return;
        };
        let is_older = next < last || (next == last && can && !could);
        self.broken.is_lost |= is_older;
        self.check_cleared(Record::Token { id: next, can_refresh: can });
    }

    fn check_cleared(&mut self, next: Record) {
        let is_cleared = next.id().is_some_and(|id| self.cleared & bit(id) != 0);
        self.broken.is_cleared_stored |= self.is_cleared && is_cleared;
    }
}
