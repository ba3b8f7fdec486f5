//! The keys of a store.

use std::sync::Arc;

use crate::config::{Config, CredentialSources};
use crate::crypto::{ClientKey, KeyRing, SigningKey, StoreKeys};
use crate::domain::Secret;
use crate::error::Result;
use crate::functions::UserFunctions;
use crate::secret_source::SecretSource;

/// The configured keys; without any, those that are derived from the credential, so that a copy of the store alone opens
/// nothing. Of several secrets, the first seals, and all of them open.
pub(super) fn of(
    config: &Config,
    client_key: Option<Arc<ClientKey>>,
    functions: Option<Arc<dyn UserFunctions>>,
) -> Result<StoreKeys> {
    if !config.encryption_keys.is_empty() {
        return StoreKeys::configured(config.encryption_keys.clone(), functions, config.timeout);
    }
    let CredentialSources { client_secret, password } = &*config.credential_sources;
    let of_secrets = rings(client_secret, of_machine).or_else(|| rings(password, KeyRing::from_password));
    if let Some(ring) = of_secrets {
        return Ok(ring.into());
    }
    let certificate = config.credentials.client_certificate.as_ref();
    Ok(match client_key {
        Some(key) if key.config.is_readable() => {
            KeyRing::from_credential(move || key.get_blocking().map(SigningKey::as_credential)).into()
        }
        _ => of_machine(
            certificate.map_or_else(|| Secret::new(String::new()), |certificate| certificate.key.clone()),
        )
        .into(),
    })
}

/// The key ring of several secrets.
fn rings(secrets: &[SecretSource], ring: impl Fn(Secret) -> KeyRing) -> Option<KeyRing> {
    secrets.iter().filter_map(SecretSource::as_text).cloned().map(ring).reduce(KeyRing::and)
}

/// A key ring of a credential that a machine made.
fn of_machine(secret: Secret) -> KeyRing {
    KeyRing::from_credential(move || Ok(secret.clone()))
}
