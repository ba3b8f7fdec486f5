//! Rows, compare-and-set, and the table.

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::transport::Environment;

#[tokio::test]
async fn a_row_is_replaced_only_while_it_is_what_the_caller_saw() {
    let Some(database) = database().await else { return };
    let (one, other) = (database.process(), database.process());
    assert!(set(&one, "a", None, None).await, "nothing is there");
    assert!(!set(&one, "a", Some("x"), Some("y")).await);
    assert!(set(&one, "a", None, Some("first")).await);
    assert!(!set(&other, "a", None, Some("second")).await);
    assert!(!set(&other, "a", None, None).await, "something is there");
    assert!(set(&other, "a", Some("first"), Some("second")).await);
    assert!(!set(&one, "a", Some("first"), Some("third")).await);
    assert!(!set(&one, "a", Some("first"), None).await);
    assert_eq!(token(&one, "a").await.as_deref(), Some("second"));
    assert!(set(&one, "a", Some("second"), None).await);
    assert_eq!(token(&other, "a").await, None);
    assert!(set(&one, "a", None, Some("again")).await);
    one.discard(&name("a")).await.unwrap();
    assert_eq!(token(&other, "a").await, None);
    database.end().await;
}

#[tokio::test]
async fn a_row_comes_back_as_it_was_in_every_time_zone() {
    let Some(database) = database().await else { return };
    for zone in ["UTC", "Asia/Tokyo", "America/St_Johns"] {
        let rows = database.process_at(&database.url_with(&format!("options=-c%20timezone%3D{zone}")));
        let service = name("ünï \"c\\ode'");
        let stored = StoredRow { refresh_token: Some(Secret::new("r")), ..super::row("token") };
        assert!(rows.compare_and_set(&service, None, Some(&stored)).await.unwrap());
        let found = rows.find(&service).await.unwrap();
        let Content::Row { row, seen } = found.content else { panic!("{zone}") };
        assert_eq!(
            (row.created_at, row.expires_at, row.last_used, row.column_fault),
            (stored.created_at, stored.expires_at, stored.last_used, None)
        );
        assert_eq!((row.refresh_token.unwrap().expose(), row.token_type.as_str()), ("r", "Bearer"));
        let condition = format!("\"expiresAt\" = '{}'", stored.expires_at.to_string().replace('Z', ""));
        assert_eq!(database.count(&condition).await, "1", "{zone}");
        // The clock of the server, which is this machine's.
        let (now, here) = (found.now.unwrap(), SystemClock.now());
        assert!(now.until(here).as_secs() < 60 && here.until(now).as_secs() < 60, "{zone}: {now} {here}");
        assert!(rows.compare_and_set(&service, Some(&seen), None).await.unwrap());
    }
    database.end().await;
}

#[tokio::test]
async fn what_other_programs_wrote_is_read_or_malformed() {
    let Some(database) = database().await else { return };
    let rows = database.process();
    assert_eq!(token(&rows, "a").await, None);
    let table = database.table();
    let insert = |values: &str| {
        format!(
            "INSERT INTO {} (id, service, token, \"expiresAt\", \"refreshToken\") VALUES ({values})",
            table.as_sql()
        )
    };
    database.sql(&insert("1, 'forever', 'plain', 'infinity', NULL")).await;
    database.sql(&insert("2, 'empty', '', now(), NULL")).await;
    database.sql(&insert("3, 'long', repeat('x', 4194305), now(), NULL")).await;
    database.sql(&insert("4, 'refresh', 'plain', now(), repeat('x', 4194305)")).await;
    let found = async |text: &str| rows.find(&name(text)).await.unwrap().content;
    for service in ["forever", "refresh"] {
        let Content::Row { row, .. } = found(service).await else { panic!("{service}") };
        assert!(row.column_fault.is_some(), "{service}");
    }
    let Content::Malformed { seen: Some(seen), .. } = found("empty").await else { panic!() };
    assert!(rows.compare_and_set(&name("empty"), Some(&seen), Some(&row("new"))).await.unwrap());
    let Content::Malformed { seen: None, fault } = found("long").await else { panic!() };
    assert!(fault.contains("4 MiB"));
    rows.discard(&name("long")).await.unwrap();
    assert_eq!(token(&rows, "long").await, None);
    database.end().await;
}

