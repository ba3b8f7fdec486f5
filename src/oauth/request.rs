//! Token requests, as bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::domain::Secret;
use crate::transport::{Body, Request};

/// A client as it names and proves itself.
pub struct Client<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// How it proves itself.
    pub proof: Proof<'a>,
}

/// What a client proves itself by.
pub enum Proof<'a> {
    /// Nothing in the request: a public client only names itself (RFC 6749 §3.2.1), and so does one whose
    /// certificate is shown when TLS begins ([RFC 8705 §2](https://www.rfc-editor.org/rfc/rfc8705#section-2)).
    Name,
    /// `client_secret_basic`, [RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1).
    Basic(&'a Secret),
    /// `client_secret_post`, as well.
    Post(&'a Secret),
    /// `private_key_jwt`, at the server with this token endpoint.
    Assertion(&'a Url),
}

/// A request, whole but for what is made anew each time it is sent.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The request.
    pub request: Request,
    /// With the client's assertion, which is for the server with this token endpoint.
    pub asserted_to: Option<Url>,
    /// Whether it spends a refresh token.
    pub is_refresh: bool,
    /// What its body holds that nothing may repeat, besides the configured credentials: the refresh token, and fixed
    /// values of a login.
    pub hidden: Vec<Secret>,
}

impl Draft {
    fn plain(request: Request) -> Self {
        Self { request, asserted_to: None, is_refresh: false, hidden: Vec::new() }
    }

    /// What it holds that nothing may repeat, besides the configured credentials: headers and the query, in which
    /// an API key may be, among it.
    pub fn secrets(&self) -> Vec<Secret> {
        let headers = self.request.headers.iter().map(|(_, value)| value.clone());
        let query = self.request.url.query_pairs().map(|(_, value)| Secret::new(value));
        headers.chain(query).chain(self.hidden.iter().cloned()).collect()
    }

    /// The request with the client's assertion, [RFC 7521 §4.2](https://www.rfc-editor.org/rfc/rfc7521#section-4.2).
    pub fn with_assertion(&self, assertion: &Secret) -> Request {
        let mut request = self.request.clone();
        if let Body::Form(text) = &request.body {
            let mut fields = Serializer::new(text.expose().to_owned());
            fields
                .append_pair(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                )
                .append_pair("client_assertion", assertion.expose());
            request.body = Body::Form(Secret::new(fields.finish()));
        }
        request
    }
}

/// A request in the form encoding of RFC 6749 appendix B.
pub struct Form {
    url: Url,
    headers: Vec<(String, Secret)>,
    fields: Serializer<'static, String>,
    asserted_to: Option<Url>,
}

impl Form {
    /// An empty form for `url`.
    pub fn new(url: &Url) -> Self {
        Self {
            url: url.clone(),
            headers: Vec::new(),
            fields: Serializer::new(String::new()),
            asserted_to: None,
        }
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
    pub fn client(mut self, client: Option<&Client<'_>>) -> Self {
        let Some(client) = client else { return self };
        match client.proof {
            Proof::Basic(secret) => {
                self.headers.push(("authorization".into(), basic(client.id, secret)));
                self
            }
            Proof::Post(secret) => self.field("client_id", client.id).field("client_secret", secret.expose()),
            Proof::Name => self.field("client_id", client.id),
            Proof::Assertion(token_endpoint) => {
                self.asserted_to = Some(token_endpoint.clone());
                self.field("client_id", client.id)
            }
        }
    }

    /// The request.
    pub fn into_draft(mut self) -> Draft {
        let body = Body::Form(Secret::new(self.fields.finish()));
        let request = Request { url: self.url, headers: self.headers, body };
        Draft { request, asserted_to: self.asserted_to, is_refresh: false, hidden: Vec::new() }
    }
}

/// `Basic`, with identifier and secret form-encoded before they are joined, as RFC 6749 §2.3.1 has it.
fn basic(id: &str, secret: &Secret) -> Secret {
    let encode = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
    let pair = Zeroizing::new(format!("{}:{}", encode(id), encode(secret.expose())));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// A request with a JSON body.
pub fn json(url: &Url, body: Map<String, Value>) -> Draft {
    Draft::plain(Request {
        url: url.clone(),
        headers: Vec::new(),
        body: Body::Json(Secret::new(Value::Object(body).to_string())),
    })
}

/// A request whose bearer token is the refresh token, with nothing in its body.
pub fn bearer_refresh(url: &Url, refresh_token: &Secret) -> Draft {
    let value = Secret::new(format!("Bearer {}", refresh_token.expose()));
    let headers = vec![("authorization".into(), value)];
    Draft::plain(Request { url: url.clone(), headers, body: Body::Empty })
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
            Body::Absent | Body::Empty => String::new(),
        }
    }

    #[test]
    fn the_refresh_of_rfc_6749_section_6_is_written_to_the_byte() {
        let secret = Secret::new("gX1fBat3bV");
        let client = Client { id: "s6BhdRkqt3", proof: Proof::Basic(&secret) };
        let request = Form::grant(&url(), "refresh_token")
            .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
            .client(Some(&client))
            .into_draft()
            .request;
        assert_eq!(request.headers[0].1.expose(), "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        assert_eq!(body(request), "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
    }

    #[test]
    fn the_post_method_of_rfc_6749_section_2_3_1_is_written_to_the_byte() {
        let secret = Secret::new("7Fjfp0ZBr1KtDRbnfVdmIw");
        let client = Client { id: "s6BhdRkqt3", proof: Proof::Post(&secret) };
        let request = Form::grant(&url(), "refresh_token")
            .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
            .client(Some(&client))
            .into_draft()
            .request;
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
    fn headers_query_and_what_is_hidden_in_the_body_are_its_secrets() {
        let url = Url::parse("https://h/token?key=k%20ey").unwrap();
        let mut draft = bearer_refresh(&url, &Secret::new("refresh"));
        draft.hidden.push(Secret::new("fixed"));
        let secrets: Vec<_> = draft.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        assert_eq!(secrets, ["Bearer refresh", "k ey", "fixed"]);
    }

    #[test]
    fn a_public_client_only_names_itself() {
        let client = Client { id: "spa", proof: Proof::Name };
        let request = Form::grant(&url(), "password").client(Some(&client)).into_draft().request;
        assert!(request.headers.is_empty());
        assert_eq!(body(request), "grant_type=password&client_id=spa");
    }

    #[test]
    fn the_assertion_of_rfc_7523_section_2_2_is_written_as_its_example_has_it() {
        let url = url();
        let client = Client { id: "s6BhdRkqt3", proof: Proof::Assertion(&url) };
        let draft = Form::grant(&url, "authorization_code")
            .field("code", "n0esc3NRze7LTCu7iYzS6a5acc3f0ogp4")
            .client(Some(&client))
            .into_draft();
        assert_eq!(draft.asserted_to.as_ref(), Some(&url));
        let request =
            draft.with_assertion(&Secret::new("eyJhbGciOiJSUzI1NiIsImtpZCI6IjIyIn0.eyJpc3Mi.cC4hiUPo"));
        assert!(request.headers.is_empty());
        assert_eq!(
            body(request),
            "grant_type=authorization_code&code=n0esc3NRze7LTCu7iYzS6a5acc3f0ogp4&client_id=s6BhdRkqt3\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion=eyJhbGciOiJSUzI1NiIsImtpZCI6IjIyIn0.eyJpc3Mi.cC4hiUPo"
        );
    }
}
