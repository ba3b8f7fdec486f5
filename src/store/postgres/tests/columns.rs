//! Tables whose columns have other types than those that evertoken creates.

use super::*;

impl TestDatabase {
    /// Creates the table with other types of columns.
    async fn create(&self, moment: &str, text: &str) {
        let definition = Statements::on(&self.table()).definition;
        let definition = if moment.starts_with("TIMESTAMP") {
            definition
        } else {
            definition.replace(" DEFAULT CURRENT_TIMESTAMP", "")
        };
        let definition = definition.replace("TIMESTAMP(3)", moment);
        self.sql(&definition.replace("\"token\" TEXT", &format!("\"token\" {text}"))).await;
    }
}

#[tokio::test]
async fn a_moment_stays_the_same_in_columns_with_a_time_zone_and_without() {
    for column in ["TIMESTAMPTZ(3)", "TIMESTAMPTZ", "TIMESTAMP(3)"] {
        let Some(database) = database().await else { return };
        database.create(column, "TEXT").await;
        for zone in ["Asia/Tokyo", "America/New_York", "UTC"] {
            let rows = database.process_at(&database.url_with(&format!("options=-c%20timezone%3D{zone}")));
            let mut seen: Option<Secret> = None;
            // The last two have the same local time in New York: its clocks go back in between.
            for (number, millisecond) in
                [1_800_000_000_123, 1_793_511_000_456, 1_793_514_600_789].into_iter().enumerate()
            {
                let moment = Timestamp::from_millisecond(millisecond);
                let next = StoredRow {
                    created_at: moment,
                    expires_at: moment,
                    last_used: moment,
                    ..row(&number.to_string())
                };
                assert!(rows.compare_and_set(&name("a"), seen.as_ref(), Some(&next)).await.unwrap());
                let Content::Row { row, .. } = rows.find(&name("a")).await.unwrap().content else { panic!() };
                let found = (row.created_at, row.expires_at, row.last_used, row.column_fault);
                assert_eq!(found, (moment, moment, moment, None), "{column} {zone}");
                seen = Some(next.token);
            }
            let at_place = "extract(epoch FROM \"lastUsed\") = 1793514600.789";
            assert_eq!(database.count(at_place).await, "1", "{column} {zone}");
            assert!(rows.compare_and_set(&name("a"), seen.as_ref(), None).await.unwrap());
        }
        database.end().await;
    }
}

#[tokio::test]
async fn a_column_of_another_type_is_named() {
    for (moment, text, expected) in [
        (
            "BIGINT",
            "TEXT",
            "\"expiresAt\" has the type bigint, and must have TIMESTAMP(3) or TIMESTAMPTZ(3);",
        ),
        ("DATE", "TEXT", "\"lastUsed\" has the type date, and must have"),
        ("TEXT", "TEXT", "\"createdAt\" has the type text, and must have"),
        ("TIMESTAMP(3)", "BYTEA", "unsuitable column: \"token\" has the type bytea, and must have TEXT"),
    ] {
        let Some(database) = database().await else { return };
        database.create(moment, text).await;
        let rows = database.process();
        let error = match rows.find(&name("a")).await {
            Err(error) => error,
            Ok(_) => rows.compare_and_set(&name("a"), None, Some(&row("1"))).await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains(expected), "{error}");
        assert!(!error.was_sent(), "nothing was stored");
        database.end().await;
    }
}

#[tokio::test]
async fn a_column_that_is_too_short_is_named() {
    let Some(database) = database().await else { return };
    database.create("TIMESTAMP(3)", "VARCHAR(191)").await;
    let rows = database.process();
    assert!(set(&rows, "a", None, Some(&"x".repeat(191))).await, "a text that fits");
    let error = rows.compare_and_set(&name("b"), None, Some(&row(&"x".repeat(192)))).await.unwrap_err();
    let expected =
        "\"token\" has the type character varying(191), which is too short, and must have TEXT (22001)";
    assert!(error.message().contains(expected), "{error}");
    database.end().await;
}
