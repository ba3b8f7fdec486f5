//! `baseUrl`: a URL, or a template that the fields of a token response fill in.

use url::Url;

use super::clear_text::{NOT_SECURE, is_secure_enough};
use super::fields::ConfigFields;
use super::origin::OriginPattern;
use super::response_fields::ResponseField;
use crate::domain::{AnswerFields, Secret};
use crate::error::{Error, Result};

const FIELD: &str = "baseUrl";

/// The base URL for relative requests of `service.fetch`.
#[derive(Clone, Debug)]
pub enum BaseUrl {
    /// A fixed URL.
    Fixed(Url),
    /// A URL that depends on the token response.
    Template(UrlTemplate),
}

impl BaseUrl {
    /// The URL, if it is fixed.
    pub fn fixed(&self) -> Option<&Url> {
        match self {
            Self::Fixed(url) => Some(url),
            Self::Template(_) => None,
        }
    }
}

/// A URL that contains fields of the token response.
#[derive(Clone, Debug)]
pub struct UrlTemplate {
    pieces: Vec<Piece>,
    /// Whether the fields cannot change whose host it is.
    has_own_origin: bool,
    allowed: Vec<OriginPattern>,
    allow_insecure_http: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A field at the start of the template that contains a URL.
    Url(String),
    /// A field that is part of the host.
    Host(String),
    /// A field that is part of the path.
    Path(String),
}

impl Piece {
    fn field(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Url(name) | Self::Host(name) | Self::Path(name) => Some(name),
        }
    }
}

pub(super) fn read(
    f: &mut ConfigFields<'_>,
    kept: &[ResponseField],
    allowed_origins: Option<&[String]>,
    allow_insecure_http: bool,
) -> Option<BaseUrl> {
    let is_template = f.peek_text(FIELD).is_some_and(|text| text.contains(['{', '}']));
    if !is_template {
        return super::clear_text::endpoint(f, FIELD, allow_insecure_http).map(BaseUrl::Fixed);
    }
    let text = f.text(FIELD)?;
    let allowed = allowed_origins.unwrap_or_default().iter();
    let template = UrlTemplate::parse(text.trim()).map(|(pieces, has_own_origin)| UrlTemplate {
        pieces,
        has_own_origin,
        allowed: allowed.filter_map(|text| OriginPattern::parse(text)).collect(),
        allow_insecure_http,
    });
    match template.and_then(|template| template.check(kept).map(|()| template)) {
        Ok(template) => {
            if !template.has_own_origin && template.allowed.is_empty() {
                let message = "is missing: baseUrl takes its host from the token response, so list the origins that baseUrl \
                               may have, such as https://*.example.com";
                f.error("allowedOrigins", message);
            }
            Some(BaseUrl::Template(template))
        }
        Err(message) => {
            f.error(FIELD, message);
            None
        }
    }
}

