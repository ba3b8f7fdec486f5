//! The requests to callbacks and their responses, as JSON.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::record::{Columns, number_of};
use super::super::{Revision, StoredRow};
use crate::domain::{Secret, ServiceName, Timestamp, TokenType};

/// A request to the callbacks.
pub(super) enum StoreRequest<'a> {
    /// The response is a record or `null`.
    Get(&'a ServiceName),
    /// The response is `"stored"` or `"conflict"`.
    Set { service: &'a ServiceName, row: &'a StoredRow, replaced: Expected },
    /// Any response will do.
    Delete(&'a ServiceName),
    /// Deletes the record with this token. The response is `"stored"` or `"conflict"`.
    DeleteSeen { service: &'a ServiceName, seen: &'a Secret },
    /// The response is an array of a text or `null` for each service, which differs after each change.
    Marks(&'a [Arc<str>]),
    /// The response is a text or `null`.
    Read(&'a ServiceName),
    /// The response is `true` or `false`.
    CompareAndSet { key: &'a ServiceName, expected: Option<&'a Secret>, next: Option<&'a Secret> },
}

/// What a save is to replace, for callbacks that compare and swap.
pub(super) enum Expected {
    /// No record.
    None,
    /// The record with this token, as it is stored.
    Seen(Secret),
    /// Any record, or none.
    Any,
}

impl StoreRequest<'_> {
    pub(super) fn to_json(&self) -> String {
        let request = match self {
            Self::Get(service) => json!({ "operation": "get", "service": service.as_str() }),
            Self::Delete(service) => json!({ "operation": "delete", "service": service.as_str() }),
            Self::DeleteSeen { service, seen } => {
                json!({ "operation": "delete", "service": service.as_str(), "replaced": seen.expose() })
            }
            Self::Marks(services) => {
                let services: Vec<_> = services.iter().map(|service| &**service).collect();
                json!({ "operation": "marks", "services": services })
            }
            Self::Read(key) => json!({ "operation": "read", "key": key.as_str() }),
            Self::CompareAndSet { key, expected, next } => json!({
                "operation": "compareAndSet", "key": key.as_str(),
                "expected": expected.map(Secret::expose), "next": next.map(Secret::expose),
            }),
            Self::Set { service, row, replaced } => {
                let mut request = json!({
                    "operation": "set", "service": service.as_str(), "record": write_row(row),
                });
                match replaced {
                    Expected::None => request["replaced"] = Value::Null,
                    Expected::Seen(seen) => request["replaced"] = seen.expose().into(),
                    Expected::Any => {}
                }
                request
            }
        };
        request.to_string()
    }
}

/// A response of the callbacks.
pub(super) enum StoreResponse {
    Stored,
    Conflict,
    Other(Value),
}

impl StoreResponse {
    /// The error is in the words of the callbacks.
    pub(super) fn parse(outcome: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum WireOutcome {
            Ok(Value),
            Error { message: String },
        }

        match serde_json::from_str(outcome) {
            Ok(WireOutcome::Ok(Value::String(word))) if word == "stored" => Ok(Self::Stored),
            Ok(WireOutcome::Ok(Value::String(word))) if word == "conflict" => Ok(Self::Conflict),
            Ok(WireOutcome::Ok(value)) => Ok(Self::Other(value)),
            Ok(WireOutcome::Error { message }) => Err(message),
            Err(_) => Err("its response is not valid".to_owned()),
        }
    }
}

/// A record as it was found.
pub(super) enum WireRecord {
    Nothing,
    Record {
        row: StoredRow,
        revision: Revision,
    },
    /// What is wrong with it.
    Malformed(&'static str),
}

pub(super) fn read(answer: StoreResponse) -> WireRecord {
    let StoreResponse::Other(value) = answer else { return WireRecord::Malformed(NO_RECORD) };
    if value.is_null() {
        return WireRecord::Nothing;
    }
    match read_row(&value) {
        Ok(row) => {
            let revision = Revision::new(number_of(row.last_used), &row);
            WireRecord::Record { row, revision }
        }
        Err(fault) => WireRecord::Malformed(fault),
    }
}

/// The lifetime of a token that another program stored without its time of issue.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);

const NO_RECORD: &str = "it did not return a record";

pub(super) fn read_row(value: &Value) -> Result<StoredRow, &'static str> {
    let fields = value.as_object().ok_or(NO_RECORD)?;
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(Secret::new);
    let moment = |value: &Value| value.as_str().and_then(Timestamp::parse);
    if given("isTooLong") == Some(&Value::Bool(true)) {
        return Err("it returned a record whose token is longer than 4 MiB");
    }
    let token = given("token").and_then(text).ok_or("it returned a record whose token is not a string")?;
    let expires_at = given("expiresAt").and_then(moment);
    let created_at = given("createdAt").map_or(expires_at.map(|end| end.minus(ASSUMED_LIFETIME)), moment);
    let columns = Columns {
        refresh_token: given("refreshToken").map(|value| text(value).ok_or(())).transpose(),
        token_type: given("tokenType").map_or(Some(TokenType::bearer()), |v| TokenType::parse(v.as_str()?)),
        created_at,
        expires_at,
        last_used: given("lastUsed").map_or(created_at, moment),
    };
    Ok(StoredRow::from_columns(token, columns))
}

pub(super) fn write_row(row: &StoredRow) -> Value {
    json!({
        "token": row.token.expose(),
        "refreshToken": row.refresh_token.as_ref().map(Secret::expose),
        "tokenType": row.token_type.as_str(),
        "createdAt": row.created_at.to_string(),
        "expiresAt": row.expires_at.to_string(),
        "lastUsed": row.last_used.to_string(),
    })
}
