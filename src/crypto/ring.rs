//! The keys of one service. The first seals, and all of them open.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::context::Context;
use super::envelope::{Envelope, Sealer};
use super::key::{Key, KeyId};
use super::passphrase::Passphrase;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};

/// A shorter passphrase can be guessed, however slow the derivation is.
const MIN_PASSPHRASE_CHARS: usize = 16;

/// One or more keys. It blocks: call it from [`runtime::blocking`](crate::runtime::blocking).
///
/// ```
/// # use evertoken::crypto::{Context, KeyRing, generate_key};
/// # use evertoken::domain::{Secret, ServiceName};
/// let ring = KeyRing::from_keys(vec![generate_key()?])?;
/// let context = Context::new(&ServiceName::default(), "token");
/// let sealed = ring.seal(&context, &Secret::new("a token"))?;
/// assert_eq!(ring.open(&context, &sealed)?.expose(), "a token");
/// # Ok::<(), evertoken::error::Error>(())
/// ```
pub struct KeyRing {
    first: RingKey,
    others: Vec<RingKey>,
}

enum RingKey {
    Key { id: KeyId, key: Key },
    Passphrase(Passphrase),
}

impl KeyRing {
    /// The key ring of `encryptionKey`: the first key seals, and all of them open.
    ///
    /// A text of 32 bytes in base64 or base64url, or of 64 hexadecimal digits, is the key itself. Any other text of
    /// at least 16 characters is a passphrase. White space around a key, such as the line end of a file, is ignored.
    ///
    /// # Errors
    /// `Config`, naming `encryptionKey`, if there is no key or one is too short.
    pub fn from_keys(keys: Vec<Secret>) -> Result<Self> {
        let mut members = keys.into_iter().map(|key| RingKey::parse(&key));
        let first = members.next().ok_or_else(|| Error::config("encryptionKey", "contains no key"))??;
        Ok(Self { first, others: members.collect::<Result<_>>()? })
    }

    /// The key ring of a service without `encryptionKey`: a copy of the store opens only with `credential`.
    pub fn from_credential(credential: Secret) -> Self {
        Self { first: RingKey::Passphrase(Passphrase::new(credential)), others: Vec::new() }
    }

    /// The same for a credential that is read only when a key is derived from it, such as one in a file.
    pub fn from_credential_source(credential: impl Fn() -> Result<Secret> + Send + Sync + 'static) -> Self {
        Self { first: RingKey::Passphrase(Passphrase::from_source(Box::new(credential))), others: Vec::new() }
    }

    /// Seals `plain` for `context`. The text differs each time.
    pub fn seal(&self, context: &Context, plain: &Secret) -> Result<String> {
        let sealer = match &self.first {
            RingKey::Key { id, .. } => Sealer::Key(*id),
            RingKey::Passphrase(passphrase) => Sealer::Passphrase(passphrase.keys()?.sealing_salt()?),
        };
        let mut text = sealer.header();
        let associated_data = context.associated_data(&text);
        let body = match (&self.first, &sealer) {
            (RingKey::Passphrase(passphrase), Sealer::Passphrase(salt)) => {
                passphrase.keys()?.with_key(salt, |key| key.seal(&associated_data, plain))??
            }
            (RingKey::Key { key, .. }, _) => key.seal(&associated_data, plain)?,
            (RingKey::Passphrase(_), Sealer::Key(_)) => {
                return Err(Error::new(ErrorKind::Internal, "a passphrase seals with a salt"));
            }
        };
        URL_SAFE_NO_PAD.encode_string(body, &mut text);
        Ok(text)
    }

    /// Opens a text that was sealed for the same context.
    ///
    /// # Errors
    /// `Decrypt` for a text that is not an envelope, and for one that no key opens: it was sealed with another key or
    /// for another context, or it is damaged. `Storage` for an envelope of another release. `Internal` if the machine
    /// cannot derive a key at present, which tells nothing about the text.
    pub fn open(&self, context: &Context, sealed: &str) -> Result<Secret> {
        let Envelope { sealer, body } = Envelope::parse(sealed)?;
        let associated_data = context.associated_data(&sealer.header());
        for member in std::iter::once(&self.first).chain(&self.others) {
            if let Some(plain) = member.open(&sealer, &associated_data, &body)? {
                return Ok(plain);
            }
        }
        Err(Error::new(
            ErrorKind::Decrypt,
            "no configured key decrypts the stored record: it was encrypted with another key or for another \
             service, or it is damaged",
        ))
    }

    /// Derives the key of the next seal before it is needed. It is best called after the store was read: a record in
    /// it decides the salt.
    pub fn warm_up(&self) -> Result<()> {
        match &self.first {
            RingKey::Key { .. } => Ok(()),
            RingKey::Passphrase(passphrase) => {
                let keys = passphrase.keys()?;
                keys.with_key(&keys.sealing_salt()?, |_| ())
            }
        }
    }

    /// Whether the next seal has its key. If not, it first derives one.
    pub fn is_ready_to_seal(&self) -> bool {
        match &self.first {
            RingKey::Key { .. } => true,
            RingKey::Passphrase(passphrase) => passphrase.is_derived(None),
        }
    }

    /// Whether every key that `sealed` may need is available.
    pub fn is_ready_to_open(&self, sealed: &str) -> bool {
        let Ok(Envelope { sealer: Sealer::Passphrase(salt), .. }) = Envelope::parse(sealed) else {
            return true;
        };
        std::iter::once(&self.first).chain(&self.others).all(|member| match member {
            RingKey::Key { .. } => true,
            RingKey::Passphrase(passphrase) => passphrase.is_derived(Some(&salt)),
        })
    }

    /// The keys of the first member, when it is a passphrase.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Option<&super::passphrase::Keys> {
        match &self.first {
            RingKey::Key { .. } => None,
            RingKey::Passphrase(passphrase) => passphrase.keys().ok(),
        }
    }

    /// A key ring that shares no derivation with others, as in another process.
    #[cfg(test)]
    pub(crate) fn of_another_process(passphrase: &str) -> Self {
        Self {
            first: RingKey::Passphrase(Passphrase::in_another_process(Secret::new(passphrase))),
            others: Vec::new(),
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", 1 + self.others.len())
    }
}

impl RingKey {
    fn parse(text: &Secret) -> Result<Self> {
        let trimmed = text.expose().trim();
        if let Some(key) = Key::parse(trimmed) {
            return Ok(Self::Key { id: key.id()?, key });
        }
        if trimmed.chars().count() < MIN_PASSPHRASE_CHARS {
            let message = format!(
                "must be 32 bytes in base64, 64 hexadecimal digits, or a passphrase of at least \
                 {MIN_PASSPHRASE_CHARS} characters"
            );
            return Err(Error::config("encryptionKey", message));
        }
        Ok(Self::Passphrase(Passphrase::new(Secret::new(trimmed))))
    }

    fn open(&self, sealer: &Sealer, associated_data: &[u8], body: &[u8]) -> Result<Option<Secret>> {
        match (self, sealer) {
            (Self::Key { id, key }, Sealer::Key(wanted)) if id == wanted => {
                Ok(key.open(associated_data, body))
            }
            (Self::Passphrase(passphrase), Sealer::Passphrase(salt)) => {
                let keys = passphrase.keys()?;
                let plain = keys.with_key(salt, |key| key.open(associated_data, body))?;
                if plain.is_some() {
                    keys.seal_with(*salt);
                }
                Ok(plain)
            }
            _ => Ok(None),
        }
    }
}
