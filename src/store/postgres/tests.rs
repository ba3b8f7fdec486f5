//! What holds on a real server: the one that `EVERTOKEN_TEST_POSTGRES` names, as a superuser. Without it, these tests do
//! nothing, and say so.

mod columns;
mod faults;
mod locks;
mod notices;
mod rows;
mod ways;

use std::sync::Arc;

use tokio_postgres::SimpleQueryMessage;

use super::super::rows::{Content, Rows};
use super::target::{PostgresTarget, ServerConnection};
use super::*;
use crate::domain::{Timestamp, TokenType};
use crate::runtime;

/// A schema of its own on the server.
struct TestDatabase {
    url: String,
    schema: String,
    admin: tokio_postgres::Client,
}

/// A database to test with, if there is one.
async fn database() -> Option<TestDatabase> {
    #[expect(clippy::disallowed_methods, reason = "the test's own setting, which nothing changes")]
    let url = std::env::var("EVERTOKEN_TEST_POSTGRES");
    let Ok(url) = url else {
        #[expect(clippy::print_stderr, reason = "says why the test does nothing")]
        {
            eprintln!("skipped: EVERTOKEN_TEST_POSTGRES does not name a PostgreSQL server");
        }
        return None;
    };
    let parsed = PostgresUrl::parse(&url).unwrap();
    let target = Arc::new(PostgresTarget { url: parsed, tls: StoreTls::default() });
    let connecting = runtime::spawn(async move {
        let ServerConnection { client, driver, .. } = target::connect(&target).await.unwrap();
        drop(runtime::spawn(driver).unwrap());
        client
    });
    let admin = connecting.unwrap().await.unwrap();
    let schema = format!("evertoken_test_{:x}", fastrand::u64(..));
    admin.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    Some(TestDatabase { url, schema, admin })
}

impl TestDatabase {
    /// The URL with one more parameter.
    fn url_with(&self, parameter: &str) -> String {
        let joint = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{joint}{parameter}", self.url)
    }

    fn table(&self) -> PostgresTable {
        PostgresTable::parse(&format!("{}.token_cache", self.schema)).unwrap()
    }

    /// The table, as another process sees it.
    fn process(&self) -> Arc<PostgresRows> {
        self.process_at(&self.url)
    }

    fn process_at(&self, url: &str) -> Arc<PostgresRows> {
        let pool = PostgresPool::new(PostgresUrl::parse(url).unwrap(), StoreTls::default());
        Arc::new(PostgresRows::new(Arc::new(pool), self.table()))
    }

    /// Another role with this password, that has no rights on the schema but to use it.
    async fn role(&self) -> String {
        let role = format!("{}_role", self.schema);
        self.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter3'")).await;
        self.sql(&format!("GRANT USAGE ON SCHEMA {} TO {role}", self.schema)).await;
        role
    }

    /// The URL for another login.
    fn url_of(&self, user: &str, password: &str) -> String {
        let (_, place) = self.url.rsplit_once('@').unwrap();
        format!("postgres://{user}:{password}@{place}")
    }

    /// Runs SQL as the superuser. Returns the first column of the first row.
    async fn sql(&self, sql: &str) -> Option<String> {
        let messages = self.admin.simple_query(sql).await.unwrap();
        messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    }

    /// The number of rows of a query on the table.
    async fn count(&self, condition: &str) -> String {
        let table = self.table();
        self.sql(&format!("SELECT count(*) FROM {} WHERE {condition}", table.as_sql())).await.unwrap()
    }

    /// Removes everything. A test that fails leaves its schema.
    async fn end(self) {
        self.sql(&format!("DROP SCHEMA {} CASCADE", self.schema)).await;
    }
}

/// Rows to test with, if there is a server.
pub(in crate::store) async fn postgres_rows() -> Option<Arc<PostgresRows>> {
    Some(database().await?.process())
}

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

fn row(token: &str) -> StoredRow {
    StoredRow {
        token: Secret::new(token),
        refresh_token: None,
        token_type: TokenType::bearer(),
        created_at: Timestamp::from_millisecond(1_800_000_000_123),
        expires_at: Timestamp::from_millisecond(1_800_003_600_456),
        last_used: Timestamp::from_millisecond(1_800_000_001_789),
        format: None,
        column_fault: None,
    }
}

/// The token that is stored under a name.
async fn token(rows: &PostgresRows, of: &str) -> Option<String> {
    match rows.find(&name(of)).await.unwrap().content {
        Content::Row { row, .. } => Some(row.token.expose().to_owned()),
        Content::Nothing => None,
        Content::Malformed { fault, .. } => panic!("{fault}"),
    }
}

/// Replaces a token by another one, or nothing for `None`.
async fn set(rows: &PostgresRows, of: &str, from: Option<&str>, to: Option<&str>) -> bool {
    let expected = from.map(Secret::new);
    rows.compare_and_set(&name(of), expected.as_ref(), to.map(row).as_ref()).await.unwrap()
}
