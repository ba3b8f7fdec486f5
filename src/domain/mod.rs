//! Values and rules, without I/O or a clock: what depends on the time takes it as an argument.

mod answer_fields;
mod backoff;
mod consent;
mod lifetime;
mod policy;
mod secret;
mod service_name;
mod timestamp;
mod token;
mod token_phase;

pub use answer_fields::AnswerFields;
pub use backoff::{Backoff, Jitter, MAX_RETRY_AFTER};
pub use consent::{Consent, ConsentExpiry, SeedDigest, Seeds};
pub use lifetime::Lifetime;
pub use policy::{MAX_LIFETIME, Policy};
pub use secret::Secret;
pub use service_name::ServiceName;
pub use timestamp::Timestamp;
pub use token::{AccessToken, Generation, TokenError, TokenSet, TokenType};
pub use token_phase::TokenPhase;
