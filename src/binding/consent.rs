//! The exchange of a user's consent for tokens, as `evertoken login` calls it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::host::read;
use crate::domain::Secret;
use crate::error::Result;
use crate::grants::ConsentCode;
use crate::oauth::{Expiry, RefreshExpiry};
use crate::service::Service;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointsRequest {
    authorization_url: Option<String>,
    device_url: Option<String>,
}

/// The endpoints and the client.
pub(super) async fn endpoints(service: &Service, request: &str) -> Result<Value> {
    let EndpointsRequest { authorization_url, device_url } = read(request)?;
    let exchange = service.code_exchange();
    let endpoints = exchange.endpoints(authorization_url.as_deref(), device_url.as_deref()).await?;
    let config = service.config();
    Ok(json!({
        "authorization": endpoints.authorization,
        "deviceAuthorization": endpoints.device_authorization,
        "issuer": config.issuer.as_ref().map(|issuer| &issuer.text),
        "sendsIssuer": endpoints.sends_issuer,
        "clientId": config.credentials.client_id,
        "scope": config.scope,
        "audience": config.audience,
        "resource": config.resource,
    }))
}

#[derive(Deserialize)]
struct DeviceRequest {
    url: String,
    scope: Option<String>,
    parameters: Vec<(String, String)>,
}

/// A device code, and what the user needs.
pub(super) async fn authorize_device(service: &Service, request: &str) -> Result<Value> {
    let DeviceRequest { url, scope, parameters } = read(request)?;
    let device = service.code_exchange().authorize_device(&url, scope.as_ref(), &parameters).await?;
    Ok(json!({
        "deviceCode": device.device_code.expose(),
        "userCode": device.user_code,
        "verificationUri": device.verification_uri,
        "verificationUriComplete": device.verification_uri_complete,
        "expiresInSeconds": device.expires_in.map(|time| time.as_secs_f64()),
        "intervalSeconds": device.interval.as_secs_f64(),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExchangeRequest {
    #[serde(flatten)]
    code: CodeRequest,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", untagged)]
enum CodeRequest {
    #[serde(rename_all = "camelCase")]
    Authorization { code: String, redirect_uri: String, code_verifier: String },
    #[serde(rename_all = "camelCase")]
    Device { device_code: String },
}

/// The tokens for a code, as `adopt` takes them.
pub(super) async fn exchange(service: &Service, request: &str) -> Result<Value> {
    let ExchangeRequest { code, scope } = read(request)?;
    let code = match code {
        CodeRequest::Authorization { code, redirect_uri, code_verifier } => ConsentCode::Authorization {
            code: Secret::new(code),
            redirect_uri,
            code_verifier: Secret::new(code_verifier),
        },
        CodeRequest::Device { device_code } => ConsentCode::Device(Secret::new(device_code)),
    };
    let exchanged = service.code_exchange().exchange(&code, scope.as_ref()).await?;
    let granted = exchanged.granted;
    let refresh_token = granted.refresh_token.as_ref().map(Secret::expose);
    let has_access = !exchanged.is_bound;
    let expires_in = match granted.expiry {
        Expiry::In(time) if has_access => Some(time.as_secs_f64()),
        _ => None,
    };
    let refresh_expires_in = granted.refresh_expiry.map(|expiry| match expiry {
        RefreshExpiry::In(time) => time.as_secs_f64(),
        RefreshExpiry::Never => 0.0,
    });
    Ok(json!({
        "accessToken": has_access.then(|| granted.access_token.secret().expose()),
        "refreshToken": refresh_token,
        "tokenType": has_access.then(|| granted.scheme.as_str()),
        "expiresInSeconds": expires_in,
        "refreshTokenExpiresInSeconds": refresh_expires_in,
        "withheld": granted.withheld,
    }))
}
