//! Parses the JSON from JavaScript into a [`Config`].

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::clear_text::endpoint;
use super::credential_text::Charset;
use super::fields::{ConfigErrors, ConfigFields, Origins};
use super::{
    BaseUrl, ClientAuthentication, Config, ConfigDigest, CredentialDigest, Credentials, GrantType, Issuer,
    OnFailure, RateLimit, RefreshFormat, RefreshOptions, RetryPolicy, Storage, base_url, clear_text, client,
    digests, header, login, login_function, response_fields, storage, token_request,
};
use crate::domain::{AccessToken, Policy, Secret, ServiceName, TokenType};
use crate::error::{Error, Result};

pub(super) const DAY_SECONDS: f64 = 86_400.0;

/// Headers that evertoken sets itself. Other values would break the request.
const OWN_HEADERS: [&str; 9] = [
    "dpop",
    "authorization",
    "content-type",
    "content-length",
    "host",
    "accept",
    "accept-encoding",
    "connection",
    "transfer-encoding",
];

impl Config {
    /// Validates the whole configuration. The error names every invalid field.
    pub fn from_json(value: Value) -> Result<Self> {
        Self::from_json_and_variables(value, Origins::new())
    }

    /// Also takes the environment variables that fields come from, for the warnings.
    pub fn from_json_and_variables(value: Value, origins: Origins) -> Result<Self> {
        let Value::Object(map) = value else {
            return Err(Error::config("config", "must be an object"));
        };
        let fingerprint = ConfigDigest::new(&map);
        let (credential, parameters) = (digests::credential(&map), digests::parameters(&map));
        let errors = ConfigErrors::with_origins(origins);
        let mut fields = ConfigFields::new(map, &errors);
        let mut config = read(&mut fields);
        config.warnings.append(&mut errors.take_warnings());
        config.fingerprint = fingerprint;
        config.identity = digests::identity(&config, parameters.as_deref());
        config.credential = credential;
        check_whole(&config, &errors);
        fields.finish();
        errors.into_result(config)
    }
}

fn read(f: &mut ConfigFields<'_>) -> Config {
    login_function::check_fields(f);
    if f.has("header") && f.is_true("dpop") {
        f.error("header", "cannot be combined with dpop, which sends its token in the Authorization header");
    }
    let allow_insecure_http = f.flag("allowInsecureHttp").unwrap_or(false);
    let credentials = Credentials {
        client_id: f.credential("clientId", Charset::Visible),
        client_secret: f.credential("clientSecret", Charset::Visible).map(Secret::new),
        email: f.credential("email", Charset::Any),
        username: f.credential("username", Charset::Any),
        password: f.credential("password", Charset::Any).map(Secret::new),
        private_key: client::read_private_key(f),
        client_certificate: client::read_certificate(f),
    };
    let (alert_after_failures, alert_webhook) = alerts(f, allow_insecure_http);
    let fields = response_fields::read(f);
    let allowed_origins = clear_text::origins(f, allow_insecure_http);
    let base_url = base_url::read(f, &fields, allowed_origins.as_deref(), allow_insecure_http);
    let fixed = base_url.as_ref().and_then(BaseUrl::fixed);
    let warnings = clear_text::warning(fixed, allowed_origins.as_deref()).into_iter().collect();
    let (storage, plain_tokens) = storage::read(f);
    Config {
        service: service_name(f),
        endpoint: endpoint(f, "authUrl", allow_insecure_http),
        issuer: issuer(f, allow_insecure_http),
        credentials,
        grant: f.one_of(
            "grant",
            &[
                ("client_credentials", GrantType::ClientCredentials),
                ("password", GrantType::Password),
                ("login", GrantType::Login),
            ],
        ),
        grant_type: token_request::read_grant_type(f),
        request_format: token_request::read_format(f),
        parameters: token_request::read_parameters(f),
        scope: scope(f),
        audience: f.text("audience"),
        resource: f.texts("resource"),
        client_authentication: f
            .one_of("clientAuthentication", &ClientAuthentication::ALL.map(|method| (method.name(), method))),
        dpop: f.flag("dpop").unwrap_or(false),
        manual_token: manual_token(f),
        login: login::read(f),
        refresh: RefreshOptions {
            url: endpoint(f, "refreshUrl", allow_insecure_http),
            format: f.one_of(
                "refreshFormat",
                &[
                    ("form", RefreshFormat::Form),
                    ("json", RefreshFormat::Json),
                    ("bearer", RefreshFormat::Bearer),
                ],
            ),
        },
        revocation_url: endpoint(f, "revocationUrl", allow_insecure_http),
        scheme: scheme(f),
        header: header::read(f),
        fields,
        headers: headers(f),
        probe: f.flag("probe"),
        policy: policy(f),
        timeout: f.millis("timeoutMs", 10.0..=600_000.0).unwrap_or(Duration::from_secs(10)),
        max_concurrent_requests: f.count("maxConcurrentRequests", 1..=1000).unwrap_or(16) as usize,
        retry: retry(f),
        rate_limit: rate_limit(f),
        on_failure: f
            .one_of(
                "onFailure",
                &[("unauthenticated", OnFailure::Unauthenticated), ("throw", OnFailure::Throw)],
            )
            .unwrap_or(OnFailure::Unauthenticated),
        storage,
        plain_tokens,
        encryption_keys: f.credentials("encryptionKey", Charset::Any).into_iter().map(Secret::new).collect(),
        clear_on_start: f.flag("clearOnStart").unwrap_or(false),
        ca: certificates(f),
        allow_insecure_http,
        alert_after_failures,
        alert_webhook,
        base_url,
        allowed_origins,
        warnings,
        fingerprint: ConfigDigest::default(),
        identity: String::new(),
        credential: CredentialDigest::default(),
    }
}

