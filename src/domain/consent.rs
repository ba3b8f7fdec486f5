//! What is known about the consent behind a refresh token.

use std::time::Duration;

use super::Timestamp;

/// How many configured refresh tokens a record remembers. Each stands for one time that someone consented.
const MOST_SEEDS: usize = 16;

/// Two times of expiry that differ by less are the same: servers count down, and networks are slow.
const EXPIRY_TOLERANCE: Duration = Duration::from_secs(600);

/// A digest of a refresh token that was configured. It cannot print, and is stored sealed only.
#[derive(Clone, PartialEq, Eq)]
pub struct SeedDigest(String);

impl SeedDigest {
    /// The digest with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SeedDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[digest]")
    }
}

/// The configured refresh tokens that must not be spent again: the record has what they brought, or what replaced it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seeds(Vec<SeedDigest>);

impl Seeds {
    /// Whether `seed` is among them.
    pub fn contains(&self, seed: &SeedDigest) -> bool {
        self.0.contains(seed)
    }

    /// From the oldest to the newest.
    pub fn iter(&self) -> impl Iterator<Item = &SeedDigest> {
        self.0.iter()
    }

    /// Adds a seed. The oldest are dropped.
    pub fn add(&mut self, seed: SeedDigest) {
        if !self.contains(&seed) {
            self.0.push(seed);
        }
        let surplus = self.0.len().saturating_sub(MOST_SEEDS);
        self.0.drain(..surplus);
    }

    /// Adds those of another record.
    pub fn merge(&mut self, others: &Self) {
        for seed in &others.0 {
            self.add(seed.clone());
        }
    }
}

impl FromIterator<SeedDigest> for Seeds {
    fn from_iter<I: IntoIterator<Item = SeedDigest>>(seeds: I) -> Self {
        let mut all = Self::default();
        for seed in seeds {
            all.add(seed);
        }
        all
    }
}

/// When a refresh token expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentExpiry {
    /// Since when that is known.
    pub from: Timestamp,
    /// Until when it can be spent.
    pub until: Timestamp,
    /// Whether the alert went out.
    pub is_announced: bool,
}

impl ConsentExpiry {
    /// An expiry that became known at `now`.
    pub fn new(now: Timestamp, until: Timestamp) -> Self {
        Self { from: now, until, is_announced: false }
    }

    /// The expiry after the server has said so again: the same one, unless it has moved.
    #[must_use]
    pub fn said_again(self, now: Timestamp, until: Timestamp) -> Self {
        let moved = self.until.until(until).max(until.until(self.until));
        if moved < EXPIRY_TOLERANCE { Self { until, ..self } } else { Self::new(now, until) }
    }

    /// The same expiry after the alert.
    #[must_use]
    pub fn announced(self) -> Self {
        Self { is_announced: true, ..self }
    }

    /// When the alert is due: `period` before the end, or, if it is nearer than four times that, in the last quarter.
    pub fn alert_at(&self, period: Duration) -> Timestamp {
        let life = self.from.until(self.until);
        self.until.minus(period.min(life / 4))
    }
}

/// What is known about the consent behind a refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// The configured refresh tokens that it began with or that it replaced.
    pub seeds: Seeds,
    /// When it expires, if the server says so.
    pub expiry: Option<ConsentExpiry>,
    /// When the server refused its refresh token.
    pub ended_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn day(number: u64) -> Timestamp {
        Timestamp::from_second(1_800_000_000.0).plus(Duration::from_secs(number * DAY))
    }

    fn days(number: u64) -> Duration {
        Duration::from_secs(number * DAY)
    }

    #[test]
    fn the_alert_is_due_a_period_before_the_end_or_in_the_last_quarter() {
        assert_eq!(ConsentExpiry::new(day(0), day(90)).alert_at(days(7)), day(83));
        assert_eq!(ConsentExpiry::new(day(0), day(28)).alert_at(days(7)), day(21));
        assert_eq!(ConsentExpiry::new(day(0), day(8)).alert_at(days(7)), day(6));
    }

    #[test]
    fn an_expiry_that_is_counted_down_stays_the_same_and_one_that_moves_is_new() {
        let first = ConsentExpiry { is_announced: true, ..ConsentExpiry::new(day(0), day(90)) };
        let counted = first.said_again(day(30), day(90).minus(Duration::from_secs(599)));
        assert_eq!((counted.from, counted.is_announced), (day(0), true));
        for until in [day(90).plus(Duration::from_secs(600)), day(120), day(40)] {
            assert_eq!(first.said_again(day(30), until), ConsentExpiry::new(day(30), until));
        }
    }

    #[test]
    fn the_newest_seeds_are_remembered_each_once() {
        let seed = |number: usize| SeedDigest::new(number.to_string());
        let mut seeds: Seeds = (0..20).map(seed).collect();
        seeds.add(seed(19));
        assert_eq!(seeds.iter().count(), 16);
        assert!(!seeds.contains(&seed(3)) && seeds.contains(&seed(4)));
        let mut merged = Seeds::from_iter([seed(100)]);
        merged.merge(&seeds);
        assert!(merged.contains(&seed(19)) && !merged.contains(&seed(100)), "the oldest makes room");
        assert_eq!(format!("{:?}", seed(1)), "[digest]");
    }
}
