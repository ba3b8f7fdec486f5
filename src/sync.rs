//! A mutex without poisoning.
//!
//! A panic while a lock is held cannot leave a partial change behind: guarded values are replaced in one step
//! or checked again by their readers. Later callers can therefore continue, whereas std's mutex would make
//! them panic, too.

mod weak_map;

use std::sync::PoisonError;

pub use std::sync::MutexGuard;
pub use weak_map::WeakMap;

/// [`std::sync::Mutex`] without poisoning: a panicking thread simply releases the lock.
#[derive(Debug, Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex that guards `value`.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits for the lock and acquires it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_panic_under_the_lock_leaves_it_usable() {
        let shared = Arc::new(Mutex::new(1));
        let other = Arc::clone(&shared);
        let panicked = thread::spawn(move || {
            let mut value = other.lock();
            *value = 2;
            panic!("under the lock");
        });
        assert!(panicked.join().is_err());
        assert_eq!(*shared.lock(), 2);
    }
}