/// Checks the combination of fields.
fn check_whole(config: &Config, errors: &ConfigErrors) {
    if config.login.is_function {
        return login_function::check(config, errors);
    }
    let password = &config.credentials.password;
    let (has_client, has_login) = (config.has_client(), config.has_login());
    if config.credentials.username().is_some() && password.is_none() {
        errors.add(
            "password",
            "is missing: it is required together with email or username (EXTERNAL_API_PASSWORD)",
        );
    }
    if config.credentials.username().is_none() && password.is_some() {
        errors.add(
            "email",
            "or username is missing: one of them is required together with password (EXTERNAL_API_EMAIL, EXTERNAL_API_USERNAME)",
        );
    }
    client::check(config, errors);
    login::check(config, errors);
    token_request::check(config, errors);
    check_store_key(config, errors);
    if config.dpop && config.scheme.is_some() {
        errors.add("scheme", "cannot be combined with dpop, which sets its own scheme");
    }
    match config.grant {
        Some(GrantType::ClientCredentials) if !has_client => {
            errors.add(
                "grant",
                "is \"client_credentials\", which needs clientId and clientSecret, privateKey or clientCertificate",
            );
        }
        Some(GrantType::Password) if !config.credentials.has_login() => {
            errors.add("grant", "is \"password\", which needs password and email or username");
        }
        Some(GrantType::Login) if !has_login => {
            errors.add("grant", "is \"login\", which needs password and email or username");
        }
        _ => {}
    }
    if config.issuer.is_some() && config.endpoint.is_some() {
        errors.add("issuer", "cannot be combined with authUrl: set either issuer or authUrl, not both");
    }
    let has_endpoint = config.endpoint.is_some() || config.issuer.is_some();
    if (has_client || has_login) && !has_endpoint {
        errors.add(
            "authUrl",
            "is missing: set it to the URL of the token or login endpoint (EXTERNAL_AUTH_URL)",
        );
    }
    let has_part = config.credentials.client_id.is_some()
        || config.credentials.username().is_some()
        || password.is_some();
    // Incomplete credentials were reported above.
    if !has_part && !has_client && !has_login && config.manual_token.is_none() {
        let field = if has_endpoint { "clientId" } else { "authUrl" };
        errors.add(
            field,
            "is missing: set authUrl with clientId and clientSecret, or with email and password, or a token \
             (EXTERNAL_AUTH_URL, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, EXTERNAL_API_EMAIL, EXTERNAL_API_PASSWORD, \
             EXTERNAL_API_TOKEN)",
        );
    }
}

/// Without `encryptionKey`, the store's key is derived from the secret that is sent to obtain a token.
/// Without a secret, anyone who can read the store could decrypt it.
fn check_store_key(config: &Config, errors: &ConfigErrors) {
    let credentials = &config.credentials;
    let has_secret = credentials.secrets().next().is_some() || credentials.private_key.is_some();
    let is_stored = !matches!(config.storage, Storage::Memory);
    if config.has_credentials() && !has_secret && is_stored && config.encryption_keys.is_empty() {
        errors.add(
            "encryptionKey",
            "is missing: there is no clientSecret, privateKey or password to derive it from. Set it \
             (TOKEN_ENCRYPTION_KEY), or set storage to { kind: \"memory\" }",
        );
    }
}

fn service_name(f: &mut ConfigFields<'_>) -> ServiceName {
    let Some(text) = f.text("service") else { return ServiceName::default() };
    ServiceName::parse(&text).unwrap_or_else(|message| {
        f.error("service", message);
        ServiceName::default()
    })
}

