//! Checks the architecture: the layers, the isolation of napi, and where secrets are exposed.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources fails")]

#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/timeouts.rs"]
mod timeouts;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use graph::{code, graph, is_test, module_of, sources, src};

/// The modules in order. Each uses only those before it.
const LAYERS: [&str; 18] = [
    "sync",
    "gate",
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
    "functions",
    "grants",
    "store",
    "service",
    "scheduler",
    "fuzzing",
];

/// May use all the others.
const TOP: &str = "binding";

/// The rooms inside a module, in their order, where they have one.
const ROOMS: [(&str, &[&str]); 2] = [
    (
        "service",
        &["state", "observe", "store_sync", "refresh", "snapshot", "access", "upkeep", "parts", "registry"],
    ),
    ("scheduler", &["plan", "timetable"]),
];

fn rank(order: &[&str], name: &str) -> usize {
    order.iter().position(|layer| *layer == name).unwrap_or(order.len())
}

#[test]
fn no_module_uses_one_above_it() {
    let mut wrong = Vec::new();
    for (module, used) in graph() {
        let name = module[0].as_str();
        assert!(name == TOP || LAYERS.contains(&name), "{name} has no place among the layers");
        let above = used.iter().filter(|used| rank(&LAYERS, &used[0]) > rank(&LAYERS, name));
        wrong.extend(above.map(|used| format!("{} uses {}", module.join("::"), used.join("::"))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_room_uses_one_above_it() {
    let mut wrong = Vec::new();
    for (module, used) in graph() {
        let Some((house, order)) = ROOMS.iter().find(|(house, _)| module[0] == *house) else { continue };
        let Some(room) = module.get(1) else { continue };
        assert!(order.contains(&room.as_str()), "{house}::{room} has no place among the rooms");
        let inside = used.iter().filter(|used| used[0] == *house && used.len() > 1);
        let above = inside.filter(|used| rank(order, &used[1]) > rank(order, room));
        wrong.extend(above.map(|used| format!("{} uses {}", module.join("::"), used.join("::"))));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut graph = graph();
    // What uses nothing, or only what was taken away, is in no circle.
    loop {
        let is_free = |used: &BTreeSet<_>| used.is_empty();
        let free: Vec<_> =
            graph.iter().filter(|(_, used)| is_free(used)).map(|(module, _)| module.clone()).collect();
        if free.is_empty() {
            break;
        }
        for module in free {
            graph.remove(&module);
            for used in graph.values_mut() {
                used.remove(&module);
            }
        }
    }
    let left: Vec<_> = graph
        .iter()
        .map(|(module, used)| {
            let used: Vec<_> = used.iter().map(|used| used.join("::")).collect();
            format!("{} uses {}", module.join("::"), used.join(", "))
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_type_that_several_files_see_has_a_name_of_its_own() {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources(&src()).iter().filter(|path| !is_test(path)) {
        for line in code(path).lines().map(str::trim).filter(|line| line.starts_with("pub")) {
            let words: Vec<_> = line.split([' ', '<', '(', ';', '{']).collect();
            let kind = words.iter().position(|word| matches!(*word, "struct" | "enum" | "trait" | "type"));
            let name = kind.and_then(|kind| words.get(kind + 1));
            if let Some(name) = name.filter(|name| name.starts_with(char::is_uppercase)) {
                names.entry((*name).to_owned()).or_default().insert(module_of(path).join("::"));
            }
        }
    }
    names.retain(|_, modules| modules.len() > 1);
    assert!(names.is_empty(), "{names:#?}");
}

#[test]
fn only_its_own_file_implements_the_service() {
    let implements = |path: &PathBuf| code(path).lines().any(|line| line.starts_with("impl Service "));
    let files: Vec<_> = sources(&src()).into_iter().filter(implements).collect();
    assert_eq!(files, [src().join("service/mod.rs")]);
    let lines = fs::read_to_string(&files[0]).unwrap().lines().count();
    assert!(lines <= 200, "the facade has {lines} lines");
}

#[test]
fn only_the_binding_says_napi() {
    for path in sources(&src()) {
        let is_free = module_of(&path).first().is_none_or(|module| module == TOP);
        assert!(is_free || !code(&path).contains("napi"), "{}", path.display());
    }
}

/// Each use of `expose` is a place where a secret could leak. Review a new one, then add it here.
#[test]
fn secrets_are_exposed_in_known_places_only() {
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
    // To JavaScript: the headers, the token and its fields.
    ("binding/functions.rs", 4),
    // Into the URL of the API.
    ("config/base_url.rs", 1),
    // Parses and checks keys.
    ("config/client.rs", 1),
    // Into the header's value.
    ("config/credentials.rs", 1),
    ("config/header.rs", 1),
    // Encryption and decryption.
    ("crypto/key.rs", 1),
    ("crypto/passphrase.rs", 2),
    ("crypto/ring.rs", 3),
    // Parses and checks keys.
    ("crypto/signing_key.rs", 3),
    // Into a request.
    ("grants/login_custom.rs", 2),
    ("grants/login_json.rs", 1),
    ("grants/password.rs", 1),
    ("grants/refresh.rs", 2),
    ("grants/revoke.rs", 1),
    // The stored key pair is read; the token is hashed.
    ("oauth/dpop.rs", 2),
    // Reads the dates of a JWT.
    ("oauth/jwt.rs", 1),
    // Into a request.
    ("oauth/request.rs", 9),
    // Compared with a server's text, to remove it.
    ("redaction.rs", 1),
    // The address of a chat room, to post to it.
    ("service/observe/webhook.rs", 1),
    // Why the last holder of the lease failed, without a credential.
    ("service/refresh/lease.rs", 1),
    // To the function that logs in.
    ("service/refresh/login_function.rs", 1),
    // When which credential was rejected: digests and times, without a credential.
    ("service/refresh/rejected_credentials.rs", 1),
    // Into the store, sealed.
    ("store/external/rows.rs", 1),
    ("store/external/wire.rs", 6),
    ("store/file/document.rs", 3),
    ("store/lease.rs", 1),
    // Into a digest that tells places apart; into a parameter of a statement.
    ("store/postgres.rs", 2),
    ("store/postgres/row.rs", 2),
    // The password of a database, to log in.
    ("store/postgres/target.rs", 1),
    // Into a digest, for comparison.
    ("store/record.rs", 2),
    // Into arguments of scripts, sealed; into a digest; to log in.
    ("store/redis.rs", 2),
    ("store/redis/row.rs", 2),
    ("store/redis/stream.rs", 1),
    // Times and random numbers of a lease; the word of a removal.
    ("store/row_store/leases.rs", 2),
    ("store/row_store/tombstone.rs", 1),
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
    // Checks whether it is empty.
    ("transport/mod.rs", 1),
    // Searched for in a redirect's target, to omit them; distinguishes a grant from a login.
    ("transport/redirect.rs", 5),
    // Into the digest that tells clients apart.
    ("transport/shared.rs", 1),
    // The key of the client certificate.
    ("transport/tls.rs", 1),
];

/// `process.env.X = …` on Node's main thread and `getenv` on another can crash the process:
/// docs/decisions/0008.
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
            assert!(!lines.any(|line| line.contains(reader)), "{} uses {reader}", path.display());
        }
    }
    // Without this, the HTTP client would look for proxies in the environment.
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

#[test]
fn the_table_of_timeouts_lists_every_constant_with_its_value() {
    let text = fs::read_to_string(src().with_file_name("ARCHITECTURE.md")).unwrap();
    let (constants, rows) = (timeouts::constants(), timeouts::rows(&text));
    let missing: Vec<_> = constants.iter().filter(|constant| !rows.contains(constant)).collect();
    let outdated: Vec<_> = rows.iter().filter(|row| !constants.contains(row)).collect();
    assert!(missing.is_empty() && outdated.is_empty(), "missing {missing:#?}, outdated {outdated:#?}");
}

/// Without its variable a test does nothing: a name that is written wrong would go unnoticed.
#[test]
fn the_variables_of_the_tests_are_those_that_the_engines_set() {
    let script = src().with_file_name("scripts/support/engines.mjs");
    let tests = ["store/postgres", "store/redis"].iter().flat_map(|folder| sources(&src().join(folder)));
    assert_eq!(test_variables(&tests.collect::<Vec<_>>()), test_variables(&[script]));
}

fn test_variables(files: &[PathBuf]) -> BTreeSet<String> {
    const PREFIX: &str = "EVERTOKEN_TEST_";
    let names_in = |text: String| -> Vec<String> {
        let rest = text.split(PREFIX).skip(1);
        rest.map(|rest| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect()).collect()
    };
    files.iter().flat_map(|path| names_in(fs::read_to_string(path).unwrap())).collect()
}
