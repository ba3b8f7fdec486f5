//! Tells the linker what a Node addon needs; the core alone needs nothing.

fn main() {
    #[cfg(feature = "napi")]
    napi_build::setup();
}
