//! How a token is obtained: one file per grant or login format, and the search that chooses among them.

mod authorization_code;
mod client_credentials;
mod jwt_bearer;
mod login_basic;
mod login_custom;
mod login_json;
mod metadata;
mod password;
mod refresh;
mod revoke;
mod search;
#[cfg(test)]
mod tests;
mod token_exchange;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{ClientAuthentication, Config, GrantType, LoginCredentials, Parameter, RequestFormat};
use crate::oauth::{Client, ClientCredential, UnsignedRequest};
use crate::transport::Method;

pub use authorization_code::{ConsentClient, ConsentCode};
pub use jwt_bearer::statement as assertion_statement;
pub use metadata::{metadata_addresses, with_metadata};
pub use refresh::RefreshRequest;
pub use revoke::revocation;
pub use search::{Exchange, Obtained, Search, assumed_request, first_request};

/// The paths to try if the configuration allows probing, only on the configured origin.
const COMMON_PATHS: [&str; 6] = [
    "/oauth/token",
    "/api/oauth/token",
    "/auth/oauth/token",
    "/api/auth/token",
    "/api/login",
    "/api/auth/login",
];

/// The format of a request that obtains a token with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantFormat {
    /// The client credentials grant.
    ClientCredentials,
    /// The password grant.
    Password,
    /// JSON `{email, password}`.
    JsonEmail,
    /// JSON `{username, password}`.
    JsonUsername,
    /// The configured body.
    Custom,
    /// `Authorization: Basic` without a body.
    Basic,
    /// A refresh token that was handed in.
    RefreshToken,
    /// `Authorization: Bearer` with an assertion, without a body.
    Assertion,
    /// An assertion as the grant.
    JwtBearer,
    /// The exchange of a token.
    TokenExchange,
}

impl GrantFormat {
    /// The name of the grant in the status.
    pub fn grant(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::JsonEmail | Self::JsonUsername | Self::Custom | Self::Basic | Self::Assertion => "login",
            Self::JwtBearer => "jwt_bearer",
            Self::TokenExchange => "token_exchange",
        }
    }

    /// Whether it is an OAuth grant at a token endpoint, and not a login.
    pub fn is_oauth_grant(self) -> bool {
        matches!(
            self,
            Self::ClientCredentials
                | Self::Password
                | Self::RefreshToken
                | Self::JwtBearer
                | Self::TokenExchange
        )
    }

    /// Whether the request contains a password. Repeating a wrong one could lock the account.
    pub fn has_password(self) -> bool {
        !matches!(
            self,
            Self::ClientCredentials
                | Self::RefreshToken
                | Self::JwtBearer
                | Self::TokenExchange
                | Self::Assertion
        )
    }
}

/// How to request a token: the endpoint, the format, and the client authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRequest {
    /// The endpoint.
    pub endpoint: Url,
    /// The format of the request.
    pub format: GrantFormat,
    /// The client authentication method, if the format has one.
    #[serde(with = "method_name", default, skip_serializing_if = "Option::is_none")]
    pub method: Option<ClientAuthentication>,
    /// The name of the refresh token in the response, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_name: Option<String>,
    /// Whether the server ever accepted a refresh token that was obtained in this way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refreshes: bool,
}

impl GrantRequest {
    /// Whether the configuration allows this endpoint and format. Any endpoint is allowed until the issuer's
    /// metadata, or the key file that names the endpoint, is known.
    pub fn is_allowed(&self, config: &Config) -> bool {
        let is_open = config.endpoint.is_none() && (config.issuer.is_some() || config.awaits_account());
        formats(config).contains(&self.format) && (is_open || endpoints(config).contains(&self.endpoint))
    }

    /// The name of the format in the status.
    pub fn format_name(&self, config: &Config) -> String {
        let is_json = config.request_format == Some(RequestFormat::Json);
        let name = match (self.format, self.method) {
            (GrantFormat::ClientCredentials | GrantFormat::RefreshToken, method) => {
                let method = method.unwrap_or(self.default_method()).name();
                return if is_json { format!("json_{method}") } else { method.to_owned() };
            }
            (GrantFormat::Password | GrantFormat::JwtBearer | GrantFormat::TokenExchange, _) if is_json => {
                "json"
            }
            (GrantFormat::Password | GrantFormat::JwtBearer | GrantFormat::TokenExchange, _) => "form",
            (GrantFormat::JsonEmail, _) => "json_email",
            (GrantFormat::JsonUsername, _) => "json_username",
            (GrantFormat::Custom, _) => "custom",
            (GrantFormat::Basic, _) => "basic",
            (GrantFormat::Assertion, _) => "assertion",
        };
        name.to_owned()
    }

