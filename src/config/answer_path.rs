//! Where something stands in the answer of a login.

use reqwest::header::HeaderName;

/// What `login.tokenPath` and its siblings lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerPath {
    /// `$`: the whole answer, a JSON string or plain text.
    Whole,
    /// `data.access_token`, `0.token`: a member of the answer, or of a list in it.
    Member(Vec<String>),
    /// `header:NAME`, in lower case.
    Header(String),
    /// `cookie:NAME`: the value of a cookie that the answer sets.
    Cookie(String),
}

impl AnswerPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, as the rest of a sentence that begins with the field.
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
                .ok_or("does not name a cookie after cookie:");
        }
        let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
        match () {
            () if segments[0] == "$" => Err("must not begin with `$.`: `$` alone is the whole answer"),
            () if segments.iter().any(|segment| segment.trim().is_empty()) => {
                Err("has an empty part: write the names with one dot between them, as in data.access_token")
            }
            () if text.contains(['[', ']']) => Err("has a bracket: write the index of a list as in 0.token"),
            () => Ok(Self::Member(segments)),
        }
    }

    /// The last name of the path, where it has one.
    pub fn last_name(&self) -> Option<&str> {
        match self {
            Self::Whole => None,
            Self::Member(segments) => segments.last().map(String::as_str),
            Self::Header(name) | Self::Cookie(name) => Some(name),
        }
    }
}

fn header(name: &str) -> Result<AnswerPath, &'static str> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(name) if name == "set-cookie" => Err("must name a cookie as cookie:NAME"),
        Ok(name) => Ok(AnswerPath::Header(name.as_str().to_owned())),
        Err(_) => Err("does not name a header after header:"),
    }
}

/// What follows `prefix`, in any case.
fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_path_is_read() {
        let member =
            |names: &[&str]| AnswerPath::Member(names.iter().map(|name| (*name).to_owned()).collect());
        for (text, path) in [
            ("$", AnswerPath::Whole),
            ("id", member(&["id"])),
            ("0.token", member(&["0", "token"])),
            ("data.access_token", member(&["data", "access_token"])),
            ("header:X-Subject-Token", AnswerPath::Header("x-subject-token".into())),
            ("Header: X-Auth-Token", AnswerPath::Header("x-auth-token".into())),
            ("cookie:token", AnswerPath::Cookie("token".into())),
            ("ns:token", member(&["ns:token"])),
        ] {
            assert_eq!(AnswerPath::parse(text), Ok(path), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
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
            assert!(AnswerPath::parse(text).is_err(), "{text}");
        }
    }
}
