//! The refresh grant, [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6), and its equivalents at
//! login endpoints.

use serde_json::Map;
use url::Url;

use super::{GrantRequest, complete};
use crate::config::{Config, RefreshFormat, RequestFormat};
use crate::domain::Secret;
use crate::oauth::{self, Form, UnsignedRequest};
use crate::redaction::display_url;
use crate::transport::Body;

/// Where and how to send a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRequest {
    /// The endpoint.
    pub url: Url,
    format: RefreshBody,
}

/// How a refresh token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RefreshBody {
    /// The grant of RFC 6749 §6.
    Grant(RequestFormat),
    /// JSON, with the name that the token has in the response.
    Json,
    /// `Authorization: Bearer <refresh token>`.
    Bearer,
}

impl RefreshRequest {
    /// By default, a token from a token endpoint is sent there as a grant, and a token is sent to
    /// `refreshUrl` as JSON; `refreshFormat` overrides the format. A login endpoint without `refreshUrl`
    /// cannot refresh.
    pub fn of(grant: &GrantRequest, config: &Config) -> Option<Self> {
        if grant.format.is_oauth_grant() {
            return Some(Self::at_token_endpoint(grant, config));
        }
        let url = config.refresh.url.as_ref()?;
        Some(Self::with_format(url, RefreshBody::Json, config))
    }

    fn at_token_endpoint(grant: &GrantRequest, config: &Config) -> Self {
        let as_grant = RefreshBody::Grant(config.request_format.unwrap_or_default());
        match &config.refresh.url {
            Some(url) if *url != grant.endpoint => Self::with_format(url, RefreshBody::Json, config),
            _ => Self::with_format(&grant.endpoint, as_grant, config),
        }
    }

    fn with_format(url: &Url, default: RefreshBody, config: &Config) -> Self {
        let format = match config.refresh.format {
            Some(RefreshFormat::Form) => RefreshBody::Grant(RequestFormat::Form),
            Some(RefreshFormat::Json) => RefreshBody::Json,
            Some(RefreshFormat::Bearer) => RefreshBody::Bearer,
            None => default,
        };
        Self { url: url.clone(), format }
    }

    /// Builds the request.
    pub fn request(&self, grant: &GrantRequest, refresh_token: &Secret, config: &Config) -> UnsignedRequest {
        let parameters = &config.parameters;
        let mut draft = match self.format {
            RefreshBody::Grant(format) => Form::grant(&self.url, "refresh_token")
                .field("refresh_token", refresh_token.expose())
                .parameters(parameters)
                .client(grant.client(config).as_ref())
                .with_format(format)
                .into_request(),
            RefreshBody::Json => {
                let configured = config.login.refresh_token_field.as_ref();
                let name = configured.or(grant.refresh_name.as_ref()).map_or("refresh_token", String::as_str);
                let body = Map::from_iter([(name.to_owned(), refresh_token.expose().into())]);
                oauth::json(&self.url, body, parameters)
            }
            RefreshBody::Bearer => Form::new(&self.url)
                .parameters(parameters)
                .with_format(default_format(grant, config))
                .into_bearer_refresh(refresh_token),
        };
        if !grant.format.is_oauth_grant() && matches!(draft.request.body, Body::Json(_)) {
            draft.request.media_type.clone_from(&config.login.content_type);
        }
        draft.is_refresh = true;
        draft.hidden.push(refresh_token.clone());
        complete(draft, config)
    }

    /// The advice if the server never accepted a refresh token in this way. The server's error follows it.
    pub fn first_use_hint(&self) -> String {
        let place = display_url(&self.url);
        let sent = self.format_name();
        let others: Vec<_> = ["'form'", "'json'", "'bearer'"]
            .into_iter()
            .filter(|name| name.trim_matches('\'') != sent)
            .collect();
        let others = others.join(" or ");
        format!(
            "the refresh token was refused. The server has not accepted one yet, so it probably expects it at another \
             URL or in another format. It was sent to {place} as {sent}: set refreshUrl to another URL, or \
             refreshFormat to {others}. The error"
        )
    }

    /// The format, as `refreshFormat` spells it. It has no value for a grant in JSON.
    fn format_name(&self) -> &'static str {
        match self.format {
            RefreshBody::Grant(RequestFormat::Form) => "form",
            RefreshBody::Grant(RequestFormat::Json) => "a grant in JSON",
            RefreshBody::Json => "json",
            RefreshBody::Bearer => "bearer",
        }
    }
}

/// The request that spends the configured refresh token.
pub(super) fn configured_token(grant: &GrantRequest, config: &Config) -> UnsignedRequest {
    let none = Secret::new("");
    let token = config.credentials.refresh_token.as_ref().unwrap_or(&none);
    RefreshRequest::at_token_endpoint(grant, config).request(grant, token, config)
}

/// The format of the request that obtained the refresh token.
fn default_format(grant: &GrantRequest, config: &Config) -> RequestFormat {
    match (grant.format.is_oauth_grant(), config.login.form) {
        (true, _) => config.request_format.unwrap_or_default(),
        (false, true) => RequestFormat::Form,
        (false, false) => RequestFormat::Json,
    }
}
