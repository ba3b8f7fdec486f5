//! What `evertoken login` requests from the token server: its endpoints, a device code, and the tokens for a code.

use url::Url;

use super::issuer::ResolvedConfig;
use super::secrets::SecretReader;
use super::token_request::{TokenClient, TokenRequest};
use crate::config::{ClientAuthentication, Config};
use crate::error::{Error, Result};
use crate::grants::{ConsentClient, ConsentCode};
use crate::oauth::{
    self, ConsentEndpoints, DeviceAuthorization, Granted, ProofKey, Refusal, ResponseContext, UnsignedRequest,
};
use crate::transport::Response;

/// The variables that name the endpoints of a server without metadata.
const AUTHORIZATION_URL: &str = "OAUTH_AUTHORIZATION_URL";
const DEVICE_URL: &str = "OAUTH_DEVICE_URL";

/// The tokens for a code.
#[derive(Debug)]
pub struct ExchangedCode {
    /// The tokens.
    pub granted: Granted,
    /// Whether the access token is bound to a key that only this exchange had (RFC 9449 §5). The refresh token of a
    /// client with a credential is not.
    pub is_bound: bool,
}

/// The exchange of a user's consent for tokens. It holds and stores nothing.
pub struct CodeExchange<'s> {
    pub(super) client: &'s TokenClient,
    pub(super) resolved: &'s ResolvedConfig,
    pub(super) secrets: &'s SecretReader,
}

impl CodeExchange<'_> {
    /// The endpoints: those of the arguments, else those of the issuer's metadata.
    ///
    /// # Errors
    /// `Config` if the configuration is not that of an OAuth client, or if an endpoint is not allowed; the errors of the
    /// metadata and the network.
    pub async fn endpoints(
        &self,
        authorization: Option<&str>,
        device: Option<&str>,
    ) -> Result<ConsentEndpoints> {
        let config = &self.client.config;
        check(config)?;
        let authorization =
            authorization.map(|text| endpoint(config, AUTHORIZATION_URL, text)).transpose()?;
        let device = device.map(|text| endpoint(config, DEVICE_URL, text)).transpose()?;
        let metadata = self.resolved.metadata(&self.client.begin(None)).await?;
        let known = metadata.map(|metadata| metadata.consent).unwrap_or_default();
        Ok(ConsentEndpoints {
            authorization: authorization.or(known.authorization),
            device_authorization: device.or(known.device_authorization),
            sends_issuer: known.sends_issuer,
        })
    }

    /// Requests a device code at `url`, with additional `parameters`.
    ///
    /// # Errors
    /// Those of a token request.
    pub async fn authorize_device(
        &self,
        url: &str,
        scope: Option<&String>,
        parameters: &[(String, String)],
    ) -> Result<DeviceAuthorization> {
        let url = endpoint(&self.client.config, DEVICE_URL, url)?;
        let draft = |client: &ConsentClient<'_>| client.device_request(&url, scope, parameters);
        self.ask(&self.client.begin(None), scope, draft, DeviceAuthorization::read).await
    }

    /// Exchanges a code for tokens, once: a code is spent by its first use. `scope` is what the user was asked for.
    ///
    /// # Errors
    /// Those of a token request. The codes of RFC 8628 §3.5 are in the server's explanation.
    pub async fn exchange(&self, code: &ConsentCode, scope: Option<&String>) -> Result<ExchangedCode> {
        let config = &self.client.config;
        let proof_key = if config.dpop { Some(ProofKey::generate()?) } else { None };
        let request = self.client.begin(proof_key);
        let granted = self.ask(&request, scope, |client| code.request(client), oauth::read).await?;
        Ok(ExchangedCode { granted, is_bound: config.dpop })
    }

    /// Sends a request, and once more with the alternative client authentication method if the server refuses the client
    /// and no method is configured.
    async fn ask<T>(
        &self,
        request: &TokenRequest<'_>,
        scope: Option<&String>,
        draft: impl Fn(&ConsentClient<'_>) -> UnsignedRequest,
        read: impl Fn(&Response, &ResponseContext<'_>) -> Result<T, Refusal>,
    ) -> Result<T> {
        let resolved = self.resolved.resolve(request).await?;
        let secrets = self.secrets.begin(resolved).await?;
        let config = secrets.config();
        let request = request.with(config);
        let mut client = ConsentClient::new(config).ok_or_else(no_token_endpoint)?;
        let mut first: Option<Error> = None;
        loop {
            let unsigned = draft(&client);
            let (response, sent) = request.respond(&unsigned).await?;
            let context =
                ResponseContext { scope: scope.map(String::as_str), ..request.context(&unsigned, &sent) };
            let refusal = match read(&response, &context) {
                Ok(value) => return Ok(value),
                Err(refusal) => refusal,
            };
            let refuses_client = matches!(
                refusal,
                Refusal::InvalidClient(_) | Refusal::MissingClient(_) | Refusal::Unexplained(_)
            );
            let other = client.with_other_method().filter(|_| refuses_client && first.is_none());
            let error = refusal.into_error();
            match (other, first) {
                (Some(other), _) => (client, first) = (other, Some(error)),
                // A server that supports only one of the methods often says nothing about the other.
                (None, Some(first)) if error.server_error().is_none() => return Err(first),
                (None, _) => return Err(error),
            }
        }
    }
}

/// Whether a login is possible with this configuration.
fn check(config: &Config) -> Result<()> {
    if config.credentials.client_id.is_none() {
        return Err(Error::config("clientId", "is missing: a login needs it (OAUTH_CLIENT_ID)"));
    }
    let endpoint = config.endpoint.as_ref().filter(|url| url.path() != "/" || url.query().is_some());
    if config.issuer.is_none() && endpoint.is_none() {
        return Err(no_token_endpoint());
    }
    let is_public =
        !config.has_client() || config.client_authentication == Some(ClientAuthentication::Public);
    if config.dpop && is_public {
        let message = "cannot be combined with a login of a public client: the server binds its refresh token to a key \
                       that the login does not keep";
        return Err(Error::config("dpop", message));
    }
    Ok(())
}

fn no_token_endpoint() -> Error {
    Error::config(
        "authUrl",
        "must be the URL of the token endpoint: set it (EXTERNAL_AUTH_URL), or set issuer (OAUTH_ISSUER)",
    )
}

/// An endpoint that is not from the metadata.
fn endpoint(config: &Config, variable: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text).ok().filter(|url| config.may_be_asked(url) && url.fragment().is_none());
    url.ok_or_else(|| Error::config(variable, "must be an https URL without a fragment (#…)"))
}
