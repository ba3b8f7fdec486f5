//! Stores on rows: in memory, behind the functions of a program, and on servers. The tests' environment names the
//! servers; without one, its cases do nothing, and say so.

use super::without_clock::WithoutClock;
use super::*;
use crate::store::external::tests::TextMap;
use crate::store::external::{RecordRows, TextRows};
use crate::store::postgres::tests::postgres_rows;
use crate::store::redis::tests::servers::{redis_rows, skip};
use crate::store::row_store::tests::MapRows;

fn in_rows() -> Fixture {
    Fixture::rows(Arc::new(MapRows::default()))
}

fn in_records() -> Fixture {
    Fixture::rows(Arc::new(RecordRows(Arc::new(RowMap::new(true)))))
}

fn in_texts() -> Fixture {
    Fixture::rows(Arc::new(TextRows(Arc::new(TextMap::default()))))
}

async fn in_postgres() -> Option<Fixture> {
    Some(Fixture::rows(Arc::new(WithoutClock(postgres_rows().await?))))
}

fn in_redis() -> Option<Fixture> {
    let rows = redis_rows();
    if rows.is_none() {
        skip();
    }
    rows.map(|rows| Fixture::rows(Arc::new(WithoutClock(rows))))
}

conformance! {
    rows: super::in_rows();
    records_that_compare: super::in_records();
    texts_that_compare: super::in_texts();
    postgres: super::in_postgres().await;
    redis: super::in_redis();
}
