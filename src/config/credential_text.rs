//! Finds what copying, editors and shells leave in a credential: line breaks, invisible characters, quotation
//! marks.

/// The result of inspecting a credential.
pub(super) struct Inspection {
    /// Its length without trailing line breaks, in bytes.
    pub(super) len: usize,
    /// Each follows the credential's name in a message. None of them contains the value.
    pub(super) warnings: Vec<String>,
}

/// Which characters a credential may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// Any: user names and passwords.
    Any,
    /// Visible ASCII and spaces: `VSCHAR` of RFC 6749, appendix A.
    Visible,
    /// Visible ASCII, for tokens: surrounding whitespace is dropped, and other characters are an error.
    Token,
}

pub(super) fn inspect(text: &str, charset: Charset) -> Inspection {
    let bare = text.trim_end_matches(['\n', '\r']);
    let mut warnings = Vec::new();
    if bare.len() < text.len() {
        warnings.push("ended with a line break, which evertoken removed".to_owned());
    }
    let sent = if charset == Charset::Token { bare.trim_ascii() } else { bare };
    if let Some(warning) = describe_suspicious(sent, charset) {
        warnings.push(format!(
            "{warning}. evertoken sends it unchanged: check the value for unintended characters"
        ));
    }
    Inspection { len: bare.len(), warnings }
}

/// What in a text is probably a mistake. The result follows the text's name in a message.
pub(super) fn describe_suspicious(text: &str, charset: Charset) -> Option<String> {
    let found = [check_start(text), check_end(text), check_quotes(text), check_inside(text, charset)];
    let found: Vec<_> = found.into_iter().flatten().collect();
    (!found.is_empty()).then(|| found.join(" and "))
}

fn check_start(text: &str) -> Option<String> {
    let first = text.chars().next().filter(|c| is_suspicious(*c))?;
    Some(format!("starts with {}", describe(first)))
}

fn check_end(text: &str) -> Option<String> {
    let last = text.chars().next_back().filter(|c| is_suspicious(*c))?;
    Some(format!("ends with {}", describe(last)))
}

fn check_quotes(text: &str) -> Option<String> {
    const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    let inner = |(open, close)| text.strip_prefix(open)?.strip_suffix(close);
    QUOTES.into_iter().find_map(inner).map(|_| "is enclosed in quotes".to_owned())
}

/// Looks between the start and the end, where a space is an ordinary character.
fn check_inside(text: &str, charset: Charset) -> Option<String> {
    let middle = text.trim_matches(is_suspicious);
    if let Some(found) = middle.chars().find(|c| *c != ' ' && is_suspicious(*c)) {
        return Some(format!("contains {}", describe(found)));
    }
    let is_foreign = charset == Charset::Visible && !middle.is_ascii();
    is_foreign.then(|| "contains a non-ASCII character, which RFC 6749 does not allow here".to_owned())
}

/// Whether the character is invisible or looks like a space.
fn is_suspicious(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_invisible(c)
}

/// The format characters (Unicode's `Cf`) and fillers that occur in text from web pages and editors.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn describe(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\n' | '\r' => "a line break".to_owned(),
        '\u{a0}' | '\u{202f}' => format!("a non-breaking space (U+{:04X})", u32::from(c)),
        '\u{feff}' => "a byte order mark (U+FEFF)".to_owned(),
        other if other.is_whitespace() => format!("an unusual space (U+{:04X})", u32::from(other)),
        other if other.is_control() => format!("a control character (U+{:04X})", u32::from(other)),
        other => format!("an invisible character (U+{:04X})", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(text: &str) -> String {
        inspect(text, Charset::Visible).warnings.join("; ")
    }

    #[test]
    fn trailing_line_breaks_are_removed_with_a_warning() {
        for text in ["s3cret\n", "s3cret\r\n", "s3cret\r", "s3cret\n\n"] {
            let inspected = inspect(text, Charset::Visible);
            assert_eq!(&text[..inspected.len], "s3cret");
            assert_eq!(inspected.warnings, ["ended with a line break, which evertoken removed"]);
        }
    }

    #[test]
    fn an_invisible_character_is_named_in_a_warning_and_kept() {
        for (text, expected) in [
            ("s3cret ", "ends with a space"),
            (" s3cret", "starts with a space"),
            ("s3cret\t", "ends with a tab"),
            ("s3cret \n", "ends with a space"),
            ("\ns3cret", "starts with a line break"),
            ("s3\rcret", "contains a line break"),
            ("\u{feff}s3cret", "starts with a byte order mark (U+FEFF)"),
            ("s3cret\u{200b}", "ends with an invisible character (U+200B)"),
            ("s3\u{200d}cret", "contains an invisible character (U+200D)"),
            ("s3\u{ad}cret", "contains an invisible character (U+00AD)"),
            ("s3\u{a0}cret", "contains a non-breaking space (U+00A0)"),
            ("s3cret\u{3000}", "ends with an unusual space (U+3000)"),
            ("s3\u{1b}cret", "contains a control character (U+001B)"),
            ("\"s3cret\"", "is enclosed in quotes"),
            ("'s3cret'", "is enclosed in quotes"),
            ("“s3cret”", "is enclosed in quotes"),
            ("s3crét", "contains a non-ASCII character"),
        ] {
            let warnings = warnings(text);
            assert!(warnings.contains(expected), "{text:?}: {warnings}");
            assert_eq!(inspect(text, Charset::Visible).len, text.trim_end_matches('\n').len());
            assert!(!warnings.contains("s3"), "{warnings}");
        }
    }

    #[test]
    fn several_findings_are_one_warning() {
        assert!(
            warnings("\u{feff}\"s3\u{200b}cret\" ").starts_with(
                "starts with a byte order mark (U+FEFF) and ends with a space and contains an invisible character \
                 (U+200B). evertoken sends it unchanged"
            ),
            "{}",
            warnings("\u{feff}\"s3\u{200b}cret\" ")
        );
    }

    #[test]
    fn whitespace_around_a_token_causes_no_warning() {
        assert!(inspect(" abc\t", Charset::Token).warnings.is_empty());
        assert_eq!(inspect(" \"abc\" \n", Charset::Token).warnings.len(), 2);
    }

    #[test]
    fn an_ordinary_credential_causes_no_warning() {
        for text in
            ["s3cret", "correct horse battery staple", "\"", "'", "it's", "a\"b", "pa$$word", "\"a", "=="]
        {
            assert_eq!(warnings(text), "", "{text:?}");
        }
        for text in ["pässwörd", "пароль", "密码", "🔑"] {
            assert!(inspect(text, Charset::Any).warnings.is_empty(), "{text}");
            assert_eq!(inspect(text, Charset::Visible).warnings.len(), 1, "{text}");
        }
    }
}
