//! `privateKey` as a JWK, a service account or a function, and `privateKey.certificate`.

use super::assertion::{account, refused};
use super::*;
use crate::crypto::{KeySource, PrivateKey, SigningAlgorithm, SigningKey};

/// A file from the fixtures.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name))
    };
}

const URL: &str = "https://auth.example.com/token";

fn private_key(config: &Config) -> &PrivateKey {
    config.credentials.private_key.as_ref().unwrap()
}

fn signing_key(config: &Config) -> &SigningKey {
    match &private_key(config).source {
        KeySource::Text(key) => key,
        other => panic!("not read: {other:?}"),
    }
}

fn client(key: &Value) -> Result<Config, Error> {
    config(json!({ "authUrl": URL, "clientId": "app", "privateKey": key }))
}

fn certified() -> (String, String) {
    let certified = rcgen::generate_simple_self_signed(["app".to_owned()]).unwrap();
    (certified.cert.pem(), certified.signing_key.serialize_pem())
}

#[test]
fn a_jwk_is_a_key_wherever_pem_is_one_with_its_algorithm_and_kid() {
    for (jwk, pem, algorithm, kid) in [
        (fixture!("rsa.jwk.json"), fixture!("rsa-pkcs1.pem"), SigningAlgorithm::Ps384, "rsa-1"),
        (fixture!("p256.jwk.json"), fixture!("p256-pkcs8.pem"), SigningAlgorithm::Es256, "p256-1"),
        (fixture!("p384.jwk.json"), fixture!("p384-pkcs8.pem"), SigningAlgorithm::Es384, "p384-1"),
        (fixture!("ed25519.jwk.json"), fixture!("ed25519.pem"), SigningAlgorithm::Ed25519, "ed-1"),
    ] {
        let object: Value = serde_json::from_str(jwk).unwrap();
        let of_pem = client(&json!({ "pem": pem, "alg": algorithm.name() })).unwrap();
        for key in [
            json!(jwk),
            object.clone(),
            json!({ "pem": jwk }),
            json!({ "pem": object }),
            json!(format!("\n{jwk}")),
        ] {
            let config = client(&key).unwrap();
            let key = signing_key(&config);
            assert_eq!((key.algorithm, key.kid.as_deref()), (algorithm, Some(kid)));
            let signs = |key: &SigningKey| crate::crypto::jws_tests::verified_by(key, signing_key(&of_pem));
            assert!(signs(key), "{}: it is the same key", algorithm.name());
        }
    }
}

#[test]
fn the_options_take_precedence_over_what_the_jwk_says() {
    let jwk: Value = serde_json::from_str(fixture!("rsa.jwk.json")).unwrap();
    let config = client(&json!({ "pem": jwk, "alg": "RS512", "kid": "mine" })).unwrap();
    assert_eq!(signing_key(&config).algorithm, SigningAlgorithm::Rs512);
    assert_eq!(private_key(&config).kid.as_deref(), Some("mine"));
}

#[test]
fn a_jwk_that_cannot_sign_is_rejected_with_the_reason_and_without_its_members() {
    let with = |name: &str, member: &str, value: Value| {
        let text = if name == "rsa" { fixture!("rsa.jwk.json") } else { fixture!("p256.jwk.json") };
        let mut jwk: Value = serde_json::from_str(text).unwrap();
        jwk[member] = value;
        jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        jwk
    };
    for (key, reason) in [
        (with("rsa", "d", json!(null)), "without a private part"),
        (with("p256", "d", json!(null)), "without a private part"),
        (with("rsa", "p", json!(null)), "without p"),
        (with("rsa", "n", json!("hunter 2")), "whose n is not base64url"),
        (with("rsa", "n", json!("AAAA")), "RSA key that cannot be used"),
        (with("rsa", "oth", json!([])), "more than two primes"),
        (with("p256", "x", json!("AAAA")), "EC key that cannot be used"),
        (with("p256", "d", json!("A".repeat(90))), "whose d is too long"),
        (with("p256", "crv", json!("P-521")), "unsupported type"),
        (with("p256", "crv", json!("secp256k1")), "unsupported type"),
        (with("rsa", "kty", json!("oct")), "symmetric JWK: set clientSecret"),
        (with("rsa", "use", json!("enc")), "not for signatures"),
        (with("rsa", "alg", json!("HS256")), "alg that is not supported"),
        (with("rsa", "alg", json!("ES256")), "alg is ES256, which does not fit an RSA key"),
        (json!({ "keys": [with("rsa", "use", json!("sig"))] }), "a set of JWKs"),
        (
            json!({ "type": "authorized_user", "refresh_token": "hunter2" }),
            "a user, not of a service account",
        ),
        (json!({ "type": "external_account" }), "token_exchange"),
        (json!("{\"hunter2\""), "cannot be parsed"),
        (json!("{\"pem\":\"hunter2\"}"), "neither a JWK"),
    ] {
        let value = json!({ "authUrl": URL, "clientId": "app", "privateKey": key });
        let (field, message) = refused(value);
        assert_eq!(field, "privateKey", "{message}");
        assert!(message.contains(reason), "{reason}: {message}");
        assert!(!message.contains("hunter"), "{message}");
    }
}

