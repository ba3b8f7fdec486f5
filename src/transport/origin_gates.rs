//! How many token requests are under way at once at one token server.

use std::sync::Arc;

use crate::config::Config;
use crate::gate::Gate;
use crate::sync::{Mutex, WeakMap};

/// The gates in use: one for all services of the process with the same token server and the same limit.
#[derive(Default)]
pub struct OriginGates(Mutex<WeakMap<(String, usize), Gate>>);

impl OriginGates {
    /// The gate that the token requests of this service pass. It is dropped with the last service that uses it.
    pub fn get(&self, config: &Config) -> Arc<Gate> {
        let origin = match config.first_url() {
            Some(url) => url.origin().ascii_serialization(),
            // Where a function logs in is unknown.
            None => config.service.to_string(),
        };
        let key = (origin, config.max_concurrent_requests);
        self.0.lock().get_or_insert_with(key, || Gate::new(config.max_concurrent_requests))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(extra: &Value) -> Config {
        let mut config =
            json!({ "clientId": "id", "clientSecret": "secret", "storage": { "kind": "memory" } });
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Config::from_json(config).unwrap()
    }

    #[test]
    fn services_of_one_token_server_share_a_gate_until_the_last_one_ends() {
        let gates = OriginGates::default();
        let at = |url: &str| gates.get(&config(&json!({ "authUrl": url })));
        let first = at("https://login.example.com/a/token");
        assert!(Arc::ptr_eq(&first, &at("https://login.example.com:443/b/token")));
        assert!(Arc::ptr_eq(
            &first,
            &gates.get(&config(&json!({ "issuer": "https://login.example.com/a" })))
        ));
        assert!(!Arc::ptr_eq(&first, &at("https://other.example.com/a/token")));
        let limited = json!({ "authUrl": "https://login.example.com/a/token", "maxConcurrentRequests": 2 });
        assert!(!Arc::ptr_eq(&first, &gates.get(&config(&limited))));
        let own = |service: &str| {
            Config::from_json(json!({
                "service": service, "login": { "function": true }, "storage": { "kind": "memory" },
            }))
            .unwrap()
        };
        let (one, other) = (gates.get(&own("a")), gates.get(&own("b")));
        assert!(!Arc::ptr_eq(&one, &other), "where their functions log in is unknown");
        let ended = Arc::downgrade(&first);
        drop(first);
        assert!(ended.upgrade().is_none());
    }
}
