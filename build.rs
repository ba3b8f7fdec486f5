//! Sets the linker options that a Node addon needs. The core alone needs none.

fn main() {
    #[cfg(feature = "napi")]
    napi_build::setup();
}
