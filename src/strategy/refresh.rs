//! The refresh grant, [RFC 6749 §6](https://www.rfc-editor.org/rfc/rfc6749#section-6), and what login
//! endpoints have instead.

use serde_json::Map;
use url::Url;

use super::{Format, Strategy};
use crate::config::{Config, RefreshFormat};
use crate::domain::Secret;
use crate::oauth::{self, Draft, Form};

/// Where and how a refresh token is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshWay {
    /// The address.
    pub url: Url,
    format: RefreshFormat,
}

impl RefreshWay {
    /// The way that fits what the refresh token was had by: at the token endpoint as a form, at `refreshUrl`
    /// as JSON, unless `refreshFormat` says otherwise. A login endpoint without `refreshUrl` has none.
    pub fn of(strategy: &Strategy, config: &Config) -> Option<Self> {
        let has_token_endpoint = matches!(strategy.format, Format::ClientCredentials | Format::Password);
        let (url, usual) = match &config.refresh.url {
            Some(url) if has_token_endpoint && *url == strategy.endpoint => (url, RefreshFormat::Form),
            Some(url) => (url, RefreshFormat::Json),
            None if has_token_endpoint => (&strategy.endpoint, RefreshFormat::Form),
            None => return None,
        };
        Some(Self { url: url.clone(), format: config.refresh.format.unwrap_or(usual) })
    }

    /// The request that spends `refresh_token`.
    pub fn request(&self, strategy: &Strategy, refresh_token: &Secret, config: &Config) -> Draft {
        let mut draft = match self.format {
            RefreshFormat::Form => Form::grant(&self.url, "refresh_token")
                .field("refresh_token", refresh_token.expose())
                .client(strategy.client(config).as_ref())
                .into_draft(),
            RefreshFormat::Json => {
                let name = strategy.refresh_name.as_deref().unwrap_or("refresh_token");
                oauth::json(&self.url, Map::from_iter([(name.to_owned(), refresh_token.expose().into())]))
            }
            RefreshFormat::Bearer => oauth::bearer_refresh(&self.url, refresh_token),
        };
        draft.request.headers.extend(config.headers.iter().cloned());
        draft.is_refresh = true;
        draft.hidden.push(refresh_token.clone());
        draft
    }

    /// What a person is told when no refresh token was ever taken this way; the server's refusal comes after.
    pub fn refused_at_first_use(&self) -> String {
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

    /// How, as `refreshFormat` names it.
    fn format_name(&self) -> &'static str {
        match self.format {
            RefreshFormat::Form => "form",
            RefreshFormat::Json => "json",
            RefreshFormat::Bearer => "bearer",
        }
    }
}
