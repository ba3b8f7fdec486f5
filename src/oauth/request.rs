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
    /// `client_secret_jwt`, in the same way.
    SecretAssertion(&'a Url),
}

/// `grant_type` of an assertion, [RFC 7523 §2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// `grant_type` of [RFC 8693 §2.1](https://www.rfc-editor.org/rfc/rfc8693#section-2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A part of a request that is signed or read each time the request is sent. Assertions are for the server with this
/// token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LatePart {
    /// The client's assertion, signed by its key or made by a platform ([RFC 7521
    /// §4.2](https://www.rfc-editor.org/rfc/rfc7521#section-4.2)).
    ClientAssertion(Url),
    /// The same, signed with the client's secret.
    SecretAssertion(Url),
    /// The assertion that is the grant (RFC 7521 §4.1).
    GrantAssertion(Url),
    /// The assertion in `Authorization: Bearer`.
    BearerAssertion(Url),
    /// The token of a token exchange (RFC 8693 §2.1).
    SubjectToken,
}

impl LatePart {
    /// Adds it to a request.
    pub fn add_to(&self, request: &mut Request, value: &Secret) {
        const CLIENT: (&str, &str) =
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

        match self {
            Self::ClientAssertion(_) | Self::SecretAssertion(_) => {
                add_fields(request, &[CLIENT, ("client_assertion", value.expose())]);
            }
            Self::GrantAssertion(_) => add_fields(request, &[("assertion", value.expose())]),
            Self::SubjectToken => add_fields(request, &[("subject_token", value.expose())]),
            Self::BearerAssertion(_) => {
                let bearer = Secret::new(format!("Bearer {}", value.expose()));
                request.headers.push((AUTHORIZATION.into(), bearer));
            }
        }
    }
}

/// Adds fields to the body of a grant.
fn add_fields(request: &mut Request, fields: &[(&str, &str)]) {
    match &mut request.body {
        Body::Empty => {}
        Body::Form(text) => {
            let mut form = Serializer::new(text.expose().to_owned());
            *text = Secret::new(form.extend_pairs(fields).finish());
        }
        Body::Json(text) => {
            let mut members: Map<String, Value> = serde_json::from_str(text.expose()).unwrap_or_default();
            members.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
            *text = Secret::new(Value::Object(members).to_string());
        }
    }
}

/// A request without what is made each time it is sent: assertions and proofs.
#[derive(Clone, Debug)]
pub struct UnsignedRequest {
    /// The request.
    pub request: Request,
    /// What is added each time it is sent.
    pub late: Vec<LatePart>,
    /// Whether it contains a refresh token.
    pub is_refresh: bool,
    /// Secrets in its body, in addition to the configured credentials: the refresh token, and fixed values of
    /// a login.
    pub hidden: Vec<Secret>,
}

impl UnsignedRequest {
    fn plain(request: Request) -> Self {
        Self { request, late: Vec::new(), is_refresh: false, hidden: Vec::new() }
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

    /// Adds the assertion in `Authorization: Bearer`.
    #[must_use]
    pub fn with_bearer_assertion(mut self) -> Self {
        self.late.push(LatePart::BearerAssertion(self.request.url.clone()));
        self
    }
}

/// The fields of a request: a form (RFC 6749, appendix B), or the same in JSON.
pub struct Form {
    url: Url,
    format: RequestFormat,
    headers: Vec<(String, Secret)>,
    fields: Vec<FormField>,
    late: Vec<LatePart>,
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
            late: Vec::new(),
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

    /// Adds what is made each time the request is sent.
    #[must_use]
    pub fn late(mut self, part: LatePart) -> Self {
        self.late.push(part);
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
                self.late(LatePart::ClientAssertion(token_endpoint.clone())).field("client_id", client.id)
            }
            ClientCredential::SecretAssertion(token_endpoint) => {
                self.late(LatePart::SecretAssertion(token_endpoint.clone())).field("client_id", client.id)
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
        draft.late = self.late;
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
mod tests;
