//! The URLs of an issuer's metadata, and how it completes the configuration.

use url::Url;

use crate::config::{ClientAuthentication, Config};
use crate::oauth::Metadata;

/// The names under `/.well-known/`: OpenID Connect's and that of RFC 8414.
const OPENID: &str = "openid-configuration";
const OAUTH: &str = "oauth-authorization-server";

/// The possible URLs of an issuer's metadata, in the order in which they are tried: the one of OpenID Connect
/// Discovery §4, which is appended to the issuer's path, then those of RFC 8414 §3 and §5, which are inserted
/// before it.
pub fn metadata_addresses(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    let mut addresses = vec![
        at(format!("{path}/.well-known/{OPENID}")),
        at(format!("/.well-known/{OAUTH}{path}")),
        at(format!("/.well-known/{OPENID}{path}")),
    ];
    // Without a path, the last equals the first.
    if path.is_empty() {
        addresses.pop();
    }
    addresses
}

/// Completes the configuration with the issuer's metadata. Configured values take precedence.
pub fn with_metadata(config: &Config, metadata: &Metadata) -> Config {
    let mut completed = config.clone();
    let has_certificate = config.client_method(None) == Some(ClientAuthentication::TlsClientAuth);
    let aliases = Some(&metadata.with_certificate).filter(|_| has_certificate);
    let token = aliases.and_then(|aliases| aliases.token_endpoint.as_ref());
    let revocation = aliases.and_then(|aliases| aliases.revocation_endpoint.as_ref());
    completed.endpoint = Some(token.unwrap_or(&metadata.token_endpoint).clone());
    completed.probe = Some(false);
    let revocation = revocation.or(metadata.revocation_endpoint.as_ref());
    completed.revocation_url = config.revocation_url.as_ref().or(revocation).cloned();
    // Without a list, the method is `client_secret_basic` (RFC 8414 §2), which is the default here, too.
    let default = config.client_method(None);
    let offered = metadata.methods.as_deref().unwrap_or_default();
    if let Some(default) = default.filter(|default| !offered.contains(default)) {
        completed.client_authentication = completed
            .client_authentication
            .or_else(|| default.other().filter(|other| offered.contains(other)));
    }
    completed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn addresses(issuer: &str) -> Vec<String> {
        metadata_addresses(&Url::parse(issuer).unwrap()).into_iter().map(String::from).collect()
    }

    #[test]
    fn the_urls_are_those_of_both_standards() {
        assert_eq!(
            addresses("https://example.com/issuer1"),
            [
                "https://example.com/issuer1/.well-known/openid-configuration",
                "https://example.com/.well-known/oauth-authorization-server/issuer1",
                "https://example.com/.well-known/openid-configuration/issuer1",
            ]
        );
        for issuer in ["https://example.com", "https://example.com/"] {
            assert_eq!(
                addresses(issuer),
                [
                    "https://example.com/.well-known/openid-configuration",
                    "https://example.com/.well-known/oauth-authorization-server",
                ]
            );
        }
        assert_eq!(
            addresses("https://example.com/a/b/")[0],
            "https://example.com/a/b/.well-known/openid-configuration"
        );
    }

    fn metadata(methods: &[&str]) -> Metadata {
        let document = json!({
            "issuer": "https://h", "token_endpoint": "https://h/token", "revocation_endpoint": "https://h/revoke",
            "token_endpoint_auth_methods_supported": methods,
        });
        Metadata::read(document.to_string().as_bytes(), "https://h", |_| true).unwrap()
    }

    fn config(extra: &serde_json::Value) -> Config {
        let mut value = json!({ "issuer": "https://h", "clientId": "app", "clientSecret": "s" });
        value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Config::from_json(value).unwrap()
    }

    #[test]
    fn metadata_completes_the_configuration() {
        let plain = with_metadata(&config(&json!({})), &metadata(&["client_secret_basic"]));
        assert_eq!(plain.endpoint.unwrap().as_str(), "https://h/token");
        assert_eq!(plain.revocation_url.unwrap().as_str(), "https://h/revoke");
        assert_eq!((plain.probe, plain.client_authentication), (Some(false), None));
        let configured =
            with_metadata(&config(&json!({ "revocationUrl": "https://h/other" })), &metadata(&[]));
        assert_eq!(configured.revocation_url.unwrap().path(), "/other");
    }

    #[test]
    fn the_secret_is_sent_with_an_offered_method() {
        let post = with_metadata(&config(&json!({})), &metadata(&["client_secret_post"]));
        assert_eq!(post.client_authentication, Some(ClientAuthentication::Post));
        let configured = json!({ "clientAuthentication": "client_secret_basic" });
        let configured = with_metadata(&config(&configured), &metadata(&["client_secret_post"]));
        assert_eq!(configured.client_authentication, Some(ClientAuthentication::Basic));
        let neither = with_metadata(&config(&json!({})), &metadata(&["private_key_jwt"]));
        assert_eq!(neither.client_authentication, None, "the default is tried anyway");
    }
}
