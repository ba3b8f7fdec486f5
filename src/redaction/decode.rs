//! The encodings in which a server may repeat a secret, undone.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// Shorter runs of Base64 or hex digits are not decoded.
const MIN_RUN: usize = 8;

/// Every text that `text` may be an encoding of: percent-encoding in UTF-8 and Latin-1, HTML entities,
/// backslash escapes, and each run of Base64 or hex digits in it.
pub(super) fn decodings(text: &str) -> Vec<Zeroizing<String>> {
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
        // UTF-8 that was decoded as Latin-1.
        all.extend(decode_bytes(&Zeroizing::new(bytes)).into_iter().take(1));
    }
    if text.contains('\\') {
        all.push(without_escapes(text));
    }
    let bases = runs(text, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_'));
    // A path consists of Base64 characters, too.
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

/// Base64 with optional padding and arbitrary trailing bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn runs(text: &str, is_part: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !is_part(c)).filter(|run| run.len() >= MIN_RUN)
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
