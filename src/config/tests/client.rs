//! `clientAuthentication`, `privateKey` and `clientCertificate`.

use crate::crypto::{KeySource, SigningAlgorithm};

use super::*;

/// A PEM file from the fixtures.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name, ".pem"))
    };
}

/// A client without a secret.
fn client(extra: &Value) -> Result<Config, Error> {
    let mut value = json!({ "authUrl": "https://auth.example.com/token", "clientId": "app" });
    for (key, item) in extra.as_object().unwrap() {
        value[key] = item.clone();
    }
    config(value)
}

fn error_of(extra: &Value) -> (String, String) {
    let error = client(extra).expect_err(&extra.to_string());
    (error.field().unwrap().to_owned(), error.message().to_owned())
}

fn algorithm(key: &Value) -> SigningAlgorithm {
    let config = client(&json!({ "privateKey": key })).unwrap();
    match config.credentials.private_key.unwrap().source {
        KeySource::Text(key) => key.algorithm,
        other => panic!("not read: {other:?}"),
    }
}

fn certificate(name: &str) -> (String, String) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (certified.cert.pem(), certified.signing_key.serialize_pem())
}

#[test]
fn a_key_signs_with_the_default_algorithm_of_its_type() {
    for (pem, expected) in [
        (pem!("rsa-pkcs8"), SigningAlgorithm::Rs256),
        (pem!("rsa-pkcs1"), SigningAlgorithm::Rs256),
        (pem!("p256-pkcs8"), SigningAlgorithm::Es256),
        (pem!("p256-sec1"), SigningAlgorithm::Es256),
        (pem!("p384-pkcs8"), SigningAlgorithm::Es384),
        (pem!("p384-sec1"), SigningAlgorithm::Es384),
        (pem!("ed25519"), SigningAlgorithm::EdDsa),
    ] {
        assert_eq!(algorithm(&json!(pem)), expected);
        assert_eq!(algorithm(&json!({ "pem": pem })), expected);
        assert_eq!(algorithm(&json!(pem.replace('\n', "\\n"))), expected, "on one line");
    }
    for (pem, algorithms) in [
        (pem!("rsa-pkcs8"), &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        (pem!("ed25519"), &["EdDSA", "Ed25519"]),
    ] {
        for name in algorithms {
            assert_eq!(algorithm(&json!({ "pem": pem, "alg": name })).name(), *name);
        }
    }
}

#[test]
fn with_a_key_and_no_secret_the_method_is_private_key_jwt() {
    let config = client(&json!({ "privateKey": pem!("ed25519") })).unwrap();
    assert!(config.has_client());
    for known in [None, Some(ClientAuthentication::Basic), Some(ClientAuthentication::TlsClientAuth)] {
        assert_eq!(config.client_method(known), Some(ClientAuthentication::PrivateKeyJwt));
    }
}

#[test]
fn only_a_method_that_sends_the_same_secret_can_replace_the_default() {
    let open = config(with(&json!({}))).unwrap();
    assert_eq!(open.client_method(None), Some(ClientAuthentication::Basic));
    assert_eq!(open.client_method(Some(ClientAuthentication::Post)), Some(ClientAuthentication::Post));
    assert_eq!(
        open.client_method(Some(ClientAuthentication::PrivateKeyJwt)),
        Some(ClientAuthentication::Basic)
    );
    let explicit = config(with(&json!({ "clientAuthentication": "client_secret_basic" }))).unwrap();
    assert_eq!(explicit.client_method(Some(ClientAuthentication::Post)), Some(ClientAuthentication::Basic));
}

#[test]
fn a_text_that_is_not_pem_is_a_path_and_is_not_read_yet() {
    for key in [json!("/nowhere/key.pem"), json!({ "path": "/nowhere/key.pem" })] {
        let config = client(&json!({ "privateKey": key })).unwrap();
        let source = config.credentials.private_key.unwrap().source;
        assert!(matches!(source, KeySource::File(path) if path.to_str() == Some("/nowhere/key.pem")));
    }
}

#[test]
fn a_key_that_cannot_sign_is_rejected_with_the_reason() {
    for (key, field, reason) in [
        (json!(pem!("rsa-encrypted")), "privateKey", "is encrypted"),
        (json!(pem!("rsa-encrypted-pkcs1")), "privateKey", "is encrypted"),
        (json!({ "pem": pem!("rsa-encrypted") }), "privateKey.pem", "is encrypted"),
        (json!(pem!("rsa-public")), "privateKey", "contains a public key"),
        (json!(certificate("h").0), "privateKey", "contains a public key"),
        (json!(pem!("rsa-1024")), "privateKey", "2048"),
        (json!({ "pem": pem!("p521-pkcs8") }), "privateKey.pem", "of an unsupported type"),
        (json!({ "pem": pem!("p521-sec1") }), "privateKey.pem", "P-384"),
        (json!(pem!("rsa-pss")), "privateKey", "of an unsupported type"),
        (
            json!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
            "privateKey",
            "of an unsupported type",
        ),
        (json!("-----BEGIN PRIVATE KEY-----"), "privateKey", "PEM"),
        (json!({ "pem": "hunter2" }), "privateKey.pem", "PEM"),
        (json!({ "pem": pem!("ed25519"), "alg": "ES256" }), "privateKey.alg", "Ed25519"),
        (json!({ "pem": pem!("p256-sec1"), "alg": "RS256" }), "privateKey.alg", "P-256"),
        (json!({ "pem": pem!("rsa-pkcs1"), "alg": "EdDSA" }), "privateKey.alg", "RSA"),
        (json!({ "pem": pem!("rsa-pkcs1"), "alg": "HS256" }), "privateKey.alg", "must be one of"),
        (json!({ "pem": pem!("ed25519"), "path": "key.pem" }), "privateKey.path", "cannot be combined"),
        (
            json!({ "pem": pem!("p384-sec1"), "alg": "ES256" }),
            "privateKey.alg",
            "set privateKey.alg to ES384",
        ),
        (json!({ "pem": pem!("p256-sec1"), "alg": "ES384" }), "privateKey.alg", "privateKey.pem is a P-256"),
        (
            json!({ "pem": pem!("rsa-pkcs1"), "alg": "Ed25519" }),
            "privateKey.alg",
            "set privateKey.alg to RS256",
        ),
        (json!({ "kid": "16" }), "privateKey", "pem, path or sign"),
        (json!({ "pem": pem!("ed25519"), "key": "x" }), "privateKey.key", "unknown"),
        (json!(7), "privateKey", "must be"),
    ] {
        let (named, message) = error_of(&json!({ "privateKey": key }));
        assert_eq!(named, field, "{message}");
        assert!(message.contains(reason), "{reason}: {message}");
        assert!(!message.contains("hunter2") && !message.contains("MII"), "{message}");
    }
}

#[test]
fn conflicting_fields_are_rejected() {
    let key = pem!("ed25519");
    for (extra, field) in [
        (json!({ "privateKey": key, "clientSecret": "s" }), "clientAuthentication"),
        (json!({ "privateKey": key, "clientAuthentication": "client_secret_post" }), "clientAuthentication"),
        (json!({ "clientSecret": "s", "clientAuthentication": "private_key_jwt" }), "clientAuthentication"),
        (json!({ "privateKey": key, "clientAuthentication": "tls_client_auth" }), "clientAuthentication"),
    ] {
        assert_eq!(error_of(&extra).0, field, "{extra}");
    }
    let both = json!({ "privateKey": key, "clientSecret": "s", "clientAuthentication": "private_key_jwt" });
    assert!(client(&both).is_ok(), "clientAuthentication chooses between them");
    let nameless = config(json!({ "authUrl": "https://h/token", "privateKey": key })).unwrap_err();
    assert_eq!(nameless.field(), Some("clientId"));
}

#[test]
fn a_certificate_requires_its_key() {
    let ((cert, key), (_, other)) = (certificate("a"), certificate("b"));
    let config = client(&json!({ "clientCertificate": { "cert": cert, "key": key } })).unwrap();
    assert!(config.has_client());
    assert_eq!(config.client_method(None), Some(ClientAuthentication::TlsClientAuth));

    for (given, field) in [
        (json!({ "cert": cert }), "clientCertificate.key"),
        (json!({ "key": key }), "clientCertificate.cert"),
        (json!({ "cert": cert, "key": other }), "clientCertificate.key"),
        (json!({ "cert": cert, "key": pem!("rsa-encrypted") }), "clientCertificate.key"),
        (json!({ "cert": cert, "key": cert }), "clientCertificate.key"),
        (json!({ "cert": key, "key": key }), "clientCertificate.cert"),
        (
            json!({ "cert": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "key": key }),
            "clientCertificate.cert",
        ),
        (json!({ "cert": cert, "key": key, "ca": cert }), "clientCertificate.ca"),
    ] {
        let (named, message) = error_of(&json!({ "clientCertificate": given }));
        assert_eq!(named, field, "{message}");
    }
    let http =
        json!({ "authUrl": "http://127.0.0.1/token", "clientCertificate": { "cert": cert, "key": key } });
    assert_eq!(error_of(&http).0, "authUrl");
}

#[test]
fn debug_of_a_configuration_contains_no_part_of_a_key() {
    let (cert, key) = certificate("a");
    let config = client(&json!({
        "privateKey": pem!("rsa-pkcs8"), "clientCertificate": { "cert": cert, "key": key },
        "clientAuthentication": "private_key_jwt",
    }));
    let text = format!("{:?}", config.unwrap());
    let lines = [pem!("rsa-pkcs8"), &key].map(|pem| pem.lines().nth(1).unwrap().to_owned());
    assert!(lines.iter().all(|line| !text.contains(line.as_str())), "{text}");
    assert!(!text.contains("content: ["), "{text}");
}
