//! The messages of RFC 6749 and related RFCs: builds requests, and parses responses to tokens or refusals. No
//! policy.

mod assertion;
mod body;
mod cookie;
mod dpop;
mod expiry;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod jwt;
mod kept_fields;
mod locate;
mod login_answer;
mod metadata;
mod refusal;
mod request;
mod response_context;
mod retry_after;
mod server_error;
mod time_value;
mod token_response;

pub use assertion::client_assertion;
pub use dpop::{ProofKey, ProofTarget, asks_for_nonce, fresh_nonce, is_nonce, may_refuse_the_date};
pub use expiry::{Expiry, clocks_differ, server_clock};
pub use kept_fields::{FieldError, KeptFields};
pub use login_answer::{LOGIN_FUNCTION, LoginAnswer, UnusableAnswer, read_login_answer};
pub use metadata::{Metadata, MetadataError};
pub use refusal::Refusal;
pub use request::{Client, ClientCredential, Form, UnsignedRequest, blank, json};
pub use response_context::ResponseContext;
pub use retry_after::{MAX_RETRY_AFTER, read as retry_after};
pub use token_response::{Granted, read};
