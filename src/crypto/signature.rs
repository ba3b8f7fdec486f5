//! Signatures that others make, as they are written into a JWT (RFC 7518 §3).

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::algorithm::SigningAlgorithm;

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// RSA keys have 2048 to 4096 bits here; services have keys of up to 8192.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A signature from its base64url, or from the base64 that many services return. That of ECDSA may be in DER, and is
/// converted: a JWT contains r and s at their full length (RFC 7518 §3.4).
///
/// # Errors
/// Why it is not a signature by this algorithm: the rest of a sentence that begins with what returned it.
pub fn read_signature(algorithm: SigningAlgorithm, text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let alphabet = if text.contains(['+', '/']) { &STANDARD } else { &URL_SAFE };
    let bytes = GeneralPurpose::new(alphabet, CONFIG).decode(text).map_err(
        |_| "returned a text that is not base64url: return the signature in base64url, or its bytes",
    )?;
    let found = bytes.len();
    let expected = match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Es384 => {
            let half = if algorithm == SigningAlgorithm::Es256 { 32 } else { 48 };
            let raw = if found == 2 * half { Some(bytes) } else { raw_of_der(&bytes, half) };
            return raw.ok_or_else(|| {
                let name = algorithm.name();
                format!(
                    "returned {found} bytes, but an {name} signature has {} (r and s), or is in DER",
                    2 * half
                )
            });
        }
        SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => found == 64,
        _ => RSA_BYTES.contains(&found),
    };
    if expected {
        return Ok(bytes);
    }
    Err(format!("returned {found} bytes, which is not a signature by {}", algorithm.name()))
}

/// `Ecdsa-Sig-Value` (RFC 3279 §2.2.3) as r and s of `half` bytes each.
fn raw_of_der(der: &[u8], half: usize) -> Option<Vec<u8>> {
    // The whole is shorter than 128 bytes, so that each length is one byte.
    let [0x30, length @ ..=0x7f, numbers @ ..] = der else { return None };
    if usize::from(*length) != numbers.len() {
        return None;
    }
    let (r, rest) = integer(numbers, half)?;
    let (s, rest) = integer(rest, half)?;
    rest.is_empty().then(|| [r, s].concat())
}

/// A positive `INTEGER` at its full length, and what follows it.
fn integer(der: &[u8], length: usize) -> Option<(Vec<u8>, &[u8])> {
    let [0x02, size, rest @ ..] = der else { return None };
    let (number, rest) = rest.split_at_checked(usize::from(*size))?;
    let is_positive = number.first().is_some_and(|first| *first < 0x80);
    let digits = &number[number.iter().position(|byte| *byte != 0)?..];
    let zeros = length.checked_sub(digits.len()).filter(|_| is_positive)?;
    Some(([&vec![0; zeros], digits].concat(), rest))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};

    use super::*;

    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let number = |value: &[u8]| [&[2, u8::try_from(value.len()).unwrap()], value].concat();
        let both = [number(r), number(s)].concat();
        [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
    }

    fn read(algorithm: SigningAlgorithm, bytes: &[u8]) -> Result<Vec<u8>, String> {
        read_signature(algorithm, &URL_SAFE_NO_PAD.encode(bytes))
    }

    #[test]
    fn an_ecdsa_signature_in_der_becomes_r_and_s_at_their_full_length() {
        for (algorithm, half) in [(SigningAlgorithm::Es256, 32), (SigningAlgorithm::Es384, 48)] {
            let high = [vec![0], vec![0xff; half]].concat();
            let short = vec![0x11; half - 2];
            let expected = [vec![0xff; half], vec![0, 0], vec![0x11; half - 2]].concat();
            assert_eq!(read(algorithm, &der(&high, &short)), Ok(expected.clone()));
            assert_eq!(read(algorithm, &expected), Ok(expected.clone()), "raw stays as it is");
            // Even if it begins as DER does.
            let lookalike = [vec![0x30], vec![0; 2 * half - 1]].concat();
            assert_eq!(read(algorithm, &lookalike), Ok(lookalike.clone()));

            let whole = der(&high, &short);
            let long = der(&[vec![1], vec![0xff; half]].concat(), &short);
            let negative = der(&vec![0x80; half - 4], &vec![0x11; half - 1]);
            let more = [&whole[..], &[0]].concat();
            for wrong in [&whole[..whole.len() - 1], &more, &long, &negative, &[], &[0x30], &[0x30, 0]] {
                let reason = read(algorithm, wrong).unwrap_err();
                assert!(reason.contains("r and s"), "{wrong:x?}: {reason}");
            }
        }
    }

    #[test]
    fn the_length_must_be_that_of_the_algorithm() {
        for (algorithm, right, wrong) in [
            (SigningAlgorithm::Ed25519, &[64][..], &[0, 63, 65, 256][..]),
            (SigningAlgorithm::EdDsa, &[64], &[32]),
            (SigningAlgorithm::Rs256, &[256, 384, 512], &[0, 64, 128]),
            (SigningAlgorithm::Ps512, &[256], &[72]),
        ] {
            for length in right {
                assert!(read(algorithm, &vec![7; *length]).is_ok());
            }
            for length in wrong {
                let reason = read(algorithm, &vec![7; *length]).unwrap_err();
                assert!(reason.contains(&format!("returned {length} bytes")), "{reason}");
            }
        }
    }

    #[test]
    fn base64_is_read_in_both_alphabets_and_nothing_else_is() {
        let bytes: Vec<u8> = (0..=255).collect();
        let algorithm = SigningAlgorithm::Rs256;
        for text in
            [BASE64.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes), format!("{}\n", BASE64.encode(&bytes))]
        {
            assert_eq!(read_signature(algorithm, &text).as_ref(), Ok(&bytes));
        }
        for text in ["hunter 2", "a+b_c", "\u{e4}"] {
            let reason = read_signature(algorithm, text).unwrap_err();
            assert!(reason.contains("not base64url") && !reason.contains(text), "{reason}");
        }
    }
}
