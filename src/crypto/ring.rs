//! The keys of one service. The first seals, and all of them open.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use once_cell::sync::OnceCell;

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
    Key(IdentifiedKey),
    /// Derived from a credential that a machine made, when it is first needed.
    Credential(CredentialKey),
    Passphrase(Passphrase),
}

struct IdentifiedKey {
    id: KeyId,
    key: Key,
}

/// A key that is derived from a credential with as much entropy as a key: no slow function makes guessing it harder.
struct CredentialKey {
    source: Box<SecretSource>,
    derived: OnceCell<IdentifiedKey>,
}

/// Where a secret is read when a key is derived from it.
type SecretSource = dyn Fn() -> Result<Secret> + Send + Sync;

impl CredentialKey {
    fn get(&self) -> Result<&IdentifiedKey> {
        self.derived.get_or_try_init(|| {
            let key = Key::derive((self.source)()?.expose().as_bytes())?;
            Ok(IdentifiedKey { id: key.id()?, key })
        })
    }
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

    /// The key ring of a service that logs in with a password and has no `encryptionKey`: a copy of the store opens only
    /// with the password, and each guess costs a slow derivation.
    pub fn from_password(password: Secret) -> Self {
        Self { first: RingKey::Passphrase(Passphrase::new(password)), others: Vec::new() }
    }

    /// The key ring of a service whose credential a machine made, such as a client secret or a private key. It is read
    /// and derived by HKDF (RFC 5869) when it is first needed, in microseconds.
    pub fn from_credential(credential: impl Fn() -> Result<Secret> + Send + Sync + 'static) -> Self {
        let key = CredentialKey { source: Box::new(credential), derived: OnceCell::new() };
        Self { first: RingKey::Credential(key), others: Vec::new() }
    }

    /// Also opens what the keys of `other` open.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.others.push(other.first);
        self.others.extend(other.others);
        self
    }

    /// Seals `plain` for `context`. The text differs each time.
    pub fn seal(&self, context: &Context, plain: &Secret) -> Result<String> {
        let (mut text, body) = match &self.first {
            RingKey::Key(key) => key.seal(context, plain)?,
            RingKey::Credential(credential) => credential.get()?.seal(context, plain)?,
            RingKey::Passphrase(passphrase) => {
                let keys = passphrase.keys();
                let salt = keys.sealing_salt()?;
                let header = Sealer::Passphrase(salt).header();
                let associated_data = context.associated_data(&header);
                (header, keys.with_key(&salt, |key| key.seal(&associated_data, plain))??)
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
            RingKey::Key(_) => Ok(()),
            RingKey::Credential(credential) => credential.get().map(drop),
            RingKey::Passphrase(passphrase) => {
                let keys = passphrase.keys();
                keys.with_key(&keys.sealing_salt()?, |_| ())
            }
        }
    }

    /// Whether the next seal has its key. If not, it first derives one.
    pub fn is_ready_to_seal(&self) -> bool {
        match &self.first {
            RingKey::Key(_) => true,
            RingKey::Credential(credential) => credential.derived.get().is_some(),
            RingKey::Passphrase(passphrase) => passphrase.is_derived(None),
        }
    }

    /// Whether every key that `sealed` may need is available.
    pub fn is_ready_to_open(&self, sealed: &str) -> bool {
        let Ok(Envelope { sealer, .. }) = Envelope::parse(sealed) else { return true };
        std::iter::once(&self.first).chain(&self.others).all(|member| match (member, &sealer) {
            (RingKey::Passphrase(passphrase), Sealer::Passphrase(salt)) => passphrase.is_derived(Some(salt)),
            (RingKey::Credential(credential), Sealer::Key(_)) => credential.derived.get().is_some(),
            _ => true,
        })
    }

    /// The keys of the first member, when it is a passphrase.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Option<&super::passphrase::Keys> {
        match &self.first {
            RingKey::Key(_) | RingKey::Credential(_) => None,
            RingKey::Passphrase(passphrase) => Some(passphrase.keys()),
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

impl IdentifiedKey {
    /// The header and the body of the sealed text.
    fn seal(&self, context: &Context, plain: &Secret) -> Result<(String, Vec<u8>)> {
        let header = Sealer::Key(self.id).header();
        let body = self.key.seal(&context.associated_data(&header), plain)?;
        Ok((header, body))
    }

    fn open(&self, id: &KeyId, associated_data: &[u8], body: &[u8]) -> Option<Secret> {
        if self.id == *id { self.key.open(associated_data, body) } else { None }
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
            return Ok(Self::Key(IdentifiedKey { id: key.id()?, key }));
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
            (Self::Key(key), Sealer::Key(id)) => Ok(key.open(id, associated_data, body)),
            (Self::Credential(credential), Sealer::Key(id)) => {
                Ok(credential.get()?.open(id, associated_data, body))
            }
            (Self::Passphrase(passphrase), Sealer::Passphrase(salt)) => {
                let keys = passphrase.keys();
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
