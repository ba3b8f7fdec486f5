//! Origins that the token may be sent to.

use url::Url;

/// An entry of `allowedOrigins`: `https://api.example.com`, or `https://*.example.com` for all subdomains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OriginPattern {
    scheme: String,
    /// Starts with a dot if it matches all subdomains.
    host: String,
    port: Option<u16>,
}

impl OriginPattern {
    /// Parses an origin. `None` if the text is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(is_origin)?;
        let host = url.host_str()?;
        let below = host.strip_prefix('*');
        let is_wide = |suffix: &str| !suffix.starts_with('.') || !suffix[1..].contains('.');
        if host[1..].contains('*') || below.is_some_and(is_wide) {
            return None;
        }
        let host = below.unwrap_or(host).to_owned();
        Some(Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default() })
    }

    /// Whether the URL has this origin.
    pub(super) fn matches(&self, url: &Url) -> bool {
        let is_host = url.host_str().is_some_and(|host| match self.host.strip_prefix('.') {
            Some(_) => host.len() > self.host.len() && host.ends_with(&self.host),
            None => host == self.host,
        });
        is_host && url.scheme() == self.scheme && url.port_or_known_default() == self.port
    }
}

fn is_origin(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_only_subdomains() {
        let pattern = OriginPattern::parse("https://*.example.com").unwrap();
        let matches = |url: &str| pattern.matches(&Url::parse(url).unwrap());
        for url in ["https://a.example.com", "https://a.b.EXAMPLE.com/x", "https://a.example.com:443/"] {
            assert!(matches(url), "{url}");
        }
        for url in [
            "https://example.com",
            "https://.example.com",
            "https://aexample.com",
            "https://a.example.com.",
            "https://a.example.com.evil.example",
            "http://a.example.com",
            "https://a.example.com:8443",
        ] {
            assert!(!matches(url), "{url}");
        }
    }

    #[test]
    fn an_invalid_or_too_broad_pattern_is_rejected() {
        for text in [
            "https://*",
            "https://*.com",
            "https://a.*.com",
            "https://*a.example.com",
            "https://*.*.example.com",
            "*.example.com",
            "https://*.example.com/x",
            "ftp://*.example.com",
        ] {
            assert_eq!(OriginPattern::parse(text), None, "{text}");
        }
    }
}