    /// The name of the grant in the request and the status.
    pub fn grant_name<'c>(&self, config: &'c Config) -> &'c str {
        let configured = config.grant_type.as_deref().filter(|_| self.format.is_oauth_grant());
        configured.unwrap_or(self.format.grant())
    }

    /// The alternative client authentication method, unless one is configured.
    pub fn other_method(&self, config: &Config) -> Option<ClientAuthentication> {
        self.method.and_then(ClientAuthentication::other).filter(|_| config.client_authentication.is_none())
    }

    /// Builds the request.
    pub fn request(&self, config: &Config) -> UnsignedRequest {
        let mut draft = match self.format {
            GrantFormat::ClientCredentials => client_credentials::request(self, config),
            GrantFormat::Password => password::request(self, config),
            GrantFormat::JsonEmail => {
                login_json::request(&self.endpoint, "email", config.credentials.email.as_deref(), config)
            }
            GrantFormat::JsonUsername => {
                login_json::request(&self.endpoint, "username", config.credentials.username(), config)
            }
            GrantFormat::Custom => login_custom::request(&self.endpoint, config),
            GrantFormat::RefreshToken => return refresh::configured_token(self, config),
            GrantFormat::Basic | GrantFormat::Assertion => login_basic::request(&self.endpoint, config),
            GrantFormat::JwtBearer => jwt_bearer::request(self, config),
            GrantFormat::TokenExchange => token_exchange::request(self, config),
        };
        if !self.format.is_oauth_grant() {
            draft.request.method = config.login.method.clone().unwrap_or(Method::POST);
            draft.request.media_type.clone_from(&config.login.content_type);
        }
        complete(draft, config)
    }

    /// The method that is meant where none is noted: the client of a refresh token may be a public one.
    fn default_method(&self) -> ClientAuthentication {
        match self.format {
            GrantFormat::RefreshToken => ClientAuthentication::Public,
            _ => ClientAuthentication::Basic,
        }
    }

    /// The client and its credential for this request.
    fn client<'c>(&'c self, config: &'c Config) -> Option<Client<'c>> {
        let secret = config.credentials.client_secret.as_ref();
        let credential = match (config.client_method(self.method), secret) {
            (Some(ClientAuthentication::Basic), Some(secret)) => ClientCredential::Basic(secret),
            (Some(ClientAuthentication::BasicRaw), Some(secret)) => ClientCredential::BasicRaw(secret),
            (Some(ClientAuthentication::Post), Some(secret)) => ClientCredential::Post(secret),
            (Some(ClientAuthentication::PrivateKeyJwt), _) => ClientCredential::Assertion(&self.endpoint),
            (Some(ClientAuthentication::SecretJwt), _) => ClientCredential::SecretAssertion(&self.endpoint),
            _ => ClientCredential::Name,
        };
        Some(Client { id: config.credentials.client_id.as_deref()?, credential })
    }
}

/// Adds the configured headers. Also marks the parameters, which the request already contains, as secrets.
fn complete(mut draft: UnsignedRequest, config: &Config) -> UnsignedRequest {
    draft.request.headers.extend(config.headers.iter().cloned());
    let values = config.parameters.iter().flat_map(|Parameter { values, .. }| values.iter().cloned());
    draft.hidden.extend(values);
    draft
}

/// The allowed formats, in the order in which they are tried.
fn formats(config: &Config) -> Vec<GrantFormat> {
    let client = vec![GrantFormat::ClientCredentials];
    let login = login_formats(config);
    let (has_client, has_login) = (config.has_client(), config.has_login());
    match config.grant {
        Some(GrantType::ClientCredentials) => client,
        Some(GrantType::Password) => vec![GrantFormat::Password],
        Some(GrantType::Login) => login,
        Some(GrantType::RefreshToken) => vec![GrantFormat::RefreshToken],
        Some(GrantType::JwtBearer) => vec![GrantFormat::JwtBearer],
        Some(GrantType::TokenExchange) => vec![GrantFormat::TokenExchange],
        None if has_login && config.login.takes_client() => login,
        None if has_client && has_login => {
            let path = config.endpoint.as_ref().map_or("", Url::path);
            let ends_in_token = path.trim_end_matches('/').rsplit('/').next() == Some("token");
            if ends_in_token { [client, login].concat() } else { [login, client].concat() }
        }
        None if has_login => login,
        None if has_client => client,
        None => Vec::new(),
    }
}

fn login_formats(config: &Config) -> Vec<GrantFormat> {
    if config.login.body.is_some() {
        return vec![GrantFormat::Custom];
    }
    match config.login.credentials {
        LoginCredentials::Basic => return vec![GrantFormat::Basic],
        LoginCredentials::Assertion => return vec![GrantFormat::Assertion],
        LoginCredentials::Body => {}
    }
    // An issuer's metadata names a token endpoint, not a login endpoint.
    if config.issuer.is_some() {
        return vec![GrantFormat::Password];
    }
    let email = config.credentials.email.is_some().then_some(GrantFormat::JsonEmail);
    // A configured method or media type applies only to a login endpoint.
    let is_login_only = config.login.method.is_some() || config.login.content_type.is_some();
    let form = (!is_login_only).then_some(GrantFormat::Password);
    email.into_iter().chain([GrantFormat::JsonUsername]).chain(form).collect()
}

/// The endpoints, in the order in which they are tried. Credentials are sent to other endpoints than the
/// configured one only if that has no path, or with `probe: true`.
fn endpoints(config: &Config) -> Vec<Url> {
    let Some(configured) = &config.endpoint else { return Vec::new() };
    let is_bare = configured.path() == "/" && configured.query().is_none();
    let common =
        COMMON_PATHS.iter().filter_map(|path| configured.join(path).ok()).filter(|url| url != configured);
    match config.probe {
        Some(false) => vec![configured.clone()],
        _ if is_bare => common.collect(),
        Some(true) => std::iter::once(configured.clone()).chain(common).collect(),
        None => vec![configured.clone()],
    }
}

/// Serializes `method` with its registered name.
mod method_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::config::ClientAuthentication;

    #[expect(clippy::ref_option, reason = "serde requires this signature")]
    pub(super) fn serialize<S: Serializer>(
        method: &Option<ClientAuthentication>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        method.map(ClientAuthentication::name).serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(
        from: D,
    ) -> Result<Option<ClientAuthentication>, D::Error> {
        let name = Option::<String>::deserialize(from)?;
        Ok(ClientAuthentication::ALL.into_iter().find(|known| Some(known.name()) == name.as_deref()))
    }
}
