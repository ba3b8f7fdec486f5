//! Origins that the token may go to, one by one or all below a name.

use url::Url;

/// An entry of `allowedOrigins`: `https://api.example.com`, or `https://*.example.com` for every name below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OriginPattern {
    scheme: String,
    /// With the dot before it, where it stands for all names that end in it.
    host: String,
    port: Option<u16>,
}

impl OriginPattern {
    /// Reads an origin; none where it is something else.
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

    /// Whether the URL is of this origin.
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
    fn a_pattern_stands_for_the_names_below_it_alone() {
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
    fn what_is_no_origin_or_too_wide_is_no_pattern() {
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
