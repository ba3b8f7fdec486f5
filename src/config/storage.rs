//! The `storage` option: where tokens are stored.

use std::path::PathBuf;

use super::fields::ConfigFields;
use super::postgres_url::PostgresUrl;
use super::redis_url::RedisUrl;

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
    /// A PostgreSQL database, by its URL.
    Postgres(Box<PostgresUrl>, PostgresTable),
    /// A Redis server, by its URL.
    Redis(RedisUrl, RedisPrefix),
    /// JavaScript functions, which are passed in separately from the configuration.
    External(ExternalStoreKind),
}

/// The table of records, as it is written in SQL: quoted, and with its schema if that is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresTable(String);

impl PostgresTable {
    /// The table of Prisma's model.
    const DEFAULT: &'static str = "token_cache";

    /// Reads a name, or a schema and a name with a dot between them. `Err` says what is wrong with it, as the rest of a
    /// sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('.').collect();
        let is_name = |part: &&str| {
            let mut chars = part.chars();
            chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                && part.len() <= 63
                && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if parts.len() > 2 || !parts.iter().all(is_name) {
            return Err(
                "must be the name of a table, or a schema and a table such as \"app.token_cache\": letters, \
                        digits and underscores"
                    .to_owned(),
            );
        }
        Ok(Self(parts.iter().map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(".")))
    }

    /// The table in this schema, unless it names one already.
    fn in_schema(&self, schema: Option<&str>) -> Result<Self, String> {
        match schema {
            Some(schema) if !self.0.contains('.') => {
                Self::parse(&format!("{schema}.{}", self.0.trim_matches('"'))).map_err(|_| {
                    "has a schema that is not the name of one: letters, digits and underscores".to_owned()
                })
            }
            _ => Ok(self.clone()),
        }
    }

    /// The schema as it is written in SQL, if it is known.
    pub fn schema(&self) -> Option<&str> {
        self.0.split_once('.').map(|(schema, _)| schema)
    }

    /// The name as it is written in SQL.
    pub fn as_sql(&self) -> &str {
        &self.0
    }
}

/// What the names of all keys begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisPrefix(String);

impl RedisPrefix {
    const DEFAULT: &'static str = "evertoken:";

    /// Reads a prefix. `Err` says what is wrong with it, as the rest of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 200 || text.chars().any(char::is_control) {
            return Err("must have at most 200 characters, and no control characters".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalStoreKind {
    /// A Prisma client.
    Prisma,
    /// A custom store.
    Custom,
    /// A client of a PostgreSQL database.
    Postgres(PostgresTable),
    /// A client of a Redis server.
    Redis(RedisPrefix),
}

impl ExternalStoreKind {
    /// The name in the configuration and the status.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Prisma => "prisma",
            Self::Custom => "custom",
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
        }
    }
}

/// Reads the `storage` option.
pub(super) fn read(f: &mut ConfigFields<'_>) -> (Storage, PlainTokens) {
    let Some(mut fields) = f.object("storage") else {
        return (Storage::File(DEFAULT_FILE.into()), PlainTokens::Refused);
    };
    let kinds = ["memory", "file", "sqlite", "postgres", "redis", "prisma", "custom"];
    let is_kind_missing = !fields.has("kind");
    let storage = match fields.one_of("kind", &kinds.map(|kind| (kind, kind))) {
        Some("memory") => Storage::Memory,
        Some("file") => Storage::File(read_path(&mut fields, DEFAULT_FILE)),
        Some("sqlite") => Storage::Sqlite(read_path(&mut fields, DEFAULT_DATABASE)),
        Some("prisma") => Storage::External(ExternalStoreKind::Prisma),
        Some("custom") => Storage::External(ExternalStoreKind::Custom),
        Some("postgres") => read_postgres(&mut fields),
        Some("redis") => {
            let prefix = parsed(&mut fields, "keyPrefix", RedisPrefix::DEFAULT, RedisPrefix::parse);
            match fields.text("url").map(|url| RedisUrl::parse(&url)) {
                Some(Ok(url)) => Storage::Redis(url, prefix),
                Some(Err(fault)) => {
                    fields.error("url", fault);
                    Storage::Memory
                }
                None => Storage::External(ExternalStoreKind::Redis(prefix)),
            }
        }
        _ => {
            // `one_of` reports a wrong value, but not a missing one.
            if is_kind_missing {
                fields.error(
                    "kind",
                    "must say where tokens are stored: \"memory\", \"file\", \"sqlite\", \"postgres\", \"redis\", \
                     \"prisma\" or \"custom\"",
                );
            }
            return (Storage::Memory, PlainTokens::Refused);
        }
    };
    // No other process can write to memory.
    let is_accepted = !matches!(storage, Storage::Memory) && fields.flag("acceptPlainTokens") == Some(true);
    let plain_tokens = if is_accepted { PlainTokens::Accepted } else { PlainTokens::Refused };
    fields.finish();
    (storage, plain_tokens)
}

/// A path. The URL of a database, with a quote before it or a typo in its scheme, would become the name of a file: with
/// the password in it, and another file for each replica.
fn read_path(fields: &mut ConfigFields<'_>, default: &str) -> PathBuf {
    let Some(text) = fields.text("path") else { return default.into() };
    let is_url = text.contains("://") || (text.contains("//") && text.contains('@'));
    let is_connection_string = text.to_ascii_lowercase().contains("password=");
    if is_url || is_connection_string {
        fields.error("path", "must be a path, and looks like the URL of a database");
    } else if text.trim() != text || text.starts_with(['"', '\'', '`']) {
        fields.error("path", "must be a path, without quotes or spaces around it");
    }
    text.into()
}

/// A database by its URL, or else one whose client stays in JavaScript.
fn read_postgres(fields: &mut ConfigFields<'_>) -> Storage {
    let table = parsed(fields, "table", PostgresTable::DEFAULT, PostgresTable::parse);
    let Some(text) = fields.text("url") else {
        return Storage::External(ExternalStoreKind::Postgres(table));
    };
    let url = PostgresUrl::parse(text.trim()).and_then(|url| {
        let table = table.in_schema(url.schema.as_deref())?;
        Ok(Storage::Postgres(Box::new(url), table))
    });
    url.unwrap_or_else(|fault| {
        fields.error("url", fault);
        Storage::Memory
    })
}

/// A value of its own type; the default if it is missing, or wrong and reported.
fn parsed<T>(
    fields: &mut ConfigFields<'_>,
    key: &'static str,
    default: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> T {
    let given = fields.text(key).and_then(|text| match parse(&text) {
        Ok(value) => Some(value),
        Err(fault) => {
            fields.error(key, fault);
            None
        }
    });
    given.unwrap_or_else(|| parse(default).unwrap_or_else(|_| unreachable!("the default is valid")))
}
