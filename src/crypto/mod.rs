//! Sealing: the envelope of a stored secret, and the key ring that opens it. Signing: the keys of clients, and
//! tokens.
//!
//! XChaCha20-Poly1305 ([RFC 8439](https://www.rfc-editor.org/rfc/rfc8439), with the extended nonce of
//! draft-irtf-cfrg-xchacha) under a configured key, or under a key that argon2id ([RFC
//! 9106](https://www.rfc-editor.org/rfc/rfc9106)) derives from a passphrase or credential. Everything here may block
//! for as long as one derivation takes (tens of milliseconds), so callers use
//! [`runtime::blocking`](crate::runtime::blocking).

mod algorithm;
mod certificate;
mod context;
mod envelope;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod jws;
mod key;
mod key_file;
mod key_json;
mod memory;
mod passphrase;
mod private_key;
mod ring;
mod signature;
mod signing_key;
mod store_keys;
#[cfg(test)]
mod tests;

pub use algorithm::SigningAlgorithm;
pub use certificate::{KeyCertificate, Thumbprints};
pub use context::Context;
pub use envelope::is_envelope;
#[cfg(test)]
pub(crate) use jws::tests as jws_tests;
pub use jws::{JwsHeader, UnsignedToken, generate_p256, p256_point, sha256, unique_id};
pub use key::generate_key;
pub(crate) use key_file::{ClientKey, ReadyKey, read_text};
pub use key_json::ServiceAccount;
pub use private_key::{CertificateSource, KeySource, PrivateKey};
pub use ring::KeyRing;
pub use signature::read_signature;
pub use signing_key::{SigningKey, SigningKeyError};
pub(crate) use signing_key::{looks_like_json, looks_like_pem, tls_signing_key};
pub use store_keys::StoreKeys;
