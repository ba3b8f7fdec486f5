//! The fields of a response that are kept.

use super::*;
use crate::config::ResponseField;
use crate::oauth::FieldError;

fn field(path: &str) -> ResponseField {
    ResponseField { name: path.to_owned(), path: path_of(path) }
}

fn kept(response: &TestResponse) -> Vec<(String, String)> {
    let kept = response.read().unwrap().kept;
    assert_eq!(kept.faults, []);
    kept.fields.values().map(|(name, value)| (name.to_owned(), value.expose().to_owned())).collect()
}

fn pairs<const N: usize>(list: [(&str, &str); N]) -> Vec<(String, String)> {
    list.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[test]
fn strings_numbers_and_booleans_are_kept_as_text() {
    let body = json!({
        "access_token": "abc", "url": "https://na1.example.com", "id": 7, "big": 9_007_199_254_740_993_u64,
        "rate": 1.5, "whole": 1e3, "flag": true, "empty": "", "none": null
    });
    let names = ["url", "id", "big", "rate", "whole", "flag", "empty", "none", "absent"];
    let response = TestResponse { kept: names.map(field).into(), ..response(body.to_string()) };
    assert_eq!(
        kept(&response),
        pairs([
            ("big", "9007199254740993"),
            ("empty", ""),
            ("flag", "true"),
            ("id", "7"),
            ("rate", "1.5"),
            ("url", "https://na1.example.com"),
            ("whole", "1000"),
        ])
    );
    assert_eq!(response.read().unwrap().kept.fields.missing().collect::<Vec<_>>(), ["absent", "none"]);
}

#[test]
fn a_field_is_found_at_its_path_or_next_to_the_token() {
    let body = json!({
        "data": { "access_token": "abc", "instance_url": "https://a.example", "region": { "name": "eu" } },
        "hosts": [{ "url": "https://b.example" }], "top": "t"
    });
    let names = ["instance_url", "data.region.name", "hosts.0.url", "top", "header:X-Region"];
    let response = TestResponse { kept: names.map(field).into(), ..response(body.to_string()) };
    assert_eq!(
        kept(&response.header("x-region", "west")),
        pairs([
            ("data.region.name", "eu"),
            ("header:X-Region", "west"),
            ("hosts.0.url", "https://b.example"),
            ("instance_url", "https://a.example"),
            ("top", "t"),
        ])
    );
}

#[test]
fn an_array_an_object_or_a_long_string_is_not_kept_and_reported() {
    let at_most = "x".repeat(4096);
    let body = json!({ "access_token": "abc", "list": [1], "object": {}, "long": format!("{at_most}x"), "fits": at_most });
    let names = ["list", "object", "long", "fits"];
    let response = TestResponse { kept: names.map(field).into(), ..response(body.to_string()) };
    let kept = response.read().unwrap().kept;
    let fault = |name: &str, fault| (name.to_owned(), fault);
    assert_eq!(
        kept.faults,
        [
            fault("list", FieldError::NotText),
            fault("object", FieldError::NotText),
            fault("long", FieldError::TooLong)
        ]
    );
    assert_eq!(kept.fields.values().map(|(name, _)| name).collect::<Vec<_>>(), ["fits"]);
}
