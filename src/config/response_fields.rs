//! The `fields` option: members of the token response to keep.

use super::ResponsePath;
use super::fields::ConfigFields;

const MAX_FIELDS: usize = 16;
const MAX_NAME_BYTES: usize = 200;

/// A member of the token response to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseField {
    /// Its name, in the configuration and for callers.
    pub name: String,
    /// Where it is in the response.
    pub path: ResponsePath,
}

impl ResponseField {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let name = text.trim();
        if name.len() > MAX_NAME_BYTES {
            return Err("must not contain a name longer than 200 bytes");
        }
        // In JavaScript this would set an object's prototype.
        if name == "__proto__" {
            return Err("must not contain __proto__");
        }
        match ResponsePath::parse(name) {
            Ok(ResponsePath::Whole) => Err("must not contain $: list the members to keep"),
            Ok(path) => Ok(Self { name: name.to_owned(), path }),
            Err(_) => Err(
                "must contain names from the token response, such as instance_url, data.api_domain or header:NAME",
            ),
        }
    }
}

pub(super) fn read(f: &mut ConfigFields<'_>) -> Vec<ResponseField> {
    let texts = f.texts("fields");
    if texts.len() > MAX_FIELDS {
        f.error("fields", format!("must not contain more than {MAX_FIELDS} names"));
        return Vec::new();
    }
    let mut kept: Vec<ResponseField> = Vec::new();
    for text in texts {
        match ResponseField::parse(&text) {
            Ok(field) if kept.contains(&field) => f.error("fields", "must not contain the same name twice"),
            Ok(field) => kept.push(field),
            Err(message) => f.error("fields", message),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_name_a_path_or_a_header() {
        for name in ["instance_url", "data.api_domain", "0.url", "header:X-Api-Url", "cookie:region"] {
            assert_eq!(ResponseField::parse(&format!(" {name} ")).unwrap().name, name);
        }
        for bad in ["$", "a..b", "a[0]", "__proto__", "header:a b", &"x".repeat(201)] {
            assert!(ResponseField::parse(bad).is_err(), "{bad}");
        }
    }
}
