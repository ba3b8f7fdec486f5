//! The assertions and tokens that a client presents: `clientAssertion`, `assertion` and `subjectToken`.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Map, Value};

use super::credential_text::Charset;
use super::fields::{ConfigErrors, ConfigFields, TextOr};
use super::{ClientAuthentication, Config, GrantType, LoginCredentials};
use crate::crypto::{KeySource, PrivateKey};
use crate::domain::Secret;

/// What is presented besides the credentials. Most services have none of it.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// An assertion that a platform makes, instead of a client secret.
    pub client_assertion: Option<AssertionSource>,
    /// The assertion of a grant or login, if it is configured.
    pub assertion: Option<GrantAssertion>,
    /// What a token exchange starts from.
    pub subject: Option<SubjectToken>,
    /// `requested_token_type` (RFC 8693 §2.1).
    pub requested_token_type: Option<String>,
}

/// Where an assertion is that evertoken does not sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssertionSource {
    /// In a file that is read for each request.
    File(PathBuf),
    /// A function of the user's program returns it.
    Function,
}

/// The `assertion` option.
#[derive(Clone, Debug, PartialEq)]
pub enum GrantAssertion {
    /// What evertoken states, and signs with `privateKey`.
    Signed(Box<AssertionOptions>),
    /// One that somebody else makes.
    Given(AssertionSource),
}

/// What an assertion states. What is not set has a default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AssertionOptions {
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// `scope`.
    pub scope: ScopeClaim,
    /// Other claims.
    pub claims: Map<String, Value>,
    /// How long it is valid.
    pub lifetime: Option<Duration>,
}

/// Where the scope of a grant with an assertion goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScopeClaim {
    /// The configured scope goes into the assertion, and not into the request.
    #[default]
    Configured,
    /// This one goes into the assertion, and the configured one into the request.
    Own(String),
    /// The configured scope goes into the request (RFC 7521 §4.1).
    None,
}

/// The `subjectToken` and `subjectTokenType` options.
#[derive(Clone, Debug)]
pub struct SubjectToken {
    /// Where it is.
    pub source: SubjectTokenSource,
    /// `subject_token_type` (RFC 8693 §3).
    pub kind: String,
}

/// Where a subject token is.
#[derive(Clone, Debug)]
pub enum SubjectTokenSource {
    /// In the configuration.
    Text(Secret),
    /// In a file that is read for each request.
    File(PathBuf),
    /// A function of the user's program returns it.
    Function,
}

/// The prefix of the registered types of tokens (RFC 8693 §3).
const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:";

/// Their short names.
const TOKEN_TYPES: [&str; 6] = ["access_token", "refresh_token", "id_token", "jwt", "saml1", "saml2"];

/// The claims that evertoken writes, and what to do instead.
const OWN_CLAIMS: [(&str, &str); 7] = [
    ("iss", "set assertion.issuer instead"),
    ("sub", "set assertion.subject instead"),
    ("aud", "set assertion.audience instead"),
    ("scope", "set assertion.scope instead"),
    ("exp", "set assertion.lifetimeSeconds instead"),
    ("iat", "remove it: each assertion has the time at which it is signed"),
    ("jti", "remove it: each assertion has an identifier of its own"),
];

pub(super) fn read(f: &mut ConfigFields<'_>) -> Arc<Presented> {
    // Most services have none, and share it.
    static DEFAULT: LazyLock<Arc<Presented>> = LazyLock::new(Arc::default);

    let fields = ["clientAssertion", "assertion", "subjectToken", "subjectTokenType", "requestedTokenType"];
    if !fields.iter().any(|field| f.has(field)) {
        return Arc::clone(&DEFAULT);
    }
    let client_assertion = if f.function("clientAssertion") {
        Some(AssertionSource::Function)
    } else {
        f.object("clientAssertion").and_then(read_source)
    };
    let assertion = if f.function("assertion") {
        Some(GrantAssertion::Given(AssertionSource::Function))
    } else {
        f.object("assertion").map(read_assertion)
    };
    let has_kind = f.has("subjectTokenType");
    let kind = token_type(f, "subjectTokenType").unwrap_or_else(|| format!("{TOKEN_TYPE}access_token"));
    let subject = read_subject(f).map(|source| SubjectToken { source, kind });
    let requested_token_type = token_type(f, "requestedTokenType");
    if subject.is_none() && has_kind {
        f.error("subjectTokenType", "is the type of subjectToken, which is missing");
    }
    Arc::new(Presented { client_assertion, assertion, subject, requested_token_type })
}

