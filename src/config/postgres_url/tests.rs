//! What is read from URLs, and that no fault repeats their text.

use super::*;

fn parse(text: &str) -> PostgresUrl {
    PostgresUrl::parse(text).unwrap()
}

fn tcp(name: &str, port: u16) -> PostgresHost {
    PostgresHost::Tcp(name.into(), port)
}

#[test]
fn a_url_names_the_server_the_database_and_the_login() {
    let url = parse("postgresql://ann:p%40ss%2Fword@db.example:6432/app?application_name=billing");
    assert_eq!((url.hosts.as_slice(), url.user.as_str()), ([tcp("db.example", 6432)].as_slice(), "ann"));
    assert_eq!(url.password.as_ref().unwrap().expose(), "p@ss/word");
    assert_eq!((url.database.as_deref(), url.application_name.as_deref()), (Some("app"), Some("billing")));
    assert_eq!(url.location(), "postgres://db.example:6432/app");
    assert!(!url.needs_writable);
    let bare = parse("POSTGRES://ann@[::1]");
    assert_eq!((bare.hosts, bare.database), (vec![tcp("::1", 5432)], None));
    assert!(bare.password.is_none());
}

#[test]
fn an_at_sign_in_a_password_needs_no_escape() {
    assert_eq!(parse("postgres://ann:a@b@h/db").password.unwrap().expose(), "a@b");
    assert_eq!(parse("postgres://ann:a:b#c@h/db").password.unwrap().expose(), "a:b#c");
}

#[test]
fn several_servers_are_searched_for_the_one_that_accepts_writes() {
    let url = parse("postgres://ann@a,b:6000,[::1]:7/db?load_balance_hosts=random");
    assert_eq!(url.hosts, [tcp("a", 5432), tcp("b", 6000), tcp("::1", 7)]);
    assert!(url.needs_writable && url.is_load_balanced);
    assert_eq!(url.location(), "postgres://a:5432,b:6000,[::1]:7/db");
    assert!(!parse("postgres://ann@a,b/db?target_session_attrs=any").needs_writable);
    assert!(parse("postgres://ann@a/db?target_session_attrs=primary").needs_writable);
}

#[cfg(unix)]
#[test]
fn parameters_stand_in_for_the_parts_of_the_url() {
    let url = parse("postgres:///?host=/run/postgresql&port=5433&user=ann&password=x&dbname=app");
    assert_eq!(url.hosts, [PostgresHost::Socket("/run/postgresql".into(), 5433)]);
    assert_eq!((url.user.as_str(), url.database.as_deref()), ("ann", Some("app")));
    assert_eq!(parse("postgres://ann@%2Frun/db").hosts, [PostgresHost::Socket("/run".into(), 5432)]);
}

#[test]
fn the_mode_of_tls_is_that_of_libpq() {
    use PostgresTlsMode as Mode;
    for (query, mode) in [
        ("", Mode::Prefer),
        ("sslmode=disable", Mode::Disable),
        ("sslmode=require", Mode::Require),
        ("ssl=true", Mode::Require),
        ("sslmode=require&sslrootcert=/ca.pem", Mode::VerifyCa),
        ("sslmode=require&sslaccept=strict", Mode::VerifyFull),
        ("sslmode=verify-ca", Mode::VerifyCa),
        ("sslmode=verify-full&sslrootcert=system", Mode::VerifyFull),
        ("sslrootcert=system", Mode::VerifyFull),
    ] {
        assert_eq!(parse(&format!("postgres://ann@h/db?{query}")).tls.mode, mode, "{query}");
    }
    let tls = parse("postgres://a@h/?sslcert=c&sslkey=k&sslmode=require&sslnegotiation=direct").tls;
    assert_eq!((tls.identity, tls.is_direct), (Some(("c".into(), "k".into())), true));
}

#[test]
fn parameters_of_other_libraries_are_ignored() {
    let url = parse(
        "postgres://ann@h/db?pgbouncer=true&connection_limit=1&pool_timeout=0&schema=app&channel_binding=require\
         &options=endpoint%3Dep-cool-1&connect_timeout=10&sslmode=require",
    );
    assert_eq!((url.schema.as_deref(), url.options.as_deref()), (Some("app"), Some("endpoint=ep-cool-1")));
    assert_eq!(url.tls.channel_binding, ChannelBindingMode::Require);
}

#[test]
fn a_fault_says_what_is_wrong_and_repeats_nothing() {
    for (text, expected) in [
        ("mysql://ann:hunter2@h/db", "must begin with"),
        ("host=h password=hunter2", "must begin with"),
        ("postgres://ann:hunter2@/db", "names no host"),
        ("postgres://:hunter2@h/db", "names no user"),
        ("postgres://h/db", "names no user"),
        ("postgres://ann:hunter2/x@h/db", "%2F"),
        ("postgres://ann:1?hunter2=x@h/db", "%3F"),
        ("postgres://ann:p@hunter2/word@h/db", "%2F"),
        ("postgres://ann:p@hunter2?word=1@h/db", "%3F"),
        ("postgres://ann:x@h/db?user=hunter2@h", "%40"),
        ("postgres://ann:hunter2@h:hunter2/db", "port"),
        ("postgres://ann:hunter2@h:0/db", "port"),
        ("postgres://ann:hunter2@[::1/db", "]"),
        ("postgres://ann:hunter2@h hunter2/db", "invalid character"),
        ("postgres://ann:hunter2%ff@h/db", "not UTF-8"),
        ("postgres://ann:hunter2%00@h/db", "control character"),
        ("postgres://ann:hunter2@h/db?hunter2", "without a value"),
        ("postgres://ann:hunter2@h/db?ssl_mode=hunter2", "has the parameter ssl_mode"),
        ("postgres://ann:hunter2@h/db?hunter2%20x=1", "has a parameter that"),
        ("postgres://ann:hunter2@h/db?sslmode=hunter2", "has a value of sslmode other than disable, allow"),
        ("postgres://ann:hunter2@h/db?sslcert=hunter2", "both sslcert and sslkey"),
        ("postgres://ann:hunter2@h/db?sslmode=require&sslrootcert=system", "verify-full"),
        ("postgres://ann:hunter2@h/db?sslnegotiation=direct", "sslmode=require"),
        ("postgres://ann:hunter2@h/db?target_session_attrs=read-only", "read-write"),
    ] {
        let fault = PostgresUrl::parse(text).unwrap_err();
        assert!(fault.contains(expected) && !fault.contains("hunter2"), "{text}: {fault}");
    }
    let url = parse("postgres://ann:hunter2@h/db?options=hunter2");
    assert!(!format!("{:?} {}", url.text, url.location()).contains("hunter2"));
}
