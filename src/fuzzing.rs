//! Properties that must hold for any input. The targets in `fuzz/` search for counterexamples.
//!
//! Compiled only for cargo-fuzz and tests. Each module defines the properties of its own private code. A
//! violated property panics, which cargo-fuzz reports as a crash. Inputs that once crashed stay in
//! `fuzz/corpus`, and the ordinary tests replay them.

pub use crate::crypto::fuzzing::envelope;
pub use crate::oauth::fuzzing::{assertion, device_authorization, jwt, retry_after, token_response};
pub use crate::store::record_file;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    type Target = fn(&[u8]);

    /// The targets, each with the name of its corpus folder and of its binary.
    const TARGETS: [(&str, Target); 7] = [
        ("assertion", assertion),
        ("device_authorization", device_authorization),
        ("envelope", envelope),
        ("jwt", jwt),
        ("record_file", record_file),
        ("retry_after", retry_after),
        ("token_response", token_response),
    ];

    fn fuzz() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    fn names_in(folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(fuzz().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_property_holds_for_every_input_in_the_corpus() {
        for (name, check) in TARGETS {
            let inputs = names_in(&format!("corpus/{name}"));
            assert!(inputs.len() >= 5, "{name} has a corpus");
            for entry in fs::read_dir(fuzz().join("corpus").join(name)).unwrap() {
                let path = entry.unwrap().path();
                let data = fs::read(&path).unwrap();
                let held = std::panic::catch_unwind(|| check(&data));
                assert!(held.is_ok(), "{}", path.display());
            }
        }
    }

    #[test]
    fn every_target_is_replayed() {
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names_in("corpus"), names);
        assert_eq!(names_in("fuzz_targets"), names);
    }
}
