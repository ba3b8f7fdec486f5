//! Private keys in JSON: a JWK ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517), RFC 7518 §6, RFC 8037 §2), or the
//! file that Google issues for a service account.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::algorithm::{KeyType, SigningAlgorithm};

/// Padding is not allowed (RFC 7515 §2), but some tools write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A Google service account, as its key file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `client_email`: who the assertions are from.
    pub client_email: String,
    /// `token_uri`: the token endpoint.
    pub token_uri: Option<String>,
}

/// What a JSON text says of a key. Errors are the rest of a sentence that begins with the field, and repeat no part of
/// the text but names of algorithms and types.
pub(super) enum KeyDocument {
    /// A JWK.
    Jwk(Jwk),
    /// A service account, whose key is in PEM.
    Account { pem: Zeroizing<String>, kid: Option<String>, account: ServiceAccount },
}

/// A private key from a JWK.
pub(super) struct Jwk {
    pub(super) key: JwkKey,
    pub(super) algorithm: Option<SigningAlgorithm>,
    pub(super) kid: Option<String>,
}

/// The key itself, in DER that `ring` reads.
pub(super) enum JwkKey {
    /// PKCS#1.
    Rsa(Zeroizing<Vec<u8>>),
    /// SEC1, on the curve of the type.
    Ec(KeyType, Zeroizing<Vec<u8>>),
    /// PKCS#8.
    Ed25519(Zeroizing<Vec<u8>>),
}

type Members = Map<String, Value>;

/// Reads the members of a JSON object.
pub(super) fn read(members: &Members) -> Result<KeyDocument, String> {
    let kind = text(members, "type");
    match (text(members, "kty"), kind) {
        (Some(kty), _) => jwk(members, kty).map(KeyDocument::Jwk),
        (None, Some("service_account")) => account(members),
        (None, Some("authorized_user")) => {
            Err("is the credential of a user, not of a service account: create a key \
                                                of a service account"
                .into())
        }
        (None, Some("external_account")) => {
            Err("is a configuration of workload identity federation, which contains \
                                                 no key: use grant: \"token_exchange\""
                .into())
        }
        _ if members.contains_key("keys") => Err("is a set of JWKs: use one of its keys".into()),
        _ => Err("is neither a JWK (it has no kty) nor the key file of a service account".into()),
    }
}

fn account(members: &Members) -> Result<KeyDocument, String> {
    let missing = |name| format!("is the key file of a service account, but has no {name}");
    let pem = text(members, "private_key").ok_or_else(|| missing("private_key"))?;
    let client_email = text(members, "client_email").ok_or_else(|| missing("client_email"))?.to_owned();
    Ok(KeyDocument::Account {
        pem: Zeroizing::new(pem.to_owned()),
        kid: text(members, "private_key_id").map(str::to_owned),
        account: ServiceAccount { client_email, token_uri: text(members, "token_uri").map(str::to_owned) },
    })
}

fn jwk(members: &Members, kty: &str) -> Result<Jwk, String> {
    if text(members, "use").is_some_and(|purpose| purpose != "sig") {
        return Err("is a JWK that is not for signatures (use)".into());
    }
    let key = match (kty, text(members, "crv")) {
        ("RSA", _) => rsa(members)?,
        ("EC", Some("P-256")) => ec(members, KeyType::P256, 32)?,
        ("EC", Some("P-384")) => ec(members, KeyType::P384, 48)?,
        ("OKP", Some("Ed25519")) => ed25519(members)?,
        ("oct", _) => {
            return Err("is a symmetric JWK: set clientSecret, and clientAuthentication to \
                        \"client_secret_jwt\""
                .into());
        }
        _ => return Err("is a JWK of an unsupported type: use RSA, P-256, P-384 or Ed25519".into()),
    };
    let algorithm = text(members, "alg").map(|name| {
        SigningAlgorithm::named(name)
            .ok_or("is a JWK with an alg that is not supported: use another one, or remove it")
    });
    Ok(Jwk { key, algorithm: algorithm.transpose()?, kid: text(members, "kid").map(str::to_owned) })
}

