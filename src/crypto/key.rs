//! One key.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ring::hkdf;
use zeroize::Zeroizing;

use crate::domain::Secret;
use crate::error::{Error, ErrorKind, Result};

pub(super) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Enough to distinguish a handful of keys.
pub(super) const KEY_ID_BYTES: usize = 6;
pub(super) type KeyId = [u8; KEY_ID_BYTES];

/// 256 bits that seal and open.
pub(super) struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    pub(super) fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// The key of a store, derived from a secret with as much entropy as a key
    /// ([RFC 5869](https://www.rfc-editor.org/rfc/rfc5869): HKDF with SHA-256). Without a salt, so that every process
    /// derives the same key.
    pub(super) fn derive(secret: &[u8]) -> Result<Self> {
        let failed = |_| Error::new(ErrorKind::Internal, "could not derive a key");
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"").extract(secret);
        prk.expand(&[b"evertoken store key 1"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *bytes))
            .map_err(failed)?;
        Ok(Self::new(bytes))
    }

    /// Reads a key as `generate_key`, `openssl rand -hex 32` or `openssl rand -base64 32` print it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = if text.len() == 2 * KEY_BYTES { from_hex(text)? } else { from_base64(text)? };
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            return None;
        }
        key.copy_from_slice(&bytes);
        Some(Self(key))
    }

    /// Identifies a key and reveals nothing about it: the tag of a fixed text under this key, with a nonce that
    /// sealing never uses (its nonces are random, of 192 bits).
    pub(super) fn id(&self) -> Result<KeyId> {
        let payload = Payload { msg: b"", aad: b"evertoken key id" };
        let tag = self.cipher().encrypt(&XNonce::default(), payload).map_err(|_| too_long())?;
        let mut id = KeyId::default();
        id.iter_mut().zip(tag).for_each(|(to, from)| *to = from);
        Ok(id)
    }

    /// The nonce and the ciphertext.
    pub(super) fn seal(&self, associated_data: &[u8], plain: &Secret) -> Result<Vec<u8>> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload { msg: plain.expose().as_bytes(), aad: associated_data };
        let ciphertext = self.cipher().encrypt(&XNonce::from(*nonce), payload).map_err(|_| too_long())?;
        let mut body = nonce.to_vec();
        body.extend(ciphertext);
        Ok(body)
    }

    /// The sealed text; `None` if key, data and body do not belong together.
    pub(super) fn open(&self, associated_data: &[u8], body: &[u8]) -> Option<Secret> {
        let (nonce, ciphertext) = body.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: ciphertext, aad: associated_data };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?;
        match String::from_utf8(plain) {
            Ok(text) => Some(Secret::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                None
            }
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// A new random key, in the form that `encryptionKey` takes: 43 characters of base64url.
pub fn generate_key() -> Result<Secret> {
    let bytes = random::<KEY_BYTES>()?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Bytes from the random generator of the operating system.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|_| {
        Error::new(ErrorKind::Internal, "the random number generator of the operating system failed")
    })?;
    Ok(bytes)
}

fn too_long() -> Error {
    Error::new(ErrorKind::Internal, "could not encrypt the record: it is too long")
}

fn from_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_BYTES));
    for pair in text.as_bytes().chunks_exact(2) {
        let [high, low] = pair else { return None };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}

fn from_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [&alphabet::STANDARD, &alphabet::URL_SAFE]
        .into_iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
        .map(Zeroizing::new)
}
