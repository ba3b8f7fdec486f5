//! `Content-Encoding`: what a server did to a body is undone, whatever it was asked for.

use std::io::{self, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use zeroize::Zeroizing;

/// The two bytes that each part of a gzip stream begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a body cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DecodingError {
    /// It becomes longer than `limit`.
    TooLong,
    /// It breaks the rules of its coding.
    Broken,
    /// Its coding is not known here.
    Unknown,
}

/// The body without its codings, each of which may make `limit` bytes of it.
pub(super) fn decoded(
    headers: &HeaderMap,
    body: Zeroizing<Vec<u8>>,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<String> =
        values.flat_map(|value| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase()).collect();
    // They were applied in the order in which they are named (RFC 9110 §8.4).
    codings.iter().rev().try_fold(body, |body, coding| without(coding, body, limit))
}

fn without(
    coding: &str,
    body: Zeroizing<Vec<u8>>,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    // An answer without a body, such as 204, may name a coding all the same.
    if body.is_empty() {
        return Ok(body);
    }
    match coding {
        "gzip" | "x-gzip" => gunzip(&body, limit),
        "deflate" => inflate(&body, limit),
        "br" => read(brotli_decompressor::Decompressor::new(body.as_slice(), 4096), limit),
        "zstd" => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(body.as_slice())
                .map_err(|_| DecodingError::Broken)?;
            read(decoder, limit)
        }
        // "identity", "none", "utf-8": some servers write what is no coding.
        _ if std::str::from_utf8(&body).is_ok() => Ok(body),
        _ => Err(DecodingError::Unknown),
    }
}

/// Each part of the stream; what follows them is left out, as browsers do.
fn gunzip(body: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    let mut rest = body;
    let mut whole = Zeroizing::new(Vec::new());
    loop {
        let part = read(GzDecoder::new(&mut rest), limit)?;
        if whole.len() + part.len() > limit {
            return Err(DecodingError::TooLong);
        }
        whole.extend_from_slice(&part);
        if !rest.starts_with(&GZIP) {
            return Ok(whole);
        }
    }
}

/// "deflate" means the zlib format (RFC 9110 §8.4.1.2); some servers send the stream without its frame.
fn inflate(body: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    match read(ZlibDecoder::new(body), limit) {
        Err(DecodingError::Broken) => read(DeflateDecoder::new(body), limit),
        result => result,
    }
}

fn read(from: impl Read, limit: usize) -> Result<Zeroizing<Vec<u8>>, DecodingError> {
    let mut whole = Zeroizing::new(Vec::new());
    let read: io::Result<usize> = from.take(limit as u64 + 1).read_to_end(&mut whole);
    match read {
        Ok(length) if length > limit => Err(DecodingError::TooLong),
        Ok(_) => Ok(whole),
        Err(_) => Err(DecodingError::Broken),
    }
}
