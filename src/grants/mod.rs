//! How a token is had: one file a grant or login format, and the search that chooses among them.

mod client_credentials;
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

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{ClientAuthentication, Config, GrantType, LoginCredentials, Parameter, RequestFormat};
use crate::oauth::{Client, ClientCredential, UnsignedRequest};
use crate::transport::Method;

pub use metadata::{metadata_addresses, with_metadata};
pub use refresh::RefreshRequest;
pub use revoke::revocation;
pub use search::{Exchange, Obtained, Search, first_request};

/// The endpoints that are tried where the configuration allows it, on the configured origin only.
const COMMON_PATHS: [&str; 6] = [
    "/oauth/token",
    "/api/oauth/token",
    "/auth/oauth/token",
    "/api/auth/token",
    "/api/login",
    "/api/auth/login",
];

/// The form of a request for a token with a credential.
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
    /// `Authorization: Basic`, and no body.
    Basic,
}

impl GrantFormat {
    /// The grant, as the status names it.
    pub fn grant(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::JsonEmail | Self::JsonUsername | Self::Custom | Self::Basic => "login",
        }
    }

    /// Whether it is a grant's, at a token endpoint.
    pub fn is_grant(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::Password)
    }

    /// Whether a password is sent, which a repetition could have locked.
    pub fn has_password(self) -> bool {
        self != Self::ClientCredentials
    }
}

/// One way to ask: where, in which form, with which client authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRequest {
    /// The endpoint.
    pub endpoint: Url,
    /// The form of the request.
    pub format: GrantFormat,
    /// The client's authentication, where the form has one.
    #[serde(with = "method_name", default, skip_serializing_if = "Option::is_none")]
    pub method: Option<ClientAuthentication>,
    /// The name the refresh token came by, where one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_name: Option<String>,
    /// Whether a refresh token that was had this way was ever taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refreshes: bool,
}

impl GrantRequest {
    /// Whether the configuration leads to this endpoint, in this format. As long as the issuer was not asked the
    /// endpoint is open.
    pub fn is_allowed(&self, config: &Config) -> bool {
        let is_open = config.issuer.is_some() && config.endpoint.is_none();
        formats(config).contains(&self.format) && (is_open || endpoints(config).contains(&self.endpoint))
    }

    /// The form of the request, as the status names it.
    pub fn format_name(&self, config: &Config) -> String {
        let is_json = config.request_format == Some(RequestFormat::Json);
        let name = match (self.format, self.method) {
            (GrantFormat::ClientCredentials, method) => {
                let method = method.unwrap_or(ClientAuthentication::Basic).name();
                return if is_json { format!("json_{method}") } else { method.to_owned() };
            }
            (GrantFormat::Password, _) if is_json => "json",
            (GrantFormat::Password, _) => "form",
            (GrantFormat::JsonEmail, _) => "json_email",
            (GrantFormat::JsonUsername, _) => "json_username",
            (GrantFormat::Custom, _) => "custom",
            (GrantFormat::Basic, _) => "basic",
        };
        name.to_owned()
    }

    /// The grant, as the request and the status name it.
    pub fn grant_name<'c>(&self, config: &'c Config) -> &'c str {
        let configured = config.grant_type.as_deref().filter(|_| self.format.is_grant());
        configured.unwrap_or(self.format.grant())
    }

    /// The other method by which the client may prove itself, unless the configuration names one.
    pub fn other_method(&self, config: &Config) -> Option<ClientAuthentication> {
        self.method.and_then(ClientAuthentication::other).filter(|_| config.client_authentication.is_none())
    }

    /// The request that asks this way.
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
            GrantFormat::Basic => login_basic::request(&self.endpoint, config),
        };
        if !self.format.is_grant() {
            draft.request.method = config.login.method.clone().unwrap_or(Method::POST);
            draft.request.media_type.clone_from(&config.login.content_type);
        }
        complete(draft, config)
    }

    /// The client, as this way authenticates it.
    fn client<'c>(&'c self, config: &'c Config) -> Option<Client<'c>> {
        let secret = config.credentials.client_secret.as_ref();
        let proof = match (config.client_method(self.method), secret) {
            (Some(ClientAuthentication::Basic), Some(secret)) => ClientCredential::Basic(secret),
            (Some(ClientAuthentication::BasicRaw), Some(secret)) => ClientCredential::BasicRaw(secret),
            (Some(ClientAuthentication::Post), Some(secret)) => ClientCredential::Post(secret),
            (Some(ClientAuthentication::PrivateKeyJwt), _) => ClientCredential::Assertion(&self.endpoint),
            _ => ClientCredential::Name,
        };
        Some(Client { id: config.credentials.client_id.as_deref()?, proof })
    }
}

/// The request with the configured headers. It already holds the parameters, whose values nothing may repeat.
fn complete(mut draft: UnsignedRequest, config: &Config) -> UnsignedRequest {
    draft.request.headers.extend(config.headers.iter().cloned());
    let values = config.parameters.iter().flat_map(|Parameter { values, .. }| values.iter().cloned());
    draft.hidden.extend(values);
    draft
}

/// The formats that a configuration allows, in the order in which they are tried.
fn formats(config: &Config) -> Vec<GrantFormat> {
    let client = vec![GrantFormat::ClientCredentials];
    let login = login_formats(config);
    let (has_client, has_login) = (config.has_client(), config.has_login());
    match config.grant {
        Some(GrantType::ClientCredentials) => client,
        Some(GrantType::Password) => vec![GrantFormat::Password],
        Some(GrantType::Login) => login,
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
    if config.login.credentials == LoginCredentials::Basic {
        return vec![GrantFormat::Basic];
    }
    // What an issuer publishes is a token endpoint, and no login of its own.
    if config.issuer.is_some() {
        return vec![GrantFormat::Password];
    }
    let email = config.credentials.email.is_some().then_some(GrantFormat::JsonEmail);
    // A configured method or media type is a login's, and not a token endpoint's.
    let is_other = config.login.method.is_some() || config.login.content_type.is_some();
    let form = (!is_other).then_some(GrantFormat::Password);
    email.into_iter().chain([GrantFormat::JsonUsername]).chain(form).collect()
}

/// The endpoints in the order in which they are tried. A credential goes to others than the configured one only where
/// that is a bare origin, or with `probe: true`.
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

/// `method` under its registered name.
mod method_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::config::ClientAuthentication;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
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
