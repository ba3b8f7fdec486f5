//! Makes a text of a server fit to be shown: printable, short, and without what is secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use serde_json::Value;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::domain::Secret;

/// What stands where something was taken out.
const REMOVED: &str = "[removed]";

/// The longest text that is shown, in characters.
const LONGEST: usize = 300;

/// Shorter secrets are found in every sentence.
const SHORTEST_SECRET: usize = 4;

/// From here on a run of letters and digits is taken for a token.
const SHORTEST_TOKEN: usize = 24;

/// The secrets that a text must not hold, in every form in which a server may repeat them.
pub(super) struct Redaction {
    /// In lower case, the longest first.
    forms: Vec<Zeroizing<String>>,
}

impl Redaction {
    /// Of these secrets, and of the words that they are made of where they are headers (`Basic …`).
    pub(super) fn of<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut forms: Vec<_> = secrets.into_iter().flat_map(|secret| forms(secret.expose())).collect();
        forms.retain(|form| form.chars().count() >= SHORTEST_SECRET);
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    /// The text as it may be shown; nothing where nothing is left of it.
    pub(super) fn clean(&self, text: &str) -> Option<String> {
        let text = Zeroizing::new(printable(text));
        let text = self.without_secrets(&text);
        let text = without_tokens(&without_named_values(&text));
        let is_long = text.chars().count() > LONGEST;
        let short: String = text.chars().take(if is_long { LONGEST - 1 } else { LONGEST }).collect();
        let shown = if is_long { format!("{}…", short.trim_end()) } else { short };
        (!shown.is_empty()).then_some(shown)
    }

    /// Compared without regard to case, as some servers write everything in capitals.
    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.forms {
            let lower = Zeroizing::new(text.to_ascii_lowercase());
            if !lower.contains(form.as_str()) {
                continue;
            }
            let (mut kept, mut from) = (String::new(), 0);
            for (at, found) in lower.match_indices(form.as_str()) {
                kept.push_str(&text[from..at]);
                kept.push_str(REMOVED);
                from = at + found.len();
            }
            kept.push_str(&text[from..]);
            text = kept;
        }
        text
    }
}

/// A secret as it is, and in the encodings of URLs, forms, JSON and `Basic`.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let word = secret.split_once(' ').map_or("", |(_, word)| word);
    let plain = [secret, word].into_iter().filter(|text| !text.is_empty());
    plain.flat_map(encodings).map(|form| Zeroizing::new(printable(&form).to_ascii_lowercase())).collect()
}

fn encodings(text: &str) -> Vec<Zeroizing<String>> {
    let form: String = byte_serialize(text.as_bytes()).collect();
    let component = form.replace('+', "%20");
    let json = Value::from(text).to_string();
    let json = json.trim_matches('"').to_owned();
    let bases = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(text));
    [text.to_owned(), form, component, json].into_iter().chain(bases).map(Zeroizing::new).collect()
}

/// The text in one line, without what is not seen or turns round what is: control and format characters (bidirectional
/// and zero-width ones among them), private and unassigned ones.
fn printable(text: &str) -> String {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let mut shown = String::new();
    for c in text.chars() {
        match categories.get(c) {
            _ if c.is_whitespace() => {
                if !shown.ends_with(' ') {
                    shown.push(' ');
                }
            }
            GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned => {}
            _ if is_invisible(c) => {}
            _ => shown.push(c),
        }
    }
    shown.trim().to_owned()
}

/// What is seen as nothing although its category is another: fillers and variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// The text without what is called a password, a secret or a token in it, and is no word: a server may repeat what it
/// was sent in part, or what another was.
fn without_named_values(text: &str) -> String {
    let mut is_named = false;
    let mut cleaned = Vec::new();
    for word in text.split(' ') {
        let (name, value) = word.split_once(['=', ':']).unwrap_or(("", word));
        let is_value = !value.is_empty() && (names_a_secret(name) || (is_named && name.is_empty()));
        cleaned.push(match (is_value && is_no_word(value), name) {
            (false, _) => word.to_owned(),
            (true, "") => REMOVED.to_owned(),
            (true, name) => format!("{name}{}{REMOVED}", &word[name.len()..=name.len()]),
        });
        is_named = names_a_secret(word);
    }
    cleaned.join(" ")
}

fn names_a_secret(word: &str) -> bool {
    const NAMES: [&str; 8] =
        ["password", "passwd", "pwd", "passphrase", "secret", "token", "apikey", "api_key"];
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_lowercase();
    NAMES.iter().any(|name| word.ends_with(name))
}

/// Whether there is more in it than letters and what stands around words in a sentence.
fn is_no_word(value: &str) -> bool {
    let inner = value.trim_matches(|c: char| c.is_ascii_punctuation());
    value != REMOVED
        && inner.chars().any(|c| !c.is_alphabetic() && !matches!(c, '-' | '_' | '\'' | '’' | '/' | '.'))
}

/// The text without JWTs and long runs of Base64: a server may repeat a token that this process does not know.
fn without_tokens(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c| !in_token(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        push_without_tokens(&mut kept, run);
        let other = after.find(in_token).unwrap_or(after.len());
        kept.push_str(&after[..other]);
        rest = &after[other..];
    }
    kept
}

