//! URLs over which a credential goes, and which of them may do without TLS.

use url::Url;

use super::fields::ConfigFields;
use super::is_private_host;
use super::origin::OriginPattern;

/// What is wrong with a URL over which a credential must not go.
pub(super) const NOT_SECURE: &str = "must begin with https://: a credential would cross the network in clear. http is for this machine and private \
     addresses, and elsewhere needs allowInsecureHttp";

/// A URL that credentials or tokens go to.
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

/// `allowedOrigins`: where the token may go.
pub(super) fn origins(f: &mut ConfigFields<'_>, allow_insecure_http: bool) -> Option<Vec<String>> {
    let is_set = f.has("allowedOrigins");
    let texts = f.texts("allowedOrigins");
    for text in &texts {
        match OriginPattern::parse(text).and_then(|_| Url::parse(text).ok()) {
            None => f.error(
                "allowedOrigins",
                "must be origins, such as https://api.example.com, or https://*.example.com for all below a name",
            ),
            Some(url) if !is_secure_enough(&url, allow_insecure_http) => {
                f.error("allowedOrigins", NOT_SECURE);
            }
            Some(_) => {}
        }
    }
    is_set.then_some(texts)
}

/// One warning for all places of the API to which the token goes in clear text.
pub(super) fn warning(base_url: Option<&Url>, allowed_origins: Option<&[String]>) -> Option<String> {
    let origins = allowed_origins.unwrap_or_default().iter().filter_map(|text| Url::parse(text).ok());
    let url = base_url.cloned().into_iter().chain(origins).find(|url| url.scheme() == "http")?;
    Some(format!("access tokens go to {} over http, in clear text", url.host_str().unwrap_or_default()))
}

pub(super) fn is_secure_enough(url: &Url, allow_insecure_http: bool) -> bool {
    url.scheme() != "http" || allow_insecure_http || is_private_host(url)
}
