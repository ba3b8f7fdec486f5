//! The sealed notes of one service: one for each key that is in use, the latest first.

use crate::crypto::{Context, KeyRing};
use crate::domain::Secret;
use crate::error::{ErrorKind, Result};

/// Configurations of one service may take turns, each with a key derived from its own credential. Few notes are kept,
/// as each costs the other configurations a slow derivation.
const KEPT: usize = 3;

/// More than the notes need: evertoken does not write a longer text.
const MAX_BYTES: usize = 64 * 1024;

/// Whether the key of every note is available without a derivation.
pub(super) fn is_ready(ring: &KeyRing, kept: &Secret) -> bool {
    envelopes(kept).all(|sealed| ring.is_ready_to_open(sealed))
}

/// The note that can be opened.
pub(super) fn find(ring: &KeyRing, context: &Context, kept: &Secret) -> Result<Option<Secret>> {
    for sealed in envelopes(kept) {
        if let Some(note) = open(ring, context, sealed)? {
            return Ok(Some(note));
        }
    }
    Ok(None)
}

/// The text to keep with `note` in place of the one that can be opened; `None` if no note is left.
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
        // A key that the machine cannot derive at present tells nothing about the note.
        Err(error) if error.kind() == ErrorKind::Internal => Err(error),
        Err(_) => Ok(None),
    }
}
