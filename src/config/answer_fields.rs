//! `fields` of the configuration: members of the token answer that are kept.

use super::AnswerPath;
use super::fields::ConfigFields;

const MOST: usize = 16;
const MAX_NAME_BYTES: usize = 200;

/// A member of the token answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerField {
    /// Its name in the configuration, and for whoever asks for it.
    pub name: String,
    /// Where it is in the answer.
    pub path: AnswerPath,
}

impl AnswerField {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let name = text.trim();
        if name.len() > MAX_NAME_BYTES {
            return Err("must not hold a name of more than 200 bytes");
        }
        // Taken for an object's prototype in JavaScript.
        if name == "__proto__" {
            return Err("must not hold __proto__");
        }
        match AnswerPath::parse(name) {
            Ok(AnswerPath::Whole) => Err("must not hold `$`: name the members to keep"),
            Ok(path) => Ok(Self { name: name.to_owned(), path }),
            Err(_) => Err(
                "must hold names of the token answer, such as instance_url, data.api_domain or header:NAME",
            ),
        }
    }
}

pub(super) fn read(f: &mut ConfigFields<'_>) -> Vec<AnswerField> {
    let texts = f.texts("fields");
    if texts.len() > MOST {
        f.error("fields", format!("must not hold more than {MOST} names"));
        return Vec::new();
    }
    let mut kept: Vec<AnswerField> = Vec::new();
    for text in texts {
        match AnswerField::parse(&text) {
            Ok(field) if kept.contains(&field) => f.error("fields", "must not hold a name twice"),
            Ok(field) => kept.push(field),
            Err(fault) => f.error("fields", fault),
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
            assert_eq!(AnswerField::parse(&format!(" {name} ")).unwrap().name, name);
        }
        for bad in ["$", "a..b", "a[0]", "__proto__", "header:a b", &"x".repeat(201)] {
            assert!(AnswerField::parse(bad).is_err(), "{bad}");
        }
    }
}
