//! The keys of one service: the first seals, all open.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::context::Context;
use super::envelope::{Envelope, Sealer};
use super::key::{Key, KeyId};
use super::passphrase::Passphrase;
use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};

/// A passphrase shorter than this is guessed, whatever the derivation costs.
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
    /// The ring of `encryptionKey`: the first key seals, all open.
    ///
    /// 32 bytes in base64 or base64url, or 64 hexadecimal digits, are used as they are; any other text of at
    /// least 16 characters is a passphrase. White space around a key (the line end of a file) is no part of it.
    ///
    /// # Errors
    /// `Config`, naming `encryptionKey`, when there is no key or one is too short.
    pub fn from_keys(keys: Vec<Secret>) -> Result<Self> {
        let mut members = keys.into_iter().map(|key| RingKey::parse(&key));
        let first = members.next().ok_or_else(|| Error::config("encryptionKey", "holds no key"))??;
        Ok(Self { first, others: members.collect::<Result<_>>()? })
    }

    /// The ring of a service without `encryptionKey`: a copy of the store opens nothing without `credential`.
    pub fn from_credential(credential: Secret) -> Self {
        Self { first: RingKey::Passphrase(Passphrase::new(credential)), others: Vec::new() }
    }

    /// The same with a credential that is only read when a key is derived from it, such as one in a file.
    pub fn from_credential_source(credential: impl Fn() -> Result<Secret> + Send + Sync + 'static) -> Self {
        Self { first: RingKey::Passphrase(Passphrase::from_source(Box::new(credential))), others: Vec::new() }
    }

    /// Seals `plain` for `context`; the text differs each time.
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

    /// Opens what was sealed for the same context.
    ///
    /// # Errors
    /// `Decrypt`, in different words for a text that is no envelope, one of another release's format, and one
    /// that no key opens: sealed with another key, for another context, or damaged. `Internal` when the
    /// machine cannot derive a key now; that says nothing of the text.
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
            "no configured key opens the stored text: it was sealed with another key or for another record, \
             or it is damaged",
        ))
    }

    /// Derives what the next seal needs, so that it does not wait. It is best called once the store was
    /// read, since a record found there decides the salt.
    pub fn warm_up(&self) -> Result<()> {
        match &self.first {
            RingKey::Key { .. } => Ok(()),
            RingKey::Passphrase(passphrase) => {
                let keys = passphrase.keys()?;
                keys.with_key(&keys.sealing_salt()?, |_| ())
            }
        }
    }

    /// Whether the next seal has its key at hand; it derives one first where it has not.
    pub fn is_ready_to_seal(&self) -> bool {
        match &self.first {
            RingKey::Key { .. } => true,
            RingKey::Passphrase(passphrase) => passphrase.is_derived(None),
        }
    }

    /// Whether every key that `sealed` may need is at hand.
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

    /// A ring that shares no derivation with others, as in another process.
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