fn push_without_tokens(kept: &mut String, run: &str) {
    if run.contains("eyJ") && run.contains('.') {
        kept.push_str(REMOVED);
        return;
    }
    for (index, part) in run.split('.').enumerate() {
        if index > 0 {
            kept.push('.');
        }
        kept.push_str(if looks_like_a_token(part) { REMOVED } else { part });
    }
}

fn in_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '/' | '=' | '~' | '%')
}

/// Whether a run is long and not made of words, as `invalid_username_or_password`, a path or the name of an exception
/// are.
fn looks_like_a_token(run: &str) -> bool {
    run.len() >= SHORTEST_TOKEN && !run.split(|c: char| !c.is_ascii_alphanumeric()).all(is_word)
}

/// Letters of one case, with capitals as words begin with, or a short number.
fn is_word(part: &str) -> bool {
    let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
    let capitals = part.bytes().filter(u8::is_ascii_uppercase).count();
    match (letters, part.len()) {
        (0, length) => length <= 4,
        (letters, length) if letters == length => capitals == letters || capitals * 3 <= letters,
        // A word with a number, such as `oauth2` or `v2`.
        (_, length) => {
            length <= 8
                && part
                    .trim_end_matches(|c: char| c.is_ascii_digit())
                    .bytes()
                    .all(|b| b.is_ascii_alphabetic())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        let secrets =
            ["p@ss \"word\"/ä", "hunter2", "Basic Y2xpZW50OnNlY3JldC12YWx1ZQ==", "abc"].map(Secret::new);
        Redaction::of(&secrets).clean(text).unwrap_or_default()
    }

    #[test]
    fn a_secret_is_removed_in_every_form_in_which_it_may_come_back() {
        for form in [
            "hunter2",
            "HUNTER2",
            "aHVudGVyMg==",
            "aHVudGVyMg",
            "p@ss \"word\"/ä",
            "p@ss  \"word\"/ä",
            "p@ss\n\"word\"/ä",
            "p@ss \\\"word\\\"/ä",
            "p%40ss+%22word%22%2F%C3%A4",
            "p%40ss%20%22word%22%2f%c3%a4",
            "hun\u{200b}ter2",
            "hun\u{7}ter2",
            "Basic Y2xpZW50OnNlY3JldC12YWx1ZQ==",
            "Y2xpZW50OnNlY3JldC12YWx1ZQ==",
        ] {
            let shown = clean(&format!("the value {form} is wrong"));
            assert_eq!(shown, "the value [removed] is wrong", "{form}");
        }
        assert_eq!(clean("the alphabet begins with abc"), "the alphabet begins with abc");
    }

    #[test]
    fn what_looks_like_a_token_is_removed() {
        for token in [
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln",
            "eyJhIjoxfQ.e30.",
            "2YotnFZFEjr1zCsicMWpAA2YotnFZF",
            "dXNlcjpwYXNzd29yZC1sb25nLWVub3VnaA==",
            "0123456789abcdef0123456789abcdef",
            "8f2b6d5e-1c3a-4b5d-9e7f-0a1b2c3d4e5f",
            "client_secret%3D0a1b2c3d4e5f6a7b8c9d",
        ] {
            assert_eq!(clean(&format!("the token {token} ended")), "the token [removed] ended");
        }
    }

    #[test]
    fn what_is_called_a_secret_and_is_no_word_is_removed() {
        for (text, shown) in [
            ("password Test@123 is wrong", "password [removed] is wrong"),
            ("the secret 'x1y2' has ended", "the secret [removed] has ended"),
            ("client_secret=x1y2 is wrong", "client_secret=[removed] is wrong"),
            ("Password:x1y2", "Password:[removed]"),
            ("password: x1y2", "password: [removed]"),
        ] {
            assert_eq!(clean(text), shown);
        }
        for text in [
            "The password is wrong.",
            "password must have 8 characters",
            "the client secret, expired. Error: E1",
            "invalid token; AADSTS7000222: it ended",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn words_paths_and_names_stay() {
        for text in [
            "AADSTS7000215: Invalid client secret provided. Ensure that the secret value is sent.",
            "incorrect_client_credentials_or_unknown_client",
            "ResourceServerNotFoundException at https://h/auth/realms/master/protocol/openid-connect/token",
            "see https://learn.example.com/en-us/azure/active-directory/develop/oauth2/v2/errors",
            "Der Schlüssel ist abgelaufen. 鍵が無効です。",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn a_text_is_one_printable_line() {
        assert_eq!(clean(" a\r\n2026-01-01 INFO forged\u{1b}[31m\t b "), "a 2026-01-01 INFO forged[31m b");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{feff}d\u{200d}e\u{e0041}f\u{2028}g\u{85}h"), "abcdef g h");
        assert_eq!(clean("a\u{ad}b\u{fe0f}c\u{3164}d\u{e000}e\u{ffff}"), "abcde");
        assert_eq!(clean("\r\n\u{200b}"), "");
    }

    #[test]
    fn a_text_is_no_longer_than_300_characters_and_never_ends_within_a_secret() {
        let long = clean(&"ä ".repeat(1000));
        assert!(long.chars().count() <= 300 && long.ends_with('…'), "{long}");
        let edge = clean(&format!("{}hunter2", "a ".repeat(148)));
        assert!(!edge.contains("hun"), "{edge}");
        assert_eq!(clean(&"a ".repeat(150)).chars().count(), 299);
    }
}
