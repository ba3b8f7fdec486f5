//! Warnings that are logged once, and again only when they change.

use crate::config::Config;
use crate::domain::{AnswerFields, Generation, Timestamp};
use crate::error::Error;
use crate::oauth::FieldError;

/// What was logged already.
#[derive(Debug, Default)]
pub(super) struct LoggedWarnings {
    record: Option<Error>,
    is_unbound_logged: bool,
    is_scope_logged: bool,
    expiry: Option<String>,
    fields: Option<String>,
    is_rotation_logged: bool,
    /// Whether someone has to consent, and when the consent ended, at the last look.
    consent: (bool, Option<Timestamp>),
    /// The token whose refresh point was announced.
    expiring: Option<Generation>,
}

impl LoggedWarnings {
    /// Whether this warning about the stored record is a new one.
    pub(super) fn is_new_about_record(&mut self, warning: &Error) -> bool {
        self.record.replace(warning.clone()).as_ref() != Some(warning)
    }

    /// The warning that the server does not bind tokens to the key that `dpop` proves; the first time.
    pub(super) fn unbound(&mut self) -> Option<&'static str> {
        let is_logged = std::mem::replace(&mut self.is_unbound_logged, true);
        (!is_logged).then_some(
            "the token server ignores dpop: it issued a Bearer token, which is sent without proofs",
        )
    }

    /// The warning that the server withholds these words of `scope`; the first time.
    pub(super) fn withheld_scopes(&mut self, scopes: &[String]) -> Option<String> {
        let is_logged = scopes.is_empty() || std::mem::replace(&mut self.is_scope_logged, true);
        (!is_logged).then(|| {
            format!("the token server did not grant every scope in `scope`: it left out {}", scopes.join(" "))
        })
    }

    /// The warning about an expiry, unless it was the last one.
    pub(super) fn expiry<'w>(&mut self, warning: &'w str) -> Option<&'w str> {
        let is_logged = self.expiry.replace(warning.to_owned()).as_deref() == Some(warning);
        (!is_logged).then_some(warning)
    }

    /// The warning that no response had some of the configured `fields`, unless it was the last one.
    pub(super) fn missing_fields(
        &mut self,
        fields: &AnswerFields,
        errors: &[(String, FieldError)],
    ) -> Option<String> {
        let reason = |name: &str| errors.iter().find(|(faulty, _)| faulty == name);
        let missing: Vec<_> = fields
            .missing()
            .map(|name| match reason(name) {
                Some((_, error)) => format!("{name} {}", error.as_str()),
                None => format!("{name} is missing"),
            })
            .collect();
        if missing.is_empty() {
            return None;
        }
        let warning = format!(
            "the token response does not contain every name in `fields`: {}. Correct `fields`",
            missing.join(", ")
        );
        let is_logged = self.fields.replace(warning.clone()).as_ref() == Some(&warning);
        (!is_logged).then_some(warning)
    }

    /// The warning that a restart loses the refresh token that the server issued last; the first time.
    pub(super) fn lost_by_restart(&mut self) -> Option<&'static str> {
        let is_logged = std::mem::replace(&mut self.is_rotation_logged, true);
        (!is_logged).then_some(
            "the server issues a new refresh token with each refresh, and a restart loses it, because storage is memory: \
             someone would have to consent again. Set storage to a file or a database",
        )
    }

    /// Whether it is new whether someone has to consent, or when the consent ended.
    pub(super) fn is_new_consent(&mut self, is_missing: bool, ended_at: Option<Timestamp>) -> bool {
        std::mem::replace(&mut self.consent, (is_missing, ended_at)) != (is_missing, ended_at)
    }

    /// Whether the refresh point of this token is still to be announced.
    pub(super) fn is_new_expiring(&mut self, generation: Generation) -> bool {
        self.expiring.replace(generation) != Some(generation)
    }
}

/// The warning that credentials cross the network in clear text, naming the host.
pub(super) fn clear_text(config: &Config) -> Option<String> {
    let issuer = config.issuer.as_ref().map(|issuer| &issuer.url);
    let urls = [config.endpoint.as_ref(), issuer, config.refresh.url.as_ref()];
    let url = urls.into_iter().flatten().find(|url| url.scheme() == "http")?;
    let host = url.host_str().unwrap_or_default();
    Some(format!("credentials are sent to {host} over http, in clear text: use https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_logged_once_and_again_when_it_changes() {
        let mut warnings = LoggedWarnings::default();
        assert!(warnings.expiry("a").is_some());
        assert!(warnings.expiry("a").is_none());
        assert!(warnings.expiry("b").is_some());
        assert!(warnings.unbound().is_some());
        assert!(warnings.unbound().is_none());
        assert!(warnings.withheld_scopes(&[]).is_none());
        let scopes = ["write".to_owned(), "admin".to_owned()];
        assert!(warnings.withheld_scopes(&scopes).unwrap().contains("write admin"));
        assert!(warnings.withheld_scopes(&scopes).is_none());
    }

    #[test]
    fn the_refresh_point_of_each_token_is_announced_once() {
        let mut warnings = LoggedWarnings::default();
        assert!(warnings.is_new_expiring(Generation(1)));
        assert!(!warnings.is_new_expiring(Generation(1)));
        assert!(warnings.is_new_expiring(Generation(2)));
    }
}
