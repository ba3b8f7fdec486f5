//! The `login` option: how to call a login endpoint that is not OAuth.

use std::sync::{Arc, LazyLock};

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::{Map, Value};

use super::fields::{ConfigErrors, ConfigFields};
use super::{Config, Credentials, GrantType, RefreshFormat, ResponsePath};

/// The requests and responses of a login endpoint.
#[derive(Clone, Debug, Default)]
pub struct LoginOptions {
    /// Whether a function of the user's program logs in. Then there are no other options.
    pub is_function: bool,
    /// The method; POST by default.
    pub method: Option<Method>,
    /// Where the user name and password are sent.
    pub credentials: LoginCredentials,
    /// The body, with [`Placeholder`]s to replace.
    pub body: Option<Map<String, Value>>,
    /// Whether the body is a form; JSON by default.
    pub form: bool,
    /// The media type of a JSON body, if it is not `application/json`.
    pub content_type: Option<String>,
    /// Where the token is in the response.
    pub token_path: Option<ResponsePath>,
    /// Where the refresh token is.
    pub refresh_token_path: Option<ResponsePath>,
    /// Where the expiry is.
    pub expires_path: Option<ResponsePath>,
    /// The name of the refresh token in a JSON request, if it differs from its name in the response.
    pub refresh_token_field: Option<String>,
}

/// `login.credentials`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginCredentials {
    /// In the body.
    #[default]
    Body,
    /// In the header `Authorization: Basic` (RFC 7617).
    Basic,
}

/// A placeholder for a credential in `login.body`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The email address, or else the user name.
    Email,
    /// The user name, or else the email address.
    Username,
    /// The password.
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

    /// Its text in the body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "{email}",
            Self::Username => "{username}",
            Self::Password => "{password}",
            Self::ClientId => "{clientId}",
            Self::ClientSecret => "{clientSecret}",
        }
    }

    /// The configuration field whose value replaces it.
    fn field(self) -> &'static str {
        self.as_str().trim_matches(['{', '}'])
    }

    fn is_set(self, credentials: &Credentials) -> bool {
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

impl LoginOptions {
    /// Whether the body contains client credentials. Then they are for the login and not for an OAuth grant.
    pub fn takes_client(&self) -> bool {
        self.placeholders().any(Placeholder::is_of_client)
    }

    /// Whether the body contains client credentials and no user credentials.
    pub fn takes_client_only(&self) -> bool {
        self.takes_client() && self.placeholders().all(Placeholder::is_of_client)
    }

    fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        let is_used = |one: &Placeholder| {
            self.body.iter().flat_map(Map::values).any(|value| contains(value, one.as_str()))
        };
        Placeholder::ALL.into_iter().filter(is_used)
    }
}

fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::String(string) => string.contains(text),
        Value::Array(list) => list.iter().any(|value| contains(value, text)),
        Value::Object(map) => map.values().any(|value| contains(value, text)),
        _ => false,
    }
}

pub(super) fn read(f: &mut ConfigFields<'_>) -> Arc<LoginOptions> {
    // Most services have none, and share them.
    static DEFAULT: LazyLock<Arc<LoginOptions>> = LazyLock::new(Arc::default);
    static FUNCTION: LazyLock<Arc<LoginOptions>> =
        LazyLock::new(|| Arc::new(LoginOptions { is_function: true, ..LoginOptions::default() }));
    if f.function("login") {
        return Arc::clone(&FUNCTION);
    }
    let Some(mut login) = f.object("login") else { return Arc::clone(&DEFAULT) };
    let options = LoginOptions {
        is_function: false,
        method: method(&mut login),
        credentials: login
            .one_of("credentials", &[("body", LoginCredentials::Body), ("basic", LoginCredentials::Basic)])
            .unwrap_or_default(),
        body: login.map("body"),
        form: login.one_of("format", &[("json", false), ("form", true)]).unwrap_or(false),
        content_type: content_type(&mut login),
        token_path: response_path(&mut login, "tokenPath"),
        refresh_token_path: response_path(&mut login, "refreshTokenPath"),
        expires_path: response_path(&mut login, "expiresPath"),
        refresh_token_field: refresh_token_field(&mut login),
    };
    let nested = |body: &Map<String, Value>| body.values().any(|v| v.is_array() || v.is_object());
    if options.form && options.body.as_ref().is_some_and(nested) {
        login.error("body", "must not contain nested values when login.format is \"form\"");
    }
    if options.form && options.content_type.is_some() {
        login.error(
            "contentType",
            "applies to JSON bodies, but login.format is \"form\", which has its own media type: remove one of the two",
        );
    }
    login.finish();
    Arc::new(options)
}

