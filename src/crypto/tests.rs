//! What sealing promises, by outcome.

use std::collections::HashSet;
use std::sync::Barrier;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

use super::*;
use crate::domain::{Secret, ServiceName};
use crate::error::{Error, ErrorKind};

const RAW: [u8; 32] = [0xfb; 32];
const PASSPHRASE: &str = "correct horse battery staple";

fn ring(keys: &[&str]) -> KeyRing {
    KeyRing::from_keys(keys.iter().map(|key| Secret::new(*key)).collect()).unwrap()
}

fn context(service: &str, field: &'static str) -> Context {
    Context::new(&ServiceName::parse(service).unwrap(), field)
}

fn token() -> Context {
    context("external_api", "token")
}

fn seal(ring: &KeyRing, text: &str) -> String {
    ring.seal(&token(), &Secret::new(text)).unwrap()
}

fn opens(ring: &KeyRing, sealed: &str) -> bool {
    ring.open(&token(), sealed).is_ok_and(|plain| plain.expose() == "a token")
}

#[test]
fn what_a_ring_seals_it_opens_and_the_text_shows_nothing() {
    let key = generate_key().unwrap();
    for ring in [ring(&[key.expose()]), ring(&[PASSPHRASE]), KeyRing::from_password(Secret::new("hunter2"))] {
        let sealed = seal(&ring, "a token");
        assert!(opens(&ring, &sealed));
        assert!(is_envelope(&sealed) && !sealed.contains("a token"), "{sealed}");
        assert_ne!(sealed, seal(&ring, "a token"));
    }
}

#[test]
fn what_stands_around_an_envelope_keeps_it_from_opening() {
    let ring = ring(&[PASSPHRASE]);
    let sealed = seal(&ring, "a token");
    for around in [format!("{sealed}~e30"), format!("~{sealed}"), format!("{sealed}\n"), format!(" {sealed}")]
    {
        assert!(!opens(&ring, &around), "{around:?}");
    }
}

#[test]
fn one_key_in_any_of_its_spellings_is_the_same_key() {
    let hex = "FB".repeat(32);
    let sealed = seal(&ring(&[&hex]), "a token");
    assert!(sealed.starts_with("et1.k."));
    let base64 = STANDARD.encode(RAW);
    for spelling in [
        hex.to_lowercase(),
        base64.trim_end_matches('=').to_owned(),
        format!("{base64}\n"),
        URL_SAFE.encode(RAW),
        URL_SAFE_NO_PAD.encode(RAW),
    ] {
        assert!(opens(&ring(&[&spelling]), &sealed), "{spelling:?}");
    }
}

#[test]
fn the_first_key_seals_and_all_open() {
    let (old, new) = (generate_key().unwrap(), generate_key().unwrap());
    let sealed_before = seal(&ring(&[old.expose()]), "a token");
    let both = ring(&[new.expose(), old.expose(), old.expose()]);
    assert!(opens(&both, &sealed_before));
    let sealed_now = seal(&both, "a token");
    assert!(opens(&ring(&[new.expose()]), &sealed_now));
    assert!(!opens(&ring(&[old.expose()]), &sealed_now));
}

#[test]
fn a_ring_moves_from_a_passphrase_to_a_key() {
    let sealed = seal(&ring(&[PASSPHRASE]), "a token");
    let key = generate_key().unwrap();
    let both = ring(&[key.expose(), PASSPHRASE]);
    assert!(opens(&both, &sealed));
    assert!(seal(&both, "a token").starts_with("et1.k."));
}

#[test]
fn a_short_or_missing_key_is_a_configuration_error_that_names_the_field() {
    for keys in [vec![], vec![Secret::new("fifteen letters")], vec![Secret::new(PASSPHRASE), Secret::new("")]]
    {
        let error = KeyRing::from_keys(keys).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("encryptionKey")));
        assert!(!error.message().contains("fifteen"));
    }
    assert!(KeyRing::from_keys(vec![Secret::new("sixteen letters!")]).is_ok());
}

#[test]
fn a_text_moved_to_another_record_or_field_does_not_open() {
    let ring = ring(&[&STANDARD.encode(RAW)]);
    let sealed = ring.seal(&context("ab", "c"), &Secret::new("a token")).unwrap();
    assert!(ring.open(&context("ab", "c"), &sealed).is_ok());
    for (service, field) in [("ab", "d"), ("a", "bc"), ("abc", ""), ("ac", "c")] {
        let error = ring.open(&context(service, field), &sealed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decrypt, "{service} {field}");
    }
}

