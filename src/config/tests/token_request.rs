//! `parameters`, `grantType`, `requestFormat`, and the login request.

use super::*;

/// The configuration of a client with a memory store, with additional fields.
fn client_with(extra: &Value) -> Result<Config, Error> {
    let mut value = with(extra);
    value["storage"] = json!({ "kind": "memory" });
    config(value)
}

/// The same for a login.
fn login_with(extra: &Value) -> Result<Config, Error> {
    let mut value = json!({
        "authUrl": "https://auth.example.com/login", "username": "robot", "password": "p4ssword",
        "storage": { "kind": "memory" },
    });
    for (key, value_of_key) in extra.as_object().unwrap() {
        value[key] = value_of_key.clone();
    }
    value.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    config(value)
}

fn assert_rejected(result: Result<Config, Error>, field: &str, words: &[&str]) {
    let error = result.expect_err(field);
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)), "{}", error.message());
    for word in words {
        assert!(error.message().contains(word), "{word}: {}", error.message());
    }
}

#[test]
fn parameters_are_strings_and_arrays_of_strings() {
    let config = client_with(
        &json!({ "parameters": { "account_id": "7", "aud": ["a", "b"], "one": ["x"], "none": "" } }),
    )
    .unwrap();
    let read: Vec<_> = config
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.values.iter().map(Secret::expose).collect::<Vec<_>>(), p.is_list))
        .collect();
    assert_eq!(
        read,
        [
            ("account_id", vec!["7"], false),
            ("aud", vec!["a", "b"], true),
            ("none", vec![""], false),
            ("one", vec!["x"], true),
        ]
    );
    assert!(!format!("{config:?}").contains("\"7\""));
}

#[test]
fn the_error_of_an_invalid_parameter_names_it_without_its_value() {
    for (parameters, field) in [
        (json!("a=hunter2"), "parameters"),
        (json!(["hunter2"]), "parameters"),
        (json!({ "": "hunter2" }), "parameters"),
        (json!({ "  ": "hunter2" }), "parameters"),
        (json!({ "a\nb": "hunter2" }), "parameters.a\\nb"),
        (json!({ "a\u{0}": "hunter2" }), "parameters.a\\0"),
        (json!({ "a": "hunter2\u{0}" }), "parameters.a"),
        (json!({ "a": "hun\nter2" }), "parameters.a"),
        (json!({ "a": { "b": "hunter2" } }), "parameters.a"),
        (json!({ "a": ["hunter2", { "b": 1 }] }), "parameters.a"),
        (json!({ "a": [["hunter2"]] }), "parameters.a"),
        (json!({ "a": [] }), "parameters.a"),
        (json!({ "a": 7 }), "parameters.a"),
        (json!({ "a": null }), "parameters.a"),
        (json!({ "a": true }), "parameters.a"),
    ] {
        let rejected = client_with(&json!({ "parameters": parameters }));
        assert!(!rejected.as_ref().unwrap_err().message().contains("hunter2"), "{parameters}");
        assert_rejected(rejected, field, &[]);
    }
}

#[test]
fn the_error_of_a_reserved_parameter_names_the_field_to_set() {
    for (name, instead) in [
        ("grant_type", "set grantType"),
        ("client_id", "set clientId"),
        ("client_secret", "set clientSecret"),
        ("refresh_token", "set refreshToken"),
        ("scope", "set scope"),
        ("audience", "set audience"),
        ("resource", "set resource"),
        ("username", "set username"),
        ("password", "set password"),
        ("client_assertion", "set privateKey"),
        ("client_assertion_type", "set privateKey"),
    ] {
        let field = format!("parameters.{name}");
        assert_rejected(client_with(&json!({ "parameters": { name: "x" } })), &field, &[instead]);
        assert_rejected(login_with(&json!({ "parameters": { name: "x" } })), &field, &[instead]);
    }
    let email = json!({ "email": "a@b.c", "username": null, "parameters": { "email": "x" } });
    assert_rejected(login_with(&email), "parameters.email", &["set email"]);
    login_with(&json!({ "parameters": { "email": "x" } })).unwrap();
    client_with(&json!({ "parameters": { "email": "x" } })).unwrap();
}

