//! The metadata of an issuer: [OpenID Connect Discovery
//! §4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig),
//! [RFC 8414 §3](https://www.rfc-editor.org/rfc/rfc8414#section-3).

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{body, fields};
use crate::config::ClientAuthentication;

/// The part of an issuer's metadata that evertoken needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The token endpoint.
    pub token_endpoint: Url,
    /// The revocation endpoint (RFC 7009).
    pub revocation_endpoint: Option<Url>,
    /// The supported client authentication methods that evertoken knows. `None` if the metadata does not list
    /// any.
    pub methods: Option<Vec<ClientAuthentication>>,
    /// The endpoints for clients with a certificate (RFC 8705 §5).
    pub with_certificate: Aliases,
    /// The endpoints for a user's consent.
    pub consent: ConsentEndpoints,
}

/// Where a user gives consent. Only `evertoken login` needs these endpoints, so an invalid one counts as missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsentEndpoints {
    /// The authorization endpoint (RFC 6749 §3.1).
    pub authorization: Option<Url>,
    /// The device authorization endpoint ([RFC 8628 §4](https://www.rfc-editor.org/rfc/rfc8628#section-4)).
    pub device_authorization: Option<Url>,
    /// Whether every authorization response names its issuer
    /// ([RFC 9207 §3](https://www.rfc-editor.org/rfc/rfc9207#section-3)).
    pub sends_issuer: bool,
}

/// `mtls_endpoint_aliases`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// Replaces [`Metadata::token_endpoint`].
    pub token_endpoint: Option<Url>,
    /// Replaces [`Metadata::revocation_endpoint`].
    pub revocation_endpoint: Option<Url>,
}

