//! Client authentication: `clientAuthentication`, `privateKey` and `clientCertificate`.

use reqwest::Identity;
use rustls::InconsistentKeys;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use url::Url;

use super::fields::{ConfigErrors, ConfigFields, TextOr};
use super::{ClientAuthentication, ClientCertificate, Config, GrantType};
use crate::crypto::{
    CertificateSource, KeyCertificate, KeySource, PrivateKey, SigningAlgorithm, SigningKey, SigningKeyError,
    looks_like_json, looks_like_pem, tls_signing_key,
};
use crate::domain::Secret;

pub(super) fn read_private_key(f: &mut ConfigFields<'_>) -> Option<PrivateKey> {
    let alone = |source| PrivateKey { source, kid: None, algorithm: None, audience: None, certificate: None };
    let mut fields = match f.text_or_object("privateKey")? {
        TextOr::Text(text) if looks_like_pem(&text) || looks_like_json(&text) => {
            let key = SigningKey::from_text(&Secret::new(text), None);
            return key_in(f, "privateKey", key).map(alone);
        }
        TextOr::Text(text) => return Some(alone(KeySource::File(text.into()))),
        TextOr::Object(fields) if fields.has("kty") || fields.has("type") || fields.has("keys") => {
            let key = SigningKey::from_members(&fields.into_map(), None);
            return key_in(f, "privateKey", key).map(alone);
        }
        TextOr::Object(fields) => fields,
    };
    let (kid, audience) = (fields.text("kid"), fields.text("audience"));
    let has_alg = fields.has("alg");
    let algorithm =
        fields.one_of("alg", &SigningAlgorithm::ALL.map(|algorithm| (algorithm.name(), algorithm)));
    if fields.has("sign") {
        return read_signing_function(fields, has_alg, algorithm, (kid, audience));
    }
    let pem = fields.text_or_object("pem");
    let source = match (pem, fields.text("path")) {
        (Some(pem), None) => {
            let key = match pem {
                TextOr::Text(text) => SigningKey::from_text(&Secret::new(text), algorithm),
                TextOr::Object(jwk) => SigningKey::from_members(&jwk.into_map(), algorithm),
            };
            key_in(&fields, "privateKey.pem", key)
        }
        (None, Some(path)) => Some(KeySource::File(path.into())),
        (Some(_), Some(_)) => {
            fields.error("path", "cannot be combined with privateKey.pem: set only one of them");
            None
        }
        (None, None) => {
            f.error("privateKey", "must contain pem, path or sign, or be a JWK");
            None
        }
    };
    let certificate = read_key_certificate(&mut fields, source.as_ref());
    fields.finish();
    Some(PrivateKey { source: source?, kid, algorithm, audience, certificate })
}

/// A key that only a function of the user's program can use.
fn read_signing_function(
    mut fields: ConfigFields<'_>,
    has_alg: bool,
    algorithm: Option<SigningAlgorithm>,
    (kid, audience): (Option<String>, Option<String>),
) -> Option<PrivateKey> {
    if !fields.function("sign") {
        fields.text("sign");
        fields.error("sign", "must be a function that signs, (input, alg) => signature");
    }
    for other in ["pem", "path"] {
        if fields.text_or_object(other).is_some() {
            fields.error(
                "sign",
                format!(
                    "cannot be combined with privateKey.{other}: remove privateKey.{other} to sign with the function, \
                     or privateKey.sign to sign with the key"
                ),
            );
        }
    }
    if algorithm.is_none() && !has_alg {
        fields.error(
            "alg",
            "is missing: it is required with privateKey.sign, for example \"RS256\" or \"ES256\"",
        );
    }
    let certificate = read_key_certificate(&mut fields, None);
    fields.finish();
    let source = KeySource::Function(algorithm?);
    Some(PrivateKey { source, kid, algorithm, audience, certificate })
}

/// The key, or an error at `place` or at `privateKey.alg`.
fn key_in(f: &ConfigFields<'_>, place: &str, key: Result<SigningKey, SigningKeyError>) -> Option<KeySource> {
    match key {
        Ok(key) => Some(KeySource::Text(key)),
        Err(fault) => {
            let (field, message) = fault.at(place);
            f.report(&field, message);
            None
        }
    }
}

