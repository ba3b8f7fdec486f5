//! The consent inside a sealed record, as JSON.

use serde::{Deserialize, Serialize};

use crate::domain::{Consent, ConsentExpiry, SeedDigest, Timestamp};

/// Times are in milliseconds since 1970.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConsentJson {
    seeds: Vec<String>,
    expiry: Option<ExpiryJson>,
    ended_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpiryJson {
    from: i64,
    until: i64,
    is_announced: bool,
}

impl From<&Consent> for ConsentJson {
    fn from(consent: &Consent) -> Self {
        Self {
            seeds: consent.seeds.iter().map(|seed| seed.as_str().to_owned()).collect(),
            expiry: consent.expiry.map(|expiry| ExpiryJson {
                from: expiry.from.as_millisecond(),
                until: expiry.until.as_millisecond(),
                is_announced: expiry.is_announced,
            }),
            ended_at: consent.ended_at.map(Timestamp::as_millisecond),
        }
    }
}

impl From<ConsentJson> for Consent {
    fn from(json: ConsentJson) -> Self {
        Self {
            seeds: json.seeds.into_iter().map(SeedDigest::new).collect(),
            expiry: json.expiry.map(|expiry| ConsentExpiry {
                from: Timestamp::from_millisecond(expiry.from),
                until: Timestamp::from_millisecond(expiry.until),
                is_announced: expiry.is_announced,
            }),
            ended_at: json.ended_at.map(Timestamp::from_millisecond),
        }
    }
}
