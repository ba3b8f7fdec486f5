//! The validated configuration. Validation reports all errors at once, by field.

mod base_url;
mod clear_text;
mod client;
mod credential_text;
mod credentials;
mod digests;
mod fields;
mod header;
mod login;
mod login_function;
mod network;
mod origin;
mod postgres_url;
mod read;
mod redis_url;
mod response_fields;
mod response_path;
mod scheduler;
mod storage;
#[cfg(test)]
mod tests;
mod token_request;

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::domain::{AccessToken, Policy, Secret, ServiceName, TokenType};

pub use base_url::BaseUrl;
pub use credentials::{ClientAuthentication, ClientCertificate, Credentials};
pub use digests::{ConfigDigest, CredentialDigest};
pub use fields::Origins;
pub use header::TokenHeader;
pub use login::{LoginCredentials, LoginOptions, Placeholder};
pub use network::is_private_host;
pub use postgres_url::{
    ChannelBindingMode, PostgresHost, PostgresRoots, PostgresTls, PostgresTlsMode, PostgresUrl,
};
pub use redis_url::{RedisAddress, RedisUrl};
pub use response_fields::ResponseField;
pub use response_path::ResponsePath;
pub use scheduler::SchedulerOptions;
pub use storage::{ExternalStoreKind, PlainTokens, PostgresTable, RedisPrefix, Storage};
pub use token_request::{Parameter, RequestFormat};

/// The configuration of a service, from `TokenServiceConfig`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of the service, which is its key in the store.
    pub service: ServiceName,
    /// The URL of the token or login endpoint. `None` if there is only a manual token, or if the issuer's
    /// metadata names the endpoint.
    pub endpoint: Option<Url>,
    /// The issuer whose metadata names the endpoints.
    pub issuer: Option<Issuer>,
    /// The credentials.
    pub credentials: Credentials,
    /// The grant, if it is configured.
    pub grant: Option<GrantType>,
    /// The value of `grant_type`, if the server uses a non-standard one.
    pub grant_type: Option<String>,
    /// The encoding of a grant's requests, if it is configured.
    pub request_format: Option<RequestFormat>,
    /// Sent with every token request.
    pub parameters: Vec<Parameter>,
    /// `scope` (RFC 6749 §3.3).
    pub scope: Option<String>,
    /// `audience`, which some servers require.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), once for each value.
    pub resource: Vec<String>,
    /// The client authentication method, if it is configured.
    pub client_authentication: Option<ClientAuthentication>,
    /// Whether to bind tokens to a key with DPoP (RFC 9449).
    pub dpop: bool,
    /// The token to send if none can be obtained.
    pub manual_token: Option<AccessToken>,
    /// The requests and responses of a login endpoint.
    pub login: Arc<LoginOptions>,
    /// Where and how to send a refresh token, if not to the token endpoint.
    pub refresh: RefreshOptions,
    /// The revocation endpoint (RFC 7009), if it is configured.
    pub revocation_url: Option<Url>,
    /// The token type to send in the header, if it is configured.
    pub scheme: Option<TokenType>,
    /// The header that sends the token to the API.
    pub header: TokenHeader,
    /// The fields of the token response to keep, in addition to the token.
    pub fields: Vec<ResponseField>,
    /// Sent with every token request.
    pub headers: Vec<(String, Secret)>,
    /// Whether to try common endpoint paths. By default only if `endpoint` has no path or is not set.
    pub probe: Option<bool>,
    /// When a token is refreshed and when it has expired.
    pub policy: Policy,
    /// The timeout of a whole token request.
    pub timeout: Duration,
    /// How many token requests are under way at once at one token server.
    pub max_concurrent_requests: usize,
    /// Attempts within one request, and the back-off.
    pub retry: RetryPolicy,
    /// The maximum number of attempts within a period.
    pub rate_limit: RateLimit,
    /// What a caller gets if there is no token.
    pub on_failure: OnFailure,
    /// Where the token is stored.
    pub storage: Storage,
    /// What to do with an unencrypted token in the store.
    pub plain_tokens: PlainTokens,
    /// The keys of the store. If there are none, a key is derived from the credential.
    pub encryption_keys: Vec<Secret>,
    /// Whether to clear the stored token at the start.
    pub clear_on_start: bool,
    /// Certificates (PEM) to trust in addition to the system's.
    pub ca: Vec<String>,
    /// Whether `http` is allowed for public addresses.
    pub allow_insecure_http: bool,
    /// The base URL for relative requests of `fetch`, which sends its header only there.
    pub base_url: Option<BaseUrl>,
    /// Other origins that may receive the header. `None` if not configured; then, without `base_url`, any
    /// origin may.
    pub allowed_origins: Option<Vec<String>>,
    /// After how many consecutive failures an alert is raised.
    pub alert_after_failures: u32,
    /// The URL to post alerts to. It is a secret, because webhook URLs often contain a credential.
    pub alert_webhook: Option<Secret>,
    /// Warnings about values that are allowed but probably mistakes. Each is logged once when the service
    /// starts.
    pub warnings: Vec<String>,
    /// Equal for equal configurations.
    pub fingerprint: ConfigDigest,
    /// Equal for configurations that request the same token from the same server. Contains no secret.
    pub identity: String,
    /// Equal for configurations that send the same credentials in the same request.
    pub credential: CredentialDigest,
}