impl UrlTemplate {
    fn parse(text: &str) -> Result<(Vec<Piece>, bool), String> {
        let mut pieces = Vec::new();
        let mut before = String::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("contains a { without a }")?;
            before.push_str(literal);
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal.to_owned()));
            }
            pieces.push(match before.split_once("://") {
                None if before.is_empty() => Piece::Url(name.to_owned()),
                None => return Err("must start with https:// or with a field that contains a URL".into()),
                Some((_, after_scheme)) if after_scheme.contains('/') => Piece::Path(name.to_owned()),
                Some(_) => Piece::Host(name.to_owned()),
            });
            // A field that contains a URL includes the host, so later fields are in the path.
            before.push_str(if before.is_empty() { "https://x/" } else { "x" });
            rest = after;
        }
        if rest.contains('}') {
            return Err("contains a } without a {".into());
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let has_own_origin = has_own_origin(&pieces);
        Ok((pieces, has_own_origin))
    }

    /// Errors that do not depend on the response.
    fn check(&self, kept: &[ResponseField]) -> Result<(), String> {
        for name in self.pieces.iter().filter_map(Piece::field) {
            if !kept.iter().any(|field| field.name == name) {
                return Err(format!("contains {{{name}}}, which is not in fields: add it to fields"));
            }
        }
        if self.pieces.get(1).is_some_and(|piece| {
            matches!(self.pieces[0], Piece::Url(_))
                && !matches!(piece, Piece::Text(text) if text.starts_with('/'))
        }) {
            return Err("must have a / after a field that contains a URL, before the path".into());
        }
        let sample: AnswerFields = self
            .pieces
            .iter()
            .filter_map(|piece| {
                let value = if matches!(piece, Piece::Url(_)) { "https://x.example" } else { "x" };
                Some((piece.field()?.to_owned(), Some(Secret::new(value))))
            })
            .collect();
        self.parse_url(&self.fill_in(&sample)?).map(drop)
    }

    /// Fills in the fields of a response.
    ///
    /// # Errors
    /// `Config`, which names the field of the response but not its value.
    pub fn resolve(&self, fields: &AnswerFields) -> Result<Url> {
        let text = self.fill_in(fields).map_err(|message| Error::config(FIELD, message))?;
        let names: Vec<_> = self.pieces.iter().filter_map(Piece::field).collect();
        let names = names.join(", ");
        let url = self.parse_url(&text).map_err(|message| {
            Error::config(FIELD, format!("{message}. Its value comes from {names} in the token response"))
        })?;
        if self.has_own_origin || self.allowed.iter().any(|pattern| pattern.matches(&url)) {
            return Ok(url);
        }
        let message = format!(
            "has an origin that is not in allowedOrigins. It comes from {names} in the token response: if the API is there, add the origin"
        );
        Err(Error::config(FIELD, message))
    }

    fn fill_in(&self, fields: &AnswerFields) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match (piece, piece.field().map(|name| value(fields, name)).transpose()?) {
                (Piece::Text(literal), _) => text.push_str(literal),
                (Piece::Url(_), Some(value)) if is_bare_url(value) => {
                    text.push_str(value.trim_end_matches('/'));
                }
                (Piece::Host(_), Some(value)) if is_host(value) => text.push_str(value),
                (Piece::Path(_), Some(value)) if is_segment(value) => text.push_str(value),
                (Piece::Url(name), _) => {
                    return Err(format!(
                        "needs a URL in the field {name}, without a user name, query or fragment"
                    ));
                }
                (Piece::Host(name), _) => return Err(format!("needs a host name in the field {name}")),
                (Piece::Path(name), _) => {
                    return Err(format!("allows only letters, digits and -._~ in the field {name}"));
                }
            }
        }
        Ok(text)
    }

    fn parse_url(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|error| format!("is not a valid URL: {error}"))?;
        match () {
            () if !matches!(url.scheme(), "http" | "https") => {
                Err("must start with https:// or http://".into())
            }
            () if !url.username().is_empty() || url.password().is_some() => {
                Err("must not contain a user name or password".into())
            }
            () if url.fragment().is_some() => Err("must not contain a fragment (#…)".into()),
            () if !is_secure_enough(&url, self.allow_insecure_http) => Err(NOT_SECURE.into()),
            () => Ok(url),
        }
    }
}

/// Whether the host ends with at least two labels of the template itself, or contains no field at all.
fn has_own_origin(pieces: &[Piece]) -> bool {
    let Some(last) = pieces.iter().rposition(|piece| matches!(piece, Piece::Host(_))) else {
        return !matches!(pieces.first(), Some(Piece::Url(_)));
    };
    let Some(Piece::Text(after)) = pieces.get(last + 1) else { return false };
    let host = after.split(['/', ':', '?']).next().unwrap_or_default();
    host.starts_with('.') && host.trim_matches('.').contains('.')
}

fn value<'f>(fields: &'f AnswerFields, name: &str) -> Result<&'f str, String> {
    let found = fields.values().find(|(known, _)| *known == name);
    found
        .map(|(_, value)| value.expose())
        .ok_or_else(|| format!("needs the field {name}, which is missing from the token response"))
}