/// `RSAPrivateKey` of RFC 8017 appendix A.1.2.
fn rsa(members: &Members) -> Result<JwkKey, String> {
    if members.contains_key("oth") {
        return Err("is an RSA JWK with more than two primes, which is not supported".into());
    }
    private(members)?;
    let mut numbers = Zeroizing::new(integer(&[0]).to_vec());
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        numbers.extend_from_slice(&integer(&bytes(members, name)?));
    }
    Ok(JwkKey::Rsa(tlv(SEQUENCE, &numbers)))
}

/// `ECPrivateKey` of RFC 5915 §3, with its public key.
fn ec(members: &Members, curve: KeyType, length: usize) -> Result<JwkKey, String> {
    private(members)?;
    let full = |name: &str| -> Result<Zeroizing<Vec<u8>>, String> {
        let given = bytes(members, name)?;
        let missing =
            length.checked_sub(given.len()).ok_or_else(|| format!("is a JWK whose {name} is too long"))?;
        Ok(Zeroizing::new([&vec![0; missing][..], &given].concat()))
    };
    // No unused bits, then the uncompressed point.
    let point = [&[0, 4][..], &full("x")?, &full("y")?].concat();
    let parts =
        [&integer(&[1])[..], &tlv(OCTET_STRING, &full("d")?), &tlv(CONTEXT_1, &tlv(BIT_STRING, &point))];
    Ok(JwkKey::Ec(curve, tlv(SEQUENCE, &Zeroizing::new(parts.concat()))))
}

/// `OneAsymmetricKey` of RFC 8410 §7, with its public key, which `ring` compares with the private one.
fn ed25519(members: &Members) -> Result<JwkKey, String> {
    /// `id-Ed25519`, as an algorithm identifier.
    const ALGORITHM: [u8; 7] = [SEQUENCE, 5, 6, 3, 0x2b, 0x65, 0x70];

    private(members)?;
    let seed = tlv(OCTET_STRING, &tlv(OCTET_STRING, &bytes(members, "d")?));
    let public = [&[0][..], &bytes(members, "x")?].concat();
    let parts = [&integer(&[1])[..], &ALGORITHM, &seed, &tlv(IMPLICIT_1, &public)];
    Ok(JwkKey::Ed25519(tlv(SEQUENCE, &Zeroizing::new(parts.concat()))))
}

fn private(members: &Members) -> Result<(), String> {
    match text(members, "d") {
        Some(_) => Ok(()),
        None => Err("is a JWK without a private part (d): use the private key".into()),
    }
}

fn text<'m>(members: &'m Members, name: &str) -> Option<&'m str> {
    members.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A member in base64url.
fn bytes(members: &Members, name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let text =
        text(members, name).ok_or_else(|| format!("is a JWK without {name}: use a key with all members"))?;
    BASE64.decode(text).map(Zeroizing::new).map_err(|_| format!("is a JWK whose {name} is not base64url"))
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// `[1] IMPLICIT` of a primitive type.
const IMPLICIT_1: u8 = 0x81;
/// `[1] EXPLICIT`.
const CONTEXT_1: u8 = 0xa1;

/// A positive integer in DER.
fn integer(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len().saturating_sub(1));
    let number = &number[start..];
    let sign = if number.first().is_none_or(|first| *first >= 0x80) { &[0][..] } else { &[] };
    tlv(INTEGER, &Zeroizing::new([sign, number].concat()))
}

/// A value in DER with its tag and its length (X.690 §8.1.3).
fn tlv(tag: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut der = Zeroizing::new(Vec::with_capacity(content.len() + 1 + length.len() + 1));
    der.push(tag);
    match digits {
        [short @ 0..0x80] => der.push(*short),
        long => {
            #[expect(clippy::cast_possible_truncation, reason = "a length has at most eight bytes")]
            der.push(0x80 | long.len() as u8);
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}