/// `{ path }`.
fn read_source(mut fields: ConfigFields<'_>) -> Option<AssertionSource> {
    let path = fields.text("path");
    if path.is_none() {
        fields.error("path", "is missing: set it to the path of a file with an assertion (a JWT)");
    }
    fields.finish();
    path.map(|path| AssertionSource::File(path.into()))
}

fn read_assertion(mut fields: ConfigFields<'_>) -> GrantAssertion {
    let path = fields.text("path");
    let options = AssertionOptions {
        issuer: fields.text("issuer"),
        subject: fields.text("subject"),
        audience: fields.text("audience"),
        scope: scope_claim(&mut fields),
        claims: fields.map("claims").unwrap_or_default(),
        lifetime: fields.seconds("lifetimeSeconds", 1.0..=3600.0),
    };
    for (name, instead) in OWN_CLAIMS.iter().filter(|(name, _)| options.claims.contains_key(*name)) {
        fields.error(&format!("claims.{name}"), format!("is set by evertoken: {instead}"));
    }
    let Some(path) = path else {
        fields.finish();
        return GrantAssertion::Signed(Box::new(options));
    };
    if options != AssertionOptions::default() {
        fields.error(
            "path",
            "cannot be combined with other options of assertion: the assertion in a file is complete. Keep \
             assertion.path alone, or remove it to sign one with privateKey",
        );
    }
    fields.finish();
    GrantAssertion::Given(AssertionSource::File(path.into()))
}

fn scope_claim(fields: &mut ConfigFields<'_>) -> ScopeClaim {
    if fields.is_false("scope") {
        fields.flag("scope");
        return ScopeClaim::None;
    }
    fields.text("scope").map_or(ScopeClaim::Configured, ScopeClaim::Own)
}

fn read_subject(f: &mut ConfigFields<'_>) -> Option<SubjectTokenSource> {
    if f.function("subjectToken") {
        return Some(SubjectTokenSource::Function);
    }
    if !f.is_object("subjectToken") {
        return f.credential("subjectToken", Charset::Token).map(|text| {
            let token = Secret::new(text.trim());
            if token.has_control_characters() {
                f.error("subjectToken", "must not contain control characters");
            }
            SubjectTokenSource::Text(token)
        });
    }
    let TextOr::Object(mut fields) = f.text_or_object("subjectToken")? else { return None };
    let path = fields.text("path");
    if path.is_none() {
        fields.error("path", "is missing: set it to the path of a file with a token");
    }
    fields.finish();
    path.map(|path| SubjectTokenSource::File(path.into()))
}

/// A registered type by its short name, or an absolute URI.
fn token_type(f: &mut ConfigFields<'_>, key: &'static str) -> Option<String> {
    let text = f.text(key)?;
    if TOKEN_TYPES.contains(&text.as_str()) {
        return Some(format!("{TOKEN_TYPE}{text}"));
    }
    if !text.contains(':') || !text.bytes().all(|b| b.is_ascii_graphic()) {
        f.error(key, format!("must be a URI, or one of {}", TOKEN_TYPES.join(", ")));
    }
    Some(text)
}

impl Presented {
    /// What evertoken states in an assertion. `None` if somebody else makes it.
    pub fn options(&self) -> Option<&AssertionOptions> {
        static DEFAULT: LazyLock<AssertionOptions> = LazyLock::new(AssertionOptions::default);

        match &self.assertion {
            None => Some(&DEFAULT),
            Some(GrantAssertion::Signed(options)) => Some(options),
            Some(GrantAssertion::Given(_)) => None,
        }
    }

    /// The subject token, if it is in the configuration.
    pub fn subject_text(&self) -> Option<&Secret> {
        match &self.subject.as_ref()?.source {
            SubjectTokenSource::Text(token) => Some(token),
            SubjectTokenSource::File(_) | SubjectTokenSource::Function => None,
        }
    }
}

/// The grant that the other fields can only be meant for.
pub(super) fn implied_grant(config: &Config) -> Option<GrantType> {
    let Presented { assertion, subject, .. } = &*config.presented;
    if subject.is_some() {
        return Some(GrantType::TokenExchange);
    }
    if config.login.credentials == LoginCredentials::Assertion {
        return Some(GrantType::Login);
    }
    let is_silent = config.credentials.client_id.is_none() && config.first_url().is_none();
    let is_account = match config.credentials.private_key.as_ref().map(|key| &key.source) {
        Some(KeySource::Text(key)) => key.account.is_some(),
        // Without a client and a server, a key is of no use, but that of a service account names both.
        Some(KeySource::File(path)) => {
            is_silent && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        }
        Some(KeySource::Function(_)) | None => false,
    };
    (assertion.is_some() || is_account).then_some(GrantType::JwtBearer)
}

