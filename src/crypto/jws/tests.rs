use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::signature::Verifier;
use jsonwebtoken::{DecodingKeyKind, Validation};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
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

struct PublicKey(Algorithm, Vec<u8>);

pub(super) fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    match key.kind() {
        DecodingKeyKind::SecretOrDer(der) => Ok(Box::new(PublicKey(*algorithm, der.clone()))),
        DecodingKeyKind::RsaModulusExponent { .. } => Err(JwtFault::InvalidKeyFormat.into()),
    }
}

impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.0
    }
}

impl Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Unsigned> {
        let algorithm: &'static dyn VerificationAlgorithm = match self.0 {
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
            _ => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.1).verify(message, signature).map_err(|_| Unsigned::new())
    }
}

/// The public key of what signs.
fn public_key(key: &SigningKey) -> DecodingKey {
    let der = key.key.as_bytes();
    match key.algorithm {
        Algorithm::ES256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new());
            DecodingKey::from_ec_der(pair.unwrap().public_key().as_ref())
        }
        Algorithm::EdDSA => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).unwrap();
            DecodingKey::from_ed_der(pair.public_key().as_ref())
        }
        _ => {
            let pair = RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der)).unwrap();
            DecodingKey::from_rsa_der(pair.public_key().as_ref())
        }
    }
}

/// The claims of a token that is verified; its dates are the test's own concern.
pub(crate) fn verified(token: &Secret, key: &SigningKey) -> JwtResult<Value> {
    claims_of(token, &public_key(key), key.algorithm)
}

/// Header and claims of a proof that is verified by the key in its header.
pub(crate) fn verified_proof(proof: &Secret) -> JwtResult<(Header, Value)> {
    let header = jsonwebtoken::decode_header(proof.expose())?;
    let jwk = serde_json::to_value(&header.jwk).unwrap();
    assert_eq!((&jwk["kty"], &jwk["crv"], header.alg), (&json!("EC"), &json!("P-256"), Algorithm::ES256));
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let claims = claims_of(proof, &DecodingKey::from_ec_der(&point), Algorithm::ES256)?;
    Ok((header, claims))
}

fn claims_of(token: &Secret, key: &DecodingKey, algorithm: Algorithm) -> JwtResult<Value> {
    let _ = PROVIDER.install_default();
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode(token.expose(), key, &validation).map(|data| data.claims)
}

pub(crate) fn key(pem: &str, algorithm: Option<Algorithm>) -> SigningKey {
    SigningKey::from_pem(&Secret::new(pem), algorithm).unwrap()
}

#[test]
fn each_algorithm_signs_what_its_public_key_verifies() {
    for (pem, algorithm) in [
        (pem!("rsa-pkcs8"), Algorithm::RS256),
        (pem!("rsa-pkcs1"), Algorithm::RS256),
        (pem!("rsa-pkcs8"), Algorithm::PS256),
        (pem!("rsa-pkcs1"), Algorithm::PS256),
        (pem!("p256-pkcs8"), Algorithm::ES256),
        (pem!("p256-sec1"), Algorithm::ES256),
        (pem!("ed25519"), Algorithm::EdDSA),
    ] {
        let key = key(pem, Some(algorithm));
        let claims = json!({ "iss": "app" });
        let token = sign(&Header::new(algorithm), &claims, &key.key).unwrap();
        assert_eq!(verified(&token, &key).unwrap(), claims, "{algorithm:?}");

        let mut forged = token.expose().to_owned();
        forged.replace_range(30..31, if &forged[30..31] == "A" { "B" } else { "A" });
        assert!(verified(&Secret::new(forged), &key).is_err(), "{algorithm:?}");
    }
}

/// What the key of RFC 7515 or RFC 8037 makes of the message of its example.
fn signature(pem: &str, message: &str) -> String {
    let key = key(pem, None);
    let signer = signer(&key.algorithm, &key.key).unwrap();
    URL_SAFE_NO_PAD.encode(signer.try_sign(message.as_bytes()).unwrap())
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
fn no_two_identifiers_are_the_same() {
    let ids: std::collections::HashSet<_> = (0..100).map(|_| unique_id().unwrap()).collect();
    assert_eq!(ids.len(), 100);
    assert!(ids.iter().all(|id| id.len() == 22), "128 bits in base64url");
}