/// `certificate`: PEM or `{ path }`. If the key is in the configuration, too, the two must fit.
fn read_key_certificate(f: &mut ConfigFields<'_>, key: Option<&KeySource>) -> Option<CertificateSource> {
    let mut file = match f.text_or_object("certificate")? {
        TextOr::Object(file) => file,
        TextOr::Text(pem) => {
            let read = KeyCertificate::from_pem(&pem).and_then(|certificate| match key {
                Some(KeySource::Text(key)) => certificate.check_key(key).map(|()| certificate),
                _ => Ok(certificate),
            });
            return match read {
                Ok(certificate) => Some(CertificateSource::Text(certificate)),
                Err(message) => {
                    let advice = if looks_like_pem(&pem) { "" } else { ", or { path }" };
                    f.error("certificate", format!("{message}{advice}"));
                    None
                }
            };
        }
    };
    let path = file.text("path");
    if path.is_none() {
        file.error("path", "is missing: set it to the path of a PEM file with the certificate");
    }
    file.finish();
    path.map(|path| CertificateSource::File(path.into()))
}

/// Completes the configuration with what the key of a service account says of its server.
pub(super) fn complete(config: &mut Config, errors: &ConfigErrors) {
    let Some(PrivateKey { source: KeySource::Text(key), .. }) = &config.credentials.private_key else {
        return;
    };
    let account = key.account.as_ref().filter(|_| config.grant == Some(GrantType::JwtBearer));
    let Some(uri) = account.and_then(|account| account.token_uri.as_deref()) else { return };
    if config.first_url().is_some() {
        return;
    }
    match Url::parse(uri).ok().filter(|url| config.may_be_asked(url)) {
        Some(url) => config.endpoint = Some(url),
        None => errors.add("privateKey", "is a service account whose token_uri is not an https URL"),
    }
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

/// A key of HS256 has as many bytes as its hash (RFC 7518 §3.2). Whether that is checked is up to the server, which also
/// chose the secret: so a shorter one is used, with a warning.
const HS256_BYTES: usize = 32;

/// Checks the combination of the client's fields.
pub(super) fn check(config: &Config, errors: &ConfigErrors) {
    let credentials = &config.credentials;
    let secret = ("clientSecret", credentials.client_secret.is_some());
    let key = ("privateKey", credentials.private_key.is_some());
    let certificate = ("clientCertificate", credentials.client_certificate.is_some());
    let is_public = config.client_authentication == Some(ClientAuthentication::Public);
    let assertion = ("clientAssertion", config.presented.client_assertion.is_some());
    let signs_grant = config.signs_grant();
    let is_signed = ("privateKey", key.1 && !signs_grant);
    let is_grant =
        signs_grant || matches!(config.grant, Some(GrantType::JwtBearer | GrantType::TokenExchange));
    if credentials.client_id.is_none() && !config.login.takes_client() {
        let given = [secret, is_signed, assertion, certificate];
        if let Some((field, _)) = given.into_iter().find(|(_, is_set)| *is_set) {
            errors.add(
                "clientId",
                format!("is missing: it is required together with {field} (OAUTH_CLIENT_ID)"),
            );
        }
    } else if credentials.client_id.is_some() && !config.has_credentials() && !is_grant {
        errors.add(
            "clientSecret",
            "is missing: set it (OAUTH_CLIENT_SECRET), privateKey or clientCertificate together with clientId",
        );
    }
    match config.client_authentication {
        Some(method) => {
            let (field, is_set) = match method {
                ClientAuthentication::Basic
                | ClientAuthentication::BasicRaw
                | ClientAuthentication::Post
                | ClientAuthentication::SecretJwt => secret,
                ClientAuthentication::PrivateKeyJwt if assertion.1 => assertion,
                ClientAuthentication::PrivateKeyJwt => key,
                ClientAuthentication::TlsClientAuth => certificate,
                ClientAuthentication::Public => ("clientId", credentials.client_id.is_some()),
            };
            if !is_set {
                let message = format!("is {}, which needs {field}", method.name());
                errors.add("clientAuthentication", message);
            }
        }
        None if secret.1 && is_signed.1 => errors
            .add("clientAuthentication", "is missing: set it to choose between clientSecret and privateKey"),
        None => {}
    }
    let unused = [secret, is_signed, assertion].into_iter().find(|(_, is_set)| *is_set && is_public);
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
    let is_short = credentials.client_secret.as_ref().is_some_and(|secret| secret.len() < HS256_BYTES);
    if is_short && config.client_authentication == Some(ClientAuthentication::SecretJwt) {
        errors.warn(
            "clientSecret",
            "has fewer than 32 bytes, which RFC 7518 §3.2 does not allow for client_secret_jwt: the server may refuse its \
             signatures",
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
