//! The state inside a sealed record, as JSON.
//!
//! It has a version of its own: a release that does not know the version of a record leaves the record alone, and a
//! release that does not know the version of a state still sends the token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::StoredState;
use super::consent::ConsentJson;
use crate::domain::Secret;
use crate::grants::GrantRequest;

const VERSION: u64 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateJson<'s> {
    version: u64,
    grant: Option<&'s GrantRequest>,
    identity: Option<&'s str>,
    proof_key: Option<&'s str>,
    fields: BTreeMap<&'s str, Option<&'s str>>,
    consent: ConsentJson,
}

impl<'s> From<&'s StoredState> for StateJson<'s> {
    fn from(state: &'s StoredState) -> Self {
        Self {
            version: VERSION,
            grant: state.grant.as_ref(),
            identity: state.identity.as_deref(),
            proof_key: state.proof_key.as_ref().map(Secret::expose),
            fields: state.fields.iter().map(|(name, value)| (name, value.map(Secret::expose))).collect(),
            consent: (&state.consent).into(),
        }
    }
}

/// The member that every version has, with the same meaning: a token of another account is never sent.
#[derive(Deserialize)]
struct Identity {
    identity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenedState<'t> {
    version: u64,
    /// Read on its own: a form of request that this release does not know spoils nothing else.
    #[serde(borrow)]
    grant: Option<&'t RawValue>,
    proof_key: Option<String>,
    fields: BTreeMap<String, Option<String>>,
    #[serde(default)]
    consent: ConsentJson,
}

/// The state in such a text. What cannot be read is absent.
pub(super) fn read(text: &str) -> StoredState {
    let identity = serde_json::from_str::<Identity>(text).ok().and_then(|found| found.identity);
    let state = StoredState { identity, ..StoredState::default() };
    match serde_json::from_str::<OpenedState<'_>>(text) {
        Ok(found) if found.version == VERSION => StoredState {
            grant: found.grant.and_then(|grant| serde_json::from_str(grant.get()).ok()),
            proof_key: found.proof_key.map(Secret::new),
            fields: found.fields.into_iter().map(|(name, value)| (name, value.map(Secret::new))).collect(),
            consent: found.consent.into(),
            ..state
        },
        _ => state,
    }
}
