//! Makes a server's text safe to show: printable, short, and without secrets.

mod decode;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use self::decode::decodings;
use crate::domain::Secret;

/// Replaces what was removed.
const REMOVED: &str = "[removed]";

/// The longest text that is shown, in characters.
const MAX_SHOWN: usize = 300;

/// How much of a text is read, in bytes. Much more than is shown.
const MAX_READ: usize = 16 * 1024;

/// Shorter secrets occur in almost any sentence.
const MIN_SECRET: usize = 4;

/// A run of letters and digits of at least this length is treated as a token.
const MIN_TOKEN: usize = 24;

/// How many layers of encoding are undone.
const MAX_DEPTH: usize = 2;

/// The URL's origin and path, for messages: credentials and the query may contain secrets.
pub fn display_url(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

/// The secrets to remove from texts, in every form in which a server may repeat them.
pub struct Redaction {
    /// In lower case, the longest first.
    forms: Vec<Zeroizing<String>>,
}

impl Redaction {
    /// Removes these secrets and, if a secret is a header's value (`Basic …`), its credentials alone.
    pub fn of<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut forms: Vec<_> = secrets.into_iter().flat_map(|secret| forms(secret.expose())).collect();
        forms.retain(|form| form.chars().count() >= MIN_SECRET);
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    /// The text in a form that is safe to show, or `None` if nothing is left of it.
    pub fn clean(&self, text: &str) -> Option<String> {
        let text = Zeroizing::new(printable(text));
        let text = self.without_secrets(beginning(&text));
        let text = self.without_encoded_secrets(&text);
        let text = without_tokens(&without_named_values(&text));
        let is_long = text.chars().count() > MAX_SHOWN;
        let short: String = text.chars().take(if is_long { MAX_SHOWN - 1 } else { MAX_SHOWN }).collect();
        let shown = if is_long { format!("{}…", short.trim_end()) } else { short };
        (!shown.is_empty()).then_some(shown)
    }

    /// Whether a text contains a secret in any encoding.
    pub fn finds(&self, text: &str) -> bool {
        self.is_in(text, MAX_DEPTH)
    }

    fn is_in(&self, text: &str, depth: usize) -> bool {
        let line = Zeroizing::new(printable(text));
        let ascii = Zeroizing::new(line.to_ascii_lowercase());
        let unicode = Zeroizing::new(if line.is_ascii() { String::new() } else { line.to_lowercase() });
        let contains = |form: &str| {
            ascii.contains(form) || (!unicode.is_empty() && unicode.contains(form.to_lowercase().as_str()))
        };
        self.forms.iter().any(|form| contains(form))
            || (depth > 0 && decodings(text).iter().any(|decoded| self.is_in(decoded, depth - 1)))
    }

    /// Removes the words whose decoded content is a secret, alone or with a name.
    fn without_encoded_secrets(&self, text: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(' ') {
            if word.len() < MIN_SECRET || !self.finds(word) {
                words.push(word.to_owned());
                continue;
            }
            let mut cleaned = word.to_owned();
            for part in word.split(is_delimiter).filter(|part| !part.is_empty() && self.finds(part)) {
                cleaned = cleaned.replace(part, REMOVED);
            }
            words.push(if self.finds(&cleaned) { REMOVED.to_owned() } else { cleaned });
        }
        words.join(" ")
    }

    /// Ignores case, because some servers capitalize everything.
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

/// A secret in plain form and as encoded in URLs, forms, JSON, HTML, `Basic` headers and hex dumps.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let word = secret.split_once(' ').map_or("", |(_, word)| word);
    let plain = [secret, word].into_iter().filter(|text| !text.is_empty());
    plain.flat_map(encodings).map(|form| Zeroizing::new(printable(&form).to_ascii_lowercase())).collect()
}

fn encodings(text: &str) -> Vec<Zeroizing<String>> {
    let form: String = byte_serialize(text.as_bytes()).collect();
    let component = form.replace('+', "%20");
    let script = utf8_percent_encode(text, PLAIN_IN_SCRIPTS).to_string();
    let twice = [&form, &component, &script].map(|once| once.replace('%', "%25"));
    let json = Value::from(text).to_string();
    let json = json.trim_matches('"').to_owned();
    let bases = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(text));
    let hex: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let hex = ["", " ", ":", "-"].map(|between| hex.join(between));
    let entities = ["&#39;", "&#039;", "&#x27;", "&apos;", "'"].map(|quote| with_entities(text, quote));
    let each = |write: fn(char) -> String| text.chars().map(write).collect::<String>();
    let written = [
        each(|c| format!("&#{};", u32::from(c))),
        each(|c| format!("&#x{:x};", u32::from(c))),
        text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat(),
        each(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }),
    ];
    let all = [text.to_owned(), form, component, script, json].into_iter();
    let all = all.chain(twice).chain(bases).chain(hex).chain(entities).chain(written);
    all.map(Zeroizing::new).collect()
}

/// What `encodeURIComponent` does not encode.
const PLAIN_IN_SCRIPTS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

fn with_entities(text: &str, quote: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    text.replace('\'', quote)
}

/// Delimits a value in a sentence.
fn is_delimiter(c: char) -> bool {
    matches!(c, '"' | '«' | '»' | '“' | '”' | '„' | '<' | '>' | ',' | '[' | ']' | '{' | '}' | '|' | '?')
}

/// The text on one line, without control, format (bidirectional, zero-width), private-use and unassigned
/// characters.
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

/// Invisible characters of other categories: fillers and variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Removes values that the text calls a password, secret or token, unless they are ordinary words: a server
/// may repeat part of a secret, or the secret of another client.
fn without_named_values(text: &str) -> String {
    let mut is_named = false;
    let mut cleaned = Vec::new();
    for word in text.split(' ') {
        let (name, value) = word.split_once(['=', ':']).unwrap_or(("", word));
        let is_value = !value.is_empty() && (names_a_secret(name) || (is_named && name.is_empty()));
        cleaned.push(match (is_value && is_not_a_word(value), name) {
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

/// The part of a text that is read. It ends after a whole word, because half a secret would not be found.
fn beginning(text: &str) -> &str {
    if text.len() <= MAX_READ {
        return text;
    }
    let end = (0..=MAX_READ).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text[..end].rsplit_once(' ').map_or("", |(whole, _)| whole)
}

/// Whether it contains more than letters and ordinary punctuation.
fn is_not_a_word(value: &str) -> bool {
    let inner = value.trim_matches(|c: char| c.is_ascii_punctuation());
    value != REMOVED
        && inner.chars().any(|c| !c.is_alphabetic() && !matches!(c, '-' | '_' | '\'' | '’' | '/' | '.'))
}

/// Removes JWTs and long runs of Base64: a server may repeat a token that this process does not know.
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

/// Whether a run is long and does not consist of words, unlike `invalid_username_or_password`, a path, or the
/// name of an exception.
fn looks_like_a_token(run: &str) -> bool {
    run.len() >= MIN_TOKEN && !run.split(|c: char| !c.is_ascii_alphanumeric()).all(is_word)
}

/// Whether it is a word (all capitals, or few of them, as in `camelCase`) or a short number.
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
mod tests;
