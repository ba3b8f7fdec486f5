use jsonwebtoken::Header;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};

use super::*;
use crate::crypto::SigningKey;

/// A PEM text among the fixtures.
macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/keys/", $name, ".pem"))
    };
}

/// The public key of what signs.
fn public_key(key: &SigningKey) -> Vec<u8> {
    let der = key.key.as_bytes();
    let ec = |algorithm| {
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der, &SystemRandom::new()).unwrap();
        pair.public_key().as_ref().to_vec()
    };
    match key.algorithm {
        SigningAlgorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        SigningAlgorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).unwrap().public_key().as_ref().to_vec()
        }
        _ => {
            let pair = RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der)).unwrap();
            pair.public_key().as_ref().to_vec()
        }
    }
}

/// The claims of a token that is verified; its dates are the test's own concern.
pub(crate) fn verified(token: &Secret, key: &SigningKey) -> Option<Value> {
    claims_of(token, &public_key(key), key.algorithm)
}

/// Whether one key verifies what the other signs.
pub(crate) fn verified_by(signs: &SigningKey, verifies: &SigningKey) -> bool {
    verified(&token(signs, &json!({})), verifies).is_some()
}

/// Header and claims of a proof that is verified by the key in its header.
pub(crate) fn verified_proof(proof: &Secret) -> Option<(Header, Value)> {
    let header = jsonwebtoken::decode_header(proof.expose()).ok()?;
    let jwk = serde_json::to_value(&header.jwk).unwrap();
    assert_eq!((&jwk["kty"], &jwk["crv"]), (&json!("EC"), &json!("P-256")));
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let claims = claims_of(proof, &point, SigningAlgorithm::Es256)?;
    Some((header, claims))
}

fn claims_of(token: &Secret, public_key: &[u8], algorithm: SigningAlgorithm) -> Option<Value> {
    let by: &'static dyn VerificationAlgorithm = match algorithm {
        SigningAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        SigningAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        SigningAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        SigningAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        SigningAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        SigningAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        SigningAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        SigningAlgorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => &ED25519,
    };
    let (input, signature) = token.expose().rsplit_once('.')?;
    let (header, claims) = input.split_once('.')?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    assert_eq!(json(header)?["alg"], algorithm.name());
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(by, public_key).verify(input.as_bytes(), &signature).ok()?;
    json(claims)
}

pub(crate) fn key(text: &str, algorithm: Option<SigningAlgorithm>) -> SigningKey {
    SigningKey::from_text(&Secret::new(text), algorithm).unwrap()
}

fn token(key: &SigningKey, claims: &Value) -> Secret {
    let unsigned = UnsignedToken::new(&JwsHeader::new(key.algorithm.name()), claims).unwrap();
    unsigned.sign(key.algorithm, &key.key).unwrap()
}

#[test]
fn each_algorithm_signs_what_its_public_key_verifies() {
    let rsa = &SigningAlgorithm::ALL[..6];
    let keys =
        rsa.iter().flat_map(|algorithm| [(pem!("rsa-pkcs8"), *algorithm), (pem!("rsa-pkcs1"), *algorithm)]);
    let others = [
        (pem!("p256-pkcs8"), SigningAlgorithm::Es256),
        (pem!("p256-sec1"), SigningAlgorithm::Es256),
        (pem!("p384-pkcs8"), SigningAlgorithm::Es384),
        (pem!("p384-sec1"), SigningAlgorithm::Es384),
        (pem!("ed25519"), SigningAlgorithm::EdDsa),
        (pem!("ed25519"), SigningAlgorithm::Ed25519),
    ];
    for (pem, algorithm) in keys.chain(others) {
        let key = key(pem, Some(algorithm));
        let claims = json!({ "iss": "app" });
        let token = token(&key, &claims);
        assert_eq!(verified(&token, &key).unwrap(), claims, "{algorithm:?}");

        let mut forged = token.expose().to_owned();
        let at = forged.len() - 40;
        let other = if &forged[at..=at] == "A" { "B" } else { "A" };
        forged.replace_range(at..=at, other);
        assert_eq!(verified(&Secret::new(forged), &key), None, "{algorithm:?}");
    }
}

/// What the key of RFC 7515 or RFC 8037 makes of the message of its example.
fn signature(pem: &str, message: &str) -> String {
    let key = key(pem, None);
    URL_SAFE_NO_PAD.encode(super::signature(key.algorithm, key.key.as_bytes(), message.as_bytes()).unwrap())
}

#[test]
fn the_signature_of_rfc_7515_appendix_a_2_is_made_to_the_byte() {
    let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                   cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let expected = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7\
                    AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4\
                    BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K\
                    0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv\
                    hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB\
                    p0igcN_IoypGlUPQGe77Rw";
    assert_eq!(signature(pem!("rsa-pkcs1"), message), expected);
    assert_eq!(signature(pem!("rsa-pkcs8"), message), expected);
}

#[test]
fn the_signature_of_rfc_8037_appendix_a_4_is_made_to_the_byte() {
    assert_eq!(
        signature(pem!("ed25519"), "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn the_header_and_claims_are_signed_as_they_are_written() {
    let secret = Secret::new("correct horse battery staple, and more of it");
    let unsigned = UnsignedToken::new(&JwsHeader::new("HS256"), &json!({ "iss": "joe" })).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let input = unsigned.input().to_owned();
    assert_eq!(input, format!("{}.{}", b64(r#"{"alg":"HS256","typ":"JWT"}"#), b64(r#"{"iss":"joe"}"#)));
    let token = unsigned.sign_hs256(&secret);
    let (signed, tag) = token.expose().rsplit_once('.').unwrap();
    assert_eq!(signed, input);
    hmac::verify(&key, input.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).unwrap()).unwrap();
}

fn b64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn no_two_identifiers_are_the_same() {
    let ids: std::collections::HashSet<_> = (0..100).map(|_| unique_id().unwrap()).collect();
    assert_eq!(ids.len(), 100);
    assert!(ids.iter().all(|id| id.len() == 22), "128 bits in base64url");
}