#[test]
fn a_trailing_line_break_of_a_parameter_is_removed_with_a_warning_without_the_value() {
    let config =
        client_with(&json!({ "parameters": { "key": "hunter2\r\n", "other": "\"hunter3\"" } })).unwrap();
    assert_eq!(config.parameters[0].values[0].expose(), "hunter2");
    let warnings = config.warnings.join("\n");
    assert!(warnings.contains("parameters contains \"key\", which ended with a line break"), "{warnings}");
    assert!(warnings.contains("parameters contains \"other\", which is enclosed in quotes"), "{warnings}");
    assert!(!warnings.contains("hunter"), "{warnings}");
}

#[test]
fn every_request_must_be_able_to_contain_a_parameter() {
    let body = json!({ "body": { "user": "{username}", "device": "x" } });
    assert_rejected(
        login_with(&json!({ "login": body, "parameters": { "device": "y" } })),
        "parameters.device",
        &["login.body"],
    );
    login_with(&json!({ "login": body, "parameters": { "tenant": "y" } })).unwrap();
    for method in ["GET", "POST"] {
        let login = json!({ "credentials": "basic", "method": method });
        let rejected = login_with(&json!({ "login": login, "parameters": { "tenant": "y" } }));
        assert_rejected(rejected, "parameters.tenant", &["login.credentials", "login.body", "headers"]);
    }
    let renewed = json!({
        "login": { "refreshTokenField": "renew" }, "refreshUrl": "https://auth.example.com/r",
        "parameters": { "renew": "y" },
    });
    assert_rejected(login_with(&renewed), "parameters.renew", &["login.refreshTokenField"]);
}

#[test]
fn grant_type_is_one_word_and_applies_only_to_grants() {
    let config = client_with(&json!({ "grantType": "account_credentials" })).unwrap();
    assert_eq!(config.grant_type.as_deref(), Some("account_credentials"));
    client_with(&json!({ "grantType": "urn:ietf:params:oauth:grant-type:device_code" })).unwrap();
    for word in ["two words", "wört", "a\nb", "refresh_token", ""] {
        assert_rejected(client_with(&json!({ "grantType": word })), "grantType", &[]);
    }
    login_with(&json!({ "grantType": "x", "grant": "password" })).unwrap();
    let body = json!({ "body": { "u": "{username}" } });
    for extra in [
        json!({ "grantType": "x" }),
        json!({ "grantType": "x", "grant": "login" }),
        json!({ "grantType": "x", "login": body }),
        json!({ "grantType": "x", "login": { "credentials": "basic" } }),
        json!({ "grantType": "x", "clientId": "app", "clientSecret": "s" }),
        json!({
            "grantType": "x", "clientId": "app", "clientSecret": "s", "issuer": "https://h", "authUrl": null,
        }),
    ] {
        assert_rejected(login_with(&extra), "grantType", &[]);
    }
}

#[test]
fn request_format_applies_only_to_grants() {
    for (word, format) in [("form", RequestFormat::Form), ("json", RequestFormat::Json)] {
        let config = client_with(&json!({ "requestFormat": word })).unwrap();
        assert_eq!(config.request_format, Some(format));
        login_with(&json!({ "requestFormat": word, "grant": "password" })).unwrap();
        login_with(&json!({ "requestFormat": word, "authUrl": null, "issuer": "https://h" })).unwrap();
        for extra in [
            json!({ "requestFormat": word }),
            json!({ "requestFormat": word, "grant": "login" }),
            json!({ "requestFormat": word, "login": { "method": "PUT" } }),
        ] {
            assert_rejected(login_with(&extra), "requestFormat", &["grant"]);
        }
        let body = json!({ "requestFormat": word, "login": { "body": { "u": "{username}" } } });
        assert_rejected(login_with(&body), "requestFormat", &["login.body"]);
    }
    assert_rejected(client_with(&json!({ "requestFormat": "xml" })), "requestFormat", &[]);
}

#[test]
fn a_public_client_has_no_secret() {
    let public = json!({ "clientAuthentication": "none", "clientSecret": null });
    let config = client_with(&public).unwrap();
    assert!(config.has_client() && config.client_method(None) == Some(ClientAuthentication::Public));
    let rejected = client_with(&json!({ "clientAuthentication": "none" }));
    assert_rejected(rejected, "clientAuthentication", &["clientSecret"]);
    let rejected = login_with(&json!({ "clientAuthentication": "none" }));
    assert_rejected(rejected, "clientAuthentication", &["clientId"]);
    let key = include_str!("../../../tests/fixtures/keys/ed25519.pem");
    let with_key = json!({ "clientAuthentication": "none", "clientSecret": null, "privateKey": key });
    assert_rejected(client_with(&with_key), "clientAuthentication", &["privateKey"]);
}

