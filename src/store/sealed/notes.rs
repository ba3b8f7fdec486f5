//! The sealed notes of one service: one for each key that is used with it, the latest first.

use crate::crypto::{Context, KeyRing};
use crate::domain::Secret;
use crate::error::{ErrorKind, Result};

/// Configurations of one service may have a key each, derived from their credentials, and take turns. A few are
/// kept; each costs every other one a slow derivation.
const KEPT: usize = 3;

/// More than these was not written by us.
const MAX_BYTES: usize = 64 * 1024;

/// Whether the key of every note is at hand.
pub(super) fn is_ready(ring: &KeyRing, kept: &Secret) -> bool {
    envelopes(kept).all(|sealed| ring.is_ready_to_open(sealed))
}

/// The note that opens.
pub(super) fn find(ring: &KeyRing, context: &Context, kept: &Secret) -> Result<Option<Secret>> {
    for sealed in envelopes(kept) {
        if let Some(note) = open(ring, context, sealed)? {
            return Ok(Some(note));
        }
    }
    Ok(None)
}

/// What to keep with `note` in place of the one that opens; `None` when nothing is left.
pub(super) fn replace(
    ring: &KeyRing,
    context: &Context,
    before: Option<&Secret>,
    note: Option<&Secret>,
) -> Result<Option<Secret>> {
    let mut kept = Vec::new();
    if let Some(note) = note {
        kept.push(ring.seal(context, note)?);
    }
    for sealed in before.into_iter().flat_map(envelopes) {
        if open(ring, context, sealed)?.is_none() {
            kept.push(sealed.to_owned());
        }
    }
    kept.truncate(KEPT);
    Ok((!kept.is_empty()).then(|| Secret::new(kept.join(" "))))
}

fn envelopes(kept: &Secret) -> impl Iterator<Item = &str> {
    let text = Some(kept.expose()).filter(|text| text.len() <= MAX_BYTES).unwrap_or_default();
    text.split_ascii_whitespace().take(KEPT)
}

fn open(ring: &KeyRing, context: &Context, sealed: &str) -> Result<Option<Secret>> {
    match ring.open(context, sealed) {
        Ok(note) => Ok(Some(note)),
        // That the machine cannot derive the key now says nothing of the note.
        Err(error) if error.kind() == ErrorKind::Internal => Err(error),
        Err(_) => Ok(None),
    }
}