fn is_bare_url(value: &str) -> bool {
    let is_plain = |url: &Url| {
        url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    // Rejects what a URL parser would drop or repair.
    value.bytes().all(|byte| byte.is_ascii_graphic() && !br"\@?#".contains(&byte))
        && Url::parse(value).is_ok_and(|url| url.has_host() && is_plain(&url))
}

fn is_host(value: &str) -> bool {
    value.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

fn is_segment(value: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !value.is_empty() && !matches!(value, "." | "..") && value.bytes().all(is_safe)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn template(base_url: &str, allowed: &[&str]) -> Result<UrlTemplate> {
        let mut config = json!({ "token": "x", "baseUrl": base_url, "fields": ["url", "d", "t"] });
        if !allowed.is_empty() {
            config["allowedOrigins"] = json!(allowed);
        }
        let Some(BaseUrl::Template(template)) = Config::from_json(config)?.base_url else {
            panic!("it is fixed")
        };
        Ok(template)
    }

    fn resolved(template: &UrlTemplate, name: &str, value: &str) -> Result<String> {
        let fields = [(name.to_owned(), Some(Secret::new(value)))].into_iter().collect();
        template.resolve(&fields).map(String::from)
    }

    #[test]
    fn a_field_is_a_url_a_part_of_the_host_or_a_part_of_the_path() {
        for (base_url, allowed, name, value, expected) in [
            ("{url}", "https://*.example.com", "url", "https://na1.example.com", "https://na1.example.com/"),
            (
                "{url}/v1/",
                "https://*.example.com",
                "url",
                "https://na1.example.com/",
                "https://na1.example.com/v1/",
            ),
            (
                "{url}/v1",
                "https://a.b.example.com",
                "url",
                "https://A.b.example.com/x",
                "https://a.b.example.com/x/v1",
            ),
            ("{url}", "http://127.0.0.1:8080", "url", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("https://{d}.example.com/api", "", "d", "eu", "https://eu.example.com/api"),
            ("https://{d}.example.com", "", "d", "a.b", "https://a.b.example.com/"),
            ("https://api.example.com/{t}/v1/", "", "t", "acme-1", "https://api.example.com/acme-1/v1/"),
            ("https://api.{d}", "https://api.example.org", "d", "example.org", "https://api.example.org/"),
        ] {
            let allowed: Vec<_> = Some(allowed).filter(|text| !text.is_empty()).into_iter().collect();
            let template = template(base_url, &allowed).unwrap();
            assert_eq!(resolved(&template, name, value).unwrap(), expected, "{base_url}");
        }
    }

    #[test]
    fn a_response_cannot_name_an_origin_that_is_not_allowed() {
        let named = template("{url}", &["https://*.example.com", "https://api.example.org:8443"]).unwrap();
        for value in [
            "https://evil.example",
            "https://example.com",
            "https://evilexample.com",
            "https://example.com.evil.example",
            "https://na1.example.com:8443",
            "http://na1.example.com",
            "https://na1.example.com@evil.example",
            "https://user:pass@na1.example.com",
            "https://na1.example.com?x=1",
            "https://na1.example.com#x",
            "https://evil.example\\.example.com",
            "https://evil.example/.example.com",
            "https://na1.example.com\n",
            "https://api.example.org",
            "//na1.example.com",
            "na1.example.com",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "",
        ] {
            let error = resolved(&named, "url", value).unwrap_err();
            assert_eq!(error.field(), Some("baseUrl"), "{value}");
            assert!(error.message().contains("url") && !error.message().contains("evil"), "{error}");
        }
        let host = template("https://{d}.example.com/", &[]).unwrap();
        for value in ["evil.example/", "evil.example#", "a@evil", "a:1", "", ".", "a..b", "a b", "%2f", "ä"]
        {
            assert!(resolved(&host, "d", value).is_err(), "{value}");
        }
        let path = template("https://api.example.com/{t}/x", &[]).unwrap();
        for value in ["..", ".", "", "a/b", "a?b", "a#b", "%2e%2e", "a b"] {
            assert!(resolved(&path, "t", value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_field_that_is_missing_from_the_response_is_named() {
        let error =
            template("https://{d}.example.com", &[]).unwrap().resolve(&AnswerFields::default()).unwrap_err();
        assert!(error.message().contains("the field d,") && error.field() == Some("baseUrl"), "{error}");
    }

    #[test]
    fn an_invalid_template_is_a_configuration_error() {
        for (base_url, field) in [
            ("{url}", "allowedOrigins"),
            ("https://{d}", "allowedOrigins"),
            ("https://{d}.com", "allowedOrigins"),
            ("https://api.{d}/v1", "allowedOrigins"),
            ("https://{d}example.com", "allowedOrigins"),
            ("https://{other}.example.com", "baseUrl"),
            ("https://{}.example.com", "baseUrl"),
            ("https://{d.example.com", "baseUrl"),
            ("https://d}.example.com", "baseUrl"),
            ("http://{d}.example.com", "baseUrl"),
            ("ftp://{d}.example.com", "baseUrl"),
            ("https://user@{d}.example.com", "baseUrl"),
            ("https://{d}.example.com/#x", "baseUrl"),
            ("api.{d}.example.com", "baseUrl"),
            ("{url}v1", "baseUrl"),
            ("{url}{t}", "baseUrl"),
        ] {
            assert_eq!(template(base_url, &[]).unwrap_err().field(), Some(field), "{base_url}");
        }
    }
}