#[test]
fn a_store_needs_a_key_if_there_is_no_secret() {
    let public = with(&json!({ "clientAuthentication": "none", "clientSecret": null }));
    assert_rejected(config(public.clone()), "encryptionKey", &["storage", "TOKEN_ENCRYPTION_KEY"]);
    let mut sealed = public;
    sealed["encryptionKey"] = "a key that is long enough to be one".into();
    config(sealed).unwrap();
    let by_id = json!({ "authUrl": "https://h/login", "clientId": "app", "login": { "body": { "k": "{clientId}" } } });
    assert_rejected(config(by_id), "encryptionKey", &[]);
}

#[test]
fn a_colon_is_rejected_in_a_basic_user_name() {
    let raw = json!({ "clientAuthentication": "client_secret_basic_raw", "clientSecret": "a:b" });
    client_with(&raw).unwrap();
    let raw = json!({ "clientAuthentication": "client_secret_basic_raw", "clientId": "a:b" });
    assert_rejected(client_with(&raw), "clientId", &["clientAuthentication"]);
    let secretless =
        json!({ "clientAuthentication": "client_secret_basic_raw", "clientId": "a", "grant": "password" });
    assert_rejected(login_with(&secretless), "clientAuthentication", &["clientSecret"]);
    let basic = json!({ "credentials": "basic" });
    assert_rejected(
        login_with(&json!({ "login": basic, "username": "a:b" })),
        "username",
        &["login.credentials"],
    );
    let by_email = json!({ "login": basic, "username": null, "email": "a:b@h" });
    assert_rejected(login_with(&by_email), "email", &["login.credentials"]);
    login_with(&json!({ "login": basic, "password": "a:b" })).unwrap();
}

#[test]
fn an_invalid_login_request_is_rejected_with_the_reason() {
    let basic = "login.credentials";
    for (login, field, words) in [
        (json!({ "method": "DELETE" }), "login.method", ["POST", "PATCH"]),
        (json!({ "method": "post" }), "login.method", ["\"POST\"", "\"GET\""]),
        (json!({ "method": "GET" }), "login.method", [basic, "has no body"]),
        (
            json!({ "method": "GET", "body": { "a": 1 } }),
            "login.method",
            ["login.body", "do not belong in a URL"],
        ),
        (
            json!({ "method": "GET", "credentials": "basic", "body": {} }),
            "login.method",
            ["login.body", "do not belong in a URL"],
        ),
        (json!({ "credentials": "digest" }), basic, ["\"body\"", "\"basic\""]),
        (json!({ "contentType": "application" }), "login.contentType", ["media type", "such as"]),
        (json!({ "contentType": "a/b\r\nx: y" }), "login.contentType", ["media type", "such as"]),
        (json!({ "contentType": "a/b; c" }), "login.contentType", ["media type", "such as"]),
        (json!({ "contentType": "a b/c" }), "login.contentType", ["media type", "such as"]),
        (json!({ "contentType": "a/b; c=\"d" }), "login.contentType", ["media type", "such as"]),
        (
            json!({ "contentType": "application/x-www-form-urlencoded" }),
            "login.contentType",
            ["login.format", "form"],
        ),
        (json!({ "contentType": "multipart/form-data" }), "login.contentType", ["JSON", "multipart"]),
        (
            json!({ "contentType": "application/json", "format": "form", "body": {} }),
            "login.contentType",
            ["login.format", "form"],
        ),
        (
            json!({ "contentType": "application/json", "credentials": "basic" }),
            "login.contentType",
            [basic, "login.body"],
        ),
        (json!({ "refreshTokenField": "a\nb" }), "login.refreshTokenField", ["control", "character"]),
        (json!({ "refreshTokenField": "r" }), "login.refreshTokenField", ["refreshUrl", "refreshFormat"]),
    ] {
        assert_rejected(login_with(&json!({ "login": login })), field, &words);
    }
    for login in [
        json!({ "method": "PUT" }),
        json!({ "method": "PATCH", "contentType": "application/merge-patch+json" }),
        json!({ "contentType": "application/json; charset=utf-8" }),
        json!({ "contentType": "application/vnd.api+json;ext=\"https://h/ext\"" }),
        json!({ "method": "GET", "credentials": "basic" }),
        json!({ "credentials": "basic", "body": {} }),
        json!({ "credentials": "basic", "body": {}, "format": "form" }),
    ] {
        login_with(&json!({ "login": login })).unwrap();
    }
}

