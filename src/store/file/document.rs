//! The content of the file: JSON, with the field names of the Prisma model.

use serde_json::{Map, Value, json};

use super::super::record::{Columns, KEPT_ASIDE, digest};
use super::super::{Revision, StoredRow};
use crate::crypto::is_envelope;
use crate::domain::{Secret, ServiceName, Timestamp, TokenType};

const VERSION: u64 = 1;

/// The content of the file. Unknown fields, which someone may have added, are kept.
#[derive(Debug)]
pub(super) struct CacheDocument {
    services: Map<String, Value>,
    aside: Map<String, Value>,
    /// The numbers of removals that no later record has replaced.
    removed: Map<String, Value>,
    /// For each service a sealed text, separate from its record.
    notes: Map<String, Value>,
    /// The number of the last write. The number of a record is that of the write that made it.
    last_write: Option<u64>,
    rest: Map<String, Value>,
}

/// Why a content is not a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentError {
    Damaged,
    Newer(u64),
}

/// A record as it was found.
pub(super) enum FileEntry {
    Row(StoredRow, Revision),
    /// Not in the shape of a record.
    Malformed(Revision),
}

impl CacheDocument {
    /// A document without records.
    pub(super) fn empty() -> Self {
        Self {
            services: Map::new(),
            aside: Map::new(),
            removed: Map::new(),
            notes: Map::new(),
            last_write: None,
            rest: Map::new(),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        // Some editors begin a file with a byte order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Ok(Value::Object(mut rest)) = serde_json::from_slice(bytes) else {
            return Err(DocumentError::Damaged);
        };
        match rest.remove("version").as_ref().and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => return Err(DocumentError::Newer(newer)),
            _ => return Err(DocumentError::Damaged),
        }
        let Some(Value::Object(services)) = rest.remove("services") else {
            return Err(DocumentError::Damaged);
        };
        let aside = match rest.remove("aside") {
            Some(Value::Object(aside)) => aside,
            None => Map::new(),
            Some(_) => return Err(DocumentError::Damaged),
        };
        let mut object = |name| match rest.remove(name) {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        let (removed, notes) = (object("removed"), object("notes"));
        let last_write = rest.remove("revision").and_then(|n| n.as_u64());
        Ok(Self { services, aside, removed, notes, last_write, rest })
    }

    pub(super) fn to_text(&self) -> String {
        let mut root = self.rest.clone();
        root.insert("version".into(), VERSION.into());
        root.insert("revision".into(), self.last_write.into());
        root.insert("services".into(), Value::Object(self.services.clone()));
        root.insert("aside".into(), Value::Object(self.aside.clone()));
        root.insert("removed".into(), Value::Object(self.removed.clone()));
        root.insert("notes".into(), Value::Object(self.notes.clone()));
        format!("{:#}\n", Value::Object(root))
    }

    /// The record of a service. `written` is its time of issue if it has no `createdAt`.
    pub(super) fn find(&self, service: &ServiceName, written: Timestamp) -> Option<FileEntry> {
        let value = self.services.get(service.as_str())?;
        let revision = self.revision_of(value);
        Some(
            read_row(value, written)
                .map_or(FileEntry::Malformed(revision), |row| FileEntry::Row(row, revision)),
        )
    }

    pub(super) fn revision(&self, service: &ServiceName) -> Option<Revision> {
        self.services.get(service.as_str()).map(|value| self.revision_of(value))
    }

    /// The number of the write, and a digest of what matters: the sealed text, or all of a record that another
    /// program wrote. A record without a number was added after the last write.
    fn revision_of(&self, value: &Value) -> Revision {
        let number = value["revision"].as_u64().or(self.last_write).unwrap_or_default();
        let digest = match value["token"].as_str().filter(|token| is_envelope(token)) {
            Some(sealed) => digest([sealed]),
            None => digest([&value.to_string()]),
        };
        Revision { number, digest }
    }

