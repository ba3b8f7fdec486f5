//! Servers that refuse, restart and lose connections.

use super::servers::{self, OwnServer, redis_rows, skip, test_url};
use super::*;

fn message(result: Result<impl std::fmt::Debug>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    error.message().to_owned()
}

async fn put(rows: &RedisRows, text: &str) -> Result<bool> {
    let before = match rows.find(&service("a")).await?.content {
        Content::Row { seen, .. } => Some(seen),
        _ => None,
    };
    rows.compare_and_set(&service("a"), before.as_ref(), Some(&row(text))).await
}

#[tokio::test]
async fn a_killed_connection_is_opened_again_without_an_error() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    let rows = server.rows("evertoken:");
    let mut admin = servers::admin(&server.url()).await;
    for round in 0..5 {
        assert!(put(&rows, &round.to_string()).await.unwrap());
        servers::command(&mut admin, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    let rows = server.rows("evertoken:");
    let mut admin = servers::admin(&server.url()).await;
    for round in 0..3 {
        assert!(put(&rows, &round.to_string()).await.unwrap());
        servers::command(&mut admin, &["SCRIPT", "FLUSH"]).await;
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_error_at_once_and_is_found_again() {
    let Some(mut server) = OwnServer::start(&[]) else { return skip() };
    let rows = server.rows("evertoken:");
    assert!(put(&rows, "one").await.unwrap());
    server.stop();
    let begin = tokio::time::Instant::now();
    for _ in 0..20 {
        let said = message(rows.find(&service("a")).await);
        assert!(said.contains("is not there") || said.contains("closed the connection"), "{said}");
    }
    assert!(begin.elapsed() < Duration::from_secs(1));
    server.restart(&[]);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert!(put(&rows, "two").await.unwrap());
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_in_time() {
    let Some(server) = OwnServer::start(&["--enable-debug-command", "yes"]) else { return skip() };
    let rows = server.rows("evertoken:");
    assert!(put(&rows, "one").await.unwrap());
    let url = server.url();
    let asleep = runtime::spawn(async move {
        let mut admin = servers::admin(&url).await;
        admin.set_response_timeout(Duration::from_secs(20));
        servers::command(&mut admin, &["DEBUG", "SLEEP", "6"]).await;
    })
    .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begin = tokio::time::Instant::now();
    let said = message(rows.find(&service("a")).await);
    assert!(said.contains("in time") && begin.elapsed() < Duration::from_secs(5), "{said}");
    asleep.await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(put(&rows, "two").await.unwrap());
}

#[tokio::test]
async fn a_replica_answers_nothing_and_its_connection_is_opened_again() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    let rows = server.rows("evertoken:");
    assert!(put(&rows, "one").await.unwrap());
    let mut admin = servers::admin(&server.url()).await;
    servers::command(&mut admin, &["REPLICAOF", "127.0.0.1", "1"]).await;
    for said in [
        message(rows.find(&service("a")).await),
        message(rows.compare_and_set(&service("a"), Some(&seen("one")), Some(&row("two"))).await),
        message(rows.discard(&service("a")).await),
    ] {
        assert!(said.contains("is a read-only replica"), "{said}");
    }
    servers::command(&mut admin, &["REPLICAOF", "NO", "ONE"]).await;
    assert!(put(&rows, "two").await.unwrap());
}

#[tokio::test]
async fn a_full_server_stores_nothing_and_loses_nothing() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    let rows = server.rows("evertoken:");
    assert!(put(&rows, "one").await.unwrap());
    let mut admin = servers::admin(&server.url()).await;
    servers::command(&mut admin, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let said = message(put(&rows, "two").await);
    assert!(said.contains("is out of memory"), "{said}");
    assert!(found(&rows, &service("a")).await.unwrap().token.matches(&Secret::new("one")));
    assert!(
        rows.compare_and_set(&service("a"), Some(&seen("one")), None).await.unwrap(),
        "this frees memory"
    );
}

#[tokio::test]
async fn a_server_that_cannot_save_stores_nothing_and_is_read() {
    let Some(server) = OwnServer::start(&["--min-replicas-to-write", "1"]) else { return skip() };
    let rows = server.rows("evertoken:");
    assert!(found_nothing(&rows).await);
    let said = message(put(&rows, "one").await);
    assert!(said.contains("has too few replicas"), "{said}");
}

/// The commands that docs/redis.md lists.
const COMMANDS: &str = "+evalsha +eval +hget +hset +hdel +hmget +hstrlen +hlen +del +persist +time +publish +subscribe \
                        +ping +select +info";

#[tokio::test]
async fn a_user_needs_the_commands_of_the_documentation_and_no_others() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    let mut admin = servers::admin(&server.url()).await;
    let rule = format!("ACL SETUSER app on >secret ~evertoken:* &evertoken:* -@all {COMMANDS}");
    servers::command(&mut admin, &rule.split(' ').collect::<Vec<_>>()).await;
    servers::command(&mut admin, &["ACL", "LOG", "RESET"]).await;
    let rows = server.rows_for("app", "secret");
    let watch = Arc::new(Watch::default());
    rows.notify(&watch).unwrap();
    assert!(put(&rows, "one").await.unwrap());
    rows.marks(&["a".into()]).await.unwrap();
    rows.discard(&service("a")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let log = servers::command(&mut admin, &["ACL", "LOG"]).await;
    assert_eq!(log, ::redis::Value::Array(Vec::new()));
    let guide = std::fs::read_to_string("docs/redis.md").unwrap();
    let documented = COMMANDS.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(guide.contains(&documented), "the page lists the same commands");
}

#[tokio::test]
async fn a_user_who_may_not_publish_or_ask_for_memory_can_use_the_store() {
    let Some(server) = OwnServer::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
    else {
        return skip();
    };
    let mut admin = servers::admin(&server.url()).await;
    let rule = "ACL SETUSER app on >secret ~evertoken:* resetchannels -@all +evalsha +eval +hget +hset +hdel +hmget \
                +hstrlen +del +persist +time";
    servers::command(&mut admin, &rule.split(' ').collect::<Vec<_>>()).await;
    let rows = server.rows_for("app", "secret");
    assert!(put(&rows, "one").await.unwrap() && put(&rows, "two").await.unwrap());
    assert!(rows.take_warnings().is_empty());
}

#[tokio::test]
async fn the_error_of_a_user_who_may_not_enter_contains_no_secret() {
    let Some(server) = OwnServer::start(&["--requirepass", "hunter2"]) else { return skip() };
    let mut admin = servers::admin(&server.url_for("default", "hunter2")).await;
    servers::command(
        &mut admin,
        &["ACL", "SETUSER", "app", "on", ">hunter3", "~evertoken:*", "-@all", "+eval"],
    )
    .await;
    for (rows, expected) in [
        (server.rows("evertoken:"), "requires a password"),
        (server.rows_for("default", "hunter3"), "does not accept the user name or the password"),
        (server.rows_for("app", "hunter3"), "does not let this user run what evertoken needs"),
    ] {
        let said = message(rows.find(&service("a")).await);
        assert!(said.contains(expected) && !said.contains("hunter"), "{said}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    let url = RedisUrl::parse(&format!("{}?db=99", server.url())).unwrap();
    let prefix = RedisPrefix::parse("a:").unwrap();
    let said = message(RedisRows::of_server(&url, &prefix, &StoreTls::default()).find(&service("a")).await);
    assert!(said.contains("has no database of this number"), "{said}");
}

#[tokio::test]
async fn a_port_without_a_server_refuses() {
    let url = RedisUrl::parse("redis://u:hunter2@127.0.0.1:1").unwrap();
    let prefix = RedisPrefix::parse("a:").unwrap();
    let rows = RedisRows::of_server(&url, &prefix, &StoreTls::default());
    let said = message(rows.find(&service("a")).await);
    assert_eq!(said, "the Redis server at redis://127.0.0.1:1/0 refused the connection");
}

async fn said_at(url: &str) -> String {
    let rows = RedisRows::of_server(
        &RedisUrl::parse(url).unwrap(),
        &RedisPrefix::parse("a:").unwrap(),
        &StoreTls::default(),
    );
    message(rows.find(&service("a")).await)
}

#[tokio::test]
async fn a_host_name_without_an_address_is_named_as_the_reason() {
    let said = said_at("redis://u:hunter2@nowhere.invalid").await;
    assert!(said.ends_with("could not be reached: its host name has no address"), "{said}");
}

#[tokio::test]
async fn a_server_that_accepts_and_is_silent_or_hangs_up_has_perhaps_another_scheme() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (plain, tls) = (format!("redis://127.0.0.1:{port}"), format!("rediss://127.0.0.1:{port}"));
    let (plain, tls) = tokio::join!(said_at(&plain), said_at(&tls));
    assert!(plain.contains("did not answer as Redis does in time"), "{plain}");
    assert!(tls.contains("if this port has no TLS, the URL must begin with redis:"), "{tls}");

    let hasty = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = hasty.local_addr().unwrap().port();
    let hanging_up = runtime::spawn(async move { while hasty.accept().await.is_ok() {} }).unwrap();
    let plain = said_at(&format!("redis://127.0.0.1:{port}")).await;
    assert!(plain.ends_with("if this port has TLS, the URL must begin with rediss:"), "{plain}");
    let tls = said_at(&format!("rediss://127.0.0.1:{port}")).await;
    assert!(tls.contains("closed the connection") || tls.contains("connection reset"), "{tls}");
    hanging_up.abort();
}

#[tokio::test]
async fn a_server_of_another_kind_does_not_hang_or_confuse_a_store() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = runtime::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        }
    });
    let url = RedisUrl::parse(&format!("redis://127.0.0.1:{port}")).unwrap();
    let rows = RedisRows::of_server(&url, &RedisPrefix::parse("a:").unwrap(), &StoreTls::default());
    let said = message(rows.find(&service("a")).await);
    assert!(
        said.contains("does not answer as Redis does") || said.contains("closed the connection"),
        "{said}"
    );
    let url = RedisUrl::parse(&format!("rediss://127.0.0.1:{port}")).unwrap();
    let rows = RedisRows::of_server(&url, &RedisPrefix::parse("a:").unwrap(), &StoreTls::default());
    let said = message(rows.find(&service("a")).await);
    assert!(said.contains("over TLS"), "{said}");
    serving.unwrap().abort();
}

#[tokio::test]
async fn both_versions_of_the_protocol_work() {
    let Some(server) = OwnServer::start(&[]) else { return skip() };
    for version in ["resp2", "resp3"] {
        let url = RedisUrl::parse(&format!("{}?protocol={version}", server.url())).unwrap();
        let rows = RedisRows::of_server(&url, &RedisPrefix::parse("a:").unwrap(), &StoreTls::default());
        assert!(put(&rows, version).await.unwrap());
        let missing = rows.find(&service("missing")).await.unwrap().content;
        assert!(matches!(missing, Content::Nothing));
    }
}

#[tokio::test]
async fn the_rows_of_the_test_server_are_reached_by_its_url() {
    let (Some(rows), Some(url)) = (redis_rows(), test_url()) else { return skip() };
    assert!(put(&rows, "one").await.unwrap());
    assert_eq!(rows.location(), RedisUrl::parse(&url).unwrap().location());
}
