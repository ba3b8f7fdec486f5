//! The shape of the house, checked: layers, the wall around napi, and who may open a secret.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules in their order: each uses only those before it.
const LAYERS: [&str; 16] = [
    "sync",
    "domain",
    "redaction",
    "error",
    "clock",
    "log",
    "runtime",
    "crypto",
    "config",
    "transport",
    "oauth",
    "grants",
    "store",
    "service",
    "scheduler",
    "fuzzing",
];

/// May use everything.
const TOP: &str = "binding";

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(src()).unwrap();
    relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn rank(module: &str) -> usize {
    LAYERS.iter().position(|layer| *layer == module).unwrap_or(LAYERS.len())
}

/// Whether a file holds tests only.
fn is_test(path: &Path) -> bool {
    ["tests", "conformance"].iter().any(|name| path.to_str().unwrap().contains(name))
}

/// The code of a file: what stands before its inline tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

#[test]
fn no_module_uses_one_above_it() {
    let mut wrong = Vec::new();
    for path in sources(&src()) {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        assert!(module == TOP || LAYERS.contains(&module.as_str()), "{module} has no place among the layers");
        for (number, line) in code(&path).lines().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if rank(&used) > rank(&module) {
                    wrong.push(format!("{}:{} uses {used}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_binding_says_napi() {
    for path in sources(&src()) {
        let is_free = module_of(&path) == TOP || module_of(&path) == "lib";
        assert!(is_free || !code(&path).contains("napi"), "{}", path.display());
    }
}

/// Each use of `expose` is a place where a secret could leave. A new one is looked at, then counted.
#[test]
fn secrets_are_opened_in_known_places_only() {
    let mut found: Vec<(String, usize)> = sources(&src())
        .into_iter()
        .filter(|path| !path.ends_with("secret.rs") && !is_test(path) && !path.ends_with("fuzzing.rs"))
        .map(|path| {
            let uses = code(&path).matches("expose").count();
            (path.strip_prefix(src()).unwrap().to_str().unwrap().replace('\\', "/"), uses)
        })
        .filter(|(_, uses)| *uses > 0)
        .collect();
    found.sort();
    let known: Vec<(String, usize)> =
        KNOWN_EXPOSURES.iter().map(|(path, uses)| ((*path).to_owned(), *uses)).collect();
    assert_eq!(found, known);
}

const KNOWN_EXPOSURES: &[(&str, usize)] = &[
    // Into JavaScript, for the headers and for callers who ask for the token and its fields.
    ("binding/functions.rs", 4),
    // Into the URL of the API.
    ("config/base_url.rs", 1),
    // Keys are read, and checked.
    ("config/client.rs", 1),
    // Into the value of the header.
    ("config/header.rs", 1),
    ("config/mod.rs", 1),
    // Sealing and opening.
    ("crypto/key.rs", 1),
    ("crypto/passphrase.rs", 2),
    ("crypto/ring.rs", 2),
    // Keys are read, and checked.
    ("crypto/signing_key.rs", 3),
    // Into a request.
    ("grants/login_custom.rs", 2),
    ("grants/login_json.rs", 1),
    ("grants/password.rs", 1),
    ("grants/refresh.rs", 2),
    ("grants/revoke.rs", 1),
    // The stored key pair is read; the token is hashed.
    ("oauth/dpop.rs", 2),
    // Out of an answer: dates are read.
    ("oauth/jwt.rs", 1),
    // Into a request.
    ("oauth/request.rs", 9),
    // Compared with what a server says, to take it out.
    ("redaction.rs", 1),
    // When which credential was rejected: digests and times, and no credential.
    ("service/rejected.rs", 1),
    // What the last holder of the lease left: why it failed, and no credential.
    ("service/turn.rs", 1),
    // The address of a chat room, to post to it.
    ("service/webhook.rs", 1),
    // Into the store, sealed by then.
    ("store/external/wire.rs", 3),
    ("store/file/document.rs", 3),
    ("store/lease.rs", 1),
    // Into a digest, which is compared and tells nothing.
    ("store/record.rs", 2),
    ("store/sealed.rs", 6),
    ("store/sealed/notes.rs", 1),
    // Into one text, which is sealed.
    ("store/sealed/payload.rs", 4),
    ("store/sealed/state.rs", 2),
    ("store/sqlite/leases.rs", 1),
    ("store/sqlite/notes.rs", 1),
    ("store/sqlite/rows.rs", 2),
    // Into a request.
    ("transport/http.rs", 2),
    // Whether it is empty.
    ("transport/mod.rs", 1),
    // Looked for in a redirect's target, which is told only without them; a grant is told from a login.
    ("transport/redirect.rs", 5),
    // The key of the client's certificate.
    ("transport/tls.rs", 1),
];

/// `process.env.X = …` on Node's main thread and `getenv` on one of ours end the process: docs/decisions/0008.
#[test]
fn only_javascript_reads_the_environment() {
    const READERS: [&str; 10] = [
        "env::var",
        "env::temp_dir",
        "env::home_dir",
        "getenv",
        "load_native_certs",
        "openssl_probe",
        "TimeZone::system",
        "Zoned::now",
        "Matcher::from",
        "Backtrace::capture",
    ];
    for path in sources(&src()) {
        for reader in READERS.iter().filter(|_| !is_test(&path)) {
            let code = code(&path);
            let mut lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(!lines.any(|line| line.contains(reader)), "{} has {reader}", path.display());
        }
    }
    // Without it the HTTP client looks for proxies in the environment by itself.
    assert!(code(&src().join("transport/http.rs")).contains(".no_proxy()"));
}

/// The standard library may change what its hasher computes; digests are stored, and compared by other builds.
#[test]
fn digests_are_never_those_of_the_standard_library() {
    for path in sources(&src()) {
        assert!(!fs::read_to_string(&path).unwrap().contains("DefaultHasher"), "{}", path.display());
    }
}

#[test]
fn the_configuration_leaves_cryptography_to_its_module() {
    for path in sources(&src().join("config")) {
        let code = code(&path);
        let calls = code.match_indices("ring::").map(|(at, _)| code[..at].chars().next_back());
        let is_clean = calls.into_iter().all(|before| before.is_some_and(char::is_alphanumeric));
        assert!(is_clean, "{} calls ring", path.display());
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    for path in sources(&src()) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 420, "{} has {lines} lines", path.display());
    }
}
