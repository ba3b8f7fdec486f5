//! Has cargo compile the crate again when napi wants its types: macros write them down while they are compiled.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=NAPI_FORCE_BUILD_EVERTOKEN");
}
