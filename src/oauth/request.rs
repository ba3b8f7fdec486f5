//! Builds token requests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::config::{Parameter, RequestFormat};
use crate::domain::Secret;
use crate::transport::{Body, Request};

/// A client and its credential.
pub struct Client<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// Its credential.
    pub credential: ClientCredential<'a>,
}

/// How a client authenticates.
pub enum ClientCredential<'a> {
    /// With its `client_id` only: a public client (RFC 6749 §3.2.1), or one that presents a certificate in
    /// the TLS handshake ([RFC 8705 §2](https://www.rfc-editor.org/rfc/rfc8705#section-2)).
    Name,
    /// `client_secret_basic`, [RFC 6749 §2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1).
    Basic(&'a Secret),
    /// The same without form encoding, for servers that do not decode it.
    BasicRaw(&'a Secret),
    /// `client_secret_post`, from the same section.
    Post(&'a Secret),
    /// `private_key_jwt`, for the server with this token endpoint.
    Assertion(&'a Url),
}

/// A request without the assertion and proof, which are created each time it is sent.
#[derive(Clone, Debug)]
pub struct UnsignedRequest {
    /// The request.
    pub request: Request,
    /// If it needs an assertion, the token endpoint of the server that the assertion is for.
    pub asserted_to: Option<Url>,
    /// Whether it contains a refresh token.
    pub is_refresh: bool,
    /// Secrets in its body, in addition to the configured credentials: the refresh token, and fixed values of
    /// a login.
    pub hidden: Vec<Secret>,
}

impl UnsignedRequest {
    fn plain(request: Request) -> Self {
        Self { request, asserted_to: None, is_refresh: false, hidden: Vec::new() }
    }

    /// All secrets in it, in addition to the configured credentials. Includes headers and the query, which
    /// may contain an API key.
    pub fn secrets(&self) -> Vec<Secret> {
        let headers = self.request.headers.iter().map(|(_, value)| value.clone());
        let query = self.request.url.query_pairs().map(|(_, value)| Secret::new(value));
        headers.chain(query).chain(self.hidden.iter().cloned()).collect()
    }

    /// Adds a user name and password in the header `Authorization: Basic`.
    #[must_use]
    pub fn with_basic(mut self, name: &str, password: &Secret) -> Self {
        self.request.headers.push((AUTHORIZATION.into(), basic_raw(name, password)));
        self
    }

    /// The request with an assertion added, [RFC 7521
    /// §4.2](https://www.rfc-editor.org/rfc/rfc7521#section-4.2).
    pub fn with_assertion(&self, assertion: &Secret) -> Request {
        const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

        let mut request = self.request.clone();
        let fields = [("client_assertion_type", TYPE), ("client_assertion", assertion.expose())];
        request.body = match request.body {
            Body::Empty => Body::Empty,
            Body::Form(text) => {
                let mut form = Serializer::new(text.expose().to_owned());
                Body::Form(Secret::new(form.extend_pairs(fields).finish()))
            }
            Body::Json(text) => {
                let mut members: Map<String, Value> = serde_json::from_str(text.expose()).unwrap_or_default();
                members.extend(fields.map(|(name, value)| (name.to_owned(), value.into())));
                Body::Json(Secret::new(Value::Object(members).to_string()))
            }
        };
        request
    }
}

/// The fields of a request: a form (RFC 6749, appendix B), or the same in JSON.
pub struct Form {
    url: Url,
    format: RequestFormat,
    headers: Vec<(String, Secret)>,
    fields: Vec<FormField>,
    asserted_to: Option<Url>,
}

/// A name and one of its values.
struct FormField {
    name: String,
    value: Secret,
    /// Whether it is in an array in JSON, even if it is the only value.
    is_listed: bool,
}

impl Form {
    /// An empty form for `url`.
    pub fn new(url: &Url) -> Self {
        Self {
            url: url.clone(),
            format: RequestFormat::Form,
            headers: Vec::new(),
            fields: Vec::new(),
            asserted_to: None,
        }
    }

    /// The form of a grant: `grant_type` comes first.
    pub fn grant(url: &Url, grant_type: &str) -> Self {
        Self::new(url).field("grant_type", grant_type)
    }

    /// Sets the format.
    #[must_use]
    pub fn with_format(mut self, format: RequestFormat) -> Self {
        self.format = format;
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push(FormField { name: name.to_owned(), value: Secret::new(value), is_listed: false });
        self
    }

    /// Adds a field for each value.
    #[must_use]
    pub fn fields<'v>(self, name: &str, values: impl IntoIterator<Item = &'v String>) -> Self {
        values.into_iter().fold(self, |form, value| form.field(name, value))
    }

    /// Adds the configured parameters.
    #[must_use]
    pub fn parameters(mut self, parameters: &[Parameter]) -> Self {
        for Parameter { name, values, is_list } in parameters {
            let field =
                |value: &Secret| FormField { name: name.clone(), value: value.clone(), is_listed: *is_list };
            self.fields.extend(values.iter().map(field));
        }
        self
    }

    /// Adds the client's authentication.
    #[must_use]
    pub fn client(mut self, client: Option<&Client<'_>>) -> Self {
        let Some(client) = client else { return self };
        match client.credential {
            ClientCredential::Basic(secret) => {
                self.headers.push((AUTHORIZATION.into(), basic(client.id, secret)));
                self
            }
            ClientCredential::BasicRaw(secret) => {
                self.headers.push((AUTHORIZATION.into(), basic_raw(client.id, secret)));
                self
            }
            ClientCredential::Post(secret) => {
                self.field("client_id", client.id).field("client_secret", secret.expose())
            }
            ClientCredential::Name => self.field("client_id", client.id),
            ClientCredential::Assertion(token_endpoint) => {
                self.asserted_to = Some(token_endpoint.clone());
                self.field("client_id", client.id)
            }
        }
    }

    /// Builds the request.
    pub fn into_request(self) -> UnsignedRequest {
        let body = match self.format {
            RequestFormat::Form => Body::Form(urlencoded(&self.fields)),
            RequestFormat::Json => Body::Json(Secret::new(Value::Object(members(self.fields)).to_string())),
        };
        let mut draft = UnsignedRequest::plain(Request::post(self.url, body));
        draft.request.headers = self.headers;
        draft.asserted_to = self.asserted_to;
        draft
    }

    /// Builds a request with the refresh token as its bearer token. Without fields, it has no body.
    pub fn into_bearer_refresh(mut self, refresh_token: &Secret) -> UnsignedRequest {
        let value = Secret::new(format!("Bearer {}", refresh_token.expose()));
        self.headers.push((AUTHORIZATION.into(), value));
        let is_empty = self.fields.is_empty();
        let mut draft = self.into_request();
        if is_empty {
            draft.request.body = Body::Empty;
        }
        draft
    }
}

fn urlencoded(fields: &[FormField]) -> Secret {
    let mut form = Serializer::new(String::new());
    for FormField { name, value, .. } in fields {
        form.append_pair(name, value.expose());
    }
    Secret::new(form.finish())
}

/// A single value becomes a string; repeated values, and values from an array, become an array.
fn members(fields: Vec<FormField>) -> Map<String, Value> {
    let mut members = Map::new();
    for FormField { name, value, is_listed } in fields {
        let value = Value::from(value.expose());
        match members.get_mut(&name) {
            None if is_listed => _ = members.insert(name, Value::Array(vec![value])),
            None => _ = members.insert(name, value),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    members
}

const AUTHORIZATION: &str = "authorization";

/// `Basic` with a form-encoded id and secret (RFC 6749 §2.3.1).
fn basic(id: &str, secret: &Secret) -> Secret {
    let encode = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
    basic_raw(&encode(id), &Secret::new(encode(secret.expose())))
}

/// `Basic` with the name and password unencoded, in UTF-8 (RFC 7617).
fn basic_raw(name: &str, password: &Secret) -> Secret {
    let pair = Zeroizing::new(format!("{name}:{}", password.expose()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// A request with a JSON body: these members and the configured parameters.
pub fn json(url: &Url, mut body: Map<String, Value>, parameters: &[Parameter]) -> UnsignedRequest {
    let fields = Form::new(url).parameters(parameters).fields;
    for (name, value) in members(fields) {
        // An existing member is a credential.
        body.entry(name).or_insert(value);
    }
    let body = Body::Json(Secret::new(Value::Object(body).to_string()));
    UnsignedRequest::plain(Request::post(url.clone(), body))
}

/// A request without a body.
pub fn blank(url: &Url) -> UnsignedRequest {
    UnsignedRequest::plain(Request::post(url.clone(), Body::Empty))
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
    fn the_refresh_of_rfc_6749_section_6_matches_byte_for_byte() {
        let secret = Secret::new("gX1fBat3bV");
        let client = Client { id: "s6BhdRkqt3", credential: ClientCredential::Basic(&secret) };
        let request = Form::grant(&url(), "refresh_token")
            .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
            .client(Some(&client))
            .into_request()
            .request;
        assert_eq!(request.headers[0].1.expose(), "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        assert_eq!(body(request), "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
    }

    #[test]
    fn the_post_method_of_rfc_6749_section_2_3_1_matches_byte_for_byte() {
        let secret = Secret::new("7Fjfp0ZBr1KtDRbnfVdmIw");
        let client = Client { id: "s6BhdRkqt3", credential: ClientCredential::Post(&secret) };
        let request = Form::grant(&url(), "refresh_token")
            .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
            .client(Some(&client))
            .into_request()
            .request;
        assert!(request.headers.is_empty());
        assert_eq!(
            body(request),
            "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&client_id=s6BhdRkqt3\
             &client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"
        );
    }

    #[test]
    fn basic_encodes_the_id_and_the_secret_before_joining_them() {
        let header = basic("a:b", &Secret::new("p@ss word/ä"));
        let pair = STANDARD.decode(header.expose().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:p%40ss+word%2F%C3%A4");
    }

    #[test]
    fn headers_the_query_and_hidden_values_are_secrets() {
        let url = Url::parse("https://h/token?key=k%20ey").unwrap();
        let mut draft = Form::new(&url).into_bearer_refresh(&Secret::new("refresh"));
        draft.hidden.push(Secret::new("fixed"));
        let secrets: Vec<_> = draft.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        assert_eq!(secrets, ["Bearer refresh", "k ey", "fixed"]);
    }

    #[test]
    fn a_public_client_sends_only_its_id() {
        let client = Client { id: "spa", credential: ClientCredential::Name };
        let request = Form::grant(&url(), "password").client(Some(&client)).into_request().request;
        assert!(request.headers.is_empty());
        assert_eq!(body(request), "grant_type=password&client_id=spa");
    }

    #[test]
    fn the_assertion_matches_the_example_of_rfc_7523_section_2_2() {
        let url = url();
        let client = Client { id: "s6BhdRkqt3", credential: ClientCredential::Assertion(&url) };
        let draft = Form::grant(&url, "authorization_code")
            .field("code", "n0esc3NRze7LTCu7iYzS6a5acc3f0ogp4")
            .client(Some(&client))
            .into_request();
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

    #[test]
    fn json_has_the_same_members_with_arrays_for_repeated_ones() {
        let secret = Secret::new("p \"w\"/ä");
        let client = Client { id: "app", credential: ClientCredential::Post(&secret) };
        let parameters = [
            Parameter { name: "one".into(), values: vec![Secret::new("1")], is_list: true },
            Parameter { name: "text".into(), values: vec![Secret::new("1")], is_list: false },
        ];
        let form = || {
            Form::grant(&url(), "client_credentials")
                .fields("resource", &["a".to_owned(), "b".to_owned(), "c".to_owned()])
                .parameters(&parameters)
                .client(Some(&client))
        };
        let json = form().with_format(RequestFormat::Json).into_request().request;
        assert_eq!(json.content_type(), Some("application/json"));
        assert_eq!(
            body(json),
            concat!(
                r#"{"client_id":"app","client_secret":"p \"w\"/ä","grant_type":"client_credentials","#,
                r#""one":["1"],"resource":["a","b","c"],"text":"1"}"#
            )
        );
        let form = body(form().into_request().request);
        assert!(form.contains("&resource=a&resource=b&resource=c&one=1&text=1&client_id=app&"), "{form}");
    }

    #[test]
    fn a_parameter_never_replaces_a_credential() {
        let parameters = [Parameter { name: "key".into(), values: vec![Secret::new("x")], is_list: false }];
        let login = Map::from_iter([("key".to_owned(), "credential".into())]);
        assert_eq!(body(json(&url(), login, &parameters).request), r#"{"key":"credential"}"#);
    }

    #[test]
    fn the_basic_credentials_of_rfc_7617_section_2_match_byte_for_byte() {
        let header = |name, password| basic_raw(name, &Secret::new(password)).expose().to_owned();
        assert_eq!(header("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(header("test", "123\u{a3}"), "Basic dGVzdDoxMjPCow==");
        assert_eq!(
            basic("Aladdin", &Secret::new("open sesame")).expose(),
            "Basic QWxhZGRpbjpvcGVuK3Nlc2FtZQ=="
        );
    }
}
