//! Why a request failed, and what to do about it. No text from a response is used.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use rustls_pki_types::ServerName;
use url::Url;

use super::proxy::Proxy;
use super::tls;
use crate::error::{Error, ErrorKind};
use crate::redaction::display_url;

/// What evertoken supports. A server needs one of each.
const REQUIRED: &str = "evertoken requires TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305, and a \
                        certificate with an RSA (at least 2048 bits), P-256, P-384 or Ed25519 key";

/// Where a request goes, and through which proxy.
#[derive(Clone, Copy)]
pub(super) struct Route<'r> {
    pub(super) url: &'r Url,
    pub(super) proxy: Option<&'r Proxy>,
}

impl Route<'_> {
    fn place(&self) -> String {
        display_url(self.url)
    }

    /// ` through the proxy …`, if there is one.
    fn description(&self) -> String {
        self.proxy.map_or_else(String::new, |proxy| format!(" through {proxy}"))
    }

    /// The error of a request that took too long.
    pub(super) fn timeout(&self, millis: u128, was_sent: bool) -> Error {
        let (place, way) = (self.place(), self.description());
        let message = if was_sent {
            format!("{place} did not send a complete response within {millis} ms{way}")
        } else {
            format!("could not connect to {place} within {millis} ms{way}")
        };
        Error::new(ErrorKind::Timeout, message)
    }

    /// The error for a proxy that requires credentials (407).
    pub(super) fn unauthorized(&self, proxy: &Proxy) -> Error {
        let message = format!(
            "{proxy} requires credentials (407) to forward requests to {}; set them in the variable: \
             http://user:password@host:port",
            self.place()
        );
        Error::new(ErrorKind::Network, message).with_status(407)
    }

    /// The error for a request that the HTTP client could not complete.
    pub(super) fn failure(&self, error: &reqwest::Error) -> Error {
        if let Some(proxy) = self.proxy.filter(|_| error.is_connect() && !self.is_past_the_proxy(error)) {
            return self.proxy_failure(proxy, error);
        }
        let place = self.place();
        if let Some(tls) = find::<rustls::Error>(error) {
            return tls_failure(&place, tls);
        }
        if error.is_timeout() {
            return Error::new(ErrorKind::Timeout, format!("{place} did not respond in time"));
        }
        if says(error, "dns error") {
            let message = format!("could not resolve the host name in {place}: {}", reason(error));
            return Error::new(ErrorKind::Network, message);
        }
        let message = if error.is_connect() {
            format!("could not connect to {place}: {}", reason(error))
        } else {
            format!("did not receive a complete response from {place}: {}", reason(error))
        };
        Error::new(ErrorKind::Network, message)
    }

    /// Whether the tunnel through the proxy was established, so that TLS with the server failed.
    fn is_past_the_proxy(&self, error: &reqwest::Error) -> bool {
        let is_at_the_proxy =
            says(error, "tunnel error") || says(error, "SOCKS error") || says(error, "dns error");
        self.url.scheme() == "https" && !is_at_the_proxy && !says(error, "tcp connect error")
    }

    fn proxy_failure(&self, proxy: &Proxy, error: &reqwest::Error) -> Error {
        if says(error, "proxy authorization required") {
            return self.unauthorized(proxy);
        }
        let what = if let Some(tls) = find::<rustls::Error>(error) {
            format!("could not establish TLS with {proxy}: {}", tls_reason(tls))
        } else if says(error, "dns error") {
            format!("could not resolve the host name of {proxy}: {}", reason(error))
        } else if says(error, "tunnel error: unsuccessful")
            || says(error, "SOCKS error: error executing command")
        {
            format!("{proxy} refused to connect to the server")
        } else {
            format!("could not connect to {proxy}: {}", reason(error))
        };
        let message = format!(
            "{what}. It is used for requests to {}; to connect directly, add the host to NO_PROXY",
            self.place()
        );
        Error::new(ErrorKind::Network, message)
    }
}

fn tls_failure(place: &str, tls: &rustls::Error) -> Error {
    let reason = tls_reason(tls);
    let message = match tls {
        rustls::Error::InvalidCertificate(_) => {
            format!("the certificate of {place} was rejected: {reason}")
        }
        _ => format!("could not establish TLS with {place}: {reason}"),
    };
    Error::new(ErrorKind::Tls, message)
}

