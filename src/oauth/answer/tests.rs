use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use zeroize::Zeroizing;

use super::*;

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    login: LoginShape,
    scheme: Option<Scheme>,
    dpop: bool,
    is_refresh: bool,
    never_expires: bool,
}

fn answer(body: impl AsRef<[u8]>) -> Answer {
    let (headers, login) = (HeaderMap::new(), LoginShape::default());
    let body = body.as_ref().to_vec();
    Answer {
        status: 200,
        headers,
        body,
        login,
        scheme: None,
        dpop: false,
        is_refresh: false,
        never_expires: false,
    }
}

impl Answer {
    fn token_path(mut self, path: &str) -> Self {
        self.login.token_path = Some(path_of(path));
        self
    }

    fn of_a_refresh(mut self) -> Self {
        self.is_refresh = true;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    fn read(&self) -> Result<Granted, Refusal> {
        let body = Zeroizing::new(self.body.clone());
        let password = Secret::new("hunter2");
        let reading = Reading {
            login: &self.login,
            is_refresh: self.is_refresh,
            never_expires: self.never_expires,
            scheme: self.scheme.as_ref(),
            scope: Some("openid read write api://app/.default"),
            dpop: self.dpop,
            secrets: vec![&password],
            place: "the server".into(),
            now: Timestamp::from_second(1_800_000_000.0),
        };
        read(&Response { status: self.status, headers: self.headers.clone(), body }, &reading)
    }

    fn life(&self) -> Option<u64> {
        let granted = self.read().unwrap();
        assert_eq!(granted.expiry_warning, None);
        seconds(granted.expiry)
    }

    fn message(&self) -> String {
        self.read().unwrap_err().into_error().message().to_owned()
    }

    fn token(&self) -> String {
        self.read().unwrap().access_token.secret().expose().to_owned()
    }

    fn refused(&self) -> bool {
        matches!(self.read(), Err(Refusal::NoToken(error)) if error.kind() == ErrorKind::Response)
    }
}

fn path_of(text: &str) -> AnswerPath {
    AnswerPath::parse(text).unwrap()
}

fn seconds(expiry: Expiry) -> Option<u64> {
    match expiry {
        Expiry::In(life) => Some(life.as_secs()),
        Expiry::Unknown | Expiry::Never => None,
    }
}

fn refresh_token_of(answer: &Answer) -> Option<String> {
    answer.read().unwrap().refresh_token.map(|token| token.expose().to_owned())
}

#[test]
fn a_token_that_is_bound_to_a_key_is_taken_where_it_can_be_proven_and_only_there() {
    // The answer of RFC 9449 §5.
    let mut bound = answer(
        r#"{"access_token":"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU","token_type":"DPoP","expires_in":2677}"#,
    );
    assert!(bound.refused());
    bound.dpop = true;
    assert!(bound.read().unwrap().scheme.is_dpop());
    let mut unbound = answer(r#"{"access_token":"abc","token_type":"Bearer"}"#);
    unbound.dpop = true;
    assert_eq!(unbound.read().unwrap().scheme.as_str(), "Bearer");
}

#[test]
fn the_example_of_rfc_6749_section_5_1_is_read() {
    let granted = answer(
        r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,
            "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","example_parameter":"example_value"}"#
            .replace("\"example\",", "\"bearer\","),
    )
    .read()
    .unwrap();
    assert_eq!(granted.access_token.secret().expose(), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(granted.scheme.as_str(), "Bearer");
    assert_eq!(granted.refresh_token.unwrap().expose(), "tGzv3JOkF0XG5Qx2TlKWIA");
    assert_eq!(granted.refresh_name, Some("refresh_token"));
    assert_eq!(seconds(granted.expiry), Some(3600));
}

#[test]
fn a_token_is_found_under_each_of_its_names() {
    for name in locate::TOKEN_NAMES {
        assert_eq!(answer(json!({ *name: "abc" }).to_string()).token(), "abc", "{name}");
        assert_eq!(answer(json!({ "data": { *name: "abc" } }).to_string()).token(), "abc", "data.{name}");
    }
    assert_eq!(answer(r#"{"access_token":null,"token":"abc"}"#).token(), "abc");
    assert_eq!(answer(r#"{"csrf_token":"decoy","access_token":"abc"}"#).token(), "abc");
    assert_eq!(answer("\u{feff}{\"token\":\"abc\"}").token(), "abc");
}

#[test]
fn a_name_that_is_there_twice_counts_once_and_the_last_time() {
    let granted = answer(r#"{"token":"a","expires_in":1,"token":"b","expires_in":60}"#).read().unwrap();
    assert_eq!(granted.access_token.secret().expose(), "b");
    assert_eq!(seconds(granted.expiry), Some(60));
}

#[test]
fn json_is_read_whatever_it_is_called() {
    for content_type in ["text/html", "text/plain", "application/octet-stream", "nonsense"] {
        assert_eq!(answer(r#"{"token":"abc"}"#).header("content-type", content_type).token(), "abc");
    }
}

#[test]
fn a_token_passes_whatever_a_jwt_says_of_how_it_is_signed_or_sealed() {
    for token in
        ["eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDA2MDB9.", "e30.OKOawDo13gRp.48V1.5eym.XFBo", "..", "a.b"]
    {
        let answer = answer(json!({ "access_token": token }).to_string());
        assert_eq!(answer.token(), token);
        let is_readable = token.ends_with("MDB9.");
        assert_eq!(answer.life(), is_readable.then_some(600), "{token}");
    }
}

#[test]
fn a_token_is_found_in_the_authorization_header() {
    assert_eq!(answer("").header("authorization", "Bearer abc").token(), "abc");
    assert_eq!(answer("{}").header("authorization", "abc").token(), "abc");
    let other = answer("").header("authorization", "Token abc").read().unwrap();
    assert_eq!(other.scheme.as_str(), "Token");
    assert!(answer("").header("authorization", "Basic dXNlcjpwYXNz").refused());
    assert!(answer("").header("authorization", "Bearer a").header("authorization", "Bearer b").refused());
}

#[test]
fn nothing_is_coerced_into_a_token() {
    for body in [
        r#"{"access_token":["abc"]}"#,
        r#"{"access_token":{"value":"abc"}}"#,
        r#"{"access_token":null}"#,
        r#"{"access_token":"a\u0000b"}"#,
        r#"{"access_token":"jetón"}"#,
        r#"{"access_token":12345}"#,
        r#"{"access_token":true}"#,
        r#"{"access_token":""}"#,
        r#"{"access_token":"Bearer "}"#,
        r#"{"access_token":"a\r\nb"}"#,
        r#"{"access_token":"abc\u0085"}"#,
        r#"{"access_token":"undefined"}"#,
        r#"{"access_token":"hunter2"}"#,
        r#"{"id_token":"abc"}"#,
        r#"{"result":{"access_token":"abc"}}"#,
        r#"[{"access_token":"abc"}]"#,
        "null",
        "42",
        "",
        "<html>",
        r#"{"access_token":"abc","expires_in":36"#,
        r#"{"access_token":"abc"} trailing"#,
        "{'access_token':'abc'}",
        r#"{"access_token":"abc\ud800"}"#,
        r#"{"access_token":"abc","expires_in":NaN}"#,
        r#"{"success":false}"#,
    ] {
        assert!(answer(body).refused(), "{body}");
    }
    assert!(answer(b"{\"access_token\":\"ab\xff\xfec\"}").refused(), "invalid UTF-8");
    assert!(answer("[".repeat(100_000)).refused(), "nested deeper than any answer");
}

#[test]
fn an_error_under_a_status_of_success_is_an_error() {
    assert!(matches!(answer(r#"{"error":"invalid_grant"}"#).read(), Err(Refusal::Rejected(_))));
    assert!(answer(r#"{"error":"server_error","access_token":"abc"}"#).refused());
    assert_eq!(answer(r#"{"error":null,"access_token":"abc"}"#).token(), "abc");
}

#[test]
fn a_token_of_a_type_that_is_not_understood_is_not_used() {
    for body in [
        r#""bearer""#,
        r#""BEARER""#,
        "null",
        r#""""#,
        r#""BearerToken""#,
        r#""bearer_token""#,
        r#""Bearer Token""#,
        r#""AccessToken""#,
        r#""access_token""#,
        r#""OAuth2 Access Token""#,
        r#""urn:ietf:params:oauth:token-type:access_token""#,
    ] {
        let granted = answer(format!(r#"{{"access_token":"abc","token_type":{body}}}"#)).read().unwrap();
        assert_eq!(granted.scheme.as_str(), "Bearer", "{body}");
    }
    for body in [r#""mac""#, r#""DPoP""#, "1", r#""N_A""#] {
        assert!(answer(format!(r#"{{"access_token":"abc","token_type":{body}}}"#)).refused(), "{body}");
    }
    let mut configured = answer(r#"{"access_token":"abc","token_type":"mac"}"#);
    configured.scheme = Scheme::parse("Token");
    assert_eq!(configured.read().unwrap().scheme.as_str(), "Token");
}

#[test]
fn configured_paths_are_the_only_ones() {
    let mut shaped = answer(r#"{"access_token":"decoy","result":{"t":"abc","r":"rt","ttl":60}}"#);
    shaped.login.token_path = Some(path_of("result.t"));
    shaped.login.refresh_token_path = Some(path_of("result.r"));
    shaped.login.expires_path = Some(path_of("result.ttl"));
    let granted = shaped.read().unwrap();
    assert_eq!(granted.access_token.secret().expose(), "abc");
    assert_eq!(granted.refresh_token.unwrap().expose(), "rt");
    assert_eq!(seconds(granted.expiry), Some(60));
    shaped.login.token_path = Some(path_of("result.none"));
    assert!(shaped.refused());
}

#[test]
fn an_impossible_refresh_token_is_dropped_and_the_access_token_kept() {
    for value in [json!("a\r\nb"), json!(null), json!(""), json!(7)] {
        let granted =
            answer(json!({ "access_token": "abc", "refresh_token": value }).to_string()).read().unwrap();
        assert!(granted.refresh_token.is_none(), "{value}");
    }
}

#[test]
fn a_token_that_is_over_is_no_token() {
    assert!(answer(r#"{"access_token":"abc","expires_in":0}"#).refused());
    assert!(answer(r#"{"access_token":"abc","expires_in":-1}"#).refused());
}

#[test]
fn the_error_names_fields_and_no_values() {
    let Err(Refusal::NoToken(error)) = answer(r#"{"result":"abc","hunter2":1,"a b":2,"ok":true}"#).read()
    else {
        panic!("a token was found");
    };
    assert!(error.message().contains("ok, result"), "{error}");
    for hidden in ["abc", "hunter2", "a b"] {
        assert!(!error.message().contains(hidden), "{error}");
    }
}

#[test]
fn a_form_is_read_where_the_header_says_so() {
    let form = answer("access_token=abc&expires_in=3600&token_type=bearer")
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.token(), "abc");
    assert_eq!(form.life(), Some(3600));
}

#[test]
fn what_of_the_scope_is_withheld_is_known_where_the_answer_names_one() {
    for (scope, withheld) in [
        ("", vec![]),
        (r#","scope":"read write""#, vec![]),
        (r#","scope":"write,read,more""#, vec![]),
        (r#","scope":["write","read"]"#, vec![]),
        (r#","scope":null"#, vec![]),
        (r#","scope":"read""#, vec!["write"]),
        (r#","scope":"reads""#, vec!["read", "write"]),
        (r#","scope":"""#, vec!["read", "write"]),
    ] {
        let granted = answer(format!(r#"{{"access_token":"abc"{scope}}}"#)).read().unwrap();
        assert_eq!(granted.withheld, withheld, "{scope}");
    }
}

#[test]
fn a_number_beyond_all_numbers_says_nothing_and_costs_no_token() {
    let digits = "9".repeat(400);
    for number in ["1e999", "-1E+999", &digits, &format!("\"{digits}\"")] {
        let granted =
            answer(format!(r#"{{"note":"\"1e999\\","access_token":"1e999","expires_in":{number}}}"#))
                .read()
                .unwrap();
        let token = granted.access_token.secret().expose();
        assert_eq!((token, granted.expiry), ("1e999", Expiry::Unknown), "{number}");
    }
    assert!(answer("{1e999").refused());
}

#[test]
fn a_token_type_that_is_not_understood_names_what_to_set_and_nothing_secret() {
    let message =
        |word: &str| answer(json!({ "access_token": "abc", "token_type": word }).to_string()).message();
    for word in ["mac", "N_A", "urn:ietf:params:oauth:token-type:jwt"] {
        assert!(message(word).contains(&format!("(\"{word}\")")), "{}", message(word));
    }
    for word in ["mac", "abc", "x hunter2", "line\r\nforged", "\u{1b}[2J", &"m".repeat(41), "<b>"] {
        let message = message(word);
        assert!(message.contains("set scheme to the word"), "{message}");
        for hidden in ["hunter2", "abc", "forged", "\u{1b}", "mmmm", "<b>"] {
            assert!(!message.contains(hidden), "{message}");
        }
    }
}

#[test]
fn a_scheme_before_the_token_is_the_tokens() {
    for (text, scheme) in [("JWT abc", "JWT"), ("Token abc", "Token"), ("bearer abc", "Bearer")] {
        let granted = answer(json!({ "token": text }).to_string()).read().unwrap();
        assert_eq!((granted.access_token.secret().expose(), granted.scheme.as_str()), ("abc", scheme));
    }
    let mut configured = answer(r#"{"token":"JWT abc"}"#);
    configured.scheme = Scheme::parse("Custom");
    assert_eq!(configured.read().unwrap().scheme.as_str(), "Custom");
    let typed = answer(r#"{"access_token":"JWT abc","token_type":"Bearer"}"#).read().unwrap();
    assert_eq!(typed.scheme.as_str(), "JWT", "never \"Bearer JWT abc\"");
    for body in [r#"{"token":"Basic abc"}"#, r#"{"token":"DPoP abc"}"#, r#"{"token":"JWT hunter2"}"#] {
        assert!(answer(body).refused(), "{body}");
    }
}

#[test]
fn a_token_is_read_from_the_whole_answer_a_list_a_header_or_a_cookie() {
    for whole in ["\"abc\"", "abc", " abc\n", "\"Bearer abc\"", "\u{feff}abc"] {
        assert_eq!(answer(whole).token_path("$").token(), "abc", "{whole:?}");
    }
    assert_eq!(answer("123456").header("content-type", "text/plain").token_path("$").token(), "123456");
    assert_eq!(answer(r#"[{"token":"abc"}]"#).token_path("0.token").token(), "abc");
    assert_eq!(answer("").header("x-auth-token", "abc").token_path("header:X-Auth-Token").token(), "abc");
    let cookie = answer(r#"{"ok":true}"#).header("set-cookie", "token=abc; HttpOnly; Max-Age=900");
    let cookie = cookie.token_path("cookie:token");
    assert_eq!((cookie.token(), cookie.life()), ("abc".into(), Some(900)));
}

#[test]
fn what_a_path_leads_to_is_not_coerced_either() {
    for whole in [
        "<html>",
        "{\"token\":\"abc\"",
        "two words",
        "",
        "null",
        "true",
        "42",
        "[\"abc\"]",
        "hunter2",
        "\"\"",
        "undefined",
    ] {
        assert!(
            answer(whole).header("content-type", "application/json").token_path("$").refused(),
            "{whole:?}"
        );
    }
    assert!(answer(r#"{"a":["abc"]}"#).token_path("a").refused());
    assert!(answer(r#"{"a":7}"#).token_path("a").refused());
    assert!(answer("{}").header("x-t", "a").header("x-t", "b").token_path("header:x-t").refused());
    assert!(answer("{}").header("set-cookie", "t=; Max-Age=0").token_path("cookie:t").refused());
    let cleared = answer("{}").header("set-cookie", "t=abc; Max-Age=0").token_path("cookie:t");
    assert!(cleared.refused(), "a cookie that is taken back");
    let unasked = answer(r#"{"ok":true}"#).header("set-cookie", "access_token=abc");
    assert!(unasked.refused(), "no cookie is read unless it is named");
    assert!(answer(r#"{"a":1}"#).token_path("b").message().contains("login.tokenPath"));
}

#[test]
fn expiry_and_refresh_token_are_found_beside_the_token_of_a_path() {
    for (path, body) in [
        (
            "result.access_token",
            json!({ "result": { "access_token": "abc", "expires_in": 120, "refresh_token": "rt" } }),
        ),
        ("result", json!({ "result": { "access_token": "abc", "expires_in": 120, "refresh_token": "rt" } })),
        (
            "data.attributes.token",
            json!({ "data": { "type": "token", "attributes": { "token": "abc", "expires_in": 120, "refreshToken": "rt" } } }),
        ),
        (
            "tokens.access.token",
            json!({ "tokens": { "access": { "token": "abc", "expires": "2027-01-15T08:02:00Z" }, "refresh": { "token": "rt" } } }),
        ),
        ("0.id", json!([{ "id": "abc", "ttl": 120, "refresh": "rt" }])),
        (
            "a.b.c",
            json!({ "a": { "b": { "c": "abc" }, "expires_in": 120 }, "refresh_token": "rt", "expires_in": 9 }),
        ),
    ] {
        let answer = answer(body.to_string()).token_path(path);
        assert_eq!(answer.token(), "abc", "{path}");
        assert_eq!(answer.life(), Some(120), "{path}");
        assert_eq!(refresh_token_of(&answer).as_deref(), Some("rt"), "{path}");
    }
    let keystone = answer(r#"{"token":{"expires_at":"2027-01-15T08:15:00.000000Z"}}"#)
        .header("x-subject-token", "abc")
        .token_path("header:X-Subject-Token");
    assert_eq!((keystone.token(), keystone.life()), ("abc".into(), Some(900)));
}

#[test]
fn a_token_in_an_object_is_found_without_a_path_where_the_name_is_usual() {
    for body in [
        r#"{"token":{"access_token":"abc","expires_in":60,"refresh_token":"rt"}}"#,
        r#"{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}"#,
        r#"{"user":{},"tokens":{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}}"#,
        r#"{"data":{"tokens":{"accessToken":"abc","expiresIn":60,"refreshToken":"rt"}}}"#,
    ] {
        let answer = answer(body);
        assert_eq!((answer.token(), answer.life()), ("abc".into(), Some(60)), "{body}");
        assert_eq!(refresh_token_of(&answer).as_deref(), Some("rt"), "{body}");
    }
    let too_deep = r#"{"data":{"data":{"data":{"data":{"data":{"token":"abc"}}}}}}"#;
    assert!(answer(too_deep).refused());
}

#[test]
fn a_refresh_is_read_by_the_configured_paths_and_then_by_the_usual_names() {
    let shaped = |body: &str| {
        let mut answer = answer(body).token_path("tokens.access.token");
        answer.login.refresh_token_path = Some(path_of("tokens.refresh.token"));
        answer.login.expires_path = Some(path_of("tokens.access.expires"));
        answer
    };
    for body in [
        r#"{"tokens":{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}},"access_token":"decoy"}"#,
        r#"{"access":{"token":"abc","expires":60},"refresh":{"token":"rt"}}"#,
        r#"{"access_token":"abc","expires_in":60,"refresh_token":"rt"}"#,
    ] {
        let answer = shaped(body).of_a_refresh();
        assert_eq!((answer.token(), answer.life()), ("abc".into(), Some(60)), "{body}");
        assert_eq!(refresh_token_of(&answer).as_deref(), Some("rt"), "{body}");
    }
    let login = shaped(r#"{"access_token":"decoy","expires_in":60}"#);
    assert!(login.refused(), "a login is laid out as it is configured");
}

#[test]
fn where_the_token_is_an_id_token_the_refresh_gives_one_too() {
    let body = r#"{"access_token":"other","id_token":"abc","refresh_token":"rt","expires_in":"3600"}"#;
    for path in ["idToken", "id_token", "result.idToken"] {
        assert_eq!(answer(body).token_path(path).of_a_refresh().token(), "abc", "{path}");
    }
    assert_eq!(answer(body).token_path("token").of_a_refresh().token(), "other");
    assert_eq!(answer(body).of_a_refresh().token(), "other");
    let only = answer(r#"{"access_token":"abc"}"#).token_path("idToken").of_a_refresh();
    assert_eq!(only.token(), "abc");
}

#[test]
fn the_name_of_a_refresh_token_is_known_where_its_path_ends_in_a_usual_one() {
    let mut shaped = answer(r#"{"token":"abc","s":{"refreshToken":"rt","r":"rt"}}"#);
    for (path, name) in [("s.refreshToken", Some("refreshToken")), ("s.r", None), ("s.none", None)] {
        shaped.login.refresh_token_path = Some(path_of(path));
        assert_eq!(shaped.read().unwrap().refresh_name, name, "{path}");
    }
}

#[test]
fn an_error_that_says_nothing_is_none_beside_a_good_token() {
    for nothing in ["null", "0", "\"\"", "{}", "[]", "false", "\"0\"", "\"none\""] {
        let body = format!(r#"{{"error":{nothing},"access_token":"abc"}}"#);
        assert_eq!(answer(&body).token(), "abc", "{body}");
        assert!(answer(format!(r#"{{"error":{nothing}}}"#)).refused(), "{nothing}");
    }
    for something in ["1", "true", "\"server_error\"", "{\"code\":0}", "[0]"] {
        let body = format!(r#"{{"error":{something},"access_token":"abc"}}"#);
        assert!(answer(&body).refused(), "{body}");
    }
}

#[test]
fn an_expiry_of_zero_is_an_error_that_names_what_to_set() {
    let zero_jwt = "e30.eyJleHAiOjB9.c2ln";
    for body in [
        json!({ "access_token": "abc", "expires_in": 0 }),
        json!({ "access_token": "abc", "expires_in": "0" }),
        json!({ "access_token": zero_jwt }),
    ] {
        let mut answer = answer(body.to_string());
        assert!(answer.refused());
        for part in ["expires in 0 seconds", "neverExpires: true", "defaultLifetimeSeconds"] {
            assert!(answer.message().contains(part), "{}", answer.message());
        }
        answer.never_expires = true;
        assert_eq!(answer.read().unwrap().expiry, Expiry::Never);
    }
    let past = answer(r#"{"access_token":"abc","expires_at":1700000000}"#);
    assert!(past.message().contains("already expired") && !past.message().contains("neverExpires"));
}

#[test]
fn a_doubtful_expiry_is_told_with_the_address_and_without_the_value() {
    let granted = answer(r#"{"access_token":"abc","expires_in":"hunter2 abc"}"#).read().unwrap();
    let warning = granted.expiry_warning.unwrap();
    assert!(warning.starts_with("the server: `expires_in`"), "{warning}");
    assert!(!warning.contains("hunter2") && !warning.contains("abc"), "{warning}");
    assert_eq!(granted.expiry, Expiry::Unknown);
}

#[test]
fn an_answer_is_read_in_its_charset_and_a_spoilt_field_spoils_only_itself() {
    let latin = b"{\"access_token\":\"abc\",\"user\":\"J\xf6rg\"}";
    assert_eq!(answer(latin).header("content-type", "application/json; charset=iso-8859-1").token(), "abc");
    assert_eq!(answer(latin).token(), "abc");
    assert_eq!(answer(r#"{"access_token":"abc","user":"\ud800"}"#).token(), "abc");
    assert_eq!(
        answer("access_token=abc&expires_in=60").header("content-type", "application/json").life(),
        Some(60)
    );
    let labeled = answer(r#"{"access_token":"abc"}"#);
    assert_eq!(labeled.header("content-type", "application/x-www-form-urlencoded").token(), "abc");
}

#[test]
fn scopes_are_compared_as_sets_however_they_are_joined() {
    let read = |asked: &str, scope: &str| {
        let body: Value = serde_json::from_str(&format!(r#"{{"scope":{scope}}}"#)).unwrap();
        withheld(&Fields::around(Vec::new(), Some(&body)), asked)
    };
    for (asked, scope) in [
        ("a,b", r#""b a""#),
        ("a b", r#""b,a""#),
        ("a, b", r#"["b","a"]"#),
        ("a b c", r#"["a,b","c"]"#),
        ("a", r#"" a , b ""#),
    ] {
        assert!(read(asked, scope).is_empty(), "{asked} {scope}");
    }
    assert_eq!(read("a,b", r#""a""#), ["b"]);
}