impl Config {
    /// Whether there is an assertion or a token to present, which is the grant itself.
    pub fn has_assertion_grant(&self) -> bool {
        match self.grant {
            Some(GrantType::JwtBearer) => self.can_assert(),
            Some(GrantType::TokenExchange) => self.presented.subject.is_some(),
            _ => false,
        }
    }

    /// Whether there is an assertion for a grant or a login: one that somebody else makes, or a key to sign it.
    pub fn can_assert(&self) -> bool {
        self.presented.options().is_none() || self.credentials.private_key.is_some()
    }

    /// Whether `privateKey` signs the grant or the login, and not the authentication of the client.
    pub fn signs_grant(&self) -> bool {
        let is_grant =
            self.grant == Some(GrantType::JwtBearer) || self.login.credentials == LoginCredentials::Assertion;
        is_grant && self.client_authentication != Some(ClientAuthentication::PrivateKeyJwt)
    }

    /// Whether the file of the private key may be that of a service account, which names what is not configured.
    pub fn awaits_account(&self) -> bool {
        let is_file =
            matches!(self.credentials.private_key, Some(PrivateKey { source: KeySource::File(_), .. }));
        let has_issuer = self.credentials.client_id.is_some()
            || self.presented.options().is_some_and(|options| options.issuer.is_some());
        let is_signed = self.presented.options().is_some();
        let is_complete = has_issuer && self.first_url().is_some();
        self.grant == Some(GrantType::JwtBearer) && is_file && is_signed && !is_complete
    }
}

/// Checks for conflicts with other fields.
pub(super) fn check(config: &Config, errors: &ConfigErrors) {
    check_client_assertion(config, errors);
    check_assertion(config, errors);
    check_exchange(config, errors);
}

fn check_client_assertion(config: &Config, errors: &ConfigErrors) {
    if config.presented.client_assertion.is_none() {
        return;
    }
    let credentials = &config.credentials;
    if credentials.client_secret.is_some() {
        errors.add(
            "clientAssertion",
            "cannot be combined with clientSecret: remove clientSecret to authenticate with the assertion, or \
             clientAssertion to authenticate with the secret",
        );
    }
    if credentials.private_key.is_some() && !config.signs_grant() {
        errors.add(
            "clientAssertion",
            "cannot be combined with privateKey: remove privateKey if the platform makes the assertion, or \
             clientAssertion if evertoken is to sign it",
        );
    }
}

fn check_assertion(config: &Config, errors: &ConfigErrors) {
    let is_login = config.login.credentials == LoginCredentials::Assertion;
    let is_grant = config.grant == Some(GrantType::JwtBearer);
    if !is_grant && !is_login {
        if config.presented.assertion.is_some() {
            errors.add(
                "assertion",
                "applies only to grant \"jwt_bearer\" and to login.credentials \"assertion\": set one of them, or \
                 remove assertion",
            );
        }
        return;
    }
    let field = if is_grant { "grant" } else { "login.credentials" };
    let word = if is_grant { "jwt_bearer" } else { "assertion" };
    let Some(options) = config.presented.options() else {
        if config.credentials.private_key.is_some() && config.signs_grant() {
            errors.add(
                "assertion",
                "cannot be combined with privateKey: remove privateKey to send the assertion as it is, or \
                 assertion.path to sign one with privateKey",
            );
        }
        return;
    };
    let Some(key) = &config.credentials.private_key else {
        errors.add(
            field,
            format!("is \"{word}\", which needs privateKey (OAUTH_PRIVATE_KEY), or assertion.path"),
        );
        return;
    };
    let is_account = match &key.source {
        KeySource::Text(key) => key.account.is_some(),
        KeySource::File(_) => is_grant,
        KeySource::Function(_) => false,
    };
    if options.issuer.is_none() && config.credentials.client_id.is_none() && !is_account {
        errors.add(
            "clientId",
            "is missing: it is the issuer of the assertion (OAUTH_CLIENT_ID), unless assertion.issuer is set",
        );
    }
}

fn check_exchange(config: &Config, errors: &ConfigErrors) {
    let is_exchange = config.grant == Some(GrantType::TokenExchange);
    if is_exchange && config.presented.subject.is_none() {
        errors.add("subjectToken", "is missing: it is required with grant \"token_exchange\"");
    }
    let given = [
        ("subjectToken", config.presented.subject.is_some()),
        ("requestedTokenType", config.presented.requested_token_type.is_some()),
    ];
    for (field, _) in given.into_iter().filter(|(_, is_set)| *is_set && !is_exchange) {
        errors.add(
            field,
            format!("applies only to grant \"token_exchange\": set grant to that, or remove {field}"),
        );
    }
}
