//! Where a value is in the response of a login.

use reqwest::header::HeaderName;

/// The value of `login.tokenPath` and similar fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponsePath {
    /// `$`: the whole response, a JSON string or plain text.
    Whole,
    /// `data.access_token`, `0.token`: a member of the response, or an item of an array in it.
    Member(Vec<String>),
    /// `header:NAME`, in lower case.
    Header(String),
    /// `cookie:NAME`: the value of a cookie that the response sets.
    Cookie(String),
}

impl ResponsePath {
    /// Parses a path.
    ///
    /// # Errors
    /// What is wrong with it, to follow the field's name in a message.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text == "$" {
            return Ok(Self::Whole);
        }
        if let Some(name) = after(text, "header:") {
            return header(name);
        }
        if let Some(name) = after(text, "cookie:") {
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"=;,\"".contains(&b));
            return is_name
                .then(|| Self::Cookie(name.to_owned()))
                .ok_or("must have a cookie name after cookie:");
        }
        let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
        match () {
            () if segments[0] == "$" => Err("must not start with $.: $ alone means the whole response"),
            () if segments.iter().any(|segment| segment.trim().is_empty()) => {
                Err("has an empty part: separate the names with single dots, as in data.access_token")
            }
            () if text.contains(['[', ']']) => {
                Err("contains a bracket: write an array index as a name, as in 0.token")
            }
            () => Ok(Self::Member(segments)),
        }
    }

    /// The last name of the path, if it has one.
    pub fn last_name(&self) -> Option<&str> {
        match self {
            Self::Whole => None,
            Self::Member(segments) => segments.last().map(String::as_str),
            Self::Header(name) | Self::Cookie(name) => Some(name),
        }
    }
}

fn header(name: &str) -> Result<ResponsePath, &'static str> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) if name == "set-cookie" => {
            Err("must not be header:Set-Cookie: use cookie:NAME for a cookie")
        }
        Ok(name) => Ok(ResponsePath::Header(name.as_str().to_owned())),
        Err(_) => Err("must have a valid header name after header:"),
    }
}

/// The text after `prefix`, ignoring case.
fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_path_is_parsed() {
        let member =
            |names: &[&str]| ResponsePath::Member(names.iter().map(|name| (*name).to_owned()).collect());
        for (text, path) in [
            ("$", ResponsePath::Whole),
            ("id", member(&["id"])),
            ("0.token", member(&["0", "token"])),
            ("data.access_token", member(&["data", "access_token"])),
            ("header:X-Subject-Token", ResponsePath::Header("x-subject-token".into())),
            ("Header: X-Auth-Token", ResponsePath::Header("x-auth-token".into())),
            ("cookie:token", ResponsePath::Cookie("token".into())),
            ("ns:token", member(&["ns:token"])),
        ] {
            assert_eq!(ResponsePath::parse(text), Ok(path), "{text}");
        }
    }

    #[test]
    fn an_invalid_path_is_rejected() {
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a.",
            "$.a",
            "a[0].b",
            "header:",
            "header:a b",
            "header:set-cookie",
            "cookie:",
            "cookie:a=b",
        ] {
            assert!(ResponsePath::parse(text).is_err(), "{text}");
        }
    }
}