#[test]
fn no_flipped_bit_anywhere_opens_or_passes_for_a_plain_token() {
    let ring = ring(&[&STANDARD.encode(RAW)]);
    let sealed = seal(&ring, "a token");
    for bit in 0..sealed.len() * 8 {
        let mut bytes = sealed.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert!(is_envelope(&flipped), "bit {bit}: {flipped}");
        let kind = ring.open(&token(), &flipped).unwrap_err().kind();
        // A bit of the version makes it another release's.
        assert!(matches!(kind, ErrorKind::Decrypt | ErrorKind::Storage), "bit {bit}");
    }
}

#[test]
fn a_first_character_lost_to_white_space_does_not_pass_for_a_plain_token() {
    let sealed = seal(&ring(&[PASSPHRASE]), "a token");
    for lost in ["", " ", "\n  ", "\t"] {
        let damaged = format!("{lost}{}", &sealed[1..]);
        assert!(is_envelope(&damaged), "{damaged:?}");
    }
}

#[test]
fn each_reason_not_to_open_has_words_of_its_own() {
    let ring = ring(&[&STANDARD.encode(RAW)]);
    let sealed = seal(&ring, "a token");
    let other = seal(&super::tests::ring(&[PASSPHRASE]), "a token");
    let newer = sealed.replace("et1.", "et2.");
    let cut = &sealed[..20];
    let reasons = ["a token", &newer, &other].map(|text| ring.open(&token(), text).unwrap_err());
    let kinds = reasons.each_ref().map(Error::kind);
    assert_eq!(kinds, [ErrorKind::Decrypt, ErrorKind::Storage, ErrorKind::Decrypt]);
    assert_eq!(reasons.iter().map(Error::message).collect::<HashSet<_>>().len(), 3);
    assert_eq!(ring.open(&token(), cut).unwrap_err().kind(), ErrorKind::Decrypt);
    assert!(is_envelope(&newer) && is_envelope(&sealed.replace("et1.", "et12.")) && is_envelope(cut));
}

#[test]
fn a_token_is_not_an_envelope() {
    for text in
        ["", "e", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "sk-1234", "et", "et.k.x", "ghp_1.k.x", "etc.hosts"]
    {
        assert!(!is_envelope(text), "{text}");
    }
}

#[test]
fn the_key_id_is_the_same_for_a_key_and_no_other() {
    let id = |sealed: &str| sealed.split('.').nth(2).unwrap().to_owned();
    let ring_a = ring(&[&STANDARD.encode(RAW)]);
    let ring_b = ring(&[&STANDARD.encode([1; 32])]);
    assert_eq!(id(&seal(&ring_a, "a token")), id(&seal(&ring_a, "another")));
    assert_ne!(id(&seal(&ring_a, "a token")), id(&seal(&ring_b, "a token")));
}

/// The ring of a service with this client secret.
fn of_secret(secret: &'static str) -> KeyRing {
    KeyRing::from_credential(move || Ok(Secret::new(secret)))
}

#[test]
fn every_process_derives_the_same_key_from_a_client_secret_and_another_secret_opens_nothing() {
    let sealed = seal(&of_secret("s3cret"), "a token");
    assert!(sealed.starts_with("et1.k."), "{sealed}");
    assert!(opens(&of_secret("s3cret"), &sealed));
    assert!(!opens(&of_secret("s3creT"), &sealed));
    assert!(!opens(&KeyRing::from_password(Secret::new("s3cret")), &sealed));
    assert!(!opens(&of_secret("s3cret"), &seal(&KeyRing::from_password(Secret::new("s3cret")), "a token")));
}

#[test]
fn a_credential_is_read_when_a_key_is_needed_and_an_error_of_its_source_is_passed_on() {
    let missing = KeyRing::from_credential(|| Err(Error::config("privateKey.path", "cannot be read")));
    assert!(!missing.is_ready_to_seal());
    assert_eq!(missing.seal(&token(), &Secret::new("a token")).unwrap_err().field(), Some("privateKey.path"));
    let ring = of_secret("s3cret");
    let sealed = seal(&of_secret("s3cret"), "a token");
    assert!(!ring.is_ready_to_open(&sealed));
    assert!(opens(&ring, &sealed) && ring.is_ready_to_open(&sealed) && ring.is_ready_to_seal());
}

#[test]
fn another_credential_opens_nothing() {
    let sealed = seal(&KeyRing::from_password(Secret::new("hunter2")), "a token");
    assert!(opens(&KeyRing::from_password(Secret::new("hunter2")), &sealed));
    assert!(!opens(&KeyRing::from_password(Secret::new("hunter3")), &sealed));
}

