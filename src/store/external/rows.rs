//! Rows behind functions of the user's program that compare and set.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::super::record::digest;
use super::super::rows::{Content, Found, Rows};
use super::super::{StoreCallbacks, StoredRow};
use super::wire::{self, Expected, StoreRequest, StoreResponse, WireRecord};
use super::{CUSTOM_STORE, PRISMA_CLIENT};
use crate::domain::{Secret, ServiceName};
use crate::error::{Error, ErrorKind, Result};

async fn call(
    callbacks: &dyn StoreCallbacks,
    place: &str,
    request: &StoreRequest<'_>,
) -> Result<StoreResponse> {
    let outcome = callbacks.call(request.to_json()).await?;
    StoreResponse::parse(&outcome).map_err(|message| error(place, &message))
}

fn error(place: &str, message: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("the {place}: {message}"))
}

/// The rows of a Prisma client's model. Prisma has no clock of the database.
pub(in crate::store) struct RecordRows(pub(in crate::store) Arc<dyn StoreCallbacks>);

#[async_trait]
impl Rows for RecordRows {
    fn kind(&self) -> &'static str {
        "prisma"
    }

    fn location(&self) -> String {
        PRISMA_CLIENT.to_owned()
    }

    async fn find(&self, name: &ServiceName) -> Result<Found> {
        let content = match wire::read(self.call(&StoreRequest::Get(name)).await?) {
            WireRecord::Nothing => Content::Nothing,
            WireRecord::Record { row, .. } => Content::Row { seen: row.token.clone(), row },
            WireRecord::Malformed(fault) => Content::Malformed { fault, seen: None },
        };
        Ok(Found { content, now: None })
    }

    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool> {
        let replaced = expected.map_or(Expected::None, |seen| Expected::Seen(seen.clone()));
        let request = match (expected, next) {
            (_, Some(row)) => StoreRequest::Set { service: name, row, replaced },
            (Some(seen), None) => StoreRequest::DeleteSeen { service: name, seen },
            (None, None) => return Ok(true),
        };
        match self.call(&request).await? {
            StoreResponse::Stored => Ok(true),
            StoreResponse::Conflict => Ok(false),
            StoreResponse::Other(_) => {
                Err(error(PRISMA_CLIENT, "it did not report whether a row was stored"))
            }
        }
    }

    async fn discard(&self, name: &ServiceName) -> Result<()> {
        self.call(&StoreRequest::Delete(name)).await.map(drop)
    }

    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>> {
        match self.call(&StoreRequest::Marks(names)).await? {
            StoreResponse::Other(Value::Array(marks)) if marks.len() == names.len() => {
                Ok(marks.iter().map(|mark| digest([mark.as_str().unwrap_or_default()])).collect())
            }
            _ => Err(error(PRISMA_CLIENT, "findMany() did not return rows")),
        }
    }
}

impl RecordRows {
    async fn call(&self, request: &StoreRequest<'_>) -> Result<StoreResponse> {
        call(&*self.0, PRISMA_CLIENT, request).await
    }
}

/// The texts of a custom store with `read` and `compareAndSet`. Each is a row as JSON.
pub(in crate::store) struct TextRows(pub(in crate::store) Arc<dyn StoreCallbacks>);

/// Evertoken writes no longer text: a token of 4 MiB, escaped, with its columns.
const MAX_TEXT: usize = 5 * 1024 * 1024;

#[async_trait]
impl Rows for TextRows {
    fn kind(&self) -> &'static str {
        "custom"
    }

    fn location(&self) -> String {
        CUSTOM_STORE.to_owned()
    }

    async fn find(&self, name: &ServiceName) -> Result<Found> {
        let content = match self.call(&StoreRequest::Read(name)).await? {
            StoreResponse::Other(Value::Null) => Content::Nothing,
            StoreResponse::Other(Value::String(text)) => read(Secret::new(text)),
            // A text that happens to be a word of the protocol.
            StoreResponse::Stored => read(Secret::new("stored")),
            StoreResponse::Conflict => read(Secret::new("conflict")),
            StoreResponse::Other(_) => {
                return Err(error(CUSTOM_STORE, "read() returned neither a string nor null"));
            }
        };
        Ok(Found { content, now: None })
    }

    async fn compare_and_set(
        &self,
        name: &ServiceName,
        expected: Option<&Secret>,
        next: Option<&StoredRow>,
    ) -> Result<bool> {
        let next = next.map(|row| Secret::new(wire::write_row(row).to_string()));
        let request = StoreRequest::CompareAndSet { key: name, expected, next: next.as_ref() };
        match self.call(&request).await? {
            StoreResponse::Other(Value::Bool(is_set)) => Ok(is_set),
            _ => Err(error(CUSTOM_STORE, "compareAndSet() returned neither true nor false")),
        }
    }

    async fn discard(&self, _: &ServiceName) -> Result<()> {
        // Every text can be expected.
        Ok(())
    }

    fn has_marks(&self) -> bool {
        false
    }

    async fn marks(&self, names: &[Arc<str>]) -> Result<Vec<u64>> {
        Ok(vec![0; names.len()])
    }
}

impl TextRows {
    async fn call(&self, request: &StoreRequest<'_>) -> Result<StoreResponse> {
        call(&*self.0, CUSTOM_STORE, request).await
    }
}

fn read(text: Secret) -> Content {
    const MALFORMED: &str = "read() returned a text that evertoken did not write";
    if text.len() > MAX_TEXT {
        return Content::Malformed {
            fault: "read() returned a text that is longer than 5 MiB",
            seen: Some(text),
        };
    }
    let row = serde_json::from_str::<Value>(text.expose()).map_err(|_| MALFORMED);
    match row.and_then(|value| wire::read_row(&value)) {
        Ok(row) => Content::Row { row, seen: text },
        Err(fault) => Content::Malformed { fault, seen: Some(text) },
    }
}
