//! The only folder that speaks to JavaScript: convert, call, settle.
//!
//! Whatever is structured crosses as JSON text, and every function answers with an *outcome*,
//! `{"ok": value}` or `{"error": {…}}`: the JavaScript side makes its own error class of it. No function
//! throws or rejects, and no panic reaches Node. The functions stand in the order of `ts/native.ts`.

mod callbacks;
mod functions;
mod host;
mod outcome;
mod promise;
mod subscribers;
