//! What crosses to a provider and back, as JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Revision, Row};
use crate::domain::{Scheme, Secret, ServiceName, Timestamp};

/// What is asked of a provider.
pub(super) enum Request<'a> {
    /// Answered by a record or `null`.
    Get(&'a ServiceName),
    /// Answered by `"stored"` or `"conflict"`.
    Set { service: &'a ServiceName, row: &'a Row, number: u64, replaced: Expected },
    /// Answered by anything.
    Delete(&'a ServiceName),
}

/// What a save is to replace, for a provider that can compare and swap.
pub(super) enum Expected {
    /// There was none.
    None,
    /// A record with these, as [`Found::Record`] has them.
    Seen(Value),
    /// Whatever is there.
    Any,
}

impl Request<'_> {
    pub(super) fn to_json(&self) -> String {
        let request = match self {
            Self::Get(service) => json!({ "operation": "get", "service": service.as_str() }),
            Self::Delete(service) => json!({ "operation": "delete", "service": service.as_str() }),
            Self::Set { service, row, number, replaced } => {
                let mut request = json!({
                    "operation": "set", "service": service.as_str(), "record": write_row(row, *number),
                });
                match replaced {
                    Expected::None => request["replaced"] = Value::Null,
                    Expected::Seen(seen) => request["replaced"] = seen.clone(),
                    Expected::Any => {}
                }
                request
            }
        };
        request.to_string()
    }
}

/// What a provider answered.
pub(super) enum Answer {
    Stored,
    Conflict,
    Other(Value),
}

impl Answer {
    /// The error is in the provider's own words.
    pub(super) fn parse(outcome: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Outcome {
            Ok(Value),
            Error { message: String },
        }

        match serde_json::from_str(outcome) {
            Ok(Outcome::Ok(Value::String(word))) if word == "stored" => Ok(Self::Stored),
            Ok(Outcome::Ok(Value::String(word))) if word == "conflict" => Ok(Self::Conflict),
            Ok(Outcome::Ok(value)) => Ok(Self::Other(value)),
            Ok(Outcome::Error { message }) => Err(message),
            Err(_) => Err("it gave no readable answer".to_owned()),
        }
    }
}

/// A record as it is found.
pub(super) enum Found {
    Nothing,
    Record {
        row: Row,
        revision: Revision,
        /// What tells it from any other: its texts as they are stored.
        seen: Value,
    },
    /// Not the shape of a record: what is wrong, by the field's name.
    Malformed(&'static str),
}

/// A record without a readable state was put there by a person, after the last write that is known.
pub(super) fn read(answer: Answer, last_number: Option<u64>) -> Found {
    let Answer::Other(value) = answer else { return Found::Malformed(NO_RECORD) };
    if value.is_null() {
        return Found::Nothing;
    }
    let state = value["state"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let state = state.unwrap_or_default();
    match read_row(&value, &state) {
        Ok(row) => {
            let number = state["revision"].as_u64().or(last_number).unwrap_or_default();
            let revision = Revision::new(number, &row);
            Found::Record { row, revision, seen: json!({ "token": value["token"], "state": value["state"] }) }
        }
        Err(fault) => Found::Malformed(fault),
    }
}

const NO_RECORD: &str = "what it gave is no record";

fn read_row(value: &Value, state: &Value) -> Result<Row, &'static str> {
    let fields = value.as_object().ok_or(NO_RECORD)?;
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(Secret::new);
    let moment = |value: &Value| value.as_str().and_then(Timestamp::parse);
    let created_at = given("createdAt").and_then(moment).ok_or("createdAt is no moment")?;
    Ok(Row {
        token: given("token").and_then(text).ok_or("token is no text")?,
        refresh_token: given("refreshToken")
            .map(|value| text(value).ok_or("refreshToken is no text"))
            .transpose()?,
        token_type: given("tokenType").map_or(Ok(Scheme::bearer()), |value| {
            value.as_str().and_then(Scheme::parse).ok_or("tokenType is no word for a header")
        })?,
        created_at,
        expires_at: given("expiresAt").and_then(moment).ok_or("expiresAt is no moment")?,
        last_used: given("lastUsed").map_or(Some(created_at), moment).ok_or("lastUsed is no moment")?,
        strategy: Some(state["strategy"].clone()).filter(|strategy| !strategy.is_null()),
    })
}

/// `state` is what the Prisma model has no column for, as text: a user's store keeps it without reading it.
fn write_row(row: &Row, number: u64) -> Value {
    json!({
        "token": row.token.expose(),
        "refreshToken": row.refresh_token.as_ref().map(Secret::expose),
        "tokenType": row.token_type.as_str(),
        "createdAt": row.created_at.to_string(),
        "expiresAt": row.expires_at.to_string(),
        "lastUsed": row.last_used.to_string(),
        "state": json!({ "revision": number, "strategy": row.strategy }).to_string(),
    })
}
