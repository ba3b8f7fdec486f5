//! Why a request failed, in words that say what to do. None of them come from an answer.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use rustls_pki_types::ServerName;
use url::Url;

use super::proxy::Proxy;
use super::tls;
use crate::error::{Error, ErrorKind};

/// What this client speaks; a server needs one of each.
const NEEDED: &str = "it needs TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20-Poly1305, and a certificate \
                      with a key of RSA (2048 bits or more), P-256, P-384 or Ed25519";

/// The way a request takes.
#[derive(Clone, Copy)]
pub(super) struct Route<'r> {
    pub(super) url: &'r Url,
    pub(super) proxy: Option<&'r Proxy>,
}

impl Route<'_> {
    fn place(&self) -> String {
        place(self.url)
    }

    /// ` through the proxy …`, where there is one.
    fn description(&self) -> String {
        self.proxy.map_or_else(String::new, |proxy| format!(" through {proxy}"))
    }

    /// The error of a request that took too long.
    pub(super) fn timeout(&self, millis: u128, was_sent: bool) -> Error {
        let (place, way) = (self.place(), self.description());
        let message = if was_sent {
            format!("{place} gave no whole answer within {millis} ms{way}")
        } else {
            format!("no connection to {place} within {millis} ms{way}")
        };
        Error::new(ErrorKind::Timeout, message)
    }

    /// The error of a proxy that does not let the request pass (407).
    pub(super) fn unauthorized(&self, proxy: &Proxy) -> Error {
        let message = format!(
            "{proxy} asks for credentials (407) before it passes a request to {}; give them in the variable: \
             http://user:password@host:port",
            self.place()
        );
        Error::new(ErrorKind::Network, message).with_status(407)
    }

    /// The error of a request that the HTTP client could not bring to its end.
    pub(super) fn failure(&self, error: &reqwest::Error) -> Error {
        if let Some(proxy) = self.proxy.filter(|_| error.is_connect() && !self.is_past_the_proxy(error)) {
            return self.proxy_failure(proxy, error);
        }
        let place = self.place();
        if let Some(tls) = find::<rustls::Error>(error) {
            return tls_failure(&place, tls);
        }
        if error.is_timeout() {
            return Error::new(ErrorKind::Timeout, format!("{place} did not answer in time"));
        }
        if says(error, "dns error") {
            let message = format!("the name in {place} cannot be resolved: {}", reason(error));
            return Error::new(ErrorKind::Network, message);
        }
        let message = if error.is_connect() {
            format!("no connection to {place}: {}", reason(error))
        } else {
            format!("no whole answer from {place}: {}", reason(error))
        };
        Error::new(ErrorKind::Network, message)
    }

    /// Whether the proxy did its part: what failed is TLS with the server behind it.
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
            format!("there is no TLS with {proxy}: {}", tls_reason(tls))
        } else if says(error, "dns error") {
            format!("the name of {proxy} cannot be resolved: {}", reason(error))
        } else if says(error, "tunnel error: unsuccessful")
            || says(error, "SOCKS error: error executing command")
        {
            format!("{proxy} refuses to connect to the server")
        } else {
            format!("no connection to {proxy}: {}", reason(error))
        };
        let message =
            format!("{what}. It is on the way to {}, unless NO_PROXY exempts that host", self.place());
        Error::new(ErrorKind::Network, message)
    }
}

/// The address without what may be secret in it.
pub(super) fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn tls_failure(place: &str, tls: &rustls::Error) -> Error {
    let reason = tls_reason(tls);
    let message = match tls {
        rustls::Error::InvalidCertificate(_) => {
            format!("the certificate of {place} is not accepted: {reason}")
        }
        _ => format!("no TLS with {place}: {reason}"),
    };
    Error::new(ErrorKind::Tls, message)
}

fn tls_reason(tls: &rustls::Error) -> String {
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
            "the server shares no cipher suite or key type with this client. It may offer only RSA key exchange, \
             CBC suites, or a key on P-521; {NEEDED}"
        ),
        Tls::AlertReceived(Alert::ProtocolVersion)
        | Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => format!("the server offers only TLS 1.1 or older; {NEEDED}"),
        Tls::AlertReceived(Alert::CertificateRequired) => {
            "the server demands a certificate of the client; give one in clientCertificate".into()
        }
        Tls::AlertReceived(Alert::UnrecognisedName) => "the server does not know this host name".into(),
        Tls::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => format!("the server refuses the client's certificate ({alert:?}); check clientCertificate"),
        Tls::AlertReceived(alert) => format!("the server ended the handshake ({alert:?}); {NEEDED}"),
        Tls::InvalidMessage(_) => "what answers does not speak TLS; check the port, or use http".into(),
        other => other.to_string(),
    }
}

