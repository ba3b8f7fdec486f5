//! What tells configurations apart that ask for different tokens, or with different credentials.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::fields::is_function;
use super::{Config, Credentials};
use crate::crypto::sha256;

/// A digest of what is sent for a token, and where to, secrets included: of two configurations with the same one, a
/// server that rejects the first rejects the second. It cannot print, and is stored sealed only.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialDigest(String);

impl CredentialDigest {
    /// The digest of such a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for CredentialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

/// A digest of a whole configuration, secrets included: equal configurations have equal ones. It cannot print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfigDigest(String);

impl ConfigDigest {
    pub(super) fn new(map: &Map<String, Value>) -> Self {
        Self(digest(&Zeroizing::new(serde_json::to_string(map).unwrap_or_default())))
    }
}

impl fmt::Debug for ConfigDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

/// What stands for a function as `login`.
const LOGIN_FUNCTION: &str = "login()";

/// A digest of the parameters of every token request, where there are any.
pub(super) fn parameters(map: &Map<String, Value>) -> Option<String> {
    let parameters = map.get("parameters")?.as_object().filter(|map| !map.is_empty())?;
    let text = Zeroizing::new(json!(parameters).to_string());
    Some(digest(&text))
}

/// A digest of whom the token is for, and for what; of the parameters it holds a digest only.
pub(super) fn identity(config: &Config, parameters: Option<&str>) -> String {
    let place = config.endpoint.as_ref().map(Url::as_str);
    let place = place.or(config.issuer.as_ref().map(|issuer| issuer.text.as_str()));
    let place = place.or(config.login.is_function.then_some(LOGIN_FUNCTION));
    let Credentials { client_id, email, username, .. } = &config.credentials;
    let grant = config.grant.map(|grant| format!("{grant:?}"));
    let Config { scope, audience, resource, grant_type, .. } = config;
    let account = (client_id, email, username);
    digest(&json!([place, grant, grant_type, account, scope, audience, resource, parameters]).to_string())
}

/// The fields that say which credential goes where, and in which form. What the token is for, such as `scope`, is not
/// among them: the same password is as wrong for another one.
const CREDENTIAL_FIELDS: [&str; 13] = [
    "clientAuthentication",
    "clientCertificate",
    "clientId",
    "clientSecret",
    "grant",
    "grantType",
    "headers",
    "issuer",
    "parameters",
    "password",
    "privateKey",
    "probe",
    "requestFormat",
];

/// The members of `login` that a request does not hold.
const ANSWER_FIELDS: [&str; 4] = ["expiresPath", "refreshTokenField", "refreshTokenPath", "tokenPath"];

/// A digest of the credential, of where it goes and of how it is sent.
pub(super) fn credential(map: &Map<String, Value>) -> CredentialDigest {
    if map.get("login").is_some_and(is_function) {
        // Which credential a function uses is unknown.
        return CredentialDigest::new(digest(&json!([LOGIN_FUNCTION, map.get("service")]).to_string()));
    }
    let account = map.get("username").or(map.get("email"));
    let mut login = map.get("login").cloned();
    if let Some(Value::Object(login)) = &mut login {
        login.retain(|field, _| !ANSWER_FIELDS.contains(&field.as_str()));
    }
    let login = login.filter(|login| login.as_object().is_none_or(|login| !login.is_empty()));
    let fields = CREDENTIAL_FIELDS.map(|field| map.get(field));
    let text = Zeroizing::new(json!([endpoint(map), account, login, fields]).to_string());
    CredentialDigest::new(digest(&text))
}

/// The address, however it is spelled.
fn endpoint(map: &Map<String, Value>) -> Option<String> {
    let text = map.get("authUrl")?.as_str()?;
    let Ok(mut url) = Url::parse(text.trim()) else { return Some(text.to_owned()) };
    if url.query() == Some("") {
        url.set_query(None);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url.into())
}

fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&sha256(text.as_bytes())[..15])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &Value) -> CredentialDigest {
        credential(value.as_object().unwrap())
    }

    fn login() -> Value {
        json!({ "authUrl": "https://h/login", "username": "bob", "password": "hunter2" })
    }

    fn with(changes: &Value) -> CredentialDigest {
        let mut config = login();
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        of(&config)
    }

    #[test]
    fn what_does_not_change_the_credential_or_its_way_is_the_same_credential() {
        for same in [
            json!({ "scope": "more" }),
            json!({ "audience": "api", "resource": ["https://api"] }),
            json!({ "authUrl": "https://h/login/" }),
            json!({ "authUrl": " https://H:443/login? " }),
            json!({ "login": { "tokenPath": "a.b" } }),
            json!({ "timeoutMs": 5, "service": "other", "refreshUrl": "https://h/renew" }),
            json!({ "email": "bob@example.com" }),
        ] {
            assert!(with(&same) == of(&login()), "{same}");
        }
        let by_email = json!({ "authUrl": "https://h/login", "email": "bob", "password": "hunter2" });
        assert!(of(&by_email) == of(&login()));
    }

    #[test]
    fn another_secret_address_or_form_is_another_credential() {
        for other in [
            json!({ "password": "hunter3" }),
            json!({ "username": "ann" }),
            json!({ "authUrl": "https://h/auth/login" }),
            json!({ "authUrl": "https://h/login?tenant=blue" }),
            json!({ "grant": "password" }),
            json!({ "login": { "body": { "user": "{username}" } } }),
            json!({ "headers": { "x-api-key": "k" } }),
            json!({ "clientAuthentication": "client_secret_post" }),
        ] {
            assert!(with(&other) != of(&login()), "{other}");
        }
    }

    #[test]
    fn of_a_function_only_its_service_is_known() {
        let login = |service: &str| of(&json!({ "service": service, "login": { "function": true } }));
        assert!(login("a") == login("a") && login("a") != login("b"));
    }

    #[test]
    fn a_digest_cannot_print() {
        assert_eq!(format!("{:?}", of(&login())), "[digest]");
    }
}
