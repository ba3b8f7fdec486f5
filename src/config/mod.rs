//! A whole, checked configuration: what is wrong with it is said at once, with the field's name.

mod answer_fields;
mod answer_path;
mod base_url;
mod clear_text;
mod client;
mod digests;
mod fields;
mod header;
mod login;
mod network;
mod origin;
mod read;
mod scheduler;
mod spoilt;
#[cfg(test)]
mod tests;
mod token_request;

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::crypto::PrivateKey;
use crate::domain::{AccessToken, Policy, Secret, ServiceName, TokenType};

pub use answer_fields::AnswerField;
pub use answer_path::AnswerPath;
pub use base_url::BaseUrl;
pub use digests::{ConfigDigest, CredentialDigest};
pub use fields::Origins;
pub use header::TokenHeader;
pub use login::{LoginCredentials, LoginShape, Placeholder};
pub use network::is_private_host;
pub use scheduler::SchedulerFields;
pub use token_request::{Parameter, RequestFormat};

/// Everything a service needs to know, from `TokenServiceConfig`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name in the store.
    pub service: ServiceName,
    /// Where the credentials go; none when there is only a manual token, or an issuer that will say it.
    pub endpoint: Option<Url>,
    /// Whose metadata says where the credentials go.
    pub issuer: Option<Issuer>,
    /// Who asks.
    pub credentials: Credentials,
    /// How to ask, when it is said.
    pub grant: Option<GrantType>,
    /// The server's own word for the grant, when it is not the standard's.
    pub grant_type: Option<String>,
    /// How the requests of a grant are written, when it is said.
    pub request_format: Option<RequestFormat>,
    /// Sent with every token request.
    pub parameters: Vec<Parameter>,
    /// `scope` of RFC 6749 §3.3.
    pub scope: Option<String>,
    /// `audience`, as some servers want it.
    pub audience: Option<String>,
    /// `resource` of RFC 8707, once for each.
    pub resource: Vec<String>,
    /// How the client authenticates, when it is said.
    pub client_authentication: Option<ClientAuthentication>,
    /// Whether tokens are to be bound to a key, RFC 9449.
    pub dpop: bool,
    /// The token to send when none can be had.
    pub manual_token: Option<AccessToken>,
    /// How an unusual login endpoint wants to be asked and read.
    pub login: LoginShape,
    /// Where and how a refresh token is spent, when not at the token endpoint.
    pub refresh: RefreshShape,
    /// Where tokens are revoked (RFC 7009), when that is said.
    pub revocation_url: Option<Url>,
    /// The word before the token, when it is said.
    pub scheme: Option<TokenType>,
    /// The header that carries the token to the API.
    pub header: TokenHeader,
    /// What is kept of the token answer besides the token.
    pub fields: Vec<AnswerField>,
    /// Sent with every token request.
    pub headers: Vec<(String, Secret)>,
    /// Whether the common endpoints may be tried; by default only where `endpoint` is bare or not there.
    pub probe: Option<bool>,
    /// The two windows.
    pub policy: Policy,
    /// The longest a whole token request may take.
    pub timeout: Duration,
    /// Tries within one request, and the back-off.
    pub retry: RetryPolicy,
    /// How many attempts in how long.
    pub rate_limit: RateLimit,
    /// What a caller gets when there is no token.
    pub on_failure: OnFailure,
    /// Where the token rests.
    pub storage: Storage,
    /// What becomes of a plain token that is found there.
    pub plain_tokens: PlainTokens,
    /// Keys of the store; none: a key is derived from the credential.
    pub encryption_keys: Vec<Secret>,
    /// Whether a stored token is forgotten at the start.
    pub clear_on_start: bool,
    /// Certificates (PEM) trusted besides the system's.
    pub ca: Vec<String>,
    /// Whether `http` is allowed beyond private addresses.
    pub allow_insecure_http: bool,
    /// Where relative requests of `fetch` lead, and whither alone its header goes.
    pub base_url: Option<BaseUrl>,
    /// Whither else; none where it is not said, and then without `base_url` it goes anywhere.
    pub allowed_origins: Option<Vec<String>>,
    /// After how many failures in a row an alert is raised.
    pub alert_after_failures: u32,
    /// Where alerts are posted: a URL, and a secret as those of chat rooms are.
    pub alert_webhook: Option<Secret>,
    /// What is allowed, and most likely not meant: each is logged once as the service starts.
    pub warnings: Vec<String>,
    /// Equal for equal configurations.
    pub fingerprint: ConfigDigest,
    /// Equal for configurations that ask the same server for the same token; it holds no secret.
    pub identity: String,
    /// Equal for configurations that send the same credential in the same request.
    pub credential: CredentialDigest,
}