#[tokio::test]
async fn marks_differ_after_each_change_of_a_row() {
    let Some(database) = database().await else { return };
    let rows = database.process();
    let names = ["a", "b", "c"].map(Arc::from);
    let marks = async || rows.marks(&names).await.unwrap();
    assert_eq!(marks().await, [0, 0, 0]);
    set(&rows, "a", None, Some("1")).await;
    set(&rows, "b", None, Some("1")).await;
    let before = marks().await;
    assert!(before[0] != 0 && before[1] != 0 && before[2] == 0, "{before:?}");
    set(&rows, "b", Some("1"), Some("2")).await;
    let after = marks().await;
    assert!(after[0] == before[0] && after[1] != before[1] && after[2] == 0, "{after:?}");
    assert_eq!(rows.marks(&[]).await.unwrap(), Vec::<u64>::new());
    database.end().await;
}

#[tokio::test]
async fn many_that_start_at_once_create_the_table_once_and_only_one_of_them_wins() {
    let Some(database) = database().await else { return };
    let mut starting = tokio::task::JoinSet::new();
    for number in 0..12 {
        let rows = database.process();
        starting.spawn(async move { set(&rows, "a", None, Some(&number.to_string())).await });
    }
    let won = starting.join_all().await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    assert_eq!(database.count("true").await, "1");
    let schema = &database.schema;
    let indexes = format!(
        "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE schemaname = '{schema}'"
    );
    assert_eq!(database.sql(&indexes).await.as_deref(), Some("token_cache_pkey token_cache_service_key"));
    let columns = format!(
        "SELECT string_agg(concat_ws(' ', column_name, data_type, datetime_precision, is_nullable, column_default), ', ' \
         ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = '{schema}'"
    );
    assert_eq!(
        database.sql(&columns).await.unwrap(),
        "id text NO, service text NO, token text NO, expiresAt timestamp without time zone 3 NO, refreshToken text YES, \
         tokenType text NO 'Bearer'::text, createdAt timestamp without time zone 3 NO CURRENT_TIMESTAMP, \
         lastUsed timestamp without time zone 3 NO CURRENT_TIMESTAMP"
    );
    database.end().await;
}

/// Each adds one, as often as told, by compare-and-set: nothing is lost.
#[tokio::test]
async fn no_change_of_many_at_once_is_lost() {
    let Some(database) = database().await else { return };
    let strict = "options=-c%20default_transaction_isolation%3Dserializable";
    set(&database.process(), "a", None, Some("0")).await;
    let mut working = tokio::task::JoinSet::new();
    for number in 0..20 {
        // Some with a stricter isolation than the usual one, where the server refuses what is overtaken.
        let rows =
            if number < 5 { database.process_at(&database.url_with(strict)) } else { database.process() };
        working.spawn(async move {
            let (mut done, mut errors) = (0, 0);
            while done < 10 {
                let seen = token(&rows, "a").await.unwrap();
                let next = (seen.parse::<u32>().unwrap() + 1).to_string();
                match rows.compare_and_set(&name("a"), Some(&Secret::new(seen)), Some(&row(&next))).await {
                    Ok(true) => done += 1,
                    Ok(false) => {}
                    Err(error) => {
                        assert!(error.message().contains("40001"), "{error}");
                        errors += 1;
                    }
                }
            }
            errors
        });
    }
    working.join_all().await;
    assert_eq!(token(&database.process(), "a").await.as_deref(), Some("200"));
    database.end().await;
}

#[tokio::test]
async fn services_that_name_the_same_table_share_its_connections() {
    let url = PostgresUrl::parse("postgres://ann@h/db").unwrap();
    let table = |name| PostgresTable::parse(name).unwrap();
    let with = |url, name, tls: &StoreTls| PostgresRows::at(url, &table(name), tls);
    let at = |url, name| with(url, name, &StoreTls::default());
    let first = at(&url, "a");
    assert!(Arc::ptr_eq(&first, &at(&url, "a")));
    assert!(!Arc::ptr_eq(&first, &at(&url, "b")));
    let other = PostgresUrl::parse("postgres://ann:x@h/db").unwrap();
    assert!(!Arc::ptr_eq(&first, &at(&other, "a")));
    let other = StoreTls::new(&["pem".into()], &Environment::default());
    assert!(!Arc::ptr_eq(&first, &with(&url, "a", &other)));
}
