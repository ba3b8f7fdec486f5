//! `evertoken` always has a valid access token.
//!
//! The core knows nothing about Node: it obtains tokens, keeps them in memory and in a store, refreshes them
//! in the background on its own thread, and returns snapshots. `binding/` is the only folder that talks to
//! JavaScript. `ARCHITECTURE.md` is the map.

// In suggested reading order. A module uses only those above it.
mod sync;

mod gate;

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

pub mod functions;

pub mod grants;

pub mod store;

pub mod service;

pub mod scheduler;

// Compiled only for cargo-fuzz and tests, never for users.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

// The core builds and is tested without napi.
#[cfg(all(feature = "napi", not(test)))]
mod binding;
