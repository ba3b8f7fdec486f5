//! The crate `evertoken` as a library that Node loads. Node finds its functions by the symbols that napi exports.

// Nothing here uses the crate by name, and the linker would leave it out.
extern crate evertoken as _;