/// A URL without a query (RFC 8414 §2).
fn issuer(f: &mut ConfigFields<'_>, allow_insecure_http: bool) -> Option<Issuer> {
    let text = f.peek_text("issuer");
    let url = endpoint(f, "issuer", allow_insecure_http)?;
    if url.query().is_some() {
        f.error("issuer", "must not contain a query (?…)");
    }
    Some(Issuer { text: text?, url })
}

/// `scope = scope-token *( SP scope-token )` (RFC 6749 §3.3).
fn scope(f: &mut ConfigFields<'_>) -> Option<String> {
    let text = f.text("scope")?;
    let fits = text.split(' ').all(|token| {
        !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    });
    if !fits {
        f.error("scope", "must be words of visible ASCII characters, separated by single spaces");
    }
    Some(text)
}

fn manual_token(f: &mut ConfigFields<'_>) -> Option<AccessToken> {
    let text = f.credential("token", Charset::Token)?;
    AccessToken::parse(&text)
        .map_err(|message| f.error("token", format!("is not a valid token: {message}")))
        .ok()
}

fn scheme(f: &mut ConfigFields<'_>) -> Option<TokenType> {
    let text = f.text("scheme")?;
    let scheme = TokenType::parse(&text);
    if scheme.is_none() {
        f.error("scheme", "must be one word, such as Bearer or Token");
    }
    scheme
}

fn headers(f: &mut ConfigFields<'_>) -> Vec<(String, Secret)> {
    let Some(map) = f.map("headers") else { return Vec::new() };
    let mut headers = BTreeMap::new();
    for (name, value) in map {
        let path = format!("headers.{name}");
        let lower = name.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            f.error(&path, "is not a valid header name");
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            f.error(&path, "is set by evertoken and cannot be configured");
        } else if let Some(value) = value.as_str().filter(|text| HeaderValue::from_str(text).is_ok()) {
            headers.insert(lower, Secret::new(value));
        } else {
            f.error(&path, "must be a string that is a valid header value");
        }
    }
    headers.into_iter().collect()
}

fn policy(f: &mut ConfigFields<'_>) -> Policy {
    let default = Policy::default();
    Policy {
        refresh_buffer: f
            .seconds("refreshBufferSeconds", 0.0..=30.0 * DAY_SECONDS)
            .unwrap_or(default.refresh_buffer),
        default_lifetime: f
            .seconds("defaultLifetimeSeconds", 1.0..=365.0 * DAY_SECONDS)
            .unwrap_or(default.default_lifetime),
        never_expires: f.flag("neverExpires").unwrap_or(default.never_expires),
    }
}

fn retry(f: &mut ConfigFields<'_>) -> RetryPolicy {
    let mut policy =
        RetryPolicy { attempts: 3, base: Duration::from_millis(500), max: Duration::from_secs(60) };
    if let Some(mut retry) = f.object("retry") {
        policy.attempts = retry.count("attempts", 1..=10).unwrap_or(policy.attempts);
        policy.base = retry.millis("baseMs", 1.0..=600_000.0).unwrap_or(policy.base);
        policy.max = retry.millis("maxMs", 1.0..=3_600_000.0).unwrap_or(policy.max.max(policy.base));
        if policy.max < policy.base {
            retry.error("maxMs", "must not be less than retry.baseMs");
        }
        retry.finish();
    }
    policy
}

fn rate_limit(f: &mut ConfigFields<'_>) -> RateLimit {
    let mut limit = RateLimit { attempts: 10, per: Duration::from_secs(60) };
    if let Some(mut fields) = f.object("rateLimit") {
        limit.attempts = fields.count("attempts", 1..=10_000).unwrap_or(limit.attempts);
        limit.per = fields.seconds("perSeconds", 1.0..=DAY_SECONDS).unwrap_or(limit.per);
        fields.finish();
    }
    limit
}

fn certificates(f: &mut ConfigFields<'_>) -> Vec<String> {
    let texts = f.texts("ca");
    for text in &texts {
        let fits = reqwest::Certificate::from_pem_bundle(text.as_bytes()).is_ok_and(|list| !list.is_empty());
        if !fits {
            f.error("ca", "must contain certificates in PEM format (-----BEGIN CERTIFICATE-----)");
        }
    }
    texts
}

fn alerts(f: &mut ConfigFields<'_>, allow_insecure_http: bool) -> (u32, Option<Secret>) {
    let Some(mut alerts) = f.object("alerts") else { return (3, None) };
    let after = alerts.count("afterFailures", 1..=1000).unwrap_or(3);
    let webhook = endpoint(&mut alerts, "webhookUrl", allow_insecure_http);
    alerts.finish();
    (after, webhook.map(|url| Secret::new(String::from(url))))
}
