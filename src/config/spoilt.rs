//! What copying, editors and shells leave in a credential: line ends, invisible characters, quotation marks.

/// What there is to say of a credential.
pub(super) struct Inspection {
    /// How long it is without the line ends at its end, in bytes.
    pub(super) len: usize,
    /// Each fits behind the credential's name; none of them tells the value.
    pub(super) remarks: Vec<String>,
}

/// Which characters the credential's own rules allow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Whatever people write: names and passwords.
    Any,
    /// Visible ASCII and the space: `VSCHAR` of RFC 6749, appendix A.
    Visible,
    /// A token, which is visible ASCII: white space around it is dropped, and what else does not fit is an error.
    Token,
}

pub(super) fn inspect(text: &str, alphabet: Alphabet) -> Inspection {
    let bare = text.trim_end_matches(['\n', '\r']);
    let mut remarks = Vec::new();
    if bare.len() < text.len() {
        remarks.push("ended with a line end, which is cut off".to_owned());
    }
    let sent = if alphabet == Alphabet::Token { bare.trim_ascii() } else { bare };
    if let Some(remark) = describe_fault(sent, alphabet) {
        remarks.push(format!("{remark}. It is sent as it is: check the value, character by character"));
    }
    Inspection { len: bare.len(), remarks }
}

/// What about a text was most likely not meant; it fits behind the text's name.
pub(super) fn describe_fault(text: &str, alphabet: Alphabet) -> Option<String> {
    let seen = [check_beginning(text), check_end(text), check_quotes(text), check_inside(text, alphabet)];
    let seen: Vec<_> = seen.into_iter().flatten().collect();
    (!seen.is_empty()).then(|| seen.join(" and "))
}

fn check_beginning(text: &str) -> Option<String> {
    let first = text.chars().next().filter(|c| is_spoilt(*c))?;
    Some(format!("begins with {}", name_of(first)))
}

fn check_end(text: &str) -> Option<String> {
    let last = text.chars().next_back().filter(|c| is_spoilt(*c))?;
    Some(format!("ends with {}", name_of(last)))
}

fn check_quotes(text: &str) -> Option<String> {
    const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    let inner = |(open, close)| text.strip_prefix(open)?.strip_suffix(close);
    QUOTES.into_iter().find_map(inner).map(|_| "is in quotes".to_owned())
}

/// What is neither at the beginning nor at the end; a space between words is an ordinary character.
fn check_inside(text: &str, alphabet: Alphabet) -> Option<String> {
    let middle = text.trim_matches(is_spoilt);
    if let Some(found) = middle.chars().find(|c| *c != ' ' && is_spoilt(*c)) {
        return Some(format!("contains {}", name_of(found)));
    }
    let is_foreign = alphabet == Alphabet::Visible && !middle.is_ascii();
    is_foreign.then(|| "contains a character outside ASCII, which RFC 6749 does not allow here".to_owned())
}

/// Whether nobody sees the character, or takes it for a space.
fn is_spoilt(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_invisible(c)
}

/// Of the format characters (Unicode's `Cf`) and fillers those that text from web pages and editors holds.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

fn name_of(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\n' | '\r' => "a line end".to_owned(),
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

    fn remarks(text: &str) -> String {
        inspect(text, Alphabet::Visible).remarks.join("; ")
    }

    #[test]
    fn line_ends_at_the_end_are_cut_and_told() {
        for text in ["s3cret\n", "s3cret\r\n", "s3cret\r", "s3cret\n\n"] {
            let inspected = inspect(text, Alphabet::Visible);
            assert_eq!(&text[..inspected.len], "s3cret");
            assert_eq!(inspected.remarks, ["ended with a line end, which is cut off"]);
        }
    }

    #[test]
    fn what_nobody_sees_is_told_by_its_name_and_stays() {
        for (text, told) in [
            ("s3cret ", "ends with a space"),
            (" s3cret", "begins with a space"),
            ("s3cret\t", "ends with a tab"),
            ("s3cret \n", "ends with a space"),
            ("\ns3cret", "begins with a line end"),
            ("s3\rcret", "contains a line end"),
            ("\u{feff}s3cret", "begins with a byte order mark (U+FEFF)"),
            ("s3cret\u{200b}", "ends with an invisible character (U+200B)"),
            ("s3\u{200d}cret", "contains an invisible character (U+200D)"),
            ("s3\u{ad}cret", "contains an invisible character (U+00AD)"),
            ("s3\u{a0}cret", "contains a non-breaking space (U+00A0)"),
            ("s3cret\u{3000}", "ends with an unusual space (U+3000)"),
            ("s3\u{1b}cret", "contains a control character (U+001B)"),
            ("\"s3cret\"", "is in quotes"),
            ("'s3cret'", "is in quotes"),
            ("“s3cret”", "is in quotes"),
            ("s3crét", "contains a character outside ASCII"),
        ] {
            let remarks = remarks(text);
            assert!(remarks.contains(told), "{text:?}: {remarks}");
            assert_eq!(inspect(text, Alphabet::Visible).len, text.trim_end_matches('\n').len());
            assert!(!remarks.contains("s3"), "{remarks}");
        }
    }

    #[test]
    fn several_are_told_in_one_remark() {
        assert!(
            remarks("\u{feff}\"s3\u{200b}cret\" ").starts_with(
                "begins with a byte order mark (U+FEFF) and ends with a space and contains an invisible character \
                 (U+200B). It is sent as it is"
            ),
            "{}",
            remarks("\u{feff}\"s3\u{200b}cret\" ")
        );
    }

    #[test]
    fn white_space_around_a_token_is_dropped_by_its_own_rules() {
        assert!(inspect(" abc\t", Alphabet::Token).remarks.is_empty());
        assert_eq!(inspect(" \"abc\" \n", Alphabet::Token).remarks.len(), 2);
    }

    #[test]
    fn an_ordinary_credential_is_not_remarked_upon() {
        for text in
            ["s3cret", "correct horse battery staple", "\"", "'", "it's", "a\"b", "pa$$word", "\"a", "=="]
        {
            assert_eq!(remarks(text), "", "{text:?}");
        }
        for text in ["pässwörd", "пароль", "密码", "🔑"] {
            assert!(inspect(text, Alphabet::Any).remarks.is_empty(), "{text}");
            assert_eq!(inspect(text, Alphabet::Visible).remarks.len(), 1, "{text}");
        }
    }
}
