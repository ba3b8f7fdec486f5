//! The messages of RFC 6749 and its family: requests to bytes, bytes to tokens or refusals. No policy.

mod answer;
mod assertion;
mod body;
mod cookie;
mod expiry;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod jwt;
mod kept;
mod locate;
mod metadata;
mod proof;
mod refusal;
mod request;
mod retry_after;
mod server_error;

pub use answer::{Granted, Reading, read};
pub use assertion::client_assertion;
pub use expiry::{Expiry, clocks_differ, server_clock};
pub use kept::{Kept, Unkept};
pub use metadata::{Metadata, Unusable};
pub use proof::{ProofKey, Proven, asks_for_nonce, fresh_nonce, is_nonce, may_refuse_the_date};
pub use refusal::Refusal;
pub use request::{Client, Draft, Form, Proof, blank, json};
pub use retry_after::read as retry_after;
