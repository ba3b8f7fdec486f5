//! The `storage` option: where tokens are stored.

use std::path::PathBuf;

use super::fields::ConfigFields;

const DEFAULT_FILE: &str = "./data/token-cache.json";
const DEFAULT_DATABASE: &str = "./data/token-cache.db";

/// The kind of store.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In this process only.
    Memory,
    /// A file.
    File(PathBuf),
    /// An SQLite database.
    Sqlite(PathBuf),
    /// JavaScript functions, which are passed in separately from the configuration.
    External(ExternalStoreKind),
}

/// What to do with an unencrypted token in the store: `storage.acceptPlainTokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainTokens {
    /// Do not use it.
    Refused,
    /// Use it, and trust everyone who can write to the store.
    Accepted,
}

/// What the JavaScript functions call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalStoreKind {
    /// A Prisma client.
    Prisma,
    /// A custom store.
    Custom,
}

impl ExternalStoreKind {
    /// The name in the configuration and the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prisma => "prisma",
            Self::Custom => "custom",
        }
    }
}

/// Reads the `storage` option.
pub(super) fn read(f: &mut ConfigFields<'_>) -> (Storage, PlainTokens) {
    let Some(mut fields) = f.object("storage") else {
        return (Storage::File(DEFAULT_FILE.into()), PlainTokens::Refused);
    };
    let kinds = ["memory", "file", "sqlite", "postgres", "redis", "prisma", "custom"];
    let storage = match fields.one_of("kind", &kinds.map(|kind| (kind, kind))) {
        Some("memory") => Storage::Memory,
        Some("file") => Storage::File(fields.text("path").map_or_else(|| DEFAULT_FILE.into(), Into::into)),
        Some("sqlite") => {
            Storage::Sqlite(fields.text("path").map_or_else(|| DEFAULT_DATABASE.into(), Into::into))
        }
        Some("prisma") => Storage::External(ExternalStoreKind::Prisma),
        Some("custom") => Storage::External(ExternalStoreKind::Custom),
        Some(kind) => {
            fields.error("kind", format!("\"{kind}\" is not supported by this version of evertoken"));
            return (Storage::Memory, PlainTokens::Refused);
        }
        None => {
            // `one_of` reports a wrong value, but not a missing one.
            fields.error(
                "kind",
                "must say where tokens are stored: \"memory\", \"file\", \"sqlite\", \"prisma\" or \"custom\"",
            );
            return (Storage::Memory, PlainTokens::Refused);
        }
    };
    // No other process can write to memory.
    let is_accepted = !matches!(storage, Storage::Memory) && fields.flag("acceptPlainTokens") == Some(true);
    let plain_tokens = if is_accepted { PlainTokens::Accepted } else { PlainTokens::Refused };
    fields.finish();
    (storage, plain_tokens)
}
