//! Makes a text of a server fit to be shown: printable, short, and without what is secret.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
};
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::domain::Secret;

/// What stands where something was taken out.
const REMOVED: &str = "[removed]";

/// The longest text that is shown, in characters.
const LONGEST: usize = 300;

/// What of a text is read, in bytes: much more than is shown.
const LONGEST_READ: usize = 16 * 1024;

/// Shorter secrets are found in every sentence.
const SHORTEST_SECRET: usize = 4;

/// From here on a run of letters and digits is taken for a token.
const SHORTEST_TOKEN: usize = 24;

/// The secrets that a text must not hold, in every form in which a server may repeat them.
pub struct Redaction {
    /// In lower case, the longest first.
    forms: Vec<Zeroizing<String>>,
}

impl Redaction {
    /// Of these secrets, and of the words that they are made of where they are headers (`Basic …`).
    pub fn of<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut forms: Vec<_> = secrets.into_iter().flat_map(|secret| forms(secret.expose())).collect();
        forms.retain(|form| form.chars().count() >= SHORTEST_SECRET);
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    /// The text as it may be shown; nothing where nothing is left of it.
    pub fn clean(&self, text: &str) -> Option<String> {
        let text = Zeroizing::new(printable(text));
        let text = self.without_secrets(beginning(&text));
        let text = self.without_encoded_secrets(&text);
        let text = without_tokens(&without_named_values(&text));
        let is_long = text.chars().count() > LONGEST;
        let short: String = text.chars().take(if is_long { LONGEST - 1 } else { LONGEST }).collect();
        let shown = if is_long { format!("{}…", short.trim_end()) } else { short };
        (!shown.is_empty()).then_some(shown)
    }

    /// Whether a secret is in a text, in whichever encoding.
    pub fn finds(&self, text: &str) -> bool {
        self.is_in(text, DEEPEST)
    }

    fn is_in(&self, text: &str, depth: usize) -> bool {
        let shown = Zeroizing::new(printable(text));
        let plain = Zeroizing::new(shown.to_ascii_lowercase());
        let small = Zeroizing::new(if shown.is_ascii() { String::new() } else { shown.to_lowercase() });
        let is_said = |form: &str| {
            plain.contains(form) || (!small.is_empty() && small.contains(form.to_lowercase().as_str()))
        };
        self.forms.iter().any(|form| is_said(form))
            || (depth > 0 && decodings(text).iter().any(|decoded| self.is_in(decoded, depth - 1)))
    }