    /// Stores the record under a number later than every other, and later than that of the record it replaces, which
    /// an edit or a copy may have put ahead of the file.
    pub(super) fn put(&mut self, service: &ServiceName, row: &StoredRow) -> Revision {
        let replaced = self.revision(service).map(|revision| revision.number);
        let number = Revision::number_after(self.last_write.max(replaced), row.last_used);
        self.last_write = Some(number);
        let value = write_row(row, number);
        let revision = self.revision_of(&value);
        self.removed.remove(service.as_str());
        self.services.insert(service.as_str().to_owned(), value);
        revision
    }

    /// Returns whether there was a record.
    pub(super) fn remove(&mut self, service: &ServiceName) -> bool {
        let Some(removed) = self.revision(service) else { return false };
        let last = self.last_write.unwrap_or_default().max(removed.number);
        let number = Revision::of_removal(last).number;
        self.last_write = Some(number);
        self.removed.insert(service.as_str().to_owned(), number.into());
        self.services.remove(service.as_str());
        true
    }

    /// The removal that left no record.
    pub(super) fn removal(&self, service: &ServiceName) -> Option<Revision> {
        let number = self.removed.get(service.as_str())?.as_u64()?;
        Some(Revision { number, digest: 0 })
    }

    /// The text that is kept separately from the record.
    pub(super) fn note(&self, service: &ServiceName) -> Option<Secret> {
        self.notes.get(service.as_str())?.as_str().map(Secret::new)
    }

    /// Keeps the text, or deletes it. Returns whether that changes anything.
    pub(super) fn put_note(&mut self, service: &ServiceName, note: Option<&Secret>) -> bool {
        match note {
            Some(note) => {
                self.notes.insert(service.as_str().to_owned(), note.expose().into());
                true
            }
            None => self.notes.remove(service.as_str()).is_some(),
        }
    }

    /// Returns whether there was a record of that revision.
    pub(super) fn set_aside(&mut self, service: &ServiceName, seen: Revision) -> bool {
        if self.revision(service) != Some(seen) {
            return false;
        }
        let Some(value) = self.services.remove(service.as_str()) else { return false };
        let kept = self.aside.entry(service.as_str()).or_insert_with(|| json!([]));
        match kept {
            Value::Array(kept) => {
                kept.push(value);
                let surplus = kept.len().saturating_sub(usize::from(KEPT_ASIDE));
                kept.drain(..surplus);
            }
            other => *other = json!([value]),
        }
        true
    }
}

/// `None` if there is no token.
fn read_row(value: &Value, written: Timestamp) -> Option<StoredRow> {
    let fields = value.as_object()?;
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(Secret::new);
    let moment = |value: &Value| value.as_str().and_then(Timestamp::parse);
    let token = text(given("token")?)?;
    let expires_at = given("expiresAt").and_then(moment);
    let created_at = given("createdAt").map_or(Some(expires_at.map_or(written, |e| written.min(e))), moment);
    let columns = Columns {
        refresh_token: given("refreshToken").map(|value| text(value).ok_or(())).transpose(),
        token_type: given("tokenType").map_or(Some(TokenType::bearer()), |v| TokenType::parse(v.as_str()?)),
        created_at,
        expires_at,
        last_used: given("lastUsed").map_or(created_at, moment),
    };
    Some(StoredRow::from_columns(token, columns))
}

fn write_row(row: &StoredRow, number: u64) -> Value {
    json!({
        "token": row.token.expose(),
        "refreshToken": row.refresh_token.as_ref().map(Secret::expose),
        "tokenType": row.token_type.as_str(),
        "createdAt": row.created_at.to_string(),
        "expiresAt": row.expires_at.to_string(),
        "lastUsed": row.last_used.to_string(),
        // As `status().strategy` names it: for people to see, and never read back.
        "strategy": { "format": row.format },
        "revision": number,
    })
}
