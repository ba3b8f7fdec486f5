//! Token requests with parameters, in JSON, and with other grant types, methods, headers and media types.

use super::*;
use crate::config::RequestFormat;
use crate::transport::Method;

/// The request as one line: its method, its `Authorization`, its media type and its body.
fn line(draft: &UnsignedRequest) -> String {
    let request = &draft.request;
    let header = request.headers.iter().find(|(name, _)| name == "authorization");
    let header = header.map_or("-", |(_, value)| value.expose());
    let body = match &request.body {
        Body::Form(text) | Body::Json(text) => text.expose(),
        Body::Empty => "-",
    };
    format!("{} {header} {} {body}", request.method, request.content_type().unwrap_or("-"))
}

/// The first candidate of a configuration.
fn first(config: &Config) -> GrantRequest {
    search::candidates(config).remove(0)
}

/// The requests of all candidates of a configuration, in order.
fn lines(value: Value) -> Vec<String> {
    let config = config(value);
    search::candidates(&config).iter().map(|way| line(&way.request(&config))).collect()
}

fn with(base: Value, extra: Value) -> Value {
    let (Value::Object(mut base), Value::Object(extra)) = (base, extra) else { panic!("objects") };
    base.extend(extra);
    Value::Object(base)
}

fn app(extra: Value) -> Value {
    let base = json!({
        "authUrl": "https://h/token", "clientId": "app", "clientSecret": "s/1", "storage": { "kind": "memory" },
    });
    with(base, extra)
}