/// Why a document is not usable metadata.
#[derive(Debug, PartialEq, Eq)]
pub enum MetadataError {
    /// It is not a JSON object; probably a page.
    NotMetadata,
    /// It belongs to another issuer, whose identifier it contains.
    OtherIssuer(String),
    /// Something in it is not valid.
    Fault(&'static str),
}

#[derive(Deserialize)]
struct MetadataDocument {
    issuer: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    mtls_endpoint_aliases: Option<AliasDocument>,
    // Of any type: what is wrong with these must not keep a service from its token.
    authorization_endpoint: Option<Value>,
    device_authorization_endpoint: Option<Value>,
    authorization_response_iss_parameter_supported: Option<Value>,
}

#[derive(Default, Deserialize)]
struct AliasDocument {
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
}

impl Metadata {
    /// Parses a document. Its issuer must equal `issuer` exactly (RFC 8414 §3.3), and each endpoint must be
    /// allowed.
    pub fn read(body: &[u8], issuer: &str, is_allowed: impl Fn(&Url) -> bool) -> Result<Self, MetadataError> {
        let value = fields::parse(&body::decode(body, "")).ok_or(MetadataError::NotMetadata)?;
        if !value.is_object() {
            return Err(MetadataError::NotMetadata);
        }
        let document: MetadataDocument = serde_json::from_value(value)
            .map_err(|_| MetadataError::Fault("contains a field of the wrong type"))?;
        let named = document.issuer.ok_or(MetadataError::Fault("does not contain an issuer"))?;
        if named != issuer {
            return Err(MetadataError::OtherIssuer(named));
        }
        let endpoint = |text: Option<String>, fault| {
            text.map(|text| Url::parse(&text).ok().filter(&is_allowed).ok_or(MetadataError::Fault(fault)))
                .transpose()
        };
        let token = |text| endpoint(text, "contains a token_endpoint that is not an https URL");
        let revocation = |text| endpoint(text, "contains a revocation_endpoint that is not an https URL");
        let aliases = document.mtls_endpoint_aliases.unwrap_or_default();
        let optional = |value: Option<Value>| Url::parse(value?.as_str()?).ok().filter(&is_allowed);
        let consent = ConsentEndpoints {
            authorization: optional(document.authorization_endpoint),
            device_authorization: optional(document.device_authorization_endpoint),
            sends_issuer: document.authorization_response_iss_parameter_supported == Some(true.into()),
        };
        Ok(Self {
            token_endpoint: token(document.token_endpoint)?
                .ok_or(MetadataError::Fault("does not contain a token_endpoint"))?,
            revocation_endpoint: revocation(document.revocation_endpoint)?,
            methods: document.token_endpoint_auth_methods_supported.map(|names| {
                let known = ClientAuthentication::ALL.into_iter();
                known.filter(|method| names.iter().any(|name| name == method.name())).collect()
            }),
            with_certificate: Aliases {
                token_endpoint: token(aliases.token_endpoint)?,
                revocation_endpoint: revocation(aliases.revocation_endpoint)?,
            },
            consent,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://id.example.com/tenant";

    fn read(document: &Value) -> Result<Metadata, MetadataError> {
        Metadata::read(document.to_string().as_bytes(), ISSUER, |url| url.scheme() == "https")
    }

    #[test]
    fn the_endpoints_and_methods_are_read() {
        let metadata = read(&json!({
            "issuer": ISSUER,
            "token_endpoint": "https://id.example.com/token",
            "revocation_endpoint": "https://id.example.com/revoke",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt", "client_secret_post", "client_secret_jwt", "x"],
            "mtls_endpoint_aliases": { "token_endpoint": "https://mtls.example.com/token" },
            "jwks_uri": "https://id.example.com/keys", "claims_supported": ["sub"],
        }))
        .unwrap();
        assert_eq!(metadata.token_endpoint.as_str(), "https://id.example.com/token");
        assert_eq!(metadata.revocation_endpoint.unwrap().path(), "/revoke");
        assert_eq!(
            metadata.methods.unwrap(),
            [
                ClientAuthentication::Post,
                ClientAuthentication::SecretJwt,
                ClientAuthentication::PrivateKeyJwt,
                ClientAuthentication::Public
            ]
        );
        assert_eq!(metadata.with_certificate.token_endpoint.unwrap().host_str(), Some("mtls.example.com"));
        assert_eq!(metadata.with_certificate.revocation_endpoint, None);
    }

    #[test]
    fn the_endpoints_for_consent_are_read_and_invalid_ones_ignored() {
        let consent = |extra: Value| {
            let mut document = json!({ "issuer": ISSUER, "token_endpoint": "https://h/t" });
            document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            read(&document).unwrap().consent
        };
        let complete = consent(json!({
            "authorization_endpoint": "https://h/authorize?tenant=1",
            "device_authorization_endpoint": "https://h/device",
            "authorization_response_iss_parameter_supported": true,
        }));
        assert_eq!(complete.authorization.unwrap().as_str(), "https://h/authorize?tenant=1");
        assert_eq!(complete.device_authorization.unwrap().path(), "/device");
        assert!(complete.sends_issuer);
        for invalid in
            [json!("http://h/authorize"), json!(7), json!(null), json!("javascript:1"), json!("/a")]
        {
            let read = consent(json!({
                "authorization_endpoint": invalid,
                "device_authorization_endpoint": invalid,
                "authorization_response_iss_parameter_supported": "true",
            }));
            assert_eq!(read, ConsentEndpoints::default(), "{invalid}");
        }
    }

    #[test]
    fn metadata_of_another_issuer_is_rejected() {
        for other in
            ["https://id.example.com/tenant/", "https://ID.example.com/tenant", "https://evil.example.com"]
        {
            let document = json!({ "issuer": other, "token_endpoint": "https://id.example.com/token" });
            assert_eq!(read(&document), Err(MetadataError::OtherIssuer(other.to_owned())));
        }
    }

    #[test]
    fn the_error_says_what_is_not_valid() {
        for (document, fault) in [
            (json!({ "token_endpoint": "https://h/t" }), "does not contain an issuer"),
            (json!({ "issuer": ISSUER }), "does not contain a token_endpoint"),
            (
                json!({ "issuer": ISSUER, "token_endpoint": "http://h/t" }),
                "contains a token_endpoint that is not an https URL",
            ),
            (
                json!({ "issuer": ISSUER, "token_endpoint": "/t" }),
                "contains a token_endpoint that is not an https URL",
            ),
            (
                json!({ "issuer": ISSUER, "token_endpoint": "https://h/t", "revocation_endpoint": "javascript:1" }),
                "contains a revocation_endpoint that is not an https URL",
            ),
            (json!({ "issuer": ISSUER, "token_endpoint": 7 }), "contains a field of the wrong type"),
            (json!({ "issuer": [ISSUER] }), "contains a field of the wrong type"),
        ] {
            assert_eq!(read(&document), Err(MetadataError::Fault(fault)), "{document}");
        }
        let marked = format!("\u{feff}{}", json!({ "issuer": ISSUER, "token_endpoint": "https://h/t" }));
        assert!(Metadata::read(marked.as_bytes(), ISSUER, |_| true).is_ok(), "a byte order mark is ignored");
        for text in ["", "<!doctype html>", "[]", "\"text\"", "null"] {
            let read = Metadata::read(text.as_bytes(), ISSUER, |_| true);
            assert_eq!(read, Err(MetadataError::NotMetadata), "{text}");
        }
    }
}