pub(super) fn tls_reason(tls: &rustls::Error) -> String {
    use AlertDescription as Alert;
    use rustls::Error as Tls;
    match tls {
        Tls::InvalidCertificate(fault) => certificate_reason(fault),
        Tls::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity)
        | Tls::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon
            | PeerIncompatible::NamedGroupsExtensionRequired,
        ) => format!(
            "the server and evertoken have no cipher suite or key type in common; the server may support only RSA key \
             exchange, CBC suites, or a P-521 key. {REQUIRED}"
        ),
        Tls::AlertReceived(Alert::ProtocolVersion)
        | Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => format!("the server supports only TLS 1.1 or older. {REQUIRED}"),
        Tls::AlertReceived(Alert::CertificateRequired) => {
            "the server requires a client certificate; set clientCertificate".into()
        }
        Tls::AlertReceived(Alert::UnrecognisedName) => "the server does not recognize this host name".into(),
        Tls::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => format!("the server rejected the client certificate ({alert:?}); check clientCertificate"),
        Tls::AlertReceived(alert) => format!("the server aborted the handshake ({alert:?}). {REQUIRED}"),
        Tls::InvalidMessage(_) => {
            "the server does not speak TLS on this port; check the port, or use http".into()
        }
        other => other.to_string(),
    }
}

/// Whether the issuer of a certificate is not trusted. Of a certificate that is signed with another kind of key than that
/// of a trusted issuer of the same name, webpki says only that signature and key do not fit.
pub(super) fn has_unknown_issuer(fault: &CertificateError) -> bool {
    // secp521r1 1.3.132.0.35
    const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
    match fault {
        CertificateError::UnknownIssuer => true,
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: signature,
            public_key_algorithm_id: key,
        } => weak_signature(signature).is_none() && !contains(key, P521),
        _ => false,
    }
}

/// Why a certificate was rejected, and what to do about it.
pub(super) fn certificate_reason(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    let known = match fault {
        fault if has_unknown_issuer(fault) => {
            "its issuer is not trusted; add the issuer's certificate to ca or to the NODE_EXTRA_CA_CERTS file, or have \
             the server send its intermediate certificates"
        }
        Fault::Expired | Fault::ExpiredContext { .. } => "it has expired, or this machine's clock is wrong",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "it is not valid yet, or this machine's clock is wrong"
        }
        Fault::NotValidForNameContext { expected, presented } => return wrong_name(expected, presented),
        Fault::NotValidForName => "it is for another host name",
        Fault::Revoked => "it has been revoked",
        Fault::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. }
        | Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id, .. } => {
            return unsupported_signature(signature_algorithm_id);
        }
        Fault::BadSignature => {
            "its signature, or the handshake signature made with its key, is not valid; an RSA key must have at least 2048 bits"
        }
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            "it is not valid for servers (extendedKeyUsage lacks serverAuth)"
        }
        Fault::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "it is an X.509 version 1 certificate, which has no subjectAltName; use a version 3 certificate"
        }
        other if tls::is_ca_certificate(other) => {
            "it is a CA certificate (basicConstraints CA:TRUE); add this certificate to ca, or issue a \
             certificate to the server that is not a CA certificate"
        }
        other => return other.to_string(),
    };
    known.to_owned()
}

/// The names in a certificate are public. Only a few are listed, because there can be hundreds.
fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    const SHOWN: usize = 5;
    let expected = expected.to_str();
    if presented.is_empty() {
        return format!(
            "it has no subjectAltName; it needs one for {expected} (a common name, CN, is ignored)"
        );
    }
    let mut names: Vec<&str> = presented.iter().take(SHOWN).map(|name| bare(name)).collect();
    if presented.len() > SHOWN {
        names.push("…");
    }
    format!(
        "it is for another host name: it must include {expected}, but its subjectAltName lists {}",
        names.join(", ")
    )
}