fn response_path(login: &mut ConfigFields<'_>, key: &'static str) -> Option<ResponsePath> {
    let text = login.text(key)?;
    ResponsePath::parse(&text).map_err(|message| login.error(key, message)).ok()
}

fn method(login: &mut ConfigFields<'_>) -> Option<Method> {
    const METHODS: [&Method; 4] = [&Method::POST, &Method::GET, &Method::PUT, &Method::PATCH];
    login.one_of("method", &METHODS.map(|method| (method.as_str(), method))).cloned()
}

fn refresh_token_field(login: &mut ConfigFields<'_>) -> Option<String> {
    let text = login.text("refreshTokenField")?;
    if text.chars().any(char::is_control) {
        login.error("refreshTokenField", "must not contain a control character");
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
        login
            .error("contentType", "is the media type of a form: remove it, and set login.format to \"form\"");
    } else if lower.starts_with("multipart/") {
        login.error("contentType", "must not be multipart: the body is JSON");
    }
    Some(text)
}

/// `type "/" subtype *( ";" name "=" value )` (RFC 9110 §8.3.1).
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

/// Checks for conflicts between `login` and other fields.
pub(super) fn check(config: &Config, errors: &ConfigErrors) {
    check_use(config, errors);
    check_basic(config, errors);
    check_body(config, errors);
    check_refresh(config, errors);
}

/// Options for the login request must not be set if there is no login.
fn check_use(config: &Config, errors: &ConfigErrors) {
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
            "but grant is \"client_credentials\": remove one of the two"
        }
        (Some(GrantType::Password), _) => "but grant is \"password\": remove one of the two",
        (_, Some(_)) if config.has_login() => {
            "but issuer provides a token endpoint: set authUrl instead of issuer"
        }
        _ => "which needs password and email or username, or {clientId} or {clientSecret} in login.body",
    };
    for (field, _) in given.into_iter().filter(|(_, is_set)| *is_set) {
        // `check_basic` reports this one.
        if field == "login.credentials" && !config.credentials.has_login() {
            continue;
        }
        errors.add(field, format!("applies only to a login, {why}"));
    }
}

fn check_basic(config: &Config, errors: &ConfigErrors) {
    if config.login.credentials != LoginCredentials::Basic {
        return;
    }
    if !config.credentials.has_login() {
        errors.add(
            "login.credentials",
            "is \"basic\", which needs password and username or email (EXTERNAL_API_PASSWORD, EXTERNAL_API_USERNAME)",
        );
    }
    if config.credentials.username().is_some_and(|name| name.contains(':')) {
        let field = if config.credentials.username.is_some() { "username" } else { "email" };
        errors.add(
            field,
            "must not contain a colon if login.credentials is \"basic\", because everything after it would belong to the password (RFC 7617)",
        );
    }
}

fn check_body(config: &Config, errors: &ConfigErrors) {
    let login = &config.login;
    let (is_get, is_basic) =
        (login.method == Some(Method::GET), login.credentials == LoginCredentials::Basic);
    match &login.body {
        Some(_) if is_get => errors.add(
            "login.method",
            "is \"GET\", but login.body is set: a GET request has no body, and credentials do not belong in a URL, because \
             servers and proxies log URLs. Use another method, or set login.credentials to \"basic\" and remove login.body",
        ),
        None if is_get && !is_basic => errors.add(
            "login.method",
            "is \"GET\", which has no body, but login.credentials is \"body\": set login.credentials to \"basic\"",
        ),
        None if is_basic && login.content_type.is_some() => errors.add(
            "login.contentType",
            "has no effect: with login.credentials \"basic\" and without login.body, the request has no body",
        ),
        _ => {}
    }
    // Missing user credentials are reported elsewhere.
    let is_missing = |one: &Placeholder| one.is_of_client() && !one.is_set(&config.credentials);
    for placeholder in login.placeholders().filter(|one| config.is_login() && is_missing(one)) {
        errors.add(placeholder.field(), format!("is missing: login.body contains {}", placeholder.as_str()));
    }
}

fn check_refresh(config: &Config, errors: &ConfigErrors) {
    if config.login.refresh_token_field.is_none() {
        return;
    }
    match (config.refresh.format, &config.refresh.url) {
        (Some(RefreshFormat::Json), _) | (None, Some(_)) => {}
        (None, None) => errors.add(
            "login.refreshTokenField",
            "applies only to a refresh in JSON: set refreshUrl, or refreshFormat to \"json\"",
        ),
        (Some(_), _) => errors.add(
            "login.refreshTokenField",
            "applies only to a refresh in JSON: set refreshFormat to \"json\", or remove one of the two",
        ),
    }
}
