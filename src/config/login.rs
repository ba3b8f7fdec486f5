//! `login` of the configuration.

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Map, Value};

use super::fields::{ConfigErrors, ConfigFields};
use super::{AnswerPath, Config, Credentials, GrantType, RefreshFormat};

/// How an unusual login endpoint wants to be asked and read.
#[derive(Clone, Debug, Default)]
pub struct LoginShape {
    /// The method; POST when not said.
    pub method: Option<Method>,
    /// Where the user's name and password stand.
    pub credentials: LoginCredentials,
    /// The body, with [`Placeholder`]s to be filled in.
    pub body: Option<Map<String, Value>>,
    /// How the body is written; JSON when not said.
    pub form: bool,
    /// The media type of a JSON body, when it is not `application/json`.
    pub content_type: Option<String>,
    /// Where the token stands in the answer.
    pub token_path: Option<AnswerPath>,
    /// Where the refresh token stands.
    pub refresh_token_path: Option<AnswerPath>,
    /// Where the expiry stands.
    pub expires_path: Option<AnswerPath>,
    /// The name under which a refresh token is sent in JSON, when it is not the one that it came by.
    pub refresh_token_field: Option<String>,
}

/// `login.credentials` of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginCredentials {
    /// In the body.
    #[default]
    Body,
    /// In the header `Authorization: Basic`, RFC 7617.
    Basic,
}

/// What may stand in `login.body` for a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The account's address, else its name.
    Email,
    /// The account's name, else its address.
    Username,
    /// The account's password.
    Password,
    /// `clientId`.
    ClientId,
    /// `clientSecret`.
    ClientSecret,
}

impl Placeholder {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Email, Self::Username, Self::Password, Self::ClientId, Self::ClientSecret];

    /// As it is written in the body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "{email}",
            Self::Username => "{username}",
            Self::Password => "{password}",
            Self::ClientId => "{clientId}",
            Self::ClientSecret => "{clientSecret}",
        }
    }

    /// The field of the configuration that it stands for.
    fn field(self) -> &'static str {
        self.as_str().trim_matches(['{', '}'])
    }

    fn is_given(self, credentials: &Credentials) -> bool {
        match self {
            Self::Email | Self::Username => credentials.username().is_some(),
            Self::Password => credentials.password.is_some(),
            Self::ClientId => credentials.client_id.is_some(),
            Self::ClientSecret => credentials.client_secret.is_some(),
        }
    }

    fn is_of_client(self) -> bool {
        matches!(self, Self::ClientId | Self::ClientSecret)
    }
}

impl LoginShape {
    /// Whether the body holds one of the client's credentials: then they are for the login, and for no grant.
    pub fn takes_client(&self) -> bool {
        self.placeholders().any(Placeholder::is_of_client)
    }

    /// Whether the body holds the client's credentials and no user's.
    pub fn takes_client_only(&self) -> bool {
        self.takes_client() && self.placeholders().all(Placeholder::is_of_client)
    }

    fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        let holds = |one: &Placeholder| {
            self.body.iter().flat_map(Map::values).any(|value| holds(value, one.as_str()))
        };
        Placeholder::ALL.into_iter().filter(holds)
    }
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.contains(text),
        Value::Array(list) => list.iter().any(|value| holds(value, text)),
        Value::Object(map) => map.values().any(|value| holds(value, text)),
        _ => false,
    }
}

pub(super) fn read(f: &mut ConfigFields<'_>) -> LoginShape {
    let Some(mut login) = f.object("login") else { return LoginShape::default() };
    let shape = LoginShape {
        method: method(&mut login),
        credentials: login
            .one_of("credentials", &[("body", LoginCredentials::Body), ("basic", LoginCredentials::Basic)])
            .unwrap_or_default(),
        body: login.map("body"),
        form: login.one_of("format", &[("json", false), ("form", true)]).unwrap_or(false),
        content_type: content_type(&mut login),
        token_path: answer_path(&mut login, "tokenPath"),
        refresh_token_path: answer_path(&mut login, "refreshTokenPath"),
        expires_path: answer_path(&mut login, "expiresPath"),
        refresh_token_field: refresh_token_field(&mut login),
    };
    let nested = |body: &Map<String, Value>| body.values().any(|v| v.is_array() || v.is_object());
    if shape.form && shape.body.as_ref().is_some_and(nested) {
        login.error("body", "must be flat when login.format is \"form\"");
    }
    if shape.form && shape.content_type.is_some() {
        login.error(
            "contentType",
            "is for a JSON body, and login.format is \"form\", which has a media type of its own: leave one of the \
             two out",
        );
    }
    login.finish();
    shape
}

fn answer_path(login: &mut ConfigFields<'_>, key: &'static str) -> Option<AnswerPath> {
    let text = login.text(key)?;
    AnswerPath::parse(&text).map_err(|fault| login.error(key, fault)).ok()
}

fn method(login: &mut ConfigFields<'_>) -> Option<Method> {
    const METHODS: [&Method; 4] = [&Method::POST, &Method::GET, &Method::PUT, &Method::PATCH];
    login.one_of("method", &METHODS.map(|method| (method.as_str(), method))).cloned()
}

