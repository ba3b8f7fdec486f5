//! Servers that refuse, end, or are read-only.

use super::*;

/// Why a place cannot be read.
async fn fault_at(database: &TestDatabase, url: &str) -> String {
    let error = database.process_at(url).find(&name("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    error.message().to_owned()
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_repeats_no_password() {
    let Some(database) = database().await else { return };
    let role = database.role().await;
    let (_, place) = database.url.rsplit_once('@').unwrap();
    let host = place.split('/').next().unwrap();
    for (url, expected) in [
        (database.url_of(&role, "hunter2"), "refused the user or the password (28P01)"),
        (database.url_of("hunter2", "hunter2"), "refused the user or the password (28P01)"),
        (format!("postgres://{role}:hunter3@{host}/nowhere"), "no database of this name (3D000)"),
        (format!("postgres://{role}@{host}/postgres"), "requires a password, and the URL contains none"),
        ("postgres://hunter2:hunter2@127.0.0.1:1/db".into(), "cannot be reached: connection refused"),
        ("postgres://hunter2:hunter2@nowhere.invalid/db".into(), "its host name has no address"),
    ] {
        let message = fault_at(&database, &url).await;
        assert!(message.starts_with("postgres://") && message.contains(expected), "{message}");
        assert!(!message.contains("hunter") && !message.contains(&role), "{message}");
    }
    // The second server is used if the first cannot be.
    let several = format!("postgres://{role}:hunter3@127.0.0.1:1,{host}/postgres");
    assert!(fault_at(&database, &several).await.contains("may not create it"));
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    database.end().await;
}

#[tokio::test]
async fn a_server_of_another_kind_is_not_said_to_be_unreachable() {
    // Redis waits for the end of a line, which PostgreSQL's protocol does not have.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://u:hunter2@{}/db", silent.local_addr().unwrap());
    let url = PostgresUrl::parse(&url).unwrap();
    let rows = PostgresRows::at(&url, &PostgresTable::parse("t").unwrap(), &StoreTls::default());
    let message = rows.find(&name("a")).await.unwrap_err().message().to_owned();
    assert!(
        message.ends_with("did not answer as PostgreSQL does within 4 s: check the host and the port"),
        "{message}"
    );
}

#[tokio::test]
async fn a_role_that_may_not_create_the_table_works_once_it_exists() {
    let Some(database) = database().await else { return };
    let role = database.role().await;
    let rows = database.process_at(&database.url_of(&role, "hunter3"));
    let message = rows.find(&name("a")).await.unwrap_err().message().to_owned();
    let statements =
        message.split_once("in the place of your_role: ").expect(&message).1.replace("your_role", &role);
    // Each of the rights is needed.
    database.sql(statements.split("GRANT").next().unwrap()).await;
    let message = rows.find(&name("a")).await.unwrap_err().message().to_owned();
    assert!(message.contains("GRANT SELECT, INSERT, UPDATE, DELETE"), "{message}");
    database.sql(&format!("GRANT{}", statements.split_once("GRANT").unwrap().1)).await;
    assert!(set(&rows, "a", None, Some("1")).await);
    assert!(set(&rows, "a", Some("1"), Some("2")).await);
    assert!(set(&rows, "a", Some("2"), None).await);
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    database.end().await;
}

#[tokio::test]
async fn a_server_that_becomes_read_only_serves_nothing_to_write_and_heals() {
    let Some(database) = database().await else { return };
    let role = database.role().await;
    let rows = database.process_at(&database.url_of(&role, "hunter3"));
    let schema = &database.schema;
    database.sql(&format!("GRANT ALL ON SCHEMA {schema} TO {role}")).await;
    assert!(set(&rows, "a", None, Some("1")).await);
    database.sql(&format!("ALTER ROLE {role} SET default_transaction_read_only = on")).await;
    end_sessions(&database, &role).await;
    let error = rows.compare_and_set(&name("a"), Some(&Secret::new("1")), Some(&row("2"))).await.unwrap_err();
    assert!(error.message().contains("accepts no writes") && !error.was_sent(), "{error}");
    assert_eq!(token(&rows, "a").await.as_deref(), Some("1"));
    database.sql(&format!("ALTER ROLE {role} RESET default_transaction_read_only")).await;
    // The connection that was read-only is given up: it may lead to a server that was replaced.
    let _ = rows.compare_and_set(&name("a"), Some(&Secret::new("1")), Some(&row("2"))).await;
    assert_eq!(token(&rows, "a").await.as_deref(), Some("2"));
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    database.end().await;
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_replaced_without_an_error() {
    let Some(database) = database().await else { return };
    let role = database.role().await;
    database.sql(&format!("GRANT ALL ON SCHEMA {} TO {role}", database.schema)).await;
    let rows = database.process_at(&database.url_of(&role, "hunter3"));
    let mut last = None;
    for number in 0..20 {
        let next = number.to_string();
        assert!(set(&rows, "a", last.as_deref(), Some(&next)).await);
        end_sessions(&database, &role).await;
        assert_eq!(token(&rows, "a").await.as_ref(), Some(&next));
        end_sessions(&database, &role).await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        last = Some(next);
    }
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    database.end().await;
}

#[tokio::test]
async fn unused_connections_are_few() {
    let Some(database) = database().await else { return };
    let role = database.role().await;
    database.sql(&format!("GRANT ALL ON SCHEMA {} TO {role}", database.schema)).await;
    let rows = database.process_at(&database.url_of(&role, "hunter3"));
    let mut working = tokio::task::JoinSet::new();
    for number in 0..40 {
        let rows = Arc::clone(&rows);
        working.spawn(async move { set(&rows, &format!("s{number}"), None, Some("1")).await });
    }
    assert!(working.join_all().await.into_iter().all(|stored| stored));
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'");
    assert_eq!(database.sql(&sessions).await.as_deref(), Some("4"));
    drop(rows);
    for _ in 0..100 {
        if database.sql(&sessions).await.as_deref() == Some("0") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(database.sql(&sessions).await.as_deref(), Some("0"), "they end with the last service");
    database.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    database.end().await;
}

async fn end_sessions(database: &TestDatabase, role: &str) {
    let sql =
        format!("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = '{role}'");
    database.sql(&sql).await;
}
