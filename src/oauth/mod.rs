//! The messages of RFC 6749 and its family: requests to bytes, bytes to tokens or refusals. No policy.

mod answer;
mod expiry;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod jwt;
mod refusal;
mod request;
mod retry_after;

pub use answer::{Granted, Reading, read};
pub use refusal::Refusal;
pub use request::{ClientSecret, Form, bearer_refresh, json};
