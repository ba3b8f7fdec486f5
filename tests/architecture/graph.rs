//! The files of `src/`, and which of them uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the sources.
pub fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All Rust files below a folder.
pub fn sources(folder: &Path) -> Vec<PathBuf> {
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

/// Whether a file holds tests only. Tests may use what is above them.
pub fn is_test(path: &Path) -> bool {
    let name = path.strip_prefix(src()).unwrap().to_str().unwrap().replace('\\', "/");
    name.split('/').any(|part| matches!(part.trim_end_matches(".rs"), "tests" | "conformance" | "fuzzing"))
}

/// The code of a file: what comes before its inline tests.
pub fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

/// The path of the module in a file: `["service", "refresh"]`.
pub fn module_of(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(src()).unwrap().with_extension("");
    let mut parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// The paths that a file names after `crate::` or `super::`, as paths from the crate's root.
pub fn uses(path: &Path) -> BTreeSet<Vec<String>> {
    let module = module_of(path);
    let mut found = BTreeSet::new();
    for line in statements(&code(path)) {
        let supers = line.matches("super::").count();
        if let Some((_, rest)) = line.split_once("crate::") {
            found.extend(expand(&[], rest));
        } else if supers > 0 && supers <= module.len() {
            let base = &module[..module.len() - supers];
            found.extend(expand(base, line.rsplit_once("super::").unwrap().1));
        }
    }
    found
}

/// Lines of code, with a `use` of several lines in one.
fn statements(code: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        match statements.last_mut().filter(|_| is_open) {
            Some(last) => last.push_str(line),
            None => statements.push(line.to_owned()),
        }
        let is_use =
            statements.last().is_some_and(|last| last.starts_with("use ") || last.starts_with("pub use "));
        is_open = is_use && !line.ends_with(';');
    }
    statements
}

/// `a::{b, c::d}` below `base` as `base::a::b` and `base::a::c::d`.
fn expand(base: &[String], text: &str) -> Vec<Vec<String>> {
    let (head, tail) = text.split_once('{').unwrap_or((text, ""));
    let mut path: Vec<_> = base.to_vec();
    path.extend(segments(head));
    if tail.is_empty() {
        return vec![path];
    }
    let members = tail.split(['{', '}', ',', ';']).map(segments).filter(|member| !member.is_empty());
    members.map(|member| [path.clone(), member].concat()).collect()
}

fn segments(text: &str) -> Vec<String> {
    let is_word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    text.trim()
        .split("::")
        .map(|part| part.split(['(', ' ', ';', '<', ',', ')', '.', ']', '>', '?']).next().unwrap_or(part))
        .take_while(is_word)
        .map(str::to_owned)
        .collect()
}

/// The files, each with those that it uses. A folder's `mod.rs` and the files in it are not counted as using each
/// other: it is their door.
pub fn graph() -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let files: Vec<_> = sources(&src()).into_iter().filter(|path| !is_test(path)).collect();
    let modules: BTreeSet<_> =
        files.iter().map(|path| module_of(path)).filter(|module| !module.is_empty()).collect();
    let nearest = |used: &[String]| {
        (1..=used.len()).rev().map(|length| used[..length].to_vec()).find(|path| modules.contains(path))
    };
    files
        .iter()
        .map(|path| {
            let module = module_of(path);
            let is_door = |used: &Vec<String>| used.starts_with(&module) || module.starts_with(used);
            let used =
                uses(path).iter().filter_map(|used| nearest(used)).filter(|used| !is_door(used)).collect();
            (module, used)
        })
        .filter(|(module, _)| !module.is_empty())
        .collect()
}
