//! What is true for every text that may be an envelope.

use super::envelope::Envelope;
use super::{Context, KeyRing, is_envelope};
use crate::domain::{Secret, ServiceName};
use crate::error::{ErrorKind, Result};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const OTHER_KEY: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA";

/// `a token`, sealed once with the key above as the token of the default service.
const SEALED: &str = "et1.k.ifKzVFB-.nXffH9qxxOojIYW96U6Nsf1HV5yTLk85eMC6TI2HWP32tOWcqJao2vhetUYuxbk";

fn ring(key: &str) -> Result<KeyRing> {
    KeyRing::from_keys(vec![Secret::new(key)])
}

/// A text that was not sealed with the key does not open, an envelope with one damaged character does not pass for a
/// token, and a sealed text opens as it was.
///
/// # Panics
/// If that is not true.
pub fn envelope(data: &[u8]) {
    let context = Context::new(&ServiceName::default(), "token");
    let (Ok(ring), Ok(others)) = (ring(KEY), ring(OTHER_KEY)) else { panic!("the keys are keys") };
    let text = String::from_utf8_lossy(data);
    check_opening(&ring, &context, &text);
    assert!(Envelope::parse(&text).is_err() || is_envelope(&text), "an envelope that is not seen as one");

    let damaged = damage(data);
    check_opening(&ring, &context, &damaged);
    let differences = SEALED.chars().zip(damaged.chars()).filter(|(was, is)| was != is).count();
    assert!(differences > 1 || is_envelope(&damaged), "a damaged envelope would be sent as a token");

    let plain = Secret::new(text);
    let Ok(sealed) = ring.seal(&context, &plain) else { panic!("it does not seal") };
    assert!(is_envelope(&sealed));
    assert!(ring.open(&context, &sealed).is_ok_and(|opened| opened.matches(&plain)), "it does not open");
    assert!(others.open(&context, &sealed).is_err(), "another key opens it");
    let other_field = Context::new(&ServiceName::default(), "refreshToken");
    assert!(ring.open(&other_field, &sealed).is_err(), "it opens as another field");
}

fn check_opening(ring: &KeyRing, context: &Context, text: &str) {
    match ring.open(context, text) {
        Ok(plain) => {
            assert_eq!(text, SEALED, "a text that was never sealed opens");
            assert!(plain.matches(&Secret::new("a token")));
        }
        Err(error) => {
            // A record of another release stays as it is, but does not open either.
            assert!(matches!(error.kind(), ErrorKind::Decrypt | ErrorKind::Storage));
            assert!(text != SEALED);
        }
    }
}

/// The sealed text with one character changed for each two bytes, which say where, and to what.
fn damage(data: &[u8]) -> String {
    let mut bytes = SEALED.as_bytes().to_vec();
    for pair in data.chunks_exact(2).take(8) {
        let at = usize::from(pair[0]) % bytes.len();
        bytes[at] = pair[1] & 0x7f;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
