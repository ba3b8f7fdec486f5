use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

fn clean(text: &str) -> String {
    let secrets =
        ["p@ss \"word\"/ä", "hunter2", "Basic Y2xpZW50OnNlY3JldC12YWx1ZQ==", "abc"].map(Secret::new);
    Redaction::of(&secrets).clean(text).unwrap_or_default()
}

#[test]
fn a_secret_is_removed_in_every_form_in_which_a_server_may_repeat_it() {
    for form in [
        "hunter2",
        "HUNTER2",
        "aHVudGVyMg==",
        "aHVudGVyMg",
        "p@ss \"word\"/ä",
        "p@ss  \"word\"/ä",
        "p@ss\n\"word\"/ä",
        "p@ss \\\"word\\\"/ä",
        "p%40ss+%22word%22%2F%C3%A4",
        "p%40ss%20%22word%22%2f%c3%a4",
        "hun\u{200b}ter2",
        "hun\u{7}ter2",
        "Basic Y2xpZW50OnNlY3JldC12YWx1ZQ==",
        "Y2xpZW50OnNlY3JldC12YWx1ZQ==",
    ] {
        let shown = clean(&format!("the value {form} is wrong"));
        assert_eq!(shown, "the value [removed] is wrong", "{form}");
    }
    assert_eq!(clean("the alphabet begins with abc"), "the alphabet begins with abc");
}

#[test]
fn a_secret_is_found_in_every_encoding() {
    let password = "Zq7!k&w\"é9";
    let redaction = Redaction::of(&[Secret::new(password)]);
    let hex: String = password.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let every = |write: &dyn Fn(char) -> String| password.chars().map(write).collect::<String>();
    for form in [
        hex.clone(),
        hex.to_uppercase(),
        format!("0x{hex}"),
        "5a 71 37 21 6b 26 77 22 c3 a9 39".into(),
        "5A:71:37:21:6B:26:77:22:C3:A9:39".into(),
        "Zq7%2521k%2526w%2522%25C3%25A99".into(),
        "Zq7!k%26w%22%C3%A99".into(),
        "Zq7%21k%26w%22%E99".into(),
        "%5a%71%37%21%6b%26%77%22%c3%a9%39".into(),
        "Zq7!k&amp;w&quot;é9".into(),
        every(&|c| format!("&#{};", u32::from(c))),
        every(&|c| format!("&#x{:x};", u32::from(c))),
        every(&|c| format!("\\u{:04x}", u32::from(c))),
        "Zq7!k&w\\\"\\u00e99".into(),
        "'Zq7!k&w\"\\xe99'".into(),
        STANDARD.encode(format!("ann:{password}")),
        URL_SAFE_NO_PAD.encode(format!("someone@example.com:{password}")),
        STANDARD.encode(STANDARD.encode(password)),
        STANDARD.encode(b"Zq7!k&w\"\xe99"),
        "ZQ7!K&W\"É9".into(),
        "\"\\\"Zq7!k&w\\\\\\\"é9\\\"\"".into(),
        "Zq7!k&w\"Ã©9".into(),
    ] {
        assert!(redaction.finds(&form), "{form}");
        let shown = redaction.clean(&format!("login of ann with «{form}» failed")).unwrap();
        assert!(shown.starts_with("login of ann with ") && shown.ends_with("failed"), "{shown}");
        assert!(!shown.contains(&form) && shown.contains(REMOVED), "{form}: {shown}");
    }
    for text in ["The username or the password is wrong.", "invalid_grant", "error=1&amp;code=2 \\u0041"] {
        assert_eq!(redaction.clean(text).as_deref(), Some(text));
    }
    let short = Redaction::of(&[Secret::new("wxyz")]);
    assert_eq!(short.clean("Basic YTp3eHl6 failed").as_deref(), Some("Basic [removed] failed"));
}

#[test]
fn only_the_first_part_of_a_long_text_is_read() {
    assert_eq!(clean(&"ab".repeat(500_000)), "");
    assert!(clean(&"ab ".repeat(500_000)).starts_with("ab ab"));
    assert!(!clean(&"%41&#65;\\u0041 ".repeat(70_000)).is_empty());
}

#[test]
fn anything_that_looks_like_a_token_is_removed() {
    for token in [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln",
        "eyJhIjoxfQ.e30.",
        "2YotnFZFEjr1zCsicMWpAA2YotnFZF",
        "dXNlcjpwYXNzd29yZC1sb25nLWVub3VnaA==",
        "0123456789abcdef0123456789abcdef",
        "8f2b6d5e-1c3a-4b5d-9e7f-0a1b2c3d4e5f",
        "client_secret%3D0a1b2c3d4e5f6a7b8c9d",
    ] {
        assert_eq!(clean(&format!("the token {token} ended")), "the token [removed] ended");
    }
}

#[test]
fn a_value_that_is_called_a_secret_is_removed_unless_it_is_a_word() {
    for (text, shown) in [
        ("password Test@123 is wrong", "password [removed] is wrong"),
        ("the secret 'x1y2' has ended", "the secret [removed] has ended"),
        ("client_secret=x1y2 is wrong", "client_secret=[removed] is wrong"),
        ("Password:x1y2", "Password:[removed]"),
        ("password: x1y2", "password: [removed]"),
    ] {
        assert_eq!(clean(text), shown);
    }
    for text in [
        "The password is wrong.",
        "password must have 8 characters",
        "the client secret, expired. Error: E1",
        "invalid token; AADSTS7000222: it ended",
    ] {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn words_paths_and_names_are_kept() {
    for text in [
        "AADSTS7000215: Invalid client secret provided. Ensure that the secret value is sent.",
        "incorrect_client_credentials_or_unknown_client",
        "ResourceServerNotFoundException at https://h/auth/realms/master/protocol/openid-connect/token",
        "see https://learn.example.com/en-us/azure/active-directory/develop/oauth2/v2/errors",
        "Der Schlüssel ist abgelaufen. 鍵が無効です。",
    ] {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn a_text_becomes_one_printable_line() {
    assert_eq!(clean(" a\r\n2026-01-01 INFO forged\u{1b}[31m\t b "), "a 2026-01-01 INFO forged[31m b");
    assert_eq!(clean("a\u{202e}b\u{2066}c\u{feff}d\u{200d}e\u{e0041}f\u{2028}g\u{85}h"), "abcdef g h");
    assert_eq!(clean("a\u{ad}b\u{fe0f}c\u{3164}d\u{e000}e\u{ffff}"), "abcde");
    assert_eq!(clean("\r\n\u{200b}"), "");
}

#[test]
fn a_text_has_at_most_300_characters_and_never_ends_within_a_secret() {
    let long = clean(&"ä ".repeat(1000));
    assert!(long.chars().count() <= 300 && long.ends_with('…'), "{long}");
    let edge = clean(&format!("{}hunter2", "a ".repeat(148)));
    assert!(!edge.contains("hun"), "{edge}");
    assert_eq!(clean(&"a ".repeat(150)).chars().count(), 299);
}
