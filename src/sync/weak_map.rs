//! What is shared as long as someone uses it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// Values by key, each until the last user drops it.
///
/// Keys of dropped values are removed whenever the map has doubled: an insertion costs the same however many values there
/// are.
#[derive(Debug)]
pub struct WeakMap<K, V> {
    entries: HashMap<K, Weak<V>>,
    purge_at: usize,
}

impl<K, V> Default for WeakMap<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), purge_at: 0 }
    }
}

impl<K: Eq + Hash, V> WeakMap<K, V> {
    /// The value of this key, if it is in use.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        self.entries.get(key).and_then(Weak::upgrade)
    }

    /// The value of this key, or the one that `make` makes.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> Arc<V>) -> Arc<V> {
        self.get(&key).unwrap_or_else(|| {
            let value = make();
            self.insert(key, &value);
            value
        })
    }

    /// Puts in a value, in place of another.
    pub fn insert(&mut self, key: K, value: &Arc<V>) {
        if self.entries.len() >= self.purge_at {
            self.entries.retain(|_, value| value.strong_count() > 0);
            self.purge_at = self.entries.len() * 2 + 8;
        }
        self.entries.insert(key, Arc::downgrade(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shared_until_its_last_user_drops_it() {
        let mut map = WeakMap::default();
        let one = map.get_or_insert_with("a", || Arc::new(1));
        assert!(Arc::ptr_eq(&one, &map.get_or_insert_with("a", || Arc::new(2))));
        drop(one);
        assert!(map.get(&"a").is_none());
        assert_eq!(*map.get_or_insert_with("a", || Arc::new(2)), 2);
    }

    #[test]
    fn keys_of_dropped_values_do_not_pile_up_and_those_in_use_stay() {
        let mut map = WeakMap::default();
        let kept: Vec<_> = (0..100).map(|n| map.get_or_insert_with(n, || Arc::new(n))).collect();
        for n in 100..10_000 {
            map.get_or_insert_with(n, || Arc::new(n));
        }
        assert!(map.entries.len() <= 300, "{}", map.entries.len());
        assert!(
            kept.iter().enumerate().all(|(n, value)| map.get(&n).is_some_and(|got| Arc::ptr_eq(&got, value)))
        );
    }
}
