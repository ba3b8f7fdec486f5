//! The refresh grant, [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6), and what login
//! endpoints have instead.

use serde_json::Map;
use url::Url;

use super::{GrantRequest, complete};
use crate::config::{Config, RefreshFormat, RequestFormat};
use crate::domain::Secret;
use crate::oauth::{self, Form, UnsignedRequest};
use crate::transport::Body;

/// Where and how a refresh token is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRequest {
    /// The address.
    pub url: Url,
    format: RefreshBody,
}

/// How a refresh token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RefreshBody {
    /// The grant of RFC 6749 §6.
    Grant(RequestFormat),
    /// JSON, under the name the token came by.
    Json,
    /// `Authorization: Bearer <refresh token>`.
    Bearer,
}

impl RefreshRequest {
    /// The way that fits how the refresh token was obtained: as a grant at the token endpoint, at `refreshUrl`
    /// as JSON, unless `refreshFormat` says otherwise. A login endpoint without `refreshUrl` has none.
    pub fn of(strategy: &GrantRequest, config: &Config) -> Option<Self> {
        let has_token_endpoint = strategy.format.is_grant();
        let grant = RefreshBody::Grant(config.request_format.unwrap_or_default());
        let (url, usual) = match &config.refresh.url {
            Some(url) if has_token_endpoint && *url == strategy.endpoint => (url, grant),
            Some(url) => (url, RefreshBody::Json),
            None if has_token_endpoint => (&strategy.endpoint, grant),
            None => return None,
        };
        let format = match config.refresh.format {
            Some(RefreshFormat::Form) => RefreshBody::Grant(RequestFormat::Form),
            Some(RefreshFormat::Json) => RefreshBody::Json,
            Some(RefreshFormat::Bearer) => RefreshBody::Bearer,
            None => usual,
        };
        Some(Self { url: url.clone(), format })
    }

    /// The request that spends `refresh_token`.
    pub fn request(
        &self,
        strategy: &GrantRequest,
        refresh_token: &Secret,
        config: &Config,
    ) -> UnsignedRequest {
        let parameters = &config.parameters;
        let mut draft = match self.format {
            RefreshBody::Grant(format) => Form::grant(&self.url, "refresh_token")
                .field("refresh_token", refresh_token.expose())
                .parameters(parameters)
                .client(strategy.client(config).as_ref())
                .with_format(format)
                .into_request(),
            RefreshBody::Json => {
                let configured = config.login.refresh_token_field.as_ref();
                let name =
                    configured.or(strategy.refresh_name.as_ref()).map_or("refresh_token", String::as_str);
                let body = Map::from_iter([(name.to_owned(), refresh_token.expose().into())]);
                oauth::json(&self.url, body, parameters)
            }
            RefreshBody::Bearer => Form::new(&self.url)
                .parameters(parameters)
                .with_format(usual_format(strategy, config))
                .into_bearer_refresh(refresh_token),
        };
        if !strategy.format.is_grant() && matches!(draft.request.body, Body::Json(_)) {
            draft.request.media_type.clone_from(&config.login.content_type);
        }
        draft.is_refresh = true;
        draft.hidden.push(refresh_token.clone());
        complete(draft, config)
    }

    /// What a person is told when no refresh token was ever taken this way; the server's refusal comes after.
    pub fn first_use_hint(&self) -> String {
        let place = format!("{}{}", self.url.origin().ascii_serialization(), self.url.path());
        let sent = self.format_name();
        let others: Vec<_> = ["'form'", "'json'", "'bearer'"]
            .into_iter()
            .filter(|name| name.trim_matches('\'') != sent)
            .collect();
        let others = others.join(" or ");
        format!(
            "the refresh token was refused at its first use: this server most likely takes it at another address \
             or in another form. It was sent as {sent} to {place}; set refreshUrl to the address that takes it, \
             or refreshFormat to {others}. The refusal"
        )
    }

    /// How, as `refreshFormat` names it; a grant in JSON has no name there.
    fn format_name(&self) -> &'static str {
        match self.format {
            RefreshBody::Grant(RequestFormat::Form) => "form",
            RefreshBody::Grant(RequestFormat::Json) => "a grant in JSON",
            RefreshBody::Json => "json",
            RefreshBody::Bearer => "bearer",
        }
    }
}

/// How the other requests are written that go where the refresh token comes from.
fn usual_format(strategy: &GrantRequest, config: &Config) -> RequestFormat {
    match (strategy.format.is_grant(), config.login.form) {
        (true, _) => config.request_format.unwrap_or_default(),
        (false, true) => RequestFormat::Form,
        (false, false) => RequestFormat::Json,
    }
}
