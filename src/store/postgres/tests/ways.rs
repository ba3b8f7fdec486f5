//! Ways to the server: TLS, and a pooler.

use std::time::Duration;

use super::*;
use crate::transport::Environment;

/// What a setting of the tests names.
pub(super) fn setting(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the test's own setting, which nothing changes")]
    let value = std::env::var(variable).ok();
    #[expect(clippy::print_stderr, reason = "says why the test does nothing")]
    if value.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    value
}

/// `EVERTOKEN_TEST_POSTGRES_CERTIFICATE` is the file of the server's certificate, which is its own authority. It is for
/// `localhost`, and not for `127.0.0.1`.
#[tokio::test]
async fn certificates_are_verified_as_the_mode_says() {
    let Some(database) = database().await else { return };
    let Some(ca) = setting("EVERTOKEN_TEST_POSTGRES_CERTIFICATE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    let unrelated = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&other, unrelated.cert.pem()).unwrap();
    let (other, missing) = (other.display(), folder.path().join("missing.pem"));
    let missing = missing.display();
    let (login, place) = database.url.split_once('@').unwrap();
    let port = place.split_once('/').unwrap().0.rsplit_once(':').unwrap().1;
    let configured = [std::fs::read_to_string(&ca).unwrap()];
    let of_file: Environment = [("NODE_EXTRA_CA_CERTS", ca.as_str())].into_iter().collect();
    let system = StoreTls::default();
    let with_ca = StoreTls::new(&configured, &Environment::default());
    let with_file = StoreTls::new(&[], &of_file);
    for (host, query, expected, trusted) in [
        ("localhost", "sslmode=disable".to_owned(), "TLS false", &system),
        ("localhost", "sslmode=prefer".to_owned(), "TLS true", &system),
        ("localhost", "sslmode=require&channel_binding=require".to_owned(), "TLS true", &system),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}"), "TLS true", &system),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ca}"), "TLS true", &system),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={ca}"), "TLS true", &system),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ca}"), "it must include 127.0.0.1", &system),
        (
            "localhost",
            "sslmode=verify-full".to_owned(),
            "its issuer is not trusted; add the issuer's certificate to ca",
            &system,
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={other}"),
            "a certificate that was rejected: its issuer is not trusted; add the issuer's certificate to the sslrootcert",
            &system,
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&sslrootcert={missing}"),
            "sslrootcert that cannot be read",
            &system,
        ),
        (
            "localhost",
            "sslmode=disable&channel_binding=require".to_owned(),
            "channel_binding requires",
            &system,
        ),
        ("localhost", "sslmode=verify-full".to_owned(), "TLS true", &with_ca),
        ("localhost", "sslmode=verify-full".to_owned(), "TLS true", &with_file),
        ("127.0.0.1", "sslmode=verify-full".to_owned(), "it must include 127.0.0.1", &with_ca),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other}"),
            "its issuer is not trusted",
            &with_ca,
        ),
    ] {
        let url = PostgresUrl::parse(&format!("{login}@{host}:{port}/postgres?{query}")).unwrap();
        let pool: Arc<dyn SqlClient> = Arc::new(PostgresPool::new(url, trusted.clone()));
        let sql = "SELECT 'TLS ' || ssl::text AS a FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let found = match Arc::clone(&pool).query(sql, &[], Effect::Reads).await {
            Ok(rows) => rows[0][0].clone().unwrap(),
            Err(fault) => {
                fault.describe(&pool.location(), &PostgresTable::parse("t").unwrap()).message().to_owned()
            }
        };
        assert!(found.contains(expected) && !found.contains("hunter"), "{query}: {found}");
    }
    database.end().await;
}

/// `EVERTOKEN_TEST_PGBOUNCER` is the URL of a pooler in front of the same server, in transaction mode.
#[tokio::test]
async fn a_pooler_gives_each_statement_another_session_and_nothing_is_lost() {
    let Some(database) = database().await else { return };
    let Some(pooler) = setting("EVERTOKEN_TEST_PGBOUNCER") else { return };
    set(&database.process_at(&pooler), "a", None, Some("0")).await;
    let watch = Arc::new(Watch::default());
    let mut working = tokio::task::JoinSet::new();
    for number in 0..20 {
        let rows = if number % 4 == 0 { database.process() } else { database.process_at(&pooler) };
        if number % 4 == 1 {
            rows.notify(&watch).unwrap();
        }
        working.spawn(async move {
            let mut done = 0;
            while done < 20 {
                let seen = token(&rows, "a").await.unwrap();
                let next = (seen.parse::<u32>().unwrap() + 1).to_string();
                done += u32::from(set(&rows, "a", Some(&seen), Some(&next)).await);
            }
        });
    }
    working.join_all().await;
    assert_eq!(token(&database.process(), "a").await.as_deref(), Some("400"));
    // No session of the pooler listens.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let at_pooler = database.process_at(&pooler);
    for _ in 0..20 {
        let listening = "SELECT count(*)::text AS a FROM pg_listening_channels()";
        let rows = at_pooler.query(listening, &[], Effect::Reads).await.unwrap();
        assert_eq!(rows[0][0].as_deref(), Some("0"));
    }
    database.end().await;
}
