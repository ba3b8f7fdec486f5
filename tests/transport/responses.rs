//! Response bodies and headers.

use std::io::Write;

use evertoken::error::ErrorKind;
use flate2::Compression;

use crate::server::{Then, kind, post, serve};

#[tokio::test]
async fn an_endless_response_is_rejected_after_a_mebibyte() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let server = serve(move |_| (head.clone(), Then::Repeat(&[b'x'; 8192]))).await;
    assert_eq!(kind(&server.origin).await, ErrorKind::Response);
}

#[tokio::test]
async fn the_size_limit_applies_to_the_decompressed_response() {
    // 2 MiB of zeros, as `gzip -9` writes them.
    let bomb = include_bytes!("../fixtures/two-mebibytes-of-zeros.gz");
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len())
            .into_bytes();
    bytes.extend_from_slice(bomb);
    let server = serve(move |_| (bytes.clone(), Then::Close)).await;
    assert_eq!(kind(&server.origin).await, ErrorKind::Response);
}

/// A response with this body and these `Content-Encoding` headers.
fn encoded(codings: &str, body: &[u8]) -> Vec<u8> {
    let mut response =
        format!("HTTP/1.1 200 OK\r\n{codings}content-length: {}\r\n\r\n", body.len()).into_bytes();
    response.extend_from_slice(body);
    response
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest)
}

const TOKEN: &[u8] = br#"{"access_token":"abc"}"#;

/// [`TOKEN`], compressed with Brotli.
const TOKEN_IN_BROTLI: &[u8] = b"\x8b\x0a\x80{\"access_token\":\"abc\"}\x03";

/// 2 MiB of zeros, compressed with Brotli.
const BOMB_IN_BROTLI: &[u8] = b"\x9b\xff\xff\x1f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x03";

async fn body_of(response: Vec<u8>) -> Result<Vec<u8>, ErrorKind> {
    let server = serve(move |_| (response.clone(), Then::Close)).await;
    post(&server.origin).await.map(|response| response.body.to_vec()).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_response_in_any_supported_coding_is_decoded() {
    let (first, second) = TOKEN.split_at(9);
    let padded = [gzip(TOKEN), vec![0; 8]].concat();
    for (codings, body) in [
        ("content-encoding: gzip\r\n", gzip(TOKEN)),
        ("Content-Encoding: GZIP\r\n", gzip(TOKEN)),
        ("content-encoding: x-gzip\r\n", gzip(TOKEN)),
        ("content-encoding: gzip\r\n", [gzip(first), gzip(second)].concat()),
        ("content-encoding: gzip\r\n", padded),
        ("content-encoding: deflate\r\n", zlib(TOKEN)),
        ("content-encoding: deflate\r\n", deflate(TOKEN)),
        ("content-encoding: br\r\n", TOKEN_IN_BROTLI.to_vec()),
        ("content-encoding: zstd\r\n", zstd(TOKEN)),
        ("content-encoding: deflate, gzip\r\n", gzip(&zlib(TOKEN))),
        ("content-encoding: br\r\ncontent-encoding: Zstd\r\n", zstd(TOKEN_IN_BROTLI)),
        ("content-encoding: identity, gzip\r\n", gzip(TOKEN)),
        ("content-encoding: identity\r\n", TOKEN.to_vec()),
        ("content-encoding: none\r\n", TOKEN.to_vec()),
        ("content-encoding: utf-8\r\n", TOKEN.to_vec()),
        ("content-encoding: \r\n", TOKEN.to_vec()),
    ] {
        assert_eq!(body_of(encoded(codings, &body)).await.as_deref(), Ok(TOKEN), "{codings}");
    }
    for coding in ["gzip", "deflate", "br", "zstd", "compress"] {
        let body = body_of(encoded(&format!("content-encoding: {coding}\r\n"), b"")).await;
        assert_eq!(body.as_deref(), Ok(&b""[..]), "{coding} of nothing");
    }
}

#[tokio::test]
async fn no_coding_expands_to_more_than_a_mebibyte() {
    let zeros = vec![0; 2 * 1024 * 1024];
    let half = gzip(&zeros[..700_000]);
    for (coding, body) in [
        ("deflate", zlib(&zeros)),
        ("deflate", deflate(&zeros)),
        ("br", BOMB_IN_BROTLI.to_vec()),
        ("zstd", zstd(&zeros)),
        ("gzip, gzip", gzip(&gzip(&zeros))),
        ("gzip", [half.clone(), half].concat()),
    ] {
        let response = encoded(&format!("content-encoding: {coding}\r\n"), &body);
        assert_eq!(body_of(response).await, Err(ErrorKind::Response), "{coding}");
    }
}

#[tokio::test]
async fn an_invalid_or_unknown_coding_is_a_response_error() {
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    for (coding, body) in [
        ("gzip", TOKEN.to_vec()),
        ("gzip", cut(gzip(TOKEN))),
        ("deflate", vec![0xff; 20]),
        ("br", vec![0xff; 20]),
        ("zstd", TOKEN.to_vec()),
        ("zstd", cut(zstd(TOKEN))),
        ("compress", vec![0x1f, 0x9d, 0x90, 0xff]),
    ] {
        let response = encoded(&format!("content-encoding: {coding}\r\n"), &body);
        assert_eq!(body_of(response).await, Err(ErrorKind::Response), "{coding}");
    }
}

#[tokio::test]
async fn header_lines_that_node_accepts_are_accepted() {
    let many = "x-many: a\r\n".repeat(1500);
    let long = format!("set-cookie: {}\r\n", "a".repeat(15 * 1024));
    for head in [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200\r\n",
        "HTTP/1.1 200 \r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 200 \u{e4}\u{f6}\r\n",
        "HTTP/1.1 200 OK\nx-lone: feed\n",
        "HTTP/1.1 200 OK\r\nx-folded: one\r\n two\r\n\tthree\r\n",
        "HTTP/1.1 200 OK\r\nx-spaced : one\r\n",
        "HTTP/1.1 200 OK\r\nx odd name: one\r\n",
        "HTTP/1.1 200 OK\r\n\u{fc}mlaut: one\r\n",
        "HTTP/1.1 200 OK\r\nx-text: gr\u{fc}n\r\n",
        "HTTP/1.1 200 OK\r\nx-bell: \u{7}\r\n",
        "HTTP/1.1 200 OK\r\nx-empty:\r\n: nameless\r\n",
        "HTTP/1.1 200 OK\r\nno colon at all\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n",
        &format!("HTTP/1.1 200 OK\r\n{many}"),
        &format!("HTTP/1.1 200 OK\r\n{long}"),
    ] {
        // One byte per character, as on the wire.
        let mut response: Vec<u8> = head.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        response.extend_from_slice(format!("content-length: {}\r\n\r\n", TOKEN.len()).as_bytes());
        response.extend_from_slice(TOKEN);
        let head: String = head.chars().take(60).collect();
        assert_eq!(body_of(response).await.as_deref(), Ok(TOKEN), "{head:?}");
    }
}
