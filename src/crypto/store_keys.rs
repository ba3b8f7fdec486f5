//! The keys of one store: known from the start, or read when the store is first opened.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::jws::sha256;
use super::ring::KeyRing;
use crate::domain::Secret;
use crate::error::Result;
use crate::functions::UserFunctions;
use crate::secret_source::SecretSource;
use crate::sync::Mutex;

/// A key ring, and where it comes from if it is read.
pub struct StoreKeys {
    sources: Vec<SecretSource>,
    functions: Option<Arc<dyn UserFunctions>>,
    /// How long reading one of them may take.
    timeout: Duration,
    known: Mutex<Option<KnownKeys>>,
}

#[derive(Clone)]
struct KnownKeys {
    ring: Arc<KeyRing>,
    /// A digest of what it was made of.
    digest: Vec<u8>,
}

impl StoreKeys {
    /// The keys of `encryptionKey`. Those in files and of functions are read when they are first needed.
    ///
    /// # Errors
    /// Those of [`KeyRing::from_keys`], if no key is read.
    pub fn configured(
        sources: Vec<SecretSource>,
        functions: Option<Arc<dyn UserFunctions>>,
        timeout: Duration,
    ) -> Result<Self> {
        let texts: Option<Vec<_>> = sources.iter().map(|source| source.as_text().cloned()).collect();
        match texts {
            Some(keys) => Ok(KeyRing::from_keys(keys)?.into()),
            None => Ok(Self { sources, functions, timeout, known: Mutex::default() }),
        }
    }

    /// The key ring. The first call reads it; later ones find it in memory.
    ///
    /// # Errors
    /// Those of [`SecretSource::read`]; `Config` for what is not a key.
    pub async fn get(&self) -> Result<Arc<KeyRing>> {
        let known = self.known.lock().as_ref().map(|known| Arc::clone(&known.ring));
        match known {
            Some(ring) => Ok(ring),
            None => Ok(self.keep(self.read().await?)),
        }
    }

    /// The key ring, read once more; none if it is the same. For a record that the known keys do not open: the keys may
    /// have been replaced.
    pub async fn read_again(&self) -> Option<Arc<KeyRing>> {
        if self.sources.is_empty() {
            return None;
        }
        let read = self.read().await.ok()?;
        let is_known = self.known.lock().as_ref().is_some_and(|known| known.digest == read.digest);
        (!is_known).then(|| self.keep(read))
    }

    fn keep(&self, keys: KnownKeys) -> Arc<KeyRing> {
        let ring = Arc::clone(&keys.ring);
        *self.known.lock() = Some(keys);
        ring
    }

    async fn read(&self) -> Result<KnownKeys> {
        let (mut rings, mut all) = (Vec::new(), Zeroizing::new(Vec::new()));
        for source in &self.sources {
            let text = source.read(self.functions.as_deref(), self.timeout).await?;
            all.extend_from_slice(&sha256(text.expose().as_bytes()));
            let keys = if source.as_text().is_some() { vec![text] } else { list(&text) };
            rings.push(KeyRing::from_keys(keys).map_err(|error| match error.field() {
                Some(field) => source.error(error.message().trim_start_matches(field).trim_start()),
                None => error,
            })?);
        }
        let ring = rings.into_iter().reduce(KeyRing::and);
        let ring = ring.ok_or_else(|| crate::error::Error::config("encryptionKey", "contains no key"))?;
        Ok(KnownKeys { ring: Arc::new(ring), digest: sha256(&all) })
    }
}

impl From<KeyRing> for StoreKeys {
    fn from(ring: KeyRing) -> Self {
        Arc::new(ring).into()
    }
}

impl From<Arc<KeyRing>> for StoreKeys {
    fn from(ring: Arc<KeyRing>) -> Self {
        let known = KnownKeys { ring, digest: Vec::new() };
        Self { sources: Vec::new(), functions: None, timeout: Duration::ZERO, known: Mutex::new(Some(known)) }
    }
}

/// The keys in a text with commas between them, as `TOKEN_ENCRYPTION_KEY` has them.
fn list(text: &Secret) -> Vec<Secret> {
    let keys = text.expose().split(',').map(str::trim);
    keys.filter(|key| !key.is_empty()).map(Secret::new).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::crypto::{Context, generate_key};
    use crate::domain::ServiceName;

    fn context() -> Context {
        Context::new(&ServiceName::default(), "record")
    }

    #[tokio::test]
    async fn keys_in_a_file_are_read_once_and_again_when_they_open_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let (old, new) = (generate_key().unwrap(), generate_key().unwrap());
        fs::write(&path, format!("{}\n", old.expose())).unwrap();
        let keys = StoreKeys::configured(
            vec![SecretSource::of_file("encryptionKey.path", &path)],
            None,
            Duration::from_secs(5),
        )
        .unwrap();
        let before = keys.get().await.unwrap();
        let sealed = before.seal(&context(), &Secret::new("a")).unwrap();
        assert!(keys.read_again().await.is_none(), "nothing has changed");

        fs::write(&path, format!("{}, {}\n", new.expose(), old.expose())).unwrap();
        assert!(Arc::ptr_eq(&keys.get().await.unwrap(), &before), "it is not read again by itself");
        let after = keys.read_again().await.unwrap();
        assert!(Arc::ptr_eq(&keys.get().await.unwrap(), &after));
        assert_eq!(
            after.open(&context(), &sealed).unwrap().expose(),
            "a",
            "the list opens what was sealed before"
        );
        let by_new = KeyRing::from_keys(vec![new]).unwrap().seal(&context(), &Secret::new("b")).unwrap();
        assert_eq!(after.open(&context(), &by_new).unwrap().expose(), "b");

        fs::remove_file(&path).unwrap();
        assert!(keys.read_again().await.is_none(), "the known keys stay");
        assert!(keys.get().await.is_ok());
    }

    #[tokio::test]
    async fn an_error_names_the_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let file = SecretSource::of_file("TOKEN_ENCRYPTION_KEY_FILE", &path);
        let keys = StoreKeys::configured(vec![file], None, Duration::from_secs(5)).unwrap();
        for (content, message) in [
            (None, "TOKEN_ENCRYPTION_KEY_FILE names a file that does not exist"),
            (
                Some("short"),
                "TOKEN_ENCRYPTION_KEY_FILE must be 32 bytes in base64, 64 hexadecimal digits, or a passphrase of at \
                 least 16 characters",
            ),
            (Some(","), "TOKEN_ENCRYPTION_KEY_FILE contains no key"),
        ] {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let error = keys.get().await.unwrap_err();
            assert_eq!((error.message(), error.field()), (message, Some("TOKEN_ENCRYPTION_KEY_FILE")));
        }
        fs::write(&path, generate_key().unwrap().expose()).unwrap();
        assert!(keys.get().await.is_ok(), "an error is not remembered");
    }
}