#[test]
fn refresh_token_field_requires_a_refresh_in_json() {
    let login = json!({ "refreshTokenField": "renew" });
    for refresh in [
        json!({ "refreshUrl": "https://h/r" }),
        json!({ "refreshUrl": "https://h/r", "refreshFormat": "json" }),
    ] {
        let mut extra = refresh;
        extra["login"] = login.clone();
        login_with(&extra).unwrap();
    }
    for format in ["form", "bearer"] {
        let extra = json!({ "login": login, "refreshUrl": "https://h/r", "refreshFormat": format });
        assert_rejected(login_with(&extra), "login.refreshTokenField", &["refreshFormat"]);
    }
}

#[test]
fn login_options_are_rejected_without_a_login() {
    for (login, field) in [
        (json!({ "method": "PUT" }), "login.method"),
        (json!({ "credentials": "basic" }), "login.credentials"),
        (json!({ "contentType": "application/vnd.api+json" }), "login.contentType"),
        (json!({ "body": { "user": "{username}" } }), "login.body"),
    ] {
        assert_rejected(client_with(&json!({ "login": login })), field, &["password", "username"]);
        for grant in ["client_credentials", "password"] {
            let both = json!({ "login": login, "grant": grant, "username": "u", "password": "p" });
            assert_rejected(client_with(&both), field, &["grant", grant]);
        }
    }
    let at_issuer = json!({ "login": { "method": "PUT" }, "authUrl": null, "issuer": "https://h" });
    assert_rejected(login_with(&at_issuer), "login.method", &["issuer", "authUrl"]);
}

#[test]
fn a_body_with_client_credentials_is_a_login() {
    for (body, given) in [
        (json!({ "id": "{clientId}", "nested": [{ "key": "<{clientSecret}>" }] }), json!({})),
        (json!({ "key": "{clientSecret}" }), json!({ "clientId": null })),
        (json!({ "key": "{clientId}" }), json!({ "clientSecret": null })),
    ] {
        let mut extra = given;
        extra["login"] = json!({ "body": body });
        let config = client_with(&extra).unwrap();
        assert!(config.is_login() && config.has_login() && !config.credentials.has_login(), "{body}");
        extra["grant"] = "login".into();
        client_with(&extra).unwrap();
    }
    for (body, field) in [("{clientId}", "clientId"), ("{clientSecret}", "clientSecret")] {
        let extra = json!({ field: null, "login": { "body": { "a": body } } });
        assert_rejected(client_with(&extra), field, &["login.body", body]);
        assert_rejected(
            login_with(&json!({ "login": { "body": { "a": body } } })),
            field,
            &["login.body", body],
        );
    }
    let mixed = json!({ "login": { "body": { "a": "{clientId}", "b": "{email}" } } });
    assert_rejected(client_with(&mixed), "login.body", &["password", "username"]);
}

#[test]
fn parameters_and_grant_type_distinguish_records_and_rejections() {
    let of = |extra: Value| {
        let config = client_with(&extra).unwrap();
        assert!(!config.identity.contains("hunter2"));
        (config.identity, config.credential)
    };
    let plain = of(json!({}));
    let others = [
        of(json!({ "parameters": { "a": "hunter2" } })),
        of(json!({ "parameters": { "a": "hunter3" } })),
        of(json!({ "parameters": { "b": "hunter2" } })),
        of(json!({ "parameters": { "a": ["hunter2", "x"] } })),
        of(json!({ "grantType": "account_credentials" })),
        of(json!({ "grantType": "account_credentials", "parameters": { "a": "hunter2" } })),
    ];
    for (index, other) in others.iter().enumerate() {
        assert!(other.0 != plain.0 && other.1 != plain.1, "{index}");
        assert!(
            others.iter().skip(index + 1).all(|later| later.0 != other.0 && later.1 != other.1),
            "{index}"
        );
    }
    assert_eq!(of(json!({ "parameters": {} })).0, plain.0);
    let json = of(json!({ "requestFormat": "json" }));
    assert!(json.0 == plain.0 && json.1 != plain.1, "the same token in a different request");
}
