//! Token requests, as bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::config::ClientAuthentication;
use crate::domain::Secret;
use crate::transport::{Body, Request};

/// A client that authenticates with a secret, by one of the two methods of
/// [RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1).
pub struct ClientSecret<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// `client_secret`; a public client has none and only names itself (§3.2.1).
    pub secret: Option<&'a Secret>,
    /// By which method the secret is sent.
    pub method: ClientAuthentication,
}

/// A request in the form encoding of RFC 6749 appendix B.
pub struct Form {
    url: Url,
    headers: Vec<(String, Secret)>,
    fields: Serializer<'static, String>,
}

impl Form {
    /// An empty form for `url`.
    pub fn new(url: &Url) -> Self {
        Self { url: url.clone(), headers: Vec::new(), fields: Serializer::new(String::new()) }
    }

    /// The form of a grant: `grant_type` comes first.
    pub fn grant(url: &Url, grant_type: &str) -> Self {
        Self::new(url).field("grant_type", grant_type)
    }

    /// With one more field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.append_pair(name, value);
        self
    }

    /// With a field for every value there is.
    #[must_use]
    pub fn fields<'v>(self, name: &str, values: impl IntoIterator<Item = &'v String>) -> Self {
        values.into_iter().fold(self, |form, value| form.field(name, value))
    }

    /// With the client's authentication.
    #[must_use]
    pub fn client(mut self, client: Option<&ClientSecret<'_>>) -> Self {
        let Some(client) = client else { return self };
        match (client.secret, client.method) {
            (Some(secret), ClientAuthentication::Basic) => {
                self.headers.push(("authorization".into(), basic(client.id, secret)));
                self
            }
            (Some(secret), ClientAuthentication::Post) => {
                self.field("client_id", client.id).field("client_secret", secret.expose())
            }
            (None, _) => self.field("client_id", client.id),
        }
    }

    /// The request.
    pub fn into_request(mut self) -> Request {
        Request { url: self.url, headers: self.headers, body: Body::Form(Secret::new(self.fields.finish())) }
    }
}

/// `Basic`, with identifier and secret form-encoded before they are joined, as RFC 6749 §2.3.1 has it.
fn basic(id: &str, secret: &Secret) -> Secret {
    let encode = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
    let pair = Zeroizing::new(format!("{}:{}", encode(id), encode(secret.expose())));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// A request with a JSON body.
pub fn json(url: &Url, body: Map<String, Value>) -> Request {
    Request {
        url: url.clone(),
        headers: Vec::new(),
        body: Body::Json(Secret::new(Value::Object(body).to_string())),
    }
}

/// A request whose bearer token is the refresh token, with nothing in its body.
pub fn bearer_refresh(url: &Url, refresh_token: &Secret) -> Request {
    let value = Secret::new(format!("Bearer {}", refresh_token.expose()));
    Request { url: url.clone(), headers: vec![("authorization".into(), value)], body: Body::Empty }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        Url::parse("https://server.example.com/token").unwrap()
    }

    fn body(request: Request) -> String {
        match request.body {
            Body::Form(text) | Body::Json(text) => text.expose().to_owned(),
            Body::Empty => String::new(),
        }
    }

    #[test]
    fn the_refresh_of_rfc_6749_section_6_is_written_to_the_byte() {
        let secret = Secret::new("gX1fBat3bV");
        let client =
            ClientSecret { id: "s6BhdRkqt3", secret: Some(&secret), method: ClientAuthentication::Basic };
        let request = Form::grant(&url(), "refresh_token")
            .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
            .client(Some(&client))
            .into_request();
        assert_eq!(request.headers[0].1.expose(), "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        assert_eq!(body(request), "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
    }

    #[test]
    fn the_post_method_of_rfc_6749_section_2_3_1_is_written_to_the_byte() {
        let secret = Secret::new("7Fjfp0ZBr1KtDRbnfVdmIw");
        let client =
            ClientSecret { id: "s6BhdRkqt3", secret: Some(&secret), method: ClientAuthentication::Post };
        let request = Form::grant(&url(), "refresh_token")
            .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
            .client(Some(&client))
            .into_request();
        assert!(request.headers.is_empty());
        assert_eq!(
            body(request),
            "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&client_id=s6BhdRkqt3\
             &client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"
        );
    }

    #[test]
    fn basic_encodes_identifier_and_secret_before_joining_them() {
        let header = basic("a:b", &Secret::new("p@ss word/ä"));
        let pair = STANDARD.decode(header.expose().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:p%40ss+word%2F%C3%A4");
    }

    #[test]
    fn a_public_client_only_names_itself() {
        let client = ClientSecret { id: "spa", secret: None, method: ClientAuthentication::Basic };
        let request = Form::grant(&url(), "password").client(Some(&client)).into_request();
        assert!(request.headers.is_empty());
        assert_eq!(body(request), "grant_type=password&client_id=spa");
    }
}