fn robot(extra: Value) -> Value {
    let base = json!({
        "authUrl": "https://h/login", "username": "röbot", "password": "p w", "storage": { "kind": "memory" },
    });
    with(base, extra)
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn parameters_are_in_every_request_of_a_grant() {
    let value = app(json!({
        "scope": "read", "parameters": { "account id": "7&8", "list": ["a", "b"], "one": ["c"] },
        "clientAuthentication": "client_secret_post",
    }));
    assert_eq!(
        lines(value.clone()),
        [format!(
            "POST - {FORM} grant_type=client_credentials&scope=read&account+id=7%268&list=a&list=b&one=c\
             &client_id=app&client_secret=s%2F1"
        )]
    );
    let config = config(value);
    let known = first(&config);
    let refresh = RefreshRequest::of(&known, &config).unwrap().request(&known, &Secret::new("rt"), &config);
    assert_eq!(
        line(&refresh),
        format!(
            "POST - {FORM} grant_type=refresh_token&refresh_token=rt&account+id=7%268&list=a&list=b&one=c\
             &client_id=app&client_secret=s%2F1"
        )
    );
}

#[test]
fn parameters_are_in_every_request_of_a_login() {
    let parameters = json!({ "tenant": "blue" });
    assert_eq!(
        lines(robot(json!({ "parameters": parameters }))),
        [
            r#"POST - application/json {"password":"p w","tenant":"blue","username":"röbot"}"#.to_owned(),
            format!("POST - {FORM} grant_type=password&username=r%C3%B6bot&password=p+w&tenant=blue"),
        ]
    );
    let body = json!({ "u": "{username}" });
    assert_eq!(
        lines(robot(json!({ "parameters": parameters, "login": { "body": body } }))),
        [r#"POST - application/json {"tenant":"blue","u":"röbot"}"#]
    );
    assert_eq!(
        lines(robot(json!({ "parameters": parameters, "login": { "body": body, "format": "form" } }))),
        [format!("POST - {FORM} u=r%C3%B6bot&tenant=blue")]
    );
}

fn refresh(value: Value, format: Option<&str>) -> String {
    let mut value = with(value, json!({ "refreshUrl": "https://h/renew" }));
    if let Some(format) = format {
        value["refreshFormat"] = format.into();
    }
    let config = config(value);
    let known = first(&config);
    line(&RefreshRequest::of(&known, &config).unwrap().request(&known, &Secret::new("rt"), &config))
}

#[test]
fn parameters_are_in_every_refresh_of_a_login() {
    let blue = || robot(json!({ "parameters": { "tenant": "blue" } }));
    assert_eq!(refresh(blue(), None), r#"POST - application/json {"refresh_token":"rt","tenant":"blue"}"#);
    assert_eq!(refresh(blue(), Some("bearer")), r#"POST Bearer rt application/json {"tenant":"blue"}"#);
    let form = with(blue(), json!({ "login": { "format": "form", "body": { "u": "{username}" } } }));
    assert_eq!(refresh(form, Some("bearer")), format!("POST Bearer rt {FORM} tenant=blue"));
    assert_eq!(refresh(robot(json!({})), Some("bearer")), "POST Bearer rt - -");
}

#[test]
fn parameters_are_secrets() {
    let value = app(json!({ "parameters": { "key": "hunter2", "keys": ["hunter3", "hunter4"] } }));
    let config = config(value);
    let known = first(&config);
    let refresh = RefreshRequest::of(&known, &config).unwrap().request(&known, &Secret::new("rt"), &config);
    for draft in [known.request(&config), refresh] {
        let secrets: Vec<_> = draft.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        for value in ["hunter2", "hunter3", "hunter4"] {
            assert!(secrets.iter().any(|secret| secret == value), "{value}");
        }
    }
}

#[test]
fn a_grant_has_the_configured_grant_type() {
    let zoom = app(json!({ "grantType": "account_credentials", "parameters": { "account_id": "7" } }));
    assert_eq!(
        lines(zoom.clone()),
        [format!("POST Basic YXBwOnMlMkYx {FORM} grant_type=account_credentials&account_id=7")]
    );
    let zoom = config(zoom);
    assert_eq!(first(&zoom).grant_name(&zoom), "account_credentials");
    let password = robot(json!({ "grant": "password", "grantType": "urn:x:pass" }));
    assert_eq!(
        lines(password),
        [format!("POST - {FORM} grant_type=urn%3Ax%3Apass&username=r%C3%B6bot&password=p+w")]
    );
    let known = first(&zoom);
    let refresh = RefreshRequest::of(&known, &zoom).unwrap().request(&known, &Secret::new("rt"), &zoom);
    assert!(text(&refresh).contains("grant_type=refresh_token"), "a refresh has its own grant type");
}

#[test]
fn a_grant_in_json_has_the_same_members() {
    let value = app(json!({
        "requestFormat": "json", "clientAuthentication": "client_secret_post", "scope": "read write",
        "resource": ["https://a", "https://b"], "audience": "api", "parameters": { "list": ["x"], "n": "7" },
    }));
    assert_eq!(
        lines(value.clone()),
        [concat!(
            r#"POST - application/json {"audience":"api","client_id":"app","client_secret":"s/1","#,
            r#""grant_type":"client_credentials","list":["x"],"n":"7","resource":["https://a","https://b"],"#,
            r#""scope":"read write"}"#
        )]
    );
    let config = config(value);
    let known = first(&config);
    assert_eq!(known.format_name(&config), "json_client_secret_post");
    let way = RefreshRequest::of(&known, &config).unwrap();
    assert_eq!(
        line(&way.request(&known, &Secret::new("rt"), &config)),
        concat!(
            r#"POST - application/json {"client_id":"app","client_secret":"s/1","grant_type":"refresh_token","#,
            r#""list":["x"],"n":"7","refresh_token":"rt"}"#
        )
    );
    assert!(way.first_use_hint().contains("a grant in JSON"));
}

#[test]
fn a_password_grant_in_json_keeps_basic_in_its_header() {
    let value = robot(json!({
        "grant": "password", "requestFormat": "json", "clientId": "app", "clientSecret": "s",
    }));
    assert_eq!(
        lines(value.clone()),
        [
            r#"POST Basic YXBwOnM= application/json {"grant_type":"password","password":"p w","username":"röbot"}"#
        ]
    );
    let config = config(value);
    assert_eq!(first(&config).format_name(&config), "json");
}

#[test]
fn an_assertion_is_a_member_of_a_grant_in_json() {
    let pem = include_str!("../../../tests/fixtures/keys/ed25519.pem");
    let config = config(json!({
        "authUrl": "https://h/token", "clientId": "app", "privateKey": pem, "requestFormat": "json",
    }));
    let UnsignedRequest { mut request, late, .. } = first(&config).request(&config);
    late[0].add_to(&mut request, &Secret::new("a.b.c"));
    let Body::Json(text) = request.body else { panic!("no JSON") };
    let body: Value = serde_json::from_str(text.expose()).unwrap();
    assert_eq!(
        body,
        json!({
            "grant_type": "client_credentials", "client_id": "app", "client_assertion": "a.b.c",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        })
    );
}

#[test]
fn refresh_format_overrides_request_format() {
    let json = |format| refresh(app(json!({ "requestFormat": "json" })), format);
    assert_eq!(
        json(Some("form")),
        format!("POST Basic YXBwOnMlMkYx {FORM} grant_type=refresh_token&refresh_token=rt")
    );
    assert_eq!(json(Some("json")), r#"POST - application/json {"refresh_token":"rt"}"#);
}

#[test]
fn a_client_can_be_public_or_send_unencoded_basic_credentials() {
    let public = json!({
        "authUrl": "https://h/token", "clientId": "app", "clientAuthentication": "none", "storage": { "kind": "memory" },
    });
    assert_eq!(lines(public.clone()), [format!("POST - {FORM} grant_type=client_credentials&client_id=app")]);
    let public = config(public);
    assert_eq!(first(&public).format_name(&public), "none");
    assert_eq!(first(&public).other_method(&public), None);

    let raw =
        app(json!({ "clientAuthentication": "client_secret_basic_raw", "clientSecret": "p@ss+wörd/%:=" }));
    let pair = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "app:p@ss+wörd/%:=");
    assert_eq!(lines(raw), [format!("POST Basic {pair} {FORM} grant_type=client_credentials")]);
}

#[test]
fn a_basic_login_has_no_body_unless_one_is_configured() {
    // `röbot:p w` in UTF-8.
    const BASIC: &str = "Basic csO2Ym90OnAgdw==";
    for (login, expected) in [
        (json!({ "credentials": "basic" }), format!("POST {BASIC} - -")),
        (json!({ "credentials": "basic", "method": "GET" }), format!("GET {BASIC} - -")),
        (json!({ "credentials": "basic", "method": "PUT" }), format!("PUT {BASIC} - -")),
        (json!({ "credentials": "basic", "body": {} }), format!("POST {BASIC} application/json {{}}")),
        (
            json!({ "credentials": "basic", "body": { "ttl": 60 }, "method": "PATCH" }),
            format!(r#"PATCH {BASIC} application/json {{"ttl":60}}"#),
        ),
        (
            json!({ "credentials": "basic", "body": { "ttl": 60 }, "format": "form" }),
            format!("POST {BASIC} {FORM} ttl=60"),
        ),
    ] {
        assert_eq!(lines(robot(json!({ "login": login }))), [expected], "{login}");
    }
    let basic = config(robot(json!({ "login": { "credentials": "basic" } })));
    assert_eq!(
        (first(&basic).format_name(&basic), first(&basic).grant_name(&basic)),
        ("basic".into(), "login")
    );
}

#[test]
fn a_login_has_the_configured_method_and_media_type_in_json_formats_only() {
    let media_type = json!({ "contentType": "application/vnd.api+json", "method": "PUT" });
    let both = with(robot(json!({ "login": media_type })), json!({ "email": "a@b.c" }));
    assert_eq!(
        lines(both),
        [
            r#"PUT - application/vnd.api+json {"email":"a@b.c","password":"p w"}"#,
            r#"PUT - application/vnd.api+json {"password":"p w","username":"röbot"}"#,
        ]
    );
    let renewed = robot(
        json!({ "login": { "contentType": "application/vnd.api+json", "refreshTokenField": "renew" } }),
    );
    assert_eq!(refresh(renewed, None), r#"POST - application/vnd.api+json {"renew":"rt"}"#);
}

#[test]
fn refresh_token_field_takes_precedence_over_the_name_in_the_response() {
    let config =
        config(robot(json!({ "refreshUrl": "https://h/renew", "login": { "refreshTokenField": "renew" } })));
    let known = GrantRequest { refresh_name: Some("refreshToken".into()), ..first(&config) };
    let draft = RefreshRequest::of(&known, &config).unwrap().request(&known, &Secret::new("rt"), &config);
    assert_eq!(text(&draft), r#"{"renew":"rt"}"#);
}

#[test]
fn a_body_with_client_credentials_is_the_only_candidate() {
    let body = json!({ "id": "{clientId}", "nested": { "key": "<{clientSecret}>" }, "curly": "{client" });
    let value = app(json!({ "login": { "body": body } }));
    assert_eq!(
        lines(value.clone()),
        [r#"POST - application/json {"curly":"{client","id":"app","nested":{"key":"<s/1>"}}"#]
    );
    let client_only = config(value.clone());
    assert_eq!(first(&client_only).grant_name(&client_only), "login");
    assert_eq!(first(&client_only).method, None);
    let with_user = with(value, json!({ "username": "u", "password": "p" }));
    assert_eq!(lines(with_user).len(), 1, "the client is part of the login even at an endpoint named token");
}

#[tokio::test]
async fn a_remembered_format_is_tried_first_with_the_configured_method() {
    let value = robot(json!({ "login": { "credentials": "basic", "method": "GET" } }));
    let config = config(value);
    let stored = serde_json::to_value(first(&config)).unwrap();
    assert_eq!(stored["format"], "basic");
    let known: GrantRequest = serde_json::from_value(stored).unwrap();
    assert!(known.is_allowed(&config));
    let script = script([token()]);
    Search::new(&config, Some(&known)).obtain(&script).await.unwrap();
    assert_eq!(script.requests(), ["/login [basic] "]);

    // If the configuration has changed, a format that no longer fits is ignored.
    let changed = login("https://h/login");
    assert!(!known.is_allowed(&changed));
    assert_eq!(first(&changed).request(&changed).request.method, Method::POST);
}

#[tokio::test]
async fn the_error_of_a_login_that_rejects_the_method_names_the_field_to_set() {
    let not_allowed = || {
        let error = Error::new(ErrorKind::Endpoint, "responded with 405").with_status(405);
        script([Err(Refusal::NotHere(error))])
    };
    let error = failure(&login("https://h/login"), &not_allowed()).await;
    assert!(error.message().contains("login.method"), "{error}");
    assert_eq!(error.retry(), Retry::CoolDown);
    let error = failure(&client("https://h/token"), &not_allowed()).await;
    assert!(!error.message().contains("login.method"), "a grant is a POST: {error}");
}

#[test]
fn a_grant_is_a_form_unless_json_is_configured() {
    assert_eq!(RequestFormat::default(), RequestFormat::Form);
    let plain = client("https://h/token");
    assert_eq!(first(&plain).format_name(&plain), "client_secret_basic");
}
