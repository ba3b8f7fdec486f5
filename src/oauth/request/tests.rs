use super::*;

fn url() -> Url {
    Url::parse("https://server.example.com/token").unwrap()
}

fn body(request: Request) -> String {
    match request.body {
        Body::Form(text) | Body::Json(text) => text.expose().to_owned(),
        Body::Empty => String::new(),
    }
}

#[test]
fn the_refresh_of_rfc_6749_section_6_matches_byte_for_byte() {
    let secret = Secret::new("gX1fBat3bV");
    let client = Client { id: "s6BhdRkqt3", credential: ClientCredential::Basic(&secret) };
    let request = Form::grant(&url(), "refresh_token")
        .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
        .client(Some(&client))
        .into_request()
        .request;
    assert_eq!(request.headers[0].1.expose(), "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
    assert_eq!(body(request), "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA");
}

#[test]
fn the_post_method_of_rfc_6749_section_2_3_1_matches_byte_for_byte() {
    let secret = Secret::new("7Fjfp0ZBr1KtDRbnfVdmIw");
    let client = Client { id: "s6BhdRkqt3", credential: ClientCredential::Post(&secret) };
    let request = Form::grant(&url(), "refresh_token")
        .field("refresh_token", "tGzv3JOkF0XG5Qx2TlKWIA")
        .client(Some(&client))
        .into_request()
        .request;
    assert!(request.headers.is_empty());
    assert_eq!(
        body(request),
        "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&client_id=s6BhdRkqt3\
         &client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"
    );
}

#[test]
fn basic_encodes_the_id_and_the_secret_before_joining_them() {
    let header = basic("a:b", &Secret::new("p@ss word/ä"));
    let pair = STANDARD.decode(header.expose().strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(pair).unwrap(), "a%3Ab:p%40ss+word%2F%C3%A4");
}

#[test]
fn headers_the_query_and_hidden_values_are_secrets() {
    let url = Url::parse("https://h/token?key=k%20ey").unwrap();
    let mut draft = Form::new(&url).into_bearer_refresh(&Secret::new("refresh"));
    draft.hidden.push(Secret::new("fixed"));
    let secrets: Vec<_> = draft.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
    assert_eq!(secrets, ["Bearer refresh", "k ey", "fixed"]);
}

#[test]
fn a_public_client_sends_only_its_id() {
    let client = Client { id: "spa", credential: ClientCredential::Name };
    let request = Form::grant(&url(), "password").client(Some(&client)).into_request().request;
    assert!(request.headers.is_empty());
    assert_eq!(body(request), "grant_type=password&client_id=spa");
}

#[test]
fn the_assertion_matches_the_example_of_rfc_7523_section_2_2() {
    let url = url();
    let client = Client { id: "s6BhdRkqt3", credential: ClientCredential::Assertion(&url) };
    let draft = Form::grant(&url, "authorization_code")
        .field("code", "n0esc3NRze7LTCu7iYzS6a5acc3f0ogp4")
        .client(Some(&client))
        .into_request();
    assert_eq!(draft.late, [LatePart::ClientAssertion(url.clone())]);
    let mut request = draft.request;
    let assertion = Secret::new("eyJhbGciOiJSUzI1NiIsImtpZCI6IjIyIn0.eyJpc3Mi.cC4hiUPo");
    draft.late[0].add_to(&mut request, &assertion);
    assert!(request.headers.is_empty());
    assert_eq!(
        body(request),
        "grant_type=authorization_code&code=n0esc3NRze7LTCu7iYzS6a5acc3f0ogp4&client_id=s6BhdRkqt3\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion=eyJhbGciOiJSUzI1NiIsImtpZCI6IjIyIn0.eyJpc3Mi.cC4hiUPo"
    );
}

#[test]
fn json_has_the_same_members_with_arrays_for_repeated_ones() {
    let secret = Secret::new("p \"w\"/ä");
    let client = Client { id: "app", credential: ClientCredential::Post(&secret) };
    let parameters = [
        Parameter { name: "one".into(), values: vec![Secret::new("1")], is_list: true },
        Parameter { name: "text".into(), values: vec![Secret::new("1")], is_list: false },
    ];
    let form = || {
        Form::grant(&url(), "client_credentials")
            .fields("resource", &["a".to_owned(), "b".to_owned(), "c".to_owned()])
            .parameters(&parameters)
            .client(Some(&client))
    };
    let json = form().with_format(RequestFormat::Json).into_request().request;
    assert_eq!(json.content_type(), Some("application/json"));
    assert_eq!(
        body(json),
        concat!(
            r#"{"client_id":"app","client_secret":"p \"w\"/ä","grant_type":"client_credentials","#,
            r#""one":["1"],"resource":["a","b","c"],"text":"1"}"#
        )
    );
    let form = body(form().into_request().request);
    assert!(form.contains("&resource=a&resource=b&resource=c&one=1&text=1&client_id=app&"), "{form}");
}

#[test]
fn a_parameter_never_replaces_a_credential() {
    let parameters = [Parameter { name: "key".into(), values: vec![Secret::new("x")], is_list: false }];
    let login = Map::from_iter([("key".to_owned(), "credential".into())]);
    assert_eq!(body(json(&url(), login, &parameters).request), r#"{"key":"credential"}"#);
}

#[test]
fn the_basic_credentials_of_rfc_7617_section_2_match_byte_for_byte() {
    let header = |name, password| basic_raw(name, &Secret::new(password)).expose().to_owned();
    assert_eq!(header("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(header("test", "123\u{a3}"), "Basic dGVzdDoxMjPCow==");
    assert_eq!(basic("Aladdin", &Secret::new("open sesame")).expose(), "Basic QWxhZGRpbjpvcGVuK3Nlc2FtZQ==");
}

#[test]
fn the_assertion_as_a_grant_matches_the_example_of_rfc_7523_section_2_1() {
    let draft = Form::grant(&url(), JWT_BEARER).late(LatePart::GrantAssertion(url())).into_request();
    let mut request = draft.request;
    draft.late[0].add_to(&mut request, &Secret::new("eyJhbGciOiJFUzI1NiIsImtpZCI6IjE2In0.eyJpc3Mi.J9l-ZhwP"));
    assert_eq!(
        body(request),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
         &assertion=eyJhbGciOiJFUzI1NiIsImtpZCI6IjE2In0.eyJpc3Mi.J9l-ZhwP"
    );
}

#[test]
fn a_late_part_is_a_member_of_a_json_body_and_a_bearer_token_is_a_header() {
    let json = Form::grant(&url(), TOKEN_EXCHANGE).with_format(RequestFormat::Json).into_request().request;
    let mut request = json.clone();
    LatePart::SubjectToken.add_to(&mut request, &Secret::new("abc"));
    assert_eq!(body(request), format!(r#"{{"grant_type":"{TOKEN_EXCHANGE}","subject_token":"abc"}}"#));

    let mut request = json.clone();
    LatePart::BearerAssertion(url()).add_to(&mut request, &Secret::new("a.b.c"));
    assert_eq!(request.headers[0].1.expose(), "Bearer a.b.c");
    assert_eq!(body(request), body(json));
}
