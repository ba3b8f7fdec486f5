use super::*;

fn proxies(variables: &[(&str, &str)]) -> Proxies {
    Proxies::of(&variables.iter().copied().collect())
}

fn chosen(variables: &[(&str, &str)], url: &str) -> Option<String> {
    proxies(variables).for_url(&url.parse().unwrap()).map(ToString::to_string)
}

#[test]
fn a_loopback_host_is_never_proxied() {
    let all = [("HTTP_PROXY", "http://p:1"), ("HTTPS_PROXY", "http://p:1"), ("ALL_PROXY", "http://p:1")];
    for host in [
        "127.0.0.1",
        "127.8.9.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "api.localhost",
        "0.0.0.0",
        "[::]",
    ] {
        for scheme in ["http", "https"] {
            assert_eq!(chosen(&all, &format!("{scheme}://{host}:8080/token")), None, "{scheme} {host}");
        }
    }
    for host in ["128.0.0.1", "10.0.0.1", "[::2]", "notlocalhost", "localhost.example.com"] {
        assert!(chosen(&all, &format!("http://{host}/")).is_some(), "{host}");
    }
}

#[test]
fn the_more_specific_variable_wins_and_lower_case_over_upper_case() {
    let url = "https://a.example.com/";
    assert_eq!(chosen(&[("HTTP_PROXY", "http://p:1")], url), None);
    assert_eq!(chosen(&[("ALL_PROXY", "p:1")], url).unwrap(), "the proxy http://p:1 (ALL_PROXY)");
    let both =
        [("HTTPS_PROXY", "http://upper:1"), ("https_proxy", "http://lower:1"), ("all_proxy", "http://all:1")];
    assert_eq!(chosen(&both, url).unwrap(), "the proxy http://lower:1 (https_proxy)");
    assert_eq!(chosen(&[("HTTPS_PROXY", "http://upper:1"), ("https_proxy", "")], url), None);
    let exempt = [("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", "*"), ("no_proxy", "other.example.com")];
    assert!(chosen(&exempt, url).is_some());
}

#[test]
fn a_cgi_script_ignores_a_proxy_from_a_request_header() {
    let url = "http://a.example.com/";
    assert_eq!(chosen(&[("HTTP_PROXY", "http://evil:1"), ("REQUEST_METHOD", "GET")], url), None);
    assert!(chosen(&[("http_proxy", "http://p:1"), ("REQUEST_METHOD", "GET")], url).is_some());
}

#[test]
fn no_proxy_is_parsed_as_curl_and_node_do() {
    let yes = [
        ("*", "a.example.com"),
        ("example.com", "example.com"),
        ("example.com", "a.b.example.com"),
        (".example.com", "a.example.com"),
        (".example.com", "example.com"),
        ("*.example.com", "a.example.com"),
        ("EXAMPLE.com", "a.example.COM"),
        ("example.com.", "example.com"),
        ("example.com", "example.com."),
        ("example.com:8443", "example.com:8443"),
        ("example.com:443", "example.com"),
        ("*:443", "example.com"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:8443", "10.1.2.3:8443"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("2001:db8::/32", "[2001:db8:1::2]"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("10.0.0.1", "[::ffff:10.0.0.1]"),
        ("a.test, b.test", "b.test"),
        ("a.test b.test", "b.test"),
        (" ,, b.test ,", "b.test"),
        ("bücher.example", "bücher.example"),
        ("bücher.example", "xn--bcher-kva.example"),
    ];
    let no = [
        ("", "example.com"),
        ("example.com", "notexample.com"),
        (".example.com", "notexample.com"),
        ("a.example.com", "example.com"),
        ("example.com:8443", "example.com"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("10.1.2.3:80", "10.1.2.3"),
        ("2001:db8::/32", "[2001:db9::1]"),
        ("example.com:x", "example.com"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("com.", "example.org"),
        ("/8", "10.0.0.1"),
    ];
    for (list, expected) in [(&yes[..], true), (&no[..], false)] {
        for (exempt, host) in list {
            let direct = chosen(&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", exempt)], &format!("https://{host}/"))
                .is_none();
            assert_eq!(direct, expected, "NO_PROXY={exempt} {host}");
        }
    }
}

#[test]
fn a_proxy_is_named_without_its_credentials() {
    for text in [
        "http://ann:the%20pass@p.test:3128",
        "ann:the%20pass@p.test:3128",
        "http://ann:the%20pass@p.test:3128/x?y",
    ] {
        let proxies = proxies(&[("HTTPS_PROXY", text)]);
        let proxy = proxies.for_url(&"https://a.test/".parse().unwrap()).unwrap();
        assert_eq!(proxy.to_string(), "the proxy http://p.test:3128 (HTTPS_PROXY)");
        assert_eq!(proxy.address().unwrap().password(), Some("the%20pass"));
    }
    assert_eq!(
        chosen(&[("ALL_PROXY", "socks5h://ann:x@p.test:1080")], "https://a.test/").unwrap(),
        "the proxy socks5h://p.test:1080 (ALL_PROXY)"
    );
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_that_names_the_variable() {
    for text in [
        "socks://p:1080",
        "ftp://p",
        "http://ann:se#cret@p:1",
        "http://ann:p@se/cret@p:1",
        "http://ann:p@secret?x@p:1",
        "ann:p@secret#x@p:1",
        "http://",
        "http://p:port",
        "socks5://",
        "://p",
        "pac+https://p/x.pac",
    ] {
        let proxies = proxies(&[("HTTPS_PROXY", text)]);
        let proxy = proxies.for_url(&"https://a.test/".parse().unwrap()).unwrap();
        let error = proxy.address().unwrap_err();
        assert_eq!(error.field(), Some("HTTPS_PROXY"), "{text}");
        assert!(!error.message().contains("cret"), "{}", error.message());
    }
}
