//! The HTTP client against servers that misbehave, over real sockets on loopback.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "each test has its own runtime")]

mod failures;
mod logins;
mod redirects;
mod requests;
mod responses;
mod server;
