//! The only folder that talks to JavaScript: it converts arguments, calls the core, and settles promises.
//!
//! Structured values are passed as JSON text. Every function returns an *outcome*, `{"ok": value}` or
//! `{"error": {…}}`, from which the JavaScript side creates its own error class. No function throws or
//! rejects, and no panic reaches Node. The functions are in the order of `ts/binding/native.ts`.

mod callbacks;
mod functions;
mod host;
mod outcome;
mod promise;
mod stores;
mod subscribers;
mod user_functions;
