//! `Content-Encoding`: decodes a body, even in a coding that the request did not accept.

use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use zeroize::Zeroizing;

/// The two bytes that each member of a gzip stream starts with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a body cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DecodingError {
    /// It is longer than `limit` when decoded.
    TooLong,
    /// It is not valid in its coding.
    Invalid,
    /// Its coding is not supported.
    Unknown,
}

/// Undoes the codings of a body. Each may produce at most `limit` bytes.
pub(super) fn decode(
    headers: &HeaderMap,
    body: Zeroizing<Vec<u8>>,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<String> =
        values.flat_map(|value| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase()).collect();
    // They are listed in the order in which they were applied (RFC 9110 §8.4).
    codings.iter().rev().try_fold(body, |body, coding| decode_one(coding, body, limit))
}

fn decode_one(
    coding: &str,
    body: Zeroizing<Vec<u8>>,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    // A response without a body, such as a 204, may still name a coding.
    if body.is_empty() {
        return Ok(body);
    }
    match coding {
        "gzip" | "x-gzip" => gunzip(&body, limit),
        "deflate" => inflate(&body, limit),
        "br" => read(brotli_decompressor::Decompressor::new(body.as_slice(), 4096), limit),
        "zstd" => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(body.as_slice())
                .map_err(|_| DecodingError::Invalid)?;
            read(decoder, limit)
        }
        // "identity", "none", "utf-8": some servers send a value that is not a coding.
        _ if std::str::from_utf8(&body).is_ok() => Ok(body),
        _ => Err(DecodingError::Unknown),
    }
}

/// Every member of the stream. Trailing bytes are ignored, as browsers do.
fn gunzip(body: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    let mut rest = body;
    let mut whole = Zeroizing::new(Vec::new());
    loop {
        let member = read(GzDecoder::new(&mut rest), limit)?;
        if whole.len() + member.len() > limit {
            return Err(DecodingError::TooLong);
        }
        whole.extend_from_slice(&member);
        if !rest.starts_with(&GZIP) {
            return Ok(whole);
        }
    }
}

/// "deflate" means the zlib format (RFC 9110 §8.4.1.2), but some servers send a raw deflate stream.
fn inflate(body: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    match read(ZlibDecoder::new(body), limit) {
        Err(DecodingError::Invalid) => read(DeflateDecoder::new(body), limit),
        result => result,
    }
}

fn read(from: impl Read, limit: usize) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    let mut whole = Zeroizing::new(Vec::new());
    let read: io::Result<usize> = from.take(limit as u64 + 1).read_to_end(&mut whole);
    match read {
        Ok(length) if length > limit => Err(DecodingError::TooLong),
        Ok(_) => Ok(whole),
        Err(_) => Err(DecodingError::Invalid),
    }
}