impl Config {
    /// Whether the client can authenticate.
    pub fn has_client(&self) -> bool {
        let is_public = self.client_authentication == Some(ClientAuthentication::Public);
        self.credentials.has_client() || (is_public && self.credentials.client_id.is_some())
    }

    /// Whether a login is possible: with a user's credentials, or with a body that contains the client's.
    pub fn has_login(&self) -> bool {
        self.credentials.has_login() || self.login.takes_client_only()
    }

    /// Whether there are credentials to obtain a token with, or a function that obtains one.
    pub fn has_credentials(&self) -> bool {
        self.has_client() || self.has_login() || self.login.is_function
    }

    /// Whether a login endpoint may be used, and not only an OAuth token endpoint.
    pub fn is_login(&self) -> bool {
        let allows_login = match self.grant {
            Some(GrantType::ClientCredentials | GrantType::Password) => false,
            Some(GrantType::Login) => true,
            None => self.has_login(),
        };
        let is_basic = self.login.credentials == LoginCredentials::Basic;
        // An issuer's metadata names a token endpoint, not a login endpoint.
        allows_login && (self.login.body.is_some() || is_basic || self.issuer.is_none())
    }

    /// The secrets. No token equals one of them, and no field's name contains one. Short parameters are
    /// excluded, because they are words such as `web`.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        const MIN_PARAMETER: usize = 8;

        let parameters = self.parameters.iter().flat_map(|parameter| &parameter.values);
        self.credentials.secrets().chain(parameters.filter(|value| value.len() >= MIN_PARAMETER))
    }

    /// The names of the fields of the token response to keep.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// The client authentication method. `known`, the method that worked before, is used only if it sends the
    /// same secret and no method is configured.
    pub fn client_method(&self, known: Option<ClientAuthentication>) -> Option<ClientAuthentication> {
        let default = self.client_authentication.or(self.credentials.client_method())?;
        let is_alternative =
            |known: &_| self.client_authentication.is_none() && default.other().as_ref() == Some(known);
        Some(known.filter(is_alternative).unwrap_or(default))
    }

    /// The audience of the client's assertions: as configured, else the issuer, else the token endpoint (RFC
    /// 7523 §3).
    pub fn assertion_audience<'a>(&'a self, token_endpoint: &'a Url) -> &'a str {
        let configured = self.credentials.private_key.as_ref().and_then(|key| key.audience.as_deref());
        let issuer = self.issuer.as_ref().map(|issuer| issuer.text.as_str());
        configured.or(issuer).unwrap_or(token_endpoint.as_str())
    }

    /// The URL that the first request goes to: the token server's, or that of the issuer that names it.
    pub fn first_url(&self) -> Option<&Url> {
        self.endpoint.as_ref().or(self.issuer.as_ref().map(|issuer| &issuer.url))
    }

    /// Whether credentials may be sent to this URL: over TLS, or over http to private addresses or if that is
    /// allowed.
    pub fn may_be_asked(&self, url: &Url) -> bool {
        url.scheme() == "https"
            || (url.scheme() == "http" && (self.allow_insecure_http || is_private_host(url)))
    }
}

/// An issuer. Identifiers are compared character by character (RFC 8414 §3.3), so the original text is kept.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// As configured.
    pub text: String,
    /// The parsed URL.
    pub url: Url,
}

/// The `grant` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantType {
    /// The client credentials grant (RFC 6749 §4.4).
    ClientCredentials,
    /// The password grant (RFC 6749 §4.3).
    Password,
    /// A login endpoint that is not OAuth.
    Login,
}

/// The `refreshUrl` and `refreshFormat` options.
#[derive(Clone, Debug, Default)]
pub struct RefreshOptions {
    /// The URL, if it is not the token endpoint.
    pub url: Option<Url>,
    /// The format, if it is configured.
    pub format: Option<RefreshFormat>,
}

/// How a refresh token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshFormat {
    /// The form of RFC 6749 §6.
    Form,
    /// JSON, with the name that the token has in the response.
    Json,
    /// `Authorization: Bearer <refresh token>`.
    Bearer,
}

/// The `retry` option.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The maximum number of requests per attempt to obtain a token.
    pub attempts: u32,
    /// The first back-off.
    pub base: Duration,
    /// The longest back-off.
    pub max: Duration,
}

/// The `rateLimit` option.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// The maximum number of attempts.
    pub attempts: u32,
    /// The period.
    pub per: Duration,
}

/// The `onFailure` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The caller gets no header, and a warning is logged.
    Unauthenticated,
    /// The caller gets the error.
    Throw,
}