#[test]
fn a_process_seals_with_the_salt_of_the_record_it_opened() {
    let salt = |sealed: &str| sealed.split('.').nth(2).unwrap().to_owned();
    let (first, second) = (KeyRing::of_another_process(PASSPHRASE), KeyRing::of_another_process(PASSPHRASE));
    let sealed = seal(&first, "a token");
    assert_ne!(salt(&sealed), salt(&seal(&second, "a token")));
    assert!(opens(&second, &sealed));
    assert_eq!(salt(&sealed), salt(&seal(&second, "a token")));
}

#[test]
fn threads_that_ask_at_once_share_one_derivation() {
    let ring = KeyRing::of_another_process(PASSPHRASE);
    let start = Barrier::new(6);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                start.wait();
                ring.warm_up().unwrap();
                seal(&ring, "a token")
            });
        }
    });
    assert_eq!(ring.keys().unwrap().derivations(), 1);
}

#[test]
fn services_with_the_same_credential_share_one_derivation_and_it_ends_with_them() {
    let credential = || Secret::new("shared by services of one process");
    let rings: Vec<_> = (0..5).map(|_| KeyRing::from_password(credential())).collect();
    let sealed: Vec<_> = rings.iter().map(|ring| seal(ring, "a token")).collect();
    for ring in &rings {
        assert!(sealed.iter().all(|text| opens(ring, text)));
        assert_eq!(ring.keys().unwrap().derivations(), 1);
    }
    let other = KeyRing::from_password(Secret::new("of another service"));
    seal(&other, "a token");
    assert_eq!(other.keys().unwrap().derivations(), 1);
    drop(rings);
    let heir = KeyRing::from_password(credential());
    assert!(opens(&heir, &sealed[0]));
    assert_eq!(heir.keys().unwrap().derivations(), 1, "the keys of services that ended are not kept");
}

#[test]
fn a_ring_says_whether_it_has_to_derive_a_key_first() {
    let ring = KeyRing::of_another_process(PASSPHRASE);
    assert!(!ring.is_ready_to_seal());
    let sealed = seal(&ring, "a token");
    assert!(ring.is_ready_to_seal() && ring.is_ready_to_open(&sealed));
    let other = KeyRing::of_another_process(PASSPHRASE);
    assert!(!other.is_ready_to_open(&sealed));
    assert!(opens(&other, &sealed) && other.is_ready_to_open(&sealed) && other.is_ready_to_seal());
    let key = super::tests::ring(&[&STANDARD.encode(RAW)]);
    assert!(key.is_ready_to_seal() && key.is_ready_to_open(&sealed) && key.is_ready_to_open("no envelope"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_of_a_derivation_goes_back_to_the_system() {
    // In kilobytes, of this process.
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let line = status.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap()
    };
    let before = resident();
    std::thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || seal(&KeyRing::from_password(Secret::new(format!("memory {n}"))), "a token"));
        }
    });
    let grown = resident() - before;
    assert!(grown < 100_000, "{grown} kB are kept after eight derivations of 19 MiB each");
}

#[test]
fn many_salts_do_not_fill_the_memory_and_the_current_one_is_kept() {
    let ring = KeyRing::of_another_process(PASSPHRASE);
    let sealed = seal(&ring, "a token");
    let parts: Vec<&str> = sealed.split('.').collect();
    for salt in 0..10_u8 {
        let stranger = format!("et1.p.{}.{}", URL_SAFE_NO_PAD.encode([salt; 16]), parts[3]);
        assert!(!opens(&ring, &stranger));
    }
    assert!(ring.keys().unwrap().count() <= 8);
    assert!(opens(&ring, &sealed));
}

#[test]
fn a_generated_key_is_new_each_time_and_taken_as_a_key() {
    let (a, b) = (generate_key().unwrap(), generate_key().unwrap());
    assert_eq!(a.len(), 43);
    assert!(!a.matches(&b));
    assert!(seal(&ring(&[a.expose()]), "a token").starts_with("et1.k."));
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", ring(&[PASSPHRASE, PASSPHRASE])), "KeyRing(2 keys)");
}

#[test]
fn an_envelope_is_spelled_in_one_way() {
    let key = ring(&[PASSPHRASE]);
    let sealed = seal(&key, "a token");
    for version in ["et+1.", "et01.", "et1 .", "ET1."] {
        let text = sealed.replacen("et1.", version, 1);
        assert!(!opens(&key, &text), "{text}");
    }
}