fn refresh_token_field(login: &mut ConfigFields<'_>) -> Option<String> {
    let text = login.text("refreshTokenField")?;
    if text.chars().any(char::is_control) {
        login.error("refreshTokenField", "must not hold a control character");
    }
    Some(text)
}

fn content_type(login: &mut ConfigFields<'_>) -> Option<String> {
    let text = login.text("contentType")?.trim().to_owned();
    if !is_media_type(&text) {
        login.error("contentType", "must be a media type, such as application/vnd.api+json");
    }
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("application/x-www-form-urlencoded") {
        login.error("contentType", "is that of a form: set login.format to \"form\" instead");
    } else if lower.starts_with("multipart/") {
        login.error("contentType", "is of several parts, and the body is JSON");
    }
    Some(text)
}

/// `type "/" subtype *( ";" name "=" value )`, RFC 9110 §8.3.1.
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| HeaderName::from_bytes(text.as_bytes()).is_ok();
    let is_quoted = |text: &str| {
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        inner.is_some_and(|inner| {
            inner.bytes().all(|b| (b == b' ' || b.is_ascii_graphic()) && !matches!(b, b'"' | b'\\' | b';'))
        })
    };
    let mut parts = text.split(';').map(str::trim);
    let is_type = parts.next().and_then(|first| first.split_once('/'));
    is_type.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
        && parts.all(|part| {
            part.split_once('=')
                .is_some_and(|(name, value)| is_token(name) && (is_token(value) || is_quoted(value)))
        })
}

/// The conflicts of `login` with other fields.
pub(super) fn check(config: &Config, faults: &ConfigErrors) {
    check_use(config, faults);
    check_basic(config, faults);
    check_body(config, faults);
    check_refresh(config, faults);
}

/// What says how a login is asked is for a login.
fn check_use(config: &Config, faults: &ConfigErrors) {
    let login = &config.login;
    let given = [
        ("login.method", login.method.is_some()),
        ("login.credentials", login.credentials == LoginCredentials::Basic),
        ("login.contentType", login.content_type.is_some()),
        ("login.body", login.body.is_some()),
    ];
    if config.is_login() || !config.has_credentials() {
        return;
    }
    let why = match (config.grant, &config.issuer) {
        (Some(GrantType::ClientCredentials), _) => {
            "and grant is \"client_credentials\": leave one of the two out"
        }
        (Some(GrantType::Password), _) => "and grant is \"password\": leave one of the two out",
        (_, Some(_)) if config.has_login() => {
            "and issuer names a token endpoint: set authUrl instead of issuer"
        }
        _ => "which needs password and email or username, or {clientId} or {clientSecret} in login.body",
    };
    for (field, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
        // This one has words of its own below.
        if field == "login.credentials" && !config.credentials.has_login() {
            continue;
        }
        faults.add(field, format!("is for a login, {why}"));
    }
}

fn check_basic(config: &Config, faults: &ConfigErrors) {
    if config.login.credentials != LoginCredentials::Basic {
        return;
    }
    if !config.credentials.has_login() {
        faults.add(
            "login.credentials",
            "is \"basic\", which needs password and username or email (EXTERNAL_API_PASSWORD, EXTERNAL_API_USERNAME)",
        );
    }
    if config.credentials.username().is_some_and(|name| name.contains(':')) {
        let field = if config.credentials.username.is_some() { "username" } else { "email" };
        faults.add(
            field,
            "must not hold a colon with login.credentials \"basic\", in which a colon ends the name (RFC 7617)",
        );
    }
}

fn check_body(config: &Config, faults: &ConfigErrors) {
    let login = &config.login;
    let (is_get, is_basic) =
        (login.method == Some(Method::GET), login.credentials == LoginCredentials::Basic);
    match &login.body {
        Some(_) if is_get => faults.add(
            "login.method",
            "is \"GET\", and login.body is set: a GET has no body, and credentials do not belong in a URL, which servers and \
             proxies log. Set another method, or login.credentials to \"basic\" without login.body",
        ),
        None if is_get && !is_basic => faults.add(
            "login.method",
            "is \"GET\", which has no body, and login.credentials is \"body\": set login.credentials to \"basic\"",
        ),
        None if is_basic && login.content_type.is_some() => faults.add(
            "login.contentType",
            "has no body to name: with login.credentials \"basic\" there is none without login.body",
        ),
        _ => {}
    }
    // Another check reports what is missing of a user's credential.
    let is_missing = |one: &Placeholder| one.is_of_client() && !one.is_given(&config.credentials);
    for placeholder in login.placeholders().filter(|one| config.is_login() && is_missing(one)) {
        faults.add(placeholder.field(), format!("is missing: login.body holds {}", placeholder.as_str()));
    }
}

fn check_refresh(config: &Config, faults: &ConfigErrors) {
    if config.login.refresh_token_field.is_none() {
        return;
    }
    match (config.refresh.format, &config.refresh.url) {
        (Some(RefreshFormat::Json), _) | (None, Some(_)) => {}
        (None, None) => faults.add(
            "login.refreshTokenField",
            "is for a refresh in JSON: set refreshUrl, or refreshFormat to \"json\"",
        ),
        (Some(_), _) => faults.add(
            "login.refreshTokenField",
            "is for a refresh in JSON: set refreshFormat to \"json\", or leave one of the two out",
        ),
    }
}
