//! URLs that receive credentials, and which of them may use http.

use url::Url;

use super::fields::ConfigFields;
use super::is_private_host;
use super::origin::OriginPattern;

/// What is wrong with a URL that a credential must not be sent to.
pub(super) const NOT_SECURE: &str = "must start with https://, because http sends credentials in clear text. Plain http is \
                                     allowed only for this machine and private addresses, unless \
                                     allowInsecureHttp is true";

/// A URL that credentials or tokens are sent to.
pub(super) fn endpoint(
    f: &mut ConfigFields<'_>,
    key: &'static str,
    allow_insecure_http: bool,
) -> Option<Url> {
    let url = f.url(key)?;
    if !is_secure_enough(&url, allow_insecure_http) {
        f.error(key, NOT_SECURE);
    }
    Some(url)
}

/// `allowedOrigins`: where the token may be sent.
pub(super) fn origins(f: &mut ConfigFields<'_>, allow_insecure_http: bool) -> Option<Vec<String>> {
    let is_set = f.has("allowedOrigins");
    let texts = f.texts("allowedOrigins");
    for text in &texts {
        match OriginPattern::parse(text).and_then(|_| Url::parse(text).ok()) {
            None => f.error(
                "allowedOrigins",
                "must contain origins such as https://api.example.com, or https://*.example.com for all subdomains",
            ),
            Some(url) if !is_secure_enough(&url, allow_insecure_http) => {
                f.error("allowedOrigins", NOT_SECURE);
            }
            Some(_) => {}
        }
    }
    is_set.then_some(texts)
}

/// One warning for all API origins that the token is sent to over http.
pub(super) fn warning(base_url: Option<&Url>, allowed_origins: Option<&[String]>) -> Option<String> {
    let origins = allowed_origins.unwrap_or_default().iter().filter_map(|text| Url::parse(text).ok());
    let url = base_url.cloned().into_iter().chain(origins).find(|url| url.scheme() == "http")?;
    Some(format!(
        "access tokens are sent to {} over unencrypted http: use https",
        url.host_str().unwrap_or_default()
    ))
}

pub(super) fn is_secure_enough(url: &Url, allow_insecure_http: bool) -> bool {
    url.scheme() != "http" || allow_insecure_http || is_private_host(url)
}
