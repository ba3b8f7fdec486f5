//! What is wrong with the types of the table's columns.

use super::connection::SqlRow;

/// The columns that hold moments.
const MOMENTS: [&str; 3] = ["expiresAt", "createdAt", "lastUsed"];

const MOMENT_TYPES: [&str; 2] = ["timestamp without time zone", "timestamp with time zone"];

/// The columns that hold texts.
const TEXTS: [&str; 5] = ["token", "refreshToken", "service", "tokenType", "id"];

const TEXT_TYPES: [&str; 3] = ["text", "character varying", "citext"];

/// The columns that evertoken cannot use, as the rest of a sentence that begins with the place. `columns` is what the
/// statement of the same name returned.
pub(super) fn unfit(columns: &[SqlRow], is_too_long: bool) -> Option<String> {
    let known = columns.iter().filter_map(|column| match column.as_slice() {
        [Some(name), Some(base), Some(declared)] => Some((name.as_str(), base.as_str(), declared.as_str())),
        _ => None,
    });
    let mut parts = Vec::new();
    for (name, base, declared) in known {
        if MOMENTS.contains(&name) && !MOMENT_TYPES.contains(&base) {
            parts.push(format!(
                "\"{name}\" has the type {declared}, and must have TIMESTAMP(3) or TIMESTAMPTZ(3)"
            ));
        } else if TEXTS.contains(&name) && !TEXT_TYPES.contains(&base) {
            parts.push(format!("\"{name}\" has the type {declared}, and must have TEXT"));
        } else if is_too_long && TEXTS.contains(&name) && declared.contains('(') {
            parts.push(format!("\"{name}\" has the type {declared}, which is too short, and must have TEXT"));
        }
    }
    let columns = if parts.len() == 1 { "column" } else { "columns" };
    (!parts.is_empty()).then(|| format!("has a table with unsuitable {columns}: {}", parts.join("; ")))
}