/// Why a certificate is refused, and what to do about it.
fn certificate_reason(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    let known = match fault {
        Fault::UnknownIssuer => {
            "this machine does not know who vouches for it; give that certificate in ca, or in the file that \
             NODE_EXTRA_CA_CERTS names, or have the server send its intermediate certificates, too"
        }
        Fault::Expired | Fault::ExpiredContext { .. } => "it has expired, or this machine's clock is wrong",
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "it is not valid yet, or this machine's clock is wrong"
        }
        Fault::NotValidForNameContext { expected, presented } => return other_name(expected, presented),
        Fault::NotValidForName => "it is for another name",
        Fault::Revoked => "it was revoked",
        Fault::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. }
        | Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id, .. } => {
            return unsupported_signature(signature_algorithm_id);
        }
        Fault::BadSignature => {
            "the signature on it, or with its key, does not verify; an RSA key needs 2048 bits or more"
        }
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            "it is not for servers (extendedKeyUsage lacks serverAuth)"
        }
        Fault::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "it is of X.509 version 1, which holds no names; a version 3 certificate with a subjectAltName is needed"
        }
        other if tls::is_an_authoritys_own(other) => {
            "it is an authority's own (basicConstraints CA:TRUE); give this very certificate in ca, or give the \
             server one that is not"
        }
        other => return other.to_string(),
    };
    known.to_owned()
}

/// A certificate's names are public; a list of hundreds helps nobody.
fn other_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    const SHOWN: usize = 5;
    let expected = expected.to_str();
    if presented.is_empty() {
        return format!(
            "it holds no name: a subjectAltName for {expected} is needed, a common name (CN) alone does not count"
        );
    }
    let mut names: Vec<&str> = presented.iter().take(SHOWN).map(|name| bare(name)).collect();
    if presented.len() > SHOWN {
        names.push("…");
    }
    format!("it is for another name: {expected} is needed, and its subjectAltName has {}", names.join(", "))
}

/// The name alone: webpki writes `DnsName("a.example.com")`.
fn bare(name: &str) -> &str {
    name.split_once('"').and_then(|(_, rest)| rest.split_once('"')).map_or(name, |(name, _)| name)
}

/// The content of the `AlgorithmIdentifier`: an object identifier, and parameters that do not matter here.
fn unsupported_signature(identifier: &[u8]) -> String {
    const SHA1: [&[u8]; 2] = [
        // sha1WithRSAEncryption 1.2.840.113549.1.1.5, ecdsa-with-SHA1 1.2.840.10045.4.1
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
    ];
    // md5WithRSAEncryption 1.2.840.113549.1.1.4
    const MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04];
    // ecdsa-with-SHA512 1.2.840.10045.4.3.4
    const ECDSA_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04];
    let has = |oid: &[u8]| identifier.windows(oid.len()).any(|part| part == oid);
    let what = if SHA1.iter().any(|oid| has(oid)) {
        "it is signed with SHA-1"
    } else if has(MD5) {
        "it is signed with MD5"
    } else if has(ECDSA_SHA512) {
        "it is signed with ECDSA and SHA-512, as keys on P-521 do"
    } else {
        "it is signed in a way that this client does not know"
    };
    format!(
        "{what}; SHA-256 or SHA-384 with an RSA key (2048 bits or more), P-256 or P-384, or Ed25519, is needed"
    )
}

/// Whether one of the causes begins so: the HTTP client's own errors have no names outside of it.
fn says(error: &reqwest::Error, beginning: &str) -> bool {
    causes(error).any(|cause| cause.to_string().contains(beginning))
}

fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| next(*error))
}

/// An `io::Error` holds its cause beside the chain of sources.
fn next<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source())
}

/// The cause of this type, wherever it is.
fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    causes(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// The last cause, which is the one to act on. It comes from the operating system or the HTTP library. The system's
/// own text is not asked for: glibc translates it, and reads the environment for that.
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
    fn a_signature_that_is_too_old_is_named() {
        for (identifier, named) in [
            (&b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00"[..], "SHA-1"),
            (b"\x06\x07\x2a\x86\x48\xce\x3d\x04\x01", "SHA-1"),
            (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00", "MD5"),
            (b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04", "P-521"),
            (b"\x06\x03\x2b\x65\x71", "does not know"),
        ] {
            let fault = CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: identifier.to_vec(),
                supported_algorithms: Vec::new(),
            };
            let reason = certificate_reason(&fault);
            assert!(reason.contains(named) && reason.contains("is needed"), "{reason}");
        }
    }

    #[test]
    fn a_certificate_of_many_names_is_told_by_a_few() {
        let presented: Vec<String> =
            (0..300).map(|number| format!("DnsName(\"{number}.example.com\")")).collect();
        let expected = ServerName::try_from("a.test").unwrap();
        let reason = other_name(&expected, &presented);
        assert!(reason.contains("a.test is needed") && reason.ends_with("4.example.com, …"), "{reason}");
    }
}
