//! TLS with the servers of stores, as with servers of tokens: the same certificates are trusted.

use std::error::Error as StdError;
use std::sync::Arc;

use rustls::ClientConfig;

use super::environment::Environment;
use super::failure;
use super::shared;
use super::tls;
use super::trust::Trust;
use crate::error::Result;

/// The certificates that the server of a store may have.
#[derive(Clone, Default)]
pub struct StoreTls {
    trust: Trust,
    key: Vec<u8>,
}

impl StoreTls {
    /// Those of the system and of the environment, and `ca` of the configuration.
    pub fn new(ca: &[String], environment: &Environment) -> Self {
        let mut trust = Trust { ca: ca.to_vec(), ..Trust::default() };
        trust.add_environment(environment);
        Self { trust, key: shared::key(ca, environment, None) }
    }

    /// The same for the same certificates, and only for those.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The configuration of a client. This blocks.
    ///
    /// # Errors
    /// `Config`, naming `ca`, and `Tls`.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let (mut client, _) = tls::client(&self.trust, None)?;
        // It is not HTTP.
        client.alpn_protocols.clear();
        Ok(Arc::new(client))
    }
}

/// Why TLS failed, if that is what this error is about.
pub fn store_tls_fault(error: &(dyn StdError + 'static)) -> Option<String> {
    failure::find::<rustls::Error>(error).map(failure::tls_reason)
}