/// The name itself: webpki formats it as `DnsName("a.example.com")`.
fn bare(name: &str) -> &str {
    name.split_once('"').and_then(|(_, rest)| rest.split_once('"')).map_or(name, |(name, _)| name)
}

/// `identifier` is the content of the `AlgorithmIdentifier`: an object identifier, and parameters that do not
/// matter here.
fn contains(identifier: &[u8], oid: &[u8]) -> bool {
    identifier.windows(oid.len()).any(|part| part == oid)
}

/// What is known of a signature algorithm that is not supported.
fn weak_signature(identifier: &[u8]) -> Option<&'static str> {
    const SHA1: [&[u8]; 2] = [
        // sha1WithRSAEncryption 1.2.840.113549.1.1.5, ecdsa-with-SHA1 1.2.840.10045.4.1
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
    ];
    // md5WithRSAEncryption 1.2.840.113549.1.1.4
    const MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04];
    // ecdsa-with-SHA512 1.2.840.10045.4.3.4
    const ECDSA_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04];
    let has = |oid: &[u8]| contains(identifier, oid);
    if SHA1.iter().any(|oid| has(oid)) {
        Some("it is signed with SHA-1")
    } else if has(MD5) {
        Some("it is signed with MD5")
    } else if has(ECDSA_SHA512) {
        Some("it is signed with ECDSA and SHA-512, as with P-521 keys")
    } else {
        None
    }
}

fn unsupported_signature(identifier: &[u8]) -> String {
    let what = weak_signature(identifier).unwrap_or("its signature algorithm is not supported");
    format!(
        "{what}; use SHA-256 or SHA-384 with an RSA (at least 2048 bits), P-256 or P-384 key, or use Ed25519"
    )
}

/// Whether the message of one of the causes contains `text`: the HTTP client's own error types are private.
fn says(error: &reqwest::Error, text: &str) -> bool {
    causes(error).any(|cause| cause.to_string().contains(text))
}

fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| next(*error))
}

/// An `io::Error` keeps its cause outside the chain of sources.
fn next<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source())
}

/// The first cause of this type.
pub(super) fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// The root cause, from the operating system or the HTTP library. The system's own error text is not used:
/// glibc would read the environment to translate it.
fn reason(error: &reqwest::Error) -> String {
    let Some(last) = causes(error).last() else { return String::new() };
    if let Some((io, code)) = last.downcast_ref::<io::Error>().and_then(|io| Some((io, io.raw_os_error()?))) {
        return format!("{} (os error {code})", io.kind());
    }
    let text = last.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_signature_algorithm_is_named() {
        for (identifier, named) in [
            (&b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00"[..], "SHA-1"),
            (b"\x06\x07\x2a\x86\x48\xce\x3d\x04\x01", "SHA-1"),
            (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00", "MD5"),
            (b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", "P-521"),
            (b"\x06\x03\x2b\x65\x71", "not supported"),
        ] {
            let fault = CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: identifier.to_vec(),
                supported_algorithms: Vec::new(),
            };
            let reason = certificate_reason(&fault);
            assert!(reason.contains(named) && reason.contains("; use "), "{reason}");
        }
    }

    #[test]
    fn an_issuer_that_shares_only_its_name_with_a_trusted_one_is_not_trusted() {
        let signed = |signature: &[u8], key: &[u8]| {
            let fault = CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: signature.to_vec(),
                public_key_algorithm_id: key.to_vec(),
            };
            certificate_reason(&fault)
        };
        let ecdsa_sha256 = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
        let rsa = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        let p521 = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23";
        let reason = signed(ecdsa_sha256, rsa);
        assert!(reason.starts_with("its issuer is not trusted"), "{reason}");
        let reason = signed(ecdsa_sha256, p521);
        assert!(reason.starts_with("its signature algorithm is not supported"), "{reason}");
    }

    #[test]
    fn only_a_few_names_of_a_certificate_are_listed() {
        let presented: Vec<String> =
            (0..300).map(|number| format!("DnsName(\"{number}.example.com\")")).collect();
        let expected = ServerName::try_from("a.test").unwrap();
        let reason = wrong_name(&expected, &presented);
        assert!(reason.contains("must include a.test") && reason.ends_with("4.example.com, …"), "{reason}");
    }
}
