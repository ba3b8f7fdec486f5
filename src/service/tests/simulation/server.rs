//! A token server that rotates refresh tokens, and revokes a family when one of its refresh tokens comes twice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::sync::Mutex;

/// In every secret, so that one in a log line is found.
pub(super) const MARK: &str = "S3CR3T";

/// A token of a family: that of one login, and how often it was refreshed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenNumber {
    pub(super) family: u32,
    pub(super) refresh: u32,
}

impl TokenNumber {
    fn access_token(self) -> String {
        format!("at-{}-{}-{MARK}", self.family, self.refresh)
    }

    fn refresh_token(self) -> String {
        format!("rt-{}-{}-{MARK}", self.family, self.refresh)
    }

    /// The token of this text.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-').skip(1);
        Some(Self { family: parts.next()?.parse().ok()?, refresh: parts.next()?.parse().ok()? })
    }
}

impl std::fmt::Display for TokenNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.family, self.refresh)
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Login,
    Refresh(TokenNumber),
}

impl Asked {
    /// Reads the body of a request.
    pub(super) fn read(body: &str) -> Self {
        let refresh_token = body.split('&').find_map(|pair| pair.strip_prefix("refresh_token="));
        refresh_token.map_or(Self::Login, |text| Self::Refresh(TokenNumber::read(text).unwrap()))
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    Issued(TokenNumber),
    /// Its family was revoked before.
    Revoked,
    /// It was spent before, and its family is revoked now.
    Reused,
}

struct Family {
    last: u32,
    is_revoked: bool,
    /// When the access tokens end.
    ends: Vec<Instant>,
}

/// The server.
pub(super) struct TokenServer {
    families: Mutex<BTreeMap<u32, Family>>,
    lifetime: Mutex<Duration>,
    ends_old_tokens: bool,
    requests: Mutex<u32>,
}

impl TokenServer {
    pub(super) fn new(lifetime: Duration, ends_old_tokens: bool) -> Self {
        Self {
            families: Mutex::default(),
            lifetime: Mutex::new(lifetime),
            ends_old_tokens,
            requests: Mutex::new(0),
        }
    }

    /// From now on tokens live this long.
    pub(super) fn set_lifetime(&self, lifetime: Duration) {
        *self.lifetime.lock() = lifetime;
    }

    /// The number of logins.
    pub(super) fn logins(&self) -> u32 {
        self.families.lock().last_key_value().map_or(0, |(number, _)| *number)
    }

    /// The number of requests.
    pub(super) fn requests(&self) -> u32 {
        *self.requests.lock()
    }

    pub(super) fn serve(&self, asked: Asked) -> Served {
        *self.requests.lock() += 1;
        let end = Instant::now() + *self.lifetime.lock();
        let mut families = self.families.lock();
        let Asked::Refresh(number) = asked else {
            let family = families.last_key_value().map_or(1, |(last, _)| last + 1);
            families.insert(family, Family { last: 0, is_revoked: false, ends: vec![end] });
            return Served::Issued(TokenNumber { family, refresh: 0 });
        };
        let family = families.get_mut(&number.family).unwrap();
        if family.is_revoked {
            return Served::Revoked;
        }
        if number.refresh < family.last {
            family.is_revoked = true;
            return Served::Reused;
        }
        if self.ends_old_tokens {
            family.ends.iter_mut().for_each(|end| *end = Instant::now());
        }
        family.last += 1;
        family.ends.push(end);
        Served::Issued(TokenNumber { refresh: family.last, ..number })
    }

    /// Revokes a family for no reason.
    pub(super) fn revoke(&self, family: u32) {
        if let Some(family) = self.families.lock().get_mut(&family) {
            family.is_revoked = true;
        }
    }

    /// Whether an API accepts this access token.
    pub(super) fn accepts(&self, number: TokenNumber) -> bool {
        let families = self.families.lock();
        let family = families.get(&number.family).filter(|family| !family.is_revoked);
        family.is_some_and(|family| family.ends[number.refresh as usize] > Instant::now())
    }

    /// The status and body of an answer.
    pub(super) fn answer(&self, asked: Asked, served: Served) -> (u16, Value) {
        match (served, asked) {
            (Served::Issued(number), _) => {
                let body = json!({
                    "access_token": number.access_token(),
                    "refresh_token": number.refresh_token(),
                    "expires_in": self.lifetime.lock().as_secs(),
                });
                (200, body)
            }
            (_, Asked::Refresh(number)) => {
                // Some servers say more than they should.
                let text = format!("{} was revoked", number.refresh_token());
                (400, json!({ "error": "invalid_grant", "error_description": text }))
            }
            (_, Asked::Login) => (500, Value::Null),
        }
    }
}
