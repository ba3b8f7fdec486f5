//! Client authentication: `clientAuthentication`, `privateKey` and `clientCertificate`.

use jsonwebtoken::Algorithm;
use reqwest::Identity;
use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::fields::{ConfigErrors, ConfigFields, TextOr};
use super::{ClientAuthentication, ClientCertificate, Config};
use crate::crypto::{KeySource, PrivateKey, SigningKey, SigningKeyError, looks_like_pem, tls_signing_key};
use crate::domain::Secret;

pub(super) fn read_private_key(f: &mut ConfigFields<'_>) -> Option<PrivateKey> {
    let mut fields = match f.text_or_object("privateKey")? {
        TextOr::Text(text) => {
            let source = if looks_like_pem(&text) {
                read_pem(f, "privateKey", text, None)?
            } else {
                KeySource::File(text.into())
            };
            return Some(PrivateKey { source, kid: None, algorithm: None, audience: None });
        }
        TextOr::Object(fields) => fields,
    };
    let (kid, audience) = (fields.text("kid"), fields.text("audience"));
    let algorithm = fields.one_of(
        "alg",
        &[
            ("RS256", Algorithm::RS256),
            ("PS256", Algorithm::PS256),
            ("ES256", Algorithm::ES256),
            ("EdDSA", Algorithm::EdDSA),
        ],
    );
    let source = match (fields.text("pem"), fields.text("path")) {
        (Some(pem), None) => read_pem(&fields, "pem", pem, algorithm),
        (None, Some(path)) => Some(KeySource::File(path.into())),
        (Some(_), Some(_)) => {
            fields.error("path", "cannot be combined with privateKey.pem: set only one of them");
            None
        }
        (None, None) => {
            f.error("privateKey", "must contain pem or path");
            None
        }
    };
    fields.finish();
    Some(PrivateKey { source: source?, kid, algorithm, audience })
}

fn read_pem(f: &ConfigFields<'_>, key: &str, pem: String, algorithm: Option<Algorithm>) -> Option<KeySource> {
    match SigningKey::from_pem(&Secret::new(pem), algorithm) {
        Ok(key) => return Some(KeySource::Pem(key)),
        Err(SigningKeyError::Key(message)) => f.error(key, message),
        // Only the object form has `alg`.
        Err(SigningKeyError::Algorithm(message)) => f.error("alg", message),
    }
    None
}

pub(super) fn read_certificate(f: &mut ConfigFields<'_>) -> Option<ClientCertificate> {
    let mut fields = f.object("clientCertificate")?;
    for key in ["cert", "key"] {
        if !fields.has(key) {
            fields.error(key, "is missing: set it to PEM text");
        }
    }
    let pair = (fields.text("cert"), fields.text("key").map(Secret::new));
    let certificate = match pair {
        (Some(cert), Some(key)) => {
            let certificate = ClientCertificate { cert, key };
            if let Err((key, message)) = check_certificate(&certificate) {
                fields.error(key, message);
            }
            Some(certificate)
        }
        _ => None,
    };
    fields.finish();
    certificate
}

/// Whether the certificate and the key are valid and match.
fn check_certificate(certificate: &ClientCertificate) -> Result<(), (&'static str, &'static str)> {
    const NO_CERTIFICATE: (&str, &str) = (
        "cert",
        "must contain the certificate in PEM format (-----BEGIN CERTIFICATE-----), with its intermediates",
    );
    let key = tls_signing_key(&certificate.key).map_err(|message| ("key", message))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.cert.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| NO_CERTIFICATE)?;
    if chain.is_empty() || Identity::from_pem(certificate.pem().expose().as_bytes()).is_err() {
        return Err(NO_CERTIFICATE);
    }
    match CertifiedKey::new(chain, key).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(("key", "does not match clientCertificate.cert")),
        Err(_) => Err(NO_CERTIFICATE),
    }
}

/// Checks the combination of the client's fields.
pub(super) fn check(config: &Config, errors: &ConfigErrors) {
    let credentials = &config.credentials;
    let secret = ("clientSecret", credentials.client_secret.is_some());
    let key = ("privateKey", credentials.private_key.is_some());
    let certificate = ("clientCertificate", credentials.client_certificate.is_some());
    let is_public = config.client_authentication == Some(ClientAuthentication::Public);
    if credentials.client_id.is_none() && !config.login.takes_client() {
        if let Some((field, _)) = [secret, key, certificate].into_iter().find(|(_, is_set)| *is_set) {
            errors.add(
                "clientId",
                format!("is missing: it is required together with {field} (OAUTH_CLIENT_ID)"),
            );
        }
    } else if credentials.client_id.is_some() && !config.has_credentials() {
        errors.add(
            "clientSecret",
            "is missing: set it (OAUTH_CLIENT_SECRET), privateKey or clientCertificate together with clientId",
        );
    }
    match config.client_authentication {
        Some(method) => {
            let (field, is_set) = match method {
                ClientAuthentication::Basic | ClientAuthentication::BasicRaw | ClientAuthentication::Post => {
                    secret
                }
                ClientAuthentication::PrivateKeyJwt => key,
                ClientAuthentication::TlsClientAuth => certificate,
                ClientAuthentication::Public => ("clientId", credentials.client_id.is_some()),
            };
            if !is_set {
                let message = format!("is {}, which needs {field}", method.name());
                errors.add("clientAuthentication", message);
            }
        }
        None if secret.1 && key.1 => errors
            .add("clientAuthentication", "is missing: set it to choose between clientSecret and privateKey"),
        None => {}
    }
    let unused = [secret, key].into_iter().find(|(_, is_set)| *is_set && is_public);
    if let Some((field, _)) = unused.filter(|_| !config.login.takes_client()) {
        let message = format!("is none, which does not send {field}: remove one of the two");
        errors.add("clientAuthentication", message);
    }
    let is_raw = config.client_authentication == Some(ClientAuthentication::BasicRaw);
    if is_raw && credentials.client_id.as_ref().is_some_and(|id| id.contains(':')) {
        errors.add(
            "clientId",
            "must not contain a colon if clientAuthentication is \"client_secret_basic_raw\", because everything after \
             the colon would belong to the secret (RFC 7617)",
        );
    }
    let places =
        [("authUrl", config.endpoint.as_ref()), ("issuer", config.issuer.as_ref().map(|issuer| &issuer.url))];
    for (field, url) in places {
        if certificate.1 && url.is_some_and(|url| url.scheme() != "https") {
            errors.add(field, "must start with https://: clientCertificate can only be sent over TLS");
        }
    }
}