impl Config {
    /// Whether there is enough for a grant of the client's own.
    pub fn has_client(&self) -> bool {
        let is_public = self.client_authentication == Some(ClientAuthentication::Public);
        self.credentials.has_client() || (is_public && self.credentials.client_id.is_some())
    }

    /// Whether there is enough for a login: a user's credential, or a body that holds the client's.
    pub fn has_login(&self) -> bool {
        self.credentials.has_login() || self.login.takes_client_only()
    }

    /// Whether there is enough to ask for a token.
    pub fn has_credentials(&self) -> bool {
        self.has_client() || self.has_login()
    }

    /// Whether a login endpoint may be asked, and not only a token endpoint.
    pub fn is_login(&self) -> bool {
        let is_asked = match self.grant {
            Some(GrantType::ClientCredentials | GrantType::Password) => false,
            Some(GrantType::Login) => true,
            None => self.has_login(),
        };
        let is_basic = self.login.credentials == LoginCredentials::Basic;
        // What an issuer publishes is a token endpoint.
        is_asked && (self.login.body.is_some() || is_basic || self.issuer.is_none())
    }

    /// The secret texts that no token is equal to and no field has in its name; a short parameter is a word like `web`.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        const SHORTEST_PARAMETER: usize = 8;

        let parameters = self.parameters.iter().flat_map(|parameter| &parameter.values);
        self.credentials.secrets().chain(parameters.filter(|value| value.len() >= SHORTEST_PARAMETER))
    }

    /// The names of what is kept of the token answer.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// How the client proves itself, `known` being what worked before: only the two ways to send a secret may
    /// stand for each other, and only where the configuration names none.
    pub fn client_method(&self, known: Option<ClientAuthentication>) -> Option<ClientAuthentication> {
        let usual = self.client_authentication.or(self.credentials.client_method())?;
        let stands_for_it =
            |known: &_| self.client_authentication.is_none() && usual.other().as_ref() == Some(known);
        Some(known.filter(stands_for_it).unwrap_or(usual))
    }

    /// Whom the client's assertions are for: whoever is said, else the issuer, else the token endpoint (RFC 7523
    /// §3).
    pub fn assertion_audience<'a>(&'a self, token_endpoint: &'a Url) -> &'a str {
        let said = self.credentials.private_key.as_ref().and_then(|key| key.audience.as_deref());
        let issuer = self.issuer.as_ref().map(|issuer| issuer.text.as_str());
        said.or(issuer).unwrap_or(token_endpoint.as_str())
    }

    /// Whether a credential may go there: over TLS, or to this machine and private addresses.
    pub fn may_be_asked(&self, url: &Url) -> bool {
        url.scheme() == "https"
            || (url.scheme() == "http" && (self.allow_insecure_http || is_private_host(url)))
    }
}

/// An issuer. Its name is compared to the letter (RFC 8414 §3.3), so the text is kept as it was given.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// As it was given.
    pub text: String,
    /// As an address.
    pub url: Url,
}

/// The credentials that were given.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `client_id`, RFC 6749 §2.2.
    pub client_id: Option<String>,
    /// `client_secret`, RFC 6749 §2.3.1.
    pub client_secret: Option<Secret>,
    /// The client's key, RFC 7523 §2.2.
    pub private_key: Option<PrivateKey>,
    /// The client's certificate, RFC 8705 §2.
    pub client_certificate: Option<ClientCertificate>,
    /// The account's address.
    pub email: Option<String>,
    /// The account's name.
    pub username: Option<String>,
    /// The account's password.
    pub password: Option<Secret>,
}

