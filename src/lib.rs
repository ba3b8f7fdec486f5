//! `evertoken` always has a good access token.
//!
//! The core knows nothing of Node: it obtains tokens, keeps them in memory and in a store, refreshes them in
//! the background on a thread of its own and answers with a snapshot. `binding/` is the only folder that
//! speaks to JavaScript. `ARCHITECTURE.md` is the map.

// In suggested reading order; a module uses only those above it.
mod sync;

pub mod domain;
mod redaction;

pub mod error;

pub mod clock;
pub mod log;
pub mod runtime;

pub mod crypto;

pub mod config;

pub mod transport;

pub mod oauth;

pub mod grants;

pub mod store;

pub mod service;

pub mod scheduler;

// cargo-fuzz sets the condition; in no build for users is anything of it.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

// The wall: without the feature, and in Rust's own tests, no napi is compiled.
#[cfg(all(feature = "napi", not(test)))]
mod binding;
