//! Stores on servers, which the tests' environment names. Without a server, their cases do nothing, and say so.

use super::*;

conformance! {
    postgres: match crate::store::postgres::tests::rows_without_clock().await {
        Some(rows) => Fixture::rows(rows),
        None => return,
    };
}
