//! A text that cannot print.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A token, password, key or anything that holds one.
///
/// It has no `Display`, no `Serialize` and no `==`; `Debug` prints a placeholder; its memory is zeroed
/// when it is dropped. [`Secret::expose`] is the one way out, and a test counts its uses.
///
/// ```
/// # use evertoken::domain::Secret;
/// let password = Secret::new("hunter2");
/// assert_eq!(format!("{password:?}"), "[secret]");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the text. The caller is responsible for its own copies.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for requests, headers and the sealed store only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether both hold the same text. For texts of one length, the time this takes tells nothing about them.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it contains a control character, such as a line end.
    pub fn has_control_characters(&self) -> bool {
        self.0.chars().any(char::is_control)
    }

    /// Whether it consists of visible ASCII characters and spaces (`VSCHAR` of RFC 6749, appendix A).
    pub fn is_visible_ascii(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        let nested = Some(vec![Secret::new("hunter2")]);
        assert_eq!(format!("{nested:?}"), "Some([[secret]])");
    }

    #[test]
    fn equal_texts_match_and_others_do_not() {
        let secret = Secret::new("abc");
        assert!(secret.matches(&Secret::new("abc")));
        assert!(!secret.matches(&Secret::new("abd")));
        assert!(!secret.matches(&Secret::new("abcd")));
    }
}
