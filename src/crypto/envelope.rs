//! The text form of a sealed secret: `et1.k.<key id>.<body>` under a configured key, `et1.p.<salt>.<body>` under one
//! that is derived from a passphrase. The body is the nonce and the ciphertext. All parts are base64url without
//! padding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::{KEY_ID_BYTES, KeyId};
use super::passphrase::{SALT_BYTES, Salt};
use crate::error::{Error, ErrorKind};

const VERSION: u32 = 1;

/// Which kind of key sealed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sealer {
    Key(KeyId),
    Passphrase(Salt),
}

impl Sealer {
    /// Everything before the body. It is authenticated together with the context.
    pub(super) fn header(&self) -> String {
        match self {
            Self::Key(id) => format!("et{VERSION}.k.{}.", URL_SAFE_NO_PAD.encode(id)),
            Self::Passphrase(salt) => format!("et{VERSION}.p.{}.", URL_SAFE_NO_PAD.encode(salt)),
        }
    }
}

/// A parsed envelope.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) sealer: Sealer,
    pub(super) body: Vec<u8>,
}

/// Why a text is not an envelope that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvelopeError {
    #[error("the stored record is not in the encrypted format of evertoken, or it is damaged")]
    NotAnEnvelope,
    #[error(
        "the stored record was encrypted by another version of evertoken (format {0}): use the same version in every process"
    )]
    OtherVersion(u32),
}

impl Envelope {
    pub(super) fn parse(text: &str) -> Result<Self, EnvelopeError> {
        let rest = text.strip_prefix("et").ok_or(EnvelopeError::NotAnEnvelope)?;
        let (version, rest) = rest.split_once('.').ok_or(EnvelopeError::NotAnEnvelope)?;
        match version.parse::<u32>() {
            // Rust parses a number with a sign or a leading zero, but an envelope has only one spelling.
            Ok(number) if number.to_string() != version => return Err(EnvelopeError::NotAnEnvelope),
            Ok(VERSION) => {}
            Ok(other) => return Err(EnvelopeError::OtherVersion(other)),
            Err(_) => return Err(EnvelopeError::NotAnEnvelope),
        }
        let mut parts = rest.split('.');
        let (Some(kind), Some(hint), Some(body), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(EnvelopeError::NotAnEnvelope);
        };
        let hint = decode(hint)?;
        let sealer = match kind {
            "k" => Sealer::Key(to_array::<KEY_ID_BYTES>(&hint)?),
            "p" => Sealer::Passphrase(to_array::<SALT_BYTES>(&hint)?),
            _ => return Err(EnvelopeError::NotAnEnvelope),
        };
        Ok(Self { sealer, body: decode(body)? })
    }
}

impl From<EnvelopeError> for Error {
    fn from(error: EnvelopeError) -> Self {
        let kind = match error {
            EnvelopeError::NotAnEnvelope => ErrorKind::Decrypt,
            // A replica with that release can use it, so it must not be replaced.
            EnvelopeError::OtherVersion(_) => ErrorKind::Storage,
        };
        Self::new(kind, error.to_string())
    }
}

fn decode(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| EnvelopeError::NotAnEnvelope)
}

fn to_array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], EnvelopeError> {
    bytes.try_into().map_err(|_| EnvelopeError::NotAnEnvelope)
}

/// Whether a stored text is an envelope: of this or another version, whole or damaged.
///
/// Any other text may be a plain token, and be sent. Damage to one character must not turn an envelope into such a
/// token, so one deviation from `et<digit>.<letter>.` is accepted.
pub fn is_envelope(text: &str) -> bool {
    let tail = text.trim_start().as_bytes();
    let is_of_other_version = tail.strip_prefix(b"et").is_some_and(|rest| {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        digits > 0 && rest.get(digits) == Some(&b'.')
    });
    let marks: [fn(u8) -> bool; 6] = [
        |b| b == b'e',
        |b| b == b't',
        |b| b.is_ascii_digit(),
        |b| b == b'.',
        |b| b == b'k' || b == b'p',
        |b| b == b'.',
    ];
    let fitting = |marks: &[fn(u8) -> bool]| marks.iter().zip(tail).filter(|(fits, b)| fits(**b)).count();
    // If white space has replaced the first character, it was trimmed.
    let has_lost_the_first = fitting(&marks[1..]) == marks.len() - 1;
    is_of_other_version || fitting(&marks) + 1 >= marks.len() || has_lost_the_first
}
