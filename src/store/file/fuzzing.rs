//! What is true for every file that may contain records.

use super::super::StoredRow;
use super::document::{CacheDocument, FileEntry};
use crate::domain::{Secret, ServiceName, Timestamp, TokenType};
use crate::grants::GrantFormat;

/// A file is damaged, of a newer release, or a document that is read back as it was written. Adding a record to a
/// document leaves the others as they are, and the new record is read back, too.
///
/// # Panics
/// If that is not true.
pub fn record_file(data: &[u8]) {
    let Ok(mut document) = CacheDocument::parse(data) else { return };
    let (Ok(known), Ok(other)) = (ServiceName::parse("external_api"), ServiceName::parse("other")) else {
        panic!("the names are names")
    };
    check_again(&document, &known);
    check_again(&document, &other);

    let before = rows(&document, &known);
    let new = new_row();
    let revision = document.put(&other, &new);
    let after = reread(&document);
    assert_eq!(after.revision(&other), Some(revision));
    assert_eq!(rows(&after, &other), Some(words(&new)));
    assert_eq!(rows(&after, &known), before, "another service's record");

    assert!(document.remove(&other));
    assert_eq!(reread(&document).revision(&other), None);
    if let Some(seen) = document.revision(&known) {
        assert!(document.set_aside(&known, seen));
        let after = reread(&document);
        assert_eq!(after.revision(&known), None, "served after it was set aside");
    }
}

/// A record is found again after the document was written and read, and after the record was stored again.
fn check_again(document: &CacheDocument, service: &ServiceName) {
    let again = reread(document);
    assert_eq!(again.revision(service), document.revision(service));
    assert_eq!(rows(&again, service), rows(document, service));
    let Some(FileEntry::Row(row, old)) = document.find(service, written()) else { return };
    assert!(!row.token.is_empty());
    assert!(row.refresh_token.as_ref().is_none_or(|token| !token.is_empty()));
    if row.column_fault.is_some() {
        return;
    }
    let mut copy = reread(document);
    let new = copy.put(service, &row);
    assert!(new.is_later_than(old) || old.number >= (1 << 53) - 1, "{new:?} after {old:?}");
    assert_eq!(rows(&reread(&copy), service), Some(words(&row)));
}

fn reread(document: &CacheDocument) -> CacheDocument {
    match CacheDocument::parse(document.to_text().as_bytes()) {
        Ok(document) => document,
        Err(fault) => panic!("what was written is {fault:?}"),
    }
}

/// The record of a service as text, or `malformed`.
fn rows(document: &CacheDocument, service: &ServiceName) -> Option<String> {
    document.find(service, written()).map(|found| match found {
        FileEntry::Row(row, _) => words(&row),
        FileEntry::Malformed(_) => "malformed".to_owned(),
    })
}

fn words(row: &StoredRow) -> String {
    let refresh_token = row.refresh_token.as_ref().map(Secret::expose);
    // The format is not read back.
    let row = StoredRow { format: None, ..row.clone() };
    format!("{:?} {refresh_token:?} {row:?}", row.token.expose())
}

fn written() -> Timestamp {
    Timestamp::from_second(1_800_000_000.0)
}

fn new_row() -> StoredRow {
    StoredRow {
        token: Secret::new("et1.k.a.b"),
        refresh_token: None,
        token_type: TokenType::bearer(),
        created_at: written(),
        expires_at: Timestamp::MAX,
        last_used: written(),
        format: Some(GrantFormat::ClientCredentials),
        column_fault: None,
    }
}
