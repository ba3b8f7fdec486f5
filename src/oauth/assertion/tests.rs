use serde_json::{Value, json};

use super::*;
use crate::crypto::jws_tests::{key, verified};
use crate::crypto::{JwsHeader, SigningKey, UnsignedToken};

const PEM: &str = include_str!("../../../tests/fixtures/keys/p256-pkcs8.pem");

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000.9)
}

fn signed(key: &SigningKey, claims: &impl Serialize) -> Secret {
    let header = JwsHeader { kid: Some("16"), ..JwsHeader::new(key.algorithm.name()) };
    UnsignedToken::new(&header, claims).unwrap().sign(key.algorithm, &key.key).unwrap()
}

fn claims_of(statement: &Statement<'_>) -> Value {
    let key = key(PEM, None);
    let mut claims = verified(&signed(&key, &statement.claims(now()).unwrap()), &key).unwrap();
    assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
    claims["jti"] = Value::Null;
    claims
}

#[test]
fn the_assertion_of_a_client_has_exactly_the_claims_of_rfc_7523_section_3() {
    assert_eq!(
        claims_of(&Statement::of_client("app", "https://h/token")),
        json!({
            "iss": "app", "sub": "app", "aud": "https://h/token", "jti": null,
            "iat": 1_800_000_000, "exp": 1_800_000_060,
        })
    );
}

#[test]
fn the_assertion_of_a_grant_says_what_is_stated_and_nothing_else() {
    let more = json!({ "box_sub_type": "enterprise" });
    let statement = Statement {
        issuer: "app",
        subject: None,
        audience: None,
        scope: Some("a b"),
        more: more.as_object(),
        lifetime: Duration::from_secs(45),
    };
    assert_eq!(
        claims_of(&statement),
        json!({
            "iss": "app", "scope": "a b", "jti": null, "iat": 1_800_000_000, "exp": 1_800_000_045,
            "box_sub_type": "enterprise",
        })
    );
}

#[test]
fn every_assertion_is_unique() {
    let identifier = || {
        let key = key(PEM, None);
        let claims = Statement::of_client("app", "a").claims(now()).unwrap();
        verified(&signed(&key, &claims), &key).unwrap()["jti"].clone()
    };
    assert_ne!(identifier(), identifier());
}

fn read(text: &str) -> Result<String, String> {
    read_assertion(&Secret::new(text), now()).map(|assertion| assertion.expose().to_owned())
}

fn with_claims(claims: &Value) -> String {
    signed(&key(PEM, None), claims).expose().to_owned()
}

#[test]
fn an_assertion_that_a_platform_made_is_read_without_the_white_space_around_it() {
    for claims in [json!({ "exp": 1_800_000_001 }), json!({ "exp": 1.9e9 }), json!({})] {
        let assertion = with_claims(&claims);
        assert_eq!(read(&assertion), Ok(assertion.clone()));
        assert_eq!(read(&format!("\n{assertion} \r\n")), Ok(assertion));
    }
}

#[test]
fn an_expired_assertion_says_when_it_expired_and_what_time_it_is() {
    for exp in [1_800_000_000, 1_799_996_400, 0, -1] {
        let reason = read(&with_claims(&json!({ "exp": exp }))).unwrap_err();
        assert!(reason.starts_with("has expired: its exp is "), "{reason}");
        assert!(reason.ends_with("and it is 2027-01-15T08:00:00.900Z"), "{reason}");
    }
}

#[test]
fn a_text_that_is_not_an_assertion_is_refused_without_being_repeated() {
    let whole = with_claims(&json!({ "exp": 1_900_000_000 }));
    let (start, signature) = whole.rsplit_once('.').unwrap();
    let long = format!("{start}.{}", "A".repeat(70_000));
    for (text, expected) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("hunter2", "is not a signed JWT"),
        ("hunter2.hunter2.hunter2", "is not a signed JWT"),
        (start, "is not a signed JWT"),
        (&format!("{start}."), "is not a signed JWT"),
        (&format!("{start}.{signature}.{signature}.{signature}"), "is not a signed JWT"),
        (&format!("Bearer {whole}"), "is not a signed JWT"),
        (&with_claims(&json!({ "exp": "1900000000" })), "exp is not a number"),
        (&with_claims(&json!({ "exp": null })), "exp is not a number"),
        (&with_claims(&json!(["exp"])), "is not a signed JWT"),
        (&long, "is too long"),
    ] {
        let reason = read(text).unwrap_err();
        assert!(reason.contains(expected), "{text}: {reason}");
        assert!(!reason.contains("hunter2") && !reason.contains(signature), "{reason}");
    }
}