impl Credentials {
    /// The name for a `username` field: without one, the email stands in.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref().or(self.email.as_deref())
    }

    /// Whether there is enough for the client credentials grant.
    pub fn has_client(&self) -> bool {
        self.client_id.is_some() && self.client_method().is_some()
    }

    /// How a client with these credentials proves itself unless it is said.
    fn client_method(&self) -> Option<ClientAuthentication> {
        match self {
            Self { client_secret: Some(_), .. } => Some(ClientAuthentication::Basic),
            Self { private_key: Some(_), .. } => Some(ClientAuthentication::PrivateKeyJwt),
            Self { client_certificate: Some(_), .. } => Some(ClientAuthentication::TlsClientAuth),
            _ => None,
        }
    }

    /// Whether there is enough for a login.
    pub fn has_login(&self) -> bool {
        self.username().is_some() && self.password.is_some()
    }

    /// The secret texts among them: no token is equal to one, and the store's key comes from one.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let certificate_key = self.client_certificate.as_ref().map(|certificate| &certificate.key);
        self.client_secret.iter().chain(&self.password).chain(certificate_key)
    }
}

/// `grant` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantType {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.3.
    Password,
    /// Any other login endpoint.
    Login,
}

/// How a client proves itself at the token endpoint (names of the IANA registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `private_key_jwt`.
    PrivateKeyJwt,
    /// `tls_client_auth`.
    TlsClientAuth,
    /// `none`: a public client, RFC 6749 §2.1.
    Public,
    /// `client_secret_basic` without the form encoding of RFC 6749 §2.3.1. This name is not a registered one.
    BasicRaw,
}

impl ClientAuthentication {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Basic, Self::Post, Self::PrivateKeyJwt, Self::TlsClientAuth, Self::Public, Self::BasicRaw];

    /// The name in the configuration and in an issuer's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::Public => "none",
            Self::BasicRaw => "client_secret_basic_raw",
        }
    }

    /// The other way to send the same secret, where there is one.
    pub fn other(self) -> Option<Self> {
        match self {
            Self::Basic => Some(Self::Post),
            Self::Post => Some(Self::Basic),
            Self::PrivateKeyJwt | Self::TlsClientAuth | Self::Public | Self::BasicRaw => None,
        }
    }
}

/// `clientCertificate` of the configuration, in PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate, and those that it hangs on.
    pub cert: String,
    /// Its private key.
    pub key: Secret,
}

impl ClientCertificate {
    /// Both in one text.
    pub fn pem(&self) -> Secret {
        Secret::new(format!("{}\n{}", self.cert, self.key.expose()))
    }
}

/// `refreshUrl` and `refreshFormat`.
#[derive(Clone, Debug, Default)]
pub struct RefreshShape {
    /// Where, when not at the token endpoint.
    pub url: Option<Url>,
    /// How, when it is said.
    pub format: Option<RefreshFormat>,
}

/// How a refresh token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshFormat {
    /// The form grant of RFC 6749 §6.
    Form,
    /// JSON, under the name the token came by.
    Json,
    /// `Authorization: Bearer <refresh token>`.
    Bearer,
}

/// `retry` of the configuration.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Requests within one attempt to get a token.
    pub attempts: u32,
    /// The first back-off.
    pub base: Duration,
    /// The longest back-off.
    pub max: Duration,
}

/// `rateLimit` of the configuration.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// How many.
    pub attempts: u32,
    /// In how long.
    pub per: Duration,
}

/// `onFailure` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The caller gets no header, and a warning is logged.
    Unauthenticated,
    /// The caller gets the error.
    Throw,
}

/// `storage` of the configuration.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Nowhere but in this process.
    Memory,
    /// A file.
    File(PathBuf),
    /// An SQLite database.
    Sqlite(PathBuf),
    /// Behind functions of the user's program, which come beside the configuration.
    External(ExternalStoreKind),
}

/// What becomes of a token in the store that is not sealed: `storage.acceptPlainTokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainTokens {
    /// It is not used.
    Refused,
    /// It is used, as whoever can write to the store put it there.
    Accepted,
}

/// Whose functions they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalStoreKind {
    /// A Prisma client's.
    Prisma,
    /// A store's of the user's own.
    Custom,
}

impl ExternalStoreKind {
    /// The word in the configuration and the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prisma => "prisma",
            Self::Custom => "custom",
        }
    }
}