#[test]
fn the_key_file_of_a_service_account_completes_the_configuration() {
    for key in
        [account(&json!({})), json!(account(&json!({})).to_string()), json!({ "pem": account(&json!({})) })]
    {
        let config = config(json!({ "privateKey": key, "scope": "https://api.example.com/read" })).unwrap();
        assert_eq!(config.grant, Some(GrantType::JwtBearer));
        assert_eq!(config.endpoint.as_ref().map(Url::as_str), Some("https://oauth2.example.com/token"));
        let key = signing_key(&config);
        assert_eq!((key.algorithm, key.kid.as_deref()), (SigningAlgorithm::Rs256, Some("key-1")));
        assert_eq!(key.account.as_ref().unwrap().client_email, "robot@project.iam.gserviceaccount.com");
        assert!(!config.awaits_account(), "nothing is missing");
    }
    let own =
        config(json!({ "privateKey": account(&json!({})), "authUrl": "https://proxy.example.com/token" }));
    assert_eq!(own.unwrap().endpoint.unwrap().host_str(), Some("proxy.example.com"));

    for (changes, field, reason) in [
        (json!({ "private_key": null }), "privateKey", "has no private_key"),
        (json!({ "client_email": null }), "privateKey", "has no client_email"),
        (json!({ "token_uri": null }), "authUrl", "is missing"),
        (
            json!({ "token_uri": "http://oauth2.example.com/token" }),
            "privateKey",
            "token_uri is not an https URL",
        ),
        (json!({ "private_key": "hunter2" }), "privateKey", "must be a private key"),
    ] {
        let (named, message) = refused(json!({ "privateKey": account(&changes) }));
        assert_eq!(named, field, "{message}");
        assert!(message.contains(reason) && !message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_path_alone_is_meant_to_be_that_of_a_service_account_if_it_is_json() {
    let alone = |path: &str| config(json!({ "privateKey": { "path": path }, "scope": "a" }));
    for path in ["service-account.json", "/run/secrets/KEY.JSON"] {
        let config = alone(path).unwrap();
        assert_eq!(config.grant, Some(GrantType::JwtBearer));
        assert!(config.awaits_account() && config.has_credentials());
    }
    assert_eq!(alone("key.pem").unwrap_err().field(), Some("clientId"));
    let named = config(json!({ "privateKey": { "path": "/run/key" }, "grant": "jwt_bearer" })).unwrap();
    assert!(named.awaits_account(), "with a grant, any file may be one");
    let jwk =
        config(json!({ "privateKey": { "path": "jwk.json" }, "authUrl": URL, "clientId": "app" })).unwrap();
    assert_eq!(jwk.grant, None, "with a client and a server, it is a key");
    assert!(jwk.has_client());
}

#[test]
fn a_certificate_of_the_key_is_accepted_and_one_of_another_key_is_not() {
    let ((certificate, key), (other, _)) = (certified(), certified());
    for certificate in
        [certificate.clone(), certificate.replace('\n', "\\n"), format!("{certificate}{other}")]
    {
        client(&json!({ "pem": key, "certificate": certificate })).unwrap();
    }
    let with = |certificate: Value| {
        refused(json!({
            "authUrl": URL, "clientId": "app", "privateKey": { "pem": key, "certificate": certificate },
        }))
    };
    for (given, field, reason) in [
        (json!(other), "privateKey.certificate", "is the certificate of another key"),
        (json!("app.crt"), "privateKey.certificate", "or { path }"),
        (json!(key), "privateKey.certificate", "must contain a certificate"),
        (json!({}), "privateKey.certificate.path", "is missing"),
        (json!({ "path": "a.crt", "pem": "x" }), "privateKey.certificate.pem", "unknown"),
        (json!(7), "privateKey.certificate", "must be"),
    ] {
        let (named, message) = with(given);
        assert_eq!(named, field, "{message}");
        assert!(message.contains(reason), "{reason}: {message}");
    }
}

#[test]
fn a_function_signs_with_a_configured_algorithm_and_excludes_a_key() {
    let function = json!({ "function": true });
    let with = |key: Value| {
        config(json!({
            "authUrl": URL, "clientId": "app", "privateKey": key, "storage": { "kind": "memory" },
        }))
    };
    let (certificate, _) = certified();
    let config =
        with(json!({ "sign": function, "alg": "ES384", "kid": "kms-1", "certificate": certificate }))
            .unwrap();
    assert!(matches!(private_key(&config).source, KeySource::Function(SigningAlgorithm::Es384)));
    assert!(config.has_client() && !private_key(&config).is_readable());
    for (key, field, reason) in [
        (json!({ "sign": function }), "privateKey.alg", "is missing"),
        (json!({ "sign": function, "alg": "HS256" }), "privateKey.alg", "must be one of"),
        (json!({ "sign": "x", "alg": "RS256" }), "privateKey.sign", "must be a function"),
        (
            json!({ "sign": function, "alg": "RS256", "path": "a" }),
            "privateKey.sign",
            "remove privateKey.path",
        ),
        (json!({ "sign": function, "alg": "RS256", "pem": "a" }), "privateKey.sign", "remove privateKey.pem"),
    ] {
        let error = with(key).unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
        assert!(error.message().contains(reason), "{error}");
    }
    let stored = super::config(json!({
        "authUrl": URL, "clientId": "app", "privateKey": { "sign": function, "alg": "RS256" },
    }));
    assert_eq!(stored.unwrap_err().field(), Some("encryptionKey"));
}