    /// Word by word: without those of which a secret, or a name and a secret together, are the content.
    fn without_encoded_secrets(&self, text: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(' ') {
            if word.len() < SHORTEST_SECRET || !self.finds(word) {
                words.push(word.to_owned());
                continue;
            }
            let mut cleaned = word.to_owned();
            for part in word.split(is_around).filter(|part| !part.is_empty() && self.finds(part)) {
                cleaned = cleaned.replace(part, REMOVED);
            }
            words.push(if self.finds(&cleaned) { REMOVED.to_owned() } else { cleaned });
        }
        words.join(" ")
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

/// A secret as it is, and in the encodings of URLs, forms, JSON, HTML, `Basic` and dumps.
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

/// What `encodeURIComponent` leaves as it is.
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

/// How often a text may be encoded.
const DEEPEST: usize = 2;

/// Shorter runs of Base64 or hex digits hold no secret.
const SHORTEST_RUN: usize = 8;

/// What a text may be the encoding of: percent-encoding in UTF-8 and Latin-1, entities, escapes, and each run of
/// Base64 or hex digits in it.
fn decodings(text: &str) -> Vec<Zeroizing<String>> {
    let mut all = Vec::new();
    if text.contains('%') {
        for text in [text.to_owned(), text.replace('+', " ")] {
            let bytes = Zeroizing::new(percent_decode_str(&text).collect::<Vec<u8>>());
            all.extend(decode_bytes(&bytes));
        }
    }
    if text.contains('&') {
        all.push(without_entities(text));
    }
    if !text.is_ascii()
        && let Some(bytes) = text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>()
    {
        // UTF-8 that was read as Latin-1.
        all.extend(decode_bytes(&Zeroizing::new(bytes)).into_iter().take(1));
    }
    if text.contains('\\') {
        all.push(without_escapes(text));
    }
    let bases = runs(text, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_'));
    // A path is made of what Base64 is made of, too.
    for run in bases.flat_map(|run| std::iter::once(run).chain(run.split(['/', '-', '_']))) {
        let standard = run.replace('-', "+").replace('_', "/");
        let whole = &standard[..standard.len() - usize::from(standard.len() % 4 == 1)];
        if let Ok(bytes) = LENIENT.decode(whole) {
            all.extend(decode_bytes(&Zeroizing::new(bytes)));
        }
    }
    for run in runs(text, |c| c.is_ascii_hexdigit()) {
        let pairs = |from: usize| (from..run.len().saturating_sub(1)).step_by(2);
        for start in [0, 1] {
            let bytes = pairs(start).filter_map(|at| u8::from_str_radix(run.get(at..at + 2)?, 16).ok());
            all.extend(decode_bytes(&Zeroizing::new(bytes.collect::<Vec<u8>>())));
        }
    }
    all
}

/// Base64 without padding, whatever the last bits are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn runs(text: &str, is_part: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !is_part(c)).filter(|run| run.len() >= SHORTEST_RUN)
}

/// Bytes as UTF-8 and as Latin-1.
fn decode_bytes(bytes: &[u8]) -> [Zeroizing<String>; 2] {
    let latin1: String = bytes.iter().copied().map(char::from).collect();
    [String::from_utf8_lossy(bytes).into_owned(), latin1].map(Zeroizing::new)
}

fn without_entities(text: &str) -> Zeroizing<String> {
    let mut kept = Zeroizing::new(String::new());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        kept.push_str(before);
        let known = from.find(';').and_then(|end| Some((entity(&from[1..end])?, end + 1)));
        let (c, length) = known.unwrap_or(('&', 1));
        kept.push(c);
        rest = &from[length..];
    }
    kept.push_str(rest);
    kept
}

fn entity(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#');
    let number = digits.and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    });
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32),
    }
}

/// The text without `\uXXXX`, `\xXX`, and backslashes before other characters.
fn without_escapes(text: &str) -> Zeroizing<String> {
    let mut units = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let escaped = [("\\u", 4), ("\\x", 2)].into_iter().find_map(|(start, digits)| {
            let code = rest.strip_prefix(start)?.get(..digits)?;
            Some((u16::from_str_radix(code, 16).ok()?, start.len() + digits))
        });
        if let Some((unit, length)) = escaped {
            units.push(unit);
            rest = &rest[length..];
        } else if let Some(escaped) = rest.strip_prefix('\\').and_then(|after| after.chars().next()) {
            units.extend(escaped.encode_utf16(&mut [0; 2]).iter());
            rest = &rest[1 + escaped.len_utf8()..];
        } else {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            rest = &rest[c.len_utf8()..];
        }
    }
    Zeroizing::new(String::from_utf16_lossy(&units))
}

/// What stands around a value in a sentence.
fn is_around(c: char) -> bool {
    matches!(c, '"' | '«' | '»' | '“' | '”' | '„' | '<' | '>' | ',' | '[' | ']' | '{' | '}' | '|' | '?')
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

/// The part of a text that is read. It ends with a whole word, as half a secret would not be found.
fn beginning(text: &str) -> &str {
    if text.len() <= LONGEST_READ {
        return text;
    }
    let end = (0..=LONGEST_READ).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text[..end].rsplit_once(' ').map_or("", |(whole, _)| whole)
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
mod tests;
