//! The grants that a user's consent brings: the authorization code, [RFC 6749
//! §4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3) with PKCE, [RFC 7636
//! §4.5](https://www.rfc-editor.org/rfc/rfc7636#section-4.5), and the device code, [RFC 8628
//! §3](https://www.rfc-editor.org/rfc/rfc8628#section-3).

use url::Url;

use super::{GrantFormat, GrantRequest, complete};
use crate::config::{ClientAuthentication, Config};
use crate::domain::Secret;
use crate::oauth::{Form, UnsignedRequest};

/// What a user's consent brought, to exchange for tokens.
#[derive(Clone, Debug)]
pub enum ConsentCode {
    /// An authorization code.
    Authorization {
        /// `code`.
        code: Secret,
        /// `redirect_uri`, as it was in the authorization request.
        redirect_uri: String,
        /// `code_verifier`.
        code_verifier: Secret,
    },
    /// A device code.
    Device(Secret),
}

impl ConsentCode {
    /// The token request.
    pub fn request(&self, client: &ConsentClient<'_>) -> UnsignedRequest {
        let form = |grant_type| Form::grant(&client.grant.endpoint, grant_type);
        let (form, hidden) = match self {
            Self::Authorization { code, redirect_uri, code_verifier } => (
                form("authorization_code")
                    .field("code", code.expose())
                    .field("redirect_uri", redirect_uri)
                    .field("code_verifier", code_verifier.expose()),
                vec![code.clone(), code_verifier.clone()],
            ),
            Self::Device(code) => (
                form("urn:ietf:params:oauth:grant-type:device_code").field("device_code", code.expose()),
                vec![code.clone()],
            ),
        };
        client.finish(form, hidden)
    }
}

/// The client that the user gives consent to, and how it authenticates.
pub struct ConsentClient<'c> {
    config: &'c Config,
    grant: GrantRequest,
}

impl<'c> ConsentClient<'c> {
    /// The client of a configuration that knows the token endpoint.
    pub fn new(config: &'c Config) -> Option<Self> {
        let grant = GrantRequest {
            endpoint: config.endpoint.clone()?,
            format: GrantFormat::ClientCredentials,
            method: config.client_method(None),
            refresh_name: None,
            refreshes: false,
        };
        Some(Self { config, grant })
    }

    /// The same client with the alternative authentication method, unless one is configured.
    #[must_use]
    pub fn with_other_method(&self) -> Option<Self> {
        let method: ClientAuthentication = self.grant.other_method(self.config)?;
        Some(Self { config: self.config, grant: GrantRequest { method: Some(method), ..self.grant.clone() } })
    }

    /// The request for a device code, RFC 8628 §3.1. `parameters` come from the user.
    pub fn device_request(
        &self,
        url: &Url,
        scope: Option<&String>,
        parameters: &[(String, String)],
    ) -> UnsignedRequest {
        let form = Form::new(url).fields("scope", scope);
        let form = parameters.iter().fold(form, |form, (name, value)| form.field(name, value));
        self.finish(form, Vec::new())
    }

    fn finish(&self, form: Form, hidden: Vec<Secret>) -> UnsignedRequest {
        let mut draft = form
            .fields("resource", &self.config.resource)
            .parameters(&self.config.parameters)
            .client(self.grant.client(self.config).as_ref())
            .with_format(self.config.request_format.unwrap_or_default())
            .into_request();
        draft.hidden = hidden;
        complete(draft, self.config)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::transport::Body;

    fn config(extra: &Value) -> Config {
        let mut value =
            json!({ "authUrl": "https://h/token", "clientId": "s6BhdRkqt3", "clientSecret": "gX1fBat3bV" });
        value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Config::from_json(value).unwrap()
    }

    fn code() -> ConsentCode {
        ConsentCode::Authorization {
            code: Secret::new("SplxlOBeZQQYbYS6WxSbIA"),
            redirect_uri: "http://127.0.0.1:1/cb".into(),
            code_verifier: Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        }
    }

    fn body(draft: &UnsignedRequest) -> &str {
        match &draft.request.body {
            Body::Form(text) | Body::Json(text) => text.expose(),
            Body::Empty => "",
        }
    }

    #[test]
    fn the_code_is_exchanged_as_in_rfc_6749_section_4_1_3_with_the_verifier_of_rfc_7636() {
        let config =
            config(&json!({ "parameters": { "tenant": "the blue one" }, "headers": { "x-key": "k" } }));
        let draft = code().request(&ConsentClient::new(&config).unwrap());
        assert_eq!(
            body(&draft),
            "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb\
             &code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&tenant=the+blue+one"
        );
        let headers = &draft.request.headers;
        assert_eq!(headers[0].1.expose(), "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        assert_eq!(headers[1].0, "x-key");
        let secrets: Vec<_> = draft.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        assert!(secrets.contains(&"SplxlOBeZQQYbYS6WxSbIA".to_owned()), "the code is redacted");
        assert!(secrets.iter().any(|secret| secret.ends_with("jXk")), "the verifier is redacted");
    }

    #[test]
    fn the_alternative_method_is_tried_only_if_none_is_configured() {
        let open = config(&json!({}));
        let other = ConsentClient::new(&open).unwrap().with_other_method().unwrap();
        assert!(body(&code().request(&other)).ends_with("&client_id=s6BhdRkqt3&client_secret=gX1fBat3bV"));
        let fixed = config(&json!({ "clientAuthentication": "client_secret_basic" }));
        assert!(ConsentClient::new(&fixed).unwrap().with_other_method().is_none());
    }

    #[test]
    fn the_requests_of_rfc_8628_have_its_fields() {
        let config = Config::from_json(json!({
            "authUrl": "https://h/token", "clientId": "s6BhdRkqt3", "clientAuthentication": "none",
            "storage": { "kind": "memory" },
        }))
        .unwrap();
        let client = ConsentClient::new(&config).unwrap();
        let url = Url::parse("https://h/device").unwrap();
        let extra = [("access_type".to_owned(), "offline".to_owned())];
        let draft = client.device_request(&url, Some(&"read".to_owned()), &extra);
        assert_eq!(draft.request.url, url);
        assert_eq!(body(&draft), "scope=read&access_type=offline&client_id=s6BhdRkqt3");
        assert_eq!(
            body(&ConsentCode::Device(Secret::new("GmRh")).request(&client)),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=GmRh\
             &client_id=s6BhdRkqt3"
        );
    }
}
