//! What a sealed record contains, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::super::StoredToken;
use super::state::{self, StateJson};
use crate::domain::{AccessToken, Secret, Timestamp, TokenType};
use crate::error::{Error, ErrorKind, Result};

const VERSION: u64 = 1;

/// More than a record takes in addition to its secrets. A text that grows beyond its memory would leave copies
/// behind.
const ROOM: usize = 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadJson<'r> {
    version: u64,
    access_token: Option<&'r str>,
    token_type: &'r str,
    refresh_token: Option<&'r str>,
    issued_at: i64,
    expires_at: Option<i64>,
    last_used: i64,
    state: Option<StateJson<'r>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenedPayload<'t> {
    access_token: Option<String>,
    token_type: String,
    refresh_token: Option<String>,
    issued_at: i64,
    expires_at: Option<i64>,
    last_used: i64,
    #[serde(borrow)]
    state: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct Header {
    version: u64,
}

/// The text to seal.
pub(super) fn write(record: &StoredToken) -> Result<Secret> {
    let written = PayloadJson {
        version: VERSION,
        access_token: record.access_token.as_ref().map(|token| token.secret().expose()),
        token_type: record.scheme.as_str(),
        refresh_token: record.refresh_token.as_ref().map(Secret::expose),
        issued_at: record.issued_at.as_millisecond(),
        expires_at: record.expires_at.map(Timestamp::as_millisecond),
        last_used: record.last_used.as_millisecond(),
        state: record.state.as_ref().map(StateJson::from),
    };
    let state_secrets = record
        .state
        .as_ref()
        .map_or(0, |state| state.proof_key.as_ref().map_or(0, Secret::len) + state.fields.len());
    let tokens = [written.access_token, written.refresh_token].map(|token| token.map_or(0, str::len));
    let secrets = [tokens[0], tokens[1], state_secrets];
    let mut json = Zeroizing::new(Vec::with_capacity(ROOM + secrets.iter().sum::<usize>()));
    let unwritable = |_| Error::new(ErrorKind::Internal, "could not write the record as JSON");
    serde_json::to_writer(&mut *json, &written).map_err(unwritable)?;
    String::from_utf8(std::mem::take(&mut *json))
        .map(Secret::new)
        .map_err(|_| Error::new(ErrorKind::Internal, "could not write the record as text"))
}

/// The record in a text that was sealed.
///
/// # Errors
/// `Storage` for a text of a newer release, which can still use it; `Decrypt` for a text that no release writes.
pub(super) fn read(text: &Secret) -> Result<StoredToken> {
    let unreadable =
        || Error::new(ErrorKind::Decrypt, "the stored record is not in a format that evertoken writes");
    let header: Header = serde_json::from_str(text.expose()).map_err(|_| unreadable())?;
    if header.version > VERSION {
        let version = header.version;
        let message = format!(
            "the stored record was written by a newer version of evertoken (format {version}): update evertoken"
        );
        return Err(Error::new(ErrorKind::Storage, message));
    }
    let found: OpenedPayload<'_> = serde_json::from_str(text.expose()).map_err(|_| unreadable())?;
    let access_token = found.access_token.map(|token| AccessToken::parse(&Zeroizing::new(token)));
    Ok(StoredToken {
        access_token: access_token.transpose().map_err(|_| unreadable())?,
        scheme: TokenType::parse(&found.token_type).ok_or_else(unreadable)?,
        refresh_token: found.refresh_token.map(Secret::new),
        issued_at: Timestamp::from_millisecond(found.issued_at),
        expires_at: found.expires_at.map(Timestamp::from_millisecond),
        last_used: Timestamp::from_millisecond(found.last_used),
        state: found.state.map(|state| state::read(state.get())),
    })
}
