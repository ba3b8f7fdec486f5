//! A token, and what is received with it.

use super::{Lifetime, Secret};

/// No server accepts a header that is nearly as long.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Why a text is not an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing is left once the token type and the surrounding white space are removed.
    #[error("the token is empty")]
    Empty,
    /// It contains a space, a control character or a character outside ASCII (RFC 6749 appendix A.12).
    #[error(
        "the token contains a space, a control character or a non-ASCII character, which a header cannot contain"
    )]
    NotVisibleAscii,
    /// It is longer than 64 KiB.
    #[error("the token is longer than 64 KiB")]
    TooLong,
    /// It is a programming language's word for nothing, such as `undefined`.
    #[error("the token is a placeholder, such as \"undefined\" or \"null\"")]
    Placeholder,
}

/// A token that can be sent in a header: one or more visible ASCII characters
/// ([RFC 6749 appendix A.12](https://www.rfc-editor.org/rfc/rfc6749#appendix-A.12)).
#[derive(Clone, Debug)]
pub struct AccessToken(Secret);

impl AccessToken {
    /// Reads a token. White space around it is removed, and so is a token type before it (`Bearer abc`, in any case),
    /// which servers and users sometimes add.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        // ASCII only: a header cannot carry any other white space.
        let text = text.trim_ascii();
        let bare = match text.split_once([' ', '\t']) {
            Some((word, rest)) if word.eq_ignore_ascii_case("bearer") => rest.trim_ascii_start(),
            None if text.eq_ignore_ascii_case("bearer") => "",
            _ => text,
        };
        if bare.is_empty() {
            return Err(TokenError::Empty);
        }
        if bare.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        if !bare.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::NotVisibleAscii);
        }
        if matches!(bare, "undefined" | "null" | "None" | "NaN" | "[object") {
            return Err(TokenError::Placeholder);
        }
        Ok(Self(Secret::new(bare)))
    }

    /// Reads a token, and the token type before it if tokens of that type are sent as they are (`JWT abc`).
    pub fn parse_with_type(text: &str) -> Result<(Self, Option<TokenType>), TokenError> {
        let named = text.trim_ascii_start().split_once([' ', '\t']);
        match named.and_then(|(word, rest)| Some((TokenType::bearer_like(word)?, rest))) {
            Some((scheme, rest)) => Ok((Self::parse(rest)?, Some(scheme))),
            None => Ok((Self::parse(text)?, None)),
        }
    }

    /// The token as a secret.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// The token type, which precedes the token in the `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenType(String);

impl TokenType {
    /// `Bearer` ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
    pub fn bearer() -> Self {
        Self("Bearer".into())
    }

    /// `DPoP` ([RFC 9449 §7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    pub fn dpop() -> Self {
        Self("DPoP".into())
    }

    /// Whether the token is bound to a key, and useless without a proof.
    pub fn is_dpop(&self) -> bool {
        self.0.eq_ignore_ascii_case("DPoP")
    }

    /// A token type whose tokens are sent as they are: that of RFC 6750, and those of two frameworks. The case is
    /// ignored; the result is spelled as servers expect it.
    pub fn bearer_like(word: &str) -> Option<Self> {
        ["Bearer", "Token", "JWT", "DPoP"]
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(word))
            .map(|known| Self(known.to_owned()))
    }

    /// Reads a token type as users configure it: one token of RFC 9110 §5.6.2.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// The word in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Counts the tokens that a service has obtained: the greater of two is the later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u32);

impl Generation {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a token endpoint returned ([RFC 6749 §5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// The token to send. `None` if only a refresh token was handed in.
    pub access_token: Option<AccessToken>,
    /// The token type.
    pub scheme: TokenType,
    /// The refresh token, if the server issued one.
    pub refresh_token: Option<Secret>,
    /// From its issue to its expiry.
    pub lifetime: Lifetime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_before_the_token_is_dropped() {
        for text in ["abc", "Bearer abc", "bearer   abc", " abc\n"] {
            assert_eq!(AccessToken::parse(text).unwrap().secret().expose(), "abc", "{text:?}");
        }
    }

    #[test]
    fn nothing_that_no_header_may_carry_is_a_token() {
        for (text, fault) in [
            ("", TokenError::Empty),
            ("Bearer ", TokenError::Empty),
            ("bearer", TokenError::Empty),
            ("abc def", TokenError::NotVisibleAscii),
            ("abc\r\nX-Injected: 1", TokenError::NotVisibleAscii),
            ("abc\u{7f}", TokenError::NotVisibleAscii),
            ("abc\u{85}def", TokenError::NotVisibleAscii),
            ("a\0b", TokenError::NotVisibleAscii),
            ("ключ", TokenError::NotVisibleAscii),
            ("undefined", TokenError::Placeholder),
        ] {
            assert_eq!(AccessToken::parse(text).unwrap_err(), fault, "{text:?}");
        }
        assert_eq!(AccessToken::parse(&"a".repeat(65_537)).unwrap_err(), TokenError::TooLong);
        assert!(AccessToken::parse(&"a".repeat(65_536)).is_ok());
    }

    #[test]
    fn a_scheme_before_the_token_is_separated_from_it() {
        for (text, scheme) in [
            ("abc", None),
            ("JWT abc", Some("JWT")),
            ("token\tabc", Some("Token")),
            ("bearer abc", Some("Bearer")),
        ] {
            let (token, named) = AccessToken::parse_with_type(text).unwrap();
            assert_eq!(token.secret().expose(), "abc", "{text:?}");
            assert_eq!(named.as_ref().map(TokenType::as_str), scheme, "{text:?}");
        }
        for text in ["Basic abc", "JWT a b", "JWT Token abc", "JWT ", "one two", ""] {
            assert!(AccessToken::parse_with_type(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_scheme_is_one_word() {
        assert_eq!(TokenType::parse("Token").unwrap().as_str(), "Token");
        for bad in ["", "two words", "a:b", "ä"] {
            assert!(TokenType::parse(bad).is_none(), "{bad:?}");
        }
    }
}
